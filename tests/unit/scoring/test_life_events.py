"""Life events: onsets by rule, and changes of rate, neither where there is none."""

import numpy as np
import pytest

from models.profile.state import DAY_MS
from models.scoring.life_events import Occurrence, OnsetRule, change_point, signs

RULES = {"new_baby": OnsetRule(events=("Baby *",), categories=("*nappies*", "baby/*"), at_least=3)}
START = 1_700_000_000_000


def day(number: float, name: str = "Baby/Food", kind: str = "category") -> Occurrence:
    return Occurrence(START + round(number * DAY_MS), kind, name)


def found(*occurrences: Occurrence, now: float = 1_000) -> list[tuple[str, float, int]]:
    told = signs(RULES, occurrences, START, START + round(now * DAY_MS))
    return [(sign.name, (sign.since - START) / DAY_MS, len(sign.evidence)) for sign in told]


def test_several_of_a_kind_after_none_are_a_sign() -> None:
    three = (day(200), day(220), day(230, "Baby Registry Viewed", "event"))
    assert found(*three) == [("new_baby", 200, 3)]
    assert found(*three[:2]) == []
    assert found(*three, now=225) == []  # not before the third
    assert found(day(200), day(220), day(261)) == []  # too far apart


def test_who_did_it_before_or_was_not_known_gives_none() -> None:
    assert found(day(100), day(200), day(220), day(230)) == []
    assert found(day(10), day(20), day(30)) == []
    assert found(day(200), day(210), day(220), day(600), day(601), day(602)) == [("new_baby", 600, 3)]


def test_other_things_do_not_count() -> None:
    assert found(*(day(200 + number, "toys") for number in range(9))) == []
    assert found(*(day(200 + number, "nappies size 2") for number in range(3))) == [("new_baby", 200, 3)]
    with pytest.raises(ValueError, match="events or categories"):
        OnsetRule()


def test_a_change_of_rate_is_found_where_it_is() -> None:
    rng = np.random.default_rng(1)
    times = sorted(rng.uniform(0, 100, 10).tolist() + rng.uniform(100, 130, 30).tolist())
    change = change_point([START + round(at * DAY_MS) for at in times], START, START + 130 * DAY_MS)
    assert change is not None
    assert (change.at - START) / DAY_MS == pytest.approx(100, abs=8)
    assert change.before == pytest.approx(0.1, abs=0.05)
    assert change.after == pytest.approx(1.0, abs=0.3)


def test_somebody_who_stops_has_changed() -> None:
    times = [START + number * DAY_MS for number in range(60)]
    change = change_point(times, START, START + 200 * DAY_MS)
    assert change is not None
    assert change.at == times[-1] + 1
    assert change.after == 0


def test_a_steady_rate_seldom_seems_to_change() -> None:
    rng = np.random.default_rng(2)
    seems = 0
    for _ in range(400):
        times = np.sort(rng.uniform(0, 300, rng.poisson(60)))
        seems += change_point([START + round(at * DAY_MS) for at in times], START, START + 300 * DAY_MS) is not None
    assert seems / 400 <= 0.05
    assert change_point([], START, START + DAY_MS) is None
