"""Life events: signs that something in somebody's life has changed, with the events that say so. A sign, never a fact.

An onset is several things of a kind within a short time, by somebody who was known long enough before and did none of
them. Changes of rate are in `models.scoring.rate_changes`.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from models.profile.state import DAY_MS

_EVIDENCE_MAX = 10  # occurrences that are told of


class OnsetRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What makes a sign. Names are patterns: * stands for any characters, whatever their case."""

    events: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # of products in orders
    at_least: int = 2
    within_days: int = 60
    quiet_days: int = 180  # before the first, without any

    def __post_init__(self) -> None:
        if not self.events and not self.categories:
            raise ValueError("expected events or categories, or both")
        if self.at_least < 1 or self.within_days < 1 or self.quiet_days < 1:
            raise ValueError("at_least, within_days and quiet_days must be 1 or more")

    def matches(self, occurrence: "Occurrence") -> bool:
        patterns = self.events if occurrence.kind == "event" else self.categories
        return any(fnmatchcase(occurrence.name.lower(), pattern.lower()) for pattern in patterns)


# Of moves, pets and travel alone: what tells of health, family or belief is for those to decide who have the basis.
DEFAULT_LIFE_EVENTS: dict[str, OnsetRule] = {
    "moving": OnsetRule(categories=("*moving*", "*furniture*", "*home improvement*"), at_least=3, within_days=60),
    "new_pet": OnsetRule(categories=("*pet *", "*pets*", "*dog *", "*cat *"), at_least=2, within_days=60),
    "travel": OnsetRule(categories=("*luggage*", "*travel*"), at_least=2, within_days=30),
}


class Occurrence(NamedTuple):
    """Something that somebody did."""

    at: int  # ms
    kind: str  # "event", "category" or "order"
    name: str


class Pace(NamedTuple):
    """How often something was done."""

    times: int
    days: int  # within so many


class Sign(NamedTuple):
    """Something may have changed `since` then, ms, because of these."""

    name: str
    since: int
    evidence: tuple[Occurrence, ...]
    paces: tuple[Pace, Pace] | None = None  # before and after, of a change of rate


def signs(rules: dict[str, OnsetRule], occurrences: Iterable[Occurrence], known_since: int, now: int) -> list[Sign]:
    """The signs that are there at `now`, latest first. `known_since`: ms of the first that is known of the person."""
    past = sorted(occurrence for occurrence in occurrences if occurrence.at <= now)
    found = [sign for name, rule in rules.items() if (sign := _onset(name, rule, past, known_since)) is not None]
    return sorted(found, key=lambda sign: (-sign.since, sign.name))


def _onset(name: str, rule: OnsetRule, past: Sequence[Occurrence], known_since: int) -> Sign | None:
    """The latest onset by a rule."""
    matching = [occurrence for occurrence in past if rule.matches(occurrence)]
    previous = known_since
    found = None
    for place, first in enumerate(matching):
        if first.at - previous >= rule.quiet_days * DAY_MS:
            end = first.at + rule.within_days * DAY_MS
            evidence = tuple(occurrence for occurrence in matching[place:] if occurrence.at < end)
            if len(evidence) >= rule.at_least:
                found = Sign(name, first.at, evidence[:_EVIDENCE_MAX])
        previous = first.at
    return found
