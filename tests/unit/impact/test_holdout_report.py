"""The report on a holdout: who counts, what they brought, and what may be said of it."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.impact.drawing_impact_svg import impact_svg
from models.impact.holdout_outcomes import Entry, Measure, Measuring, Sums, brought
from models.impact.holdout_report import ImpactReport, impact_report, text, withheld_report
from models.profile.state import DAY_MS, MICRO, EventStats, Order, Profile

AT = 20_000 * DAY_MS
WEEK = Measure(outcome="revenue", within=7 * DAY_MS)


def spent(customer_id: int, *orders: tuple[float, float], currency: str = "EUR") -> Profile:
    """Somebody with orders: days after AT, amount."""
    profile = Profile(customer_id, AT)
    for number, (day, amount) in enumerate(orders):
        profile.orders[str(number)] = Order(AT + round(day * DAY_MS), 0, round(amount * MICRO), currency)
    return profile


def report(sums: Sums, percent: float = 20.0, currency: str = "") -> ImpactReport:
    return impact_report("vip", WEEK, sums, currency, "2026-01-01T00:00:00Z", percent)


def measured(effect: float, people: int = 4_000, seed: int = 1) -> Sums:
    """A fifth held out; each brings 20 on average, and the treated `effect` more."""
    rng = np.random.default_rng(seed)
    measuring = Measuring(WEEK, AT + 8 * DAY_MS, lambda _: True)
    for number in range(people):
        held_out = number % 5 == 0
        amount = rng.gamma(2, 10) + (0 if held_out else effect)
        measuring.add(spent(number, (1, amount)), Entry(AT, held_out))
    return measuring.sums


def test_only_what_came_after_the_entry_and_in_time_counts() -> None:
    profile = spent(1, (-1, 5), (0, 7), (0.1, 11), (7, 13), (7.1, 17))
    assert brought(profile, WEEK, AT) == {"EUR": 24}
    assert brought(profile, Measure(outcome="orders", within=7 * DAY_MS), AT) == {"": 2}
    profile.orders["2"].refunded = 4 * MICRO
    profile.orders["3"].cancelled = True
    assert brought(profile, WEEK, AT) == {"EUR": 7}


def test_an_event_counts_once_and_old_ones_by_whole_days() -> None:
    trial = Measure(outcome="event", event="Trial", within=7 * DAY_MS)
    profile = Profile(1, AT)
    assert brought(profile, trial, AT) == {}
    profile.events["Trial"] = EventStats(2, AT, AT, [AT + DAY_MS, AT + 2 * DAY_MS])
    assert brought(profile, trial, AT) == {"": 1}
    day = AT // DAY_MS
    profile.events["Trial"] = EventStats(3, AT, AT, [AT + 30 * DAY_MS], {day: 1})
    assert brought(profile, trial, AT) == {}
    profile.events["Trial"].older[day + 3] = 1
    assert brought(profile, trial, AT) == {"": 1}


def test_who_is_too_late_waits_and_who_may_not_be_looked_at_is_counted_apart() -> None:
    measuring = Measuring(WEEK, AT + 7 * DAY_MS, lambda profile: profile.customer_id != 3)
    for number, entered in enumerate((AT, AT + 1, AT, AT, AT)):
        measuring.add(spent(number, (1, 10)), Entry(entered, number == 4))
    assert (measuring.sums.people, measuring.sums.waiting, measuring.sums.withheld) == ((2, 1), 1, 1)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 1e4), st.sampled_from(["EUR", "USD"])), max_size=30))
def test_shards_add_up_to_the_whole(people: list[tuple[bool, float, str]]) -> None:
    whole, parts = (Measuring(WEEK, AT + 8 * DAY_MS, lambda _: True) for _ in range(2)), Sums()
    one, _ = whole
    for number, (held_out, amount, currency) in enumerate(people):
        profile, alone = spent(number, (1, amount), currency=currency), Measuring(WEEK, AT + 8 * DAY_MS, lambda _: True)
        for measuring in (one, alone):
            measuring.add(profile, Entry(AT, held_out))
        parts = parts.join(alone.sums)
    for currency in ("EUR", "USD", "GBP"):
        for mine, theirs in zip(one.sums.groups(currency), parts.groups(currency), strict=True):
            assert mine == pytest.approx(theirs)


def test_an_effect_is_found_with_its_interval() -> None:
    found = report(measured(effect=6))
    assert found.verdict == "better"
    assert found.low is not None and found.high is not None and found.difference is not None
    assert 0 < found.low < 6 < found.high
    assert found.relative is not None and found.relative[0] == pytest.approx(0.3, abs=0.08)
    assert found.detectable is not None and 1 < found.detectable < 6
    assert "better" in text(found) and "EUR" in text(found)
    assert found.notes == []


def test_nothing_is_not_distinguishable_and_says_what_would_have_been() -> None:
    alarms = sum(report(measured(effect=0, seed=seed, people=1_000)).verdict != "not distinguishable"
                 for seed in range(40))  # fmt: skip
    assert alarms <= 2
    found = report(measured(effect=0))
    assert found.people_needed is not None and found.people_needed > 4_000


def test_few_people_and_wrong_shares_are_said() -> None:
    for few in (report(Sums()), report(measured(effect=6, people=300))):
        assert (few.verdict, few.difference, few.low, few.high, few.relative) == (None,) * 5
        for told in (text(few), impact_svg(few)):
            assert "nothing can be said yet" in told and "distinguishable" not in told
        ET.fromstring(impact_svg(few))
    assert any("20.0% were held out where 50.0% should be" in note for note in report(measured(0), 50.0).notes)


def test_without_a_share_the_reason_is_said() -> None:
    nobody = report(Sums(people=(500, 500)))
    assert (nobody.verdict, nobody.relative) == ("not distinguishable", None)
    assert nobody.notes[-1].endswith("the difference is not told in percent")


def test_one_currency_counts_and_others_are_named() -> None:
    measuring = Measuring(WEEK, AT + 8 * DAY_MS, lambda _: True)
    for number in range(30):
        measuring.add(spent(number, (1, 10), currency="EUR" if number % 3 else "USD"), Entry(AT, False))
    found = report(measuring.sums, 0)
    assert found.unit == "EUR" and found.treated is not None
    assert (found.treated.people, found.treated.total) == (30, 200)
    assert "other currencies does not count: USD" in found.notes[-1]
    dollars = report(measuring.sums, 0, "USD")
    assert dollars.treated is not None and dollars.treated.total == 100


@pytest.mark.parametrize("effect", [6, 0, -6])
def test_the_picture_is_xml_and_says_all(effect: float) -> None:
    found = report(measured(effect))
    picture = impact_svg(found)
    ET.fromstring(picture)
    assert str(found.verdict) in picture and "held out" in picture and "no difference" in picture


def test_figures_of_too_few_are_nowhere() -> None:
    hidden = withheld_report(report(measured(effect=6)))
    for told in (text(hidden), impact_svg(hidden)):
        assert "people   " not in told and "20." not in told.replace("2026-", "")
    ET.fromstring(impact_svg(hidden))
