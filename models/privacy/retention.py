"""Retention: how long each piece of data is kept, and what of a profile and of its events is past that.

Data is kept while a purpose that it serves, and that has a basis for the person, keeps it: the longest of them counts.
What no purpose with a basis needs any more (it was withdrawn, or the person objected) is past its time at once. Times
are those at which things happened; of an attribute when its value was last told (first, with the policy `first`).

Never purged are consents; refusals among the preferences, which are objections; the birthday of a minor, on which
protection rests; and all of a person whose processing is restricted (article 18), which means to keep.
"""

from collections import Counter
from typing import NamedTuple

import msgspec

from models.events.event import Event
from models.privacy.corrections import CORRECTION
from models.privacy.gate import is_minor
from models.privacy.purposes import STATEMENT, DataKind, Purposes, is_restricted, said
from models.profile.behaviors import names_of
from models.profile.corrections import cover, uncover
from models.profile.realtime import MINUTE_MS
from models.profile.reduce import time_of
from models.profile.state import DAY_MS, Attribute, EventStats, Observation, Profile
from models.scoring.statements import SCORER_SOURCE

NOW = 1 << 62  # ms; kept from then on: nothing is
_OPT_IN = "_opt_in"

Purged = Counter[tuple[str, str]]
"""(purpose that kept it the longest, section) -> entries."""


class Term(NamedTuple):
    """Data of before `since` (ms) is past its time; `purpose` keeps it that long, of those that it serves."""

    since: int
    purpose: str


class Terms:
    """The terms of one person's data at `now` ms."""

    def __init__(
        self, purposes: Purposes, granted: frozenset[str], now: int, protected: frozenset[str] = frozenset()
    ) -> None:
        self._purposes = purposes
        self._now = now
        self.granted = granted
        self.protected = protected  # traits that stay whatever their term

    @property
    def newest(self) -> int:
        """Nothing from then on (ms) is past its time."""
        known = self._purposes.known
        if self._purposes.labels or not self.granted.issuperset(known):
            return NOW
        days = [purpose.retention_days for purpose in known.values() if purpose.retention_days]
        return self._now - min(days) * DAY_MS if days else 0

    def of(self, kind: DataKind, name: str) -> Term:
        """The term of a piece of data."""
        known = self._purposes.known
        serving = self._purposes.serving(kind, name)
        keeping = [purpose for purpose in serving if purpose in self.granted]
        if not keeping:
            return Term(NOW, serving[0] if serving else self._purposes.default)
        longest = max(keeping, key=lambda purpose: known[purpose].retention_days or NOW)
        days = known[longest].retention_days
        return Term(self._now - days * DAY_MS if days else 0, longest)


def terms_of(profile: Profile, purposes: Purposes, now: int) -> Terms | None:
    """The terms of a person's data; None if nothing may be purged."""
    if not purposes.is_on or is_restricted(profile.consents):
        return None
    minor = is_minor(profile, purposes, now)
    protected = frozenset(purposes.birthday_traits) if minor else frozenset()
    return Terms(purposes, purposes.granted(profile.consents, now, minor), now, protected)


def purge_profile(profile: Profile, terms: Terms) -> Purged:
    """Takes what is past its time out of a profile. Returns what that was."""
    gone: Purged = Counter()
    uncover(profile)
    _purge_attributes(profile, terms, gone)
    _purge_corrections(profile, terms, gone)
    cover(profile)
    _purge_behaviors(profile, terms, gone)
    _purge_orders(profile, terms.of("sections", "transactions"), gone)
    _purge_engagement(profile, terms.of("sections", "engagement"), gone)
    term = terms.of("sections", "preferences")
    for name, held in list(profile.preferences.items()):
        if held.timestamp < term.since and not (name.endswith(_OPT_IN) and held.value is not True):
            del profile.preferences[name]
            gone[term.purpose, "preferences"] += 1
    _purge_registers(profile.groups, terms.of("sections", "groups"), "groups", gone)
    term = terms.of("sections", "realTimeContext")
    _purge_registers(profile.context, term, "realTimeContext", gone)
    minutes = profile.active_minutes
    kept = [minute for minute in minutes if (minute + 1) * MINUTE_MS > term.since]
    if len(kept) < len(minutes):
        profile.active_minutes = kept
        gone[term.purpose, "realTimeContext"] += 1
    return gone


def is_empty(profile: Profile) -> bool:
    """Whether nothing is kept of a person but that they exist, what they have agreed to or refused, and what models
    make of that."""
    held = (profile.events, profile.orders, profile.channels, profile.preferences, profile.groups)
    told = any(attribute.winner.source != SCORER_SOURCE for attribute in profile.attributes.values())
    return not told and not any(held) and not profile.context and profile.folded is None


class Left(NamedTuple):
    """An event as it may be kept, and whether that is so little, and so long ago, that it may go altogether."""

    event: Event
    may_go: bool


def left_of(event: Event, terms: Terms, gone: Purged) -> Left:
    """What may still be kept of an event of the log. Its word on consent, and who it was of, stay while it does."""
    if event.type == STATEMENT:
        return Left(event, False)
    at = time_of(event)
    if event.type == CORRECTION:
        return Left(_blanked(event, at, terms, gone), False)
    traits = _current(event.traits, at, terms, gone) if event.type != "group" else event.traits
    context = event.context
    told = context.get("traits")
    if isinstance(told, dict):
        current = _current(told, at, terms, gone)
        if current is not told:
            context = {**context, "traits": current} if current else {k: v for k, v in context.items() if k != "traits"}
    term = terms.of("sections", "realTimeContext")
    needed = said(event) | {name: value for name, value in context.items() if name == "traits"}
    if at < term.since and context != needed:
        context = needed
        gone[term.purpose, "events.context"] += 1
    left = event
    if traits is not event.traits or context is not event.context:
        left = msgspec.structs.replace(event, traits=traits, context=context)
    term = _content_term(event, terms)
    if at < term.since and (names_of(event) or event.type == "group"):
        left = msgspec.structs.replace(
            left,
            type="identify",
            name="",
            traits={},
            properties={},
            group_id="",
            integrations={},
            original_timestamp=None,
            sent_at=None,
        )
        gone[term.purpose, "events"] += 1
    has_content = bool(names_of(left) or left.type == "group" or left.traits or left.context)
    return Left(left, not has_content and at < terms.of("sections", "identities").since)


def _content_term(event: Event, terms: Terms) -> Term:
    """The term of what was done: of all names that the event counts under, the longest."""
    if event.type == "group":
        return terms.of("sections", "groups")
    return min((terms.of("events", name) for name in names_of(event)), default=Term(0, ""))


def _current(traits: dict[str, object], at: int, terms: Terms, gone: Purged) -> dict[str, object]:
    kept = {}
    for name, value in traits.items():
        term = terms.of("traits", name)
        if at >= term.since or name in terms.protected:
            kept[name] = value
        else:
            gone[term.purpose, "events.traits"] += 1
    return kept if len(kept) < len(traits) else traits


def _blanked(event: Event, at: int, terms: Terms, gone: Purged) -> Event:
    """A correction without values that are past their time. That those of events are wrong stays."""
    traits = dict(event.traits)
    for name, value in event.traits.items():
        term = terms.of("traits", name)
        if value is not None and at < term.since and name not in terms.protected:
            traits[name] = None
            gone[term.purpose, "events.traits"] += 1
    return event if traits == event.traits else msgspec.structs.replace(event, traits=traits)


def _purge_attributes(profile: Profile, terms: Terms, gone: Purged) -> None:
    for name, attribute in list(profile.attributes.items()):
        term = terms.of("traits", name)
        if name in terms.protected or not term.since:
            continue
        left = _left_of_attribute(attribute, term.since)
        if left is attribute:
            continue
        if left is None:
            del profile.attributes[name]
        else:
            profile.attributes[name] = left
        gone[term.purpose, "attributes"] += 1


def _purge_corrections(profile: Profile, terms: Terms, gone: Purged) -> None:
    """What was corrected stays so while events tell it; after that the correction has the term of the trait."""
    for name, correction in list(profile.corrections.items()):
        term = terms.of("traits", name)
        if correction.stated.timestamp < term.since and name not in profile.attributes and name not in terms.protected:
            del profile.corrections[name]
            gone[term.purpose, "attributes"] += 1


def _left_of_attribute(attribute: Attribute, since: int) -> Attribute | None:
    if attribute.counts is None:
        return attribute if attribute.winner.timestamp >= since else None
    counts = {text: count for text, count in attribute.counts.items() if count[1] >= since}
    if len(counts) == len(attribute.counts):
        return attribute
    if not counts:
        return None
    text, (_, timestamp, tie, source) = max(counts.items(), key=lambda item: (item[1], item[0]))
    return Attribute(Observation(timestamp, tie, msgspec.json.decode(text), source), counts)


def _purge_behaviors(profile: Profile, terms: Terms, gone: Purged) -> None:
    for name, stats in list(profile.events.items()):
        term = terms.of("events", name)
        if stats.first >= term.since:
            continue
        left = _left_of_stats(stats, term.since)
        if left is not None and left.count == stats.count:
            continue  # the oldest are of a day that has not passed yet
        gone[term.purpose, "behaviors"] += stats.count - (left.count if left else 0)
        if left is None:
            del profile.events[name]
        else:
            profile.events[name] = left


def _left_of_stats(stats: EventStats, since: int) -> EventStats | None:
    """Occurrences since then. Those of which the day alone is known stay until that day is over."""
    older = {day: count for day, count in stats.older.items() if (day + 1) * DAY_MS > since}
    first = next((place for place, at in enumerate(stats.recent) if at >= since), len(stats.recent))
    recent, details = stats.recent[first:], stats.details[first:]
    count = len(recent) + sum(older.values())
    if not count:
        return None
    earliest = max(stats.first, min(older) * DAY_MS) if older else recent[0]
    last = recent[-1] if recent else min(stats.last, (max(older) + 1) * DAY_MS - 1)
    undetailed = stats.undetailed if stats.undetailed >= since else 0
    return EventStats(count, earliest, last, recent, older, details if any(details) else [], undetailed)


def _purge_orders(profile: Profile, term: Term, gone: Purged) -> None:
    """Of an order that was only refunded or cancelled no time is known: it goes as soon as the person has not been seen
    since. Sums of older orders cannot be divided: they go with the first of them."""
    for order_id, order in list(profile.orders.items()):
        if (order.timestamp or profile.last_seen) < term.since:
            del profile.orders[order_id]
            gone[term.purpose, "transactions"] += 1
    folded = profile.folded
    if folded is not None and (folded.first or profile.last_seen) < term.since:
        profile.folded = None
        gone[term.purpose, "transactions"] += 1


def _purge_engagement(profile: Profile, term: Term, gone: Purged) -> None:
    """What was counted on a channel cannot be divided: it goes once the channel has not been used since; when it was
    used first goes before."""
    for channel, stats in list(profile.channels.items()):
        if stats.last < term.since:
            del profile.channels[channel]
            gone[term.purpose, "engagement"] += 1
        elif stats.first < term.since:
            stats.first = stats.last
            gone[term.purpose, "engagement"] += 1


def _purge_registers(registers: dict[str, Observation], term: Term, section: str, gone: Purged) -> None:
    for name, held in list(registers.items()):
        if held.timestamp < term.since:
            del registers[name]
            gone[term.purpose, section] += 1
