"""Life events: onsets by rule, and none where there is none."""

import pytest

from models.profile.state import DAY_MS
from models.scoring.life_events import Occurrence, OnsetRule, signs

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
