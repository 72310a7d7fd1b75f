"""Life events: signs that something in somebody's life has changed, with the events that say so. A sign, never a fact.

An onset is several things of a kind within a short time, by somebody who was known long enough before and did none of
them. A change point is a moment after which somebody does something at another rate than before (likelihood ratio of
Poisson rates, penalised for having looked at every moment: Chen and Gupta, "Parametric Statistical Change Point
Analysis", 2012).
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from math import log
from typing import NamedTuple

import msgspec

from models.profile.state import DAY_MS

_EVIDENCE_MAX = 10  # occurrences that are told of
_MOMENTS_MAX = 2000  # latest occurrences that are looked at for a change point
_COUNT_MIN = 5  # occurrences without which no rate is known


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


class Occurrence(NamedTuple):
    """Something that somebody did."""

    at: int  # ms
    kind: str  # "event" or "category"
    name: str


class Sign(NamedTuple):
    """Something may have changed `since` then, ms, because of these."""

    name: str
    since: int
    evidence: tuple[Occurrence, ...]


class ChangePoint(NamedTuple):
    """From `at` on, ms, somebody did something so often a day, and before that so often."""

    at: int
    before: float
    after: float
    evidence: float  # natural logarithm of how much likelier a change is than none, after the penalty


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


def change_point(times: Sequence[int], start: int, now: int) -> ChangePoint | None:
    """The moment at which a rate has changed most, from occurrences, ms ascending, seen from `start` until `now`; None
    if no change is likelier than none."""
    seen = [at for at in times if start <= at <= now][-_MOMENTS_MAX:]
    if len(seen) == _MOMENTS_MAX:
        start = seen[0]
    total, whole = len(seen), (now - start) / DAY_MS
    if total < _COUNT_MIN or whole <= 0:
        return None
    best: ChangePoint | None = None
    for count, at in enumerate(seen):
        for moment, until in ((at, count), (at + 1, count + 1)):  # a rate may rise with an occurrence or fall after it
            days = (moment - start) / DAY_MS
            if not 0 < days < whole:
                continue
            before, after = until / days, (total - until) / (whole - days)
            gain = _likelihood(until, days) + _likelihood(total - until, whole - days) - _likelihood(total, whole)
            evidence = gain - 1.5 * log(max(total, 2))  # a rate and a moment more, by Schwarz's criterion
            if best is None or evidence > best.evidence:
                best = ChangePoint(moment, before, after, evidence)
    return best if best is not None and best.evidence > 0 else None


def _likelihood(count: int, days: float) -> float:
    """Of so many occurrences in so many days at their most likely rate, but for what all rates share."""
    return count * log(count / days) if count else 0.0
