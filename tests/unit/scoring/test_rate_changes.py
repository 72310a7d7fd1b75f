"""Changes of rate: found where they are, with what says so."""

from models.profile.state import DAY_MS, MICRO, EventStats, Folded, Order, Profile, Totals
from models.scoring.insights import told_signs
from models.scoring.rate_changes import (
    DEFAULT_RATE_CHANGES,
    RateChanges,
    RateRule,
    rate_change,
)

FIRST = 20_000  # number of a day


def buyer(days: list[int]) -> Profile:
    profile = Profile(1, FIRST * DAY_MS, first_seen=FIRST * DAY_MS)
    for number, day in enumerate(days):
        profile.orders[f"o{number}"] = Order((FIRST + day) * DAY_MS + number, 0, 10 * MICRO, "EUR")
    return profile


def signs(profile: Profile, today: int, rules: dict[str, RateRule] = DEFAULT_RATE_CHANGES) -> list[str]:
    found = RateChanges(rules).signs(profile, (FIRST + today) * DAY_MS, lambda name: True, True)
    return [sign.name for sign in found]


def test_somebody_who_stops_buys_less_since_the_last_purchase() -> None:
    weekly = buyer(list(range(0, 210, 7)))
    found = RateChanges(DEFAULT_RATE_CHANGES).signs(weekly, (FIRST + 320) * DAY_MS, lambda name: True, True)
    (told,) = told_signs(found, lambda at: str(at // DAY_MS - FIRST))
    assert (told["name"], told["since"]) == ("bought_less", "204")
    assert (told["before"], told["after"]) == ({"times": 29, "days": 203}, {"times": 0, "days": 116})
    assert told["evidence"] == [{"at": str(175 + 7 * n), "order": f"o{25 + n}"} for n in range(5)]
    assert signs(weekly, 220) == []  # not after two weeks


def test_somebody_who_begins_to_buy_often_is_told_of_with_both_sides() -> None:
    often = buyer([*range(0, 360, 60), *range(360, 440, 5)])
    found = RateChanges(DEFAULT_RATE_CHANGES).signs(often, (FIRST + 440) * DAY_MS, lambda name: True, True)
    (sign,) = found
    assert sign.name == "bought_more"
    assert sign.paces is not None
    before, after = sign.paces
    assert before.times / before.days < 1 / 50 < 1 / 7 < after.times / after.days
    assert [each.at >= sign.since for each in sign.evidence] == [False] * 5 + [True] * 5


def test_cancelled_orders_and_those_that_may_not_be_read_count_nothing() -> None:
    weekly = buyer(list(range(0, 210, 7)))
    found = RateChanges(DEFAULT_RATE_CHANGES)
    assert found.signs(weekly, (FIRST + 320) * DAY_MS, lambda name: True, False) == []
    for order in list(weekly.orders.values())[5:]:
        order.cancelled = True
    assert found.signs(weekly, (FIRST + 320) * DAY_MS, lambda name: True, True) == []


def test_what_is_not_known_one_by_one_is_not_taken_for_a_pause() -> None:
    """Of somebody with too many orders or days the oldest are sums: what is known begins after them."""
    weekly = buyer([0, *range(350, 560, 7)])
    assert signs(weekly, 560) == ["bought_more"]
    folded = Folded(first=FIRST * DAY_MS, last=(FIRST + 340) * DAY_MS, totals={"EUR": Totals(40, 400 * MICRO)})
    weekly.folded = folded
    assert signs(weekly, 560) == []
    rules = {"visits_more": RateRule(change="more", events=("*viewed",))}
    seen = [(FIRST + day) * DAY_MS for day in range(350, 560, 7)]
    viewer = Profile(1, 1)
    viewer.events["Page Viewed"] = EventStats(len(seen) + 1, FIRST * DAY_MS, seen[-1], seen, {FIRST: 1})
    assert signs(viewer, 560, rules) == ["visits_more"]
    viewer.events["Page Viewed"].count += 50
    viewer.events["Page Viewed"].older = {FIRST + 340: 1}  # those before it are left out
    assert signs(viewer, 560, rules) == []
    viewer.events["Product Viewed"] = EventStats(1, FIRST * DAY_MS, FIRST * DAY_MS, [FIRST * DAY_MS])
    assert signs(viewer, 560, rules) == []  # another that is known for longer says nothing of these


def test_events_are_those_that_may_be_read() -> None:
    rules = {"visits_less": RateRule(change="less", events=("visited *",))}
    seen = [(FIRST + day) * DAY_MS for day in range(0, 210, 7)]
    visitor = Profile(1, 1)
    visitor.events["Visited Shop"] = EventStats(len(seen), seen[0], seen[-1], seen)
    visitor.events["Opened"] = EventStats(1, seen[-1], seen[-1], [(FIRST + 300) * DAY_MS])
    found = RateChanges(rules)
    now = (FIRST + 320) * DAY_MS
    assert [sign.name for sign in found.signs(visitor, now, lambda name: True, False)] == ["visits_less"]
    assert found.signs(visitor, now, lambda name: name != "Visited Shop", True) == []


def test_few_days_say_nothing() -> None:
    assert rate_change([], FIRST) is None
    assert rate_change([1, 2, 3, 4, 5], 500) is None
    assert rate_change([1, 4, 7, 10, 13, 16], 17) is None
