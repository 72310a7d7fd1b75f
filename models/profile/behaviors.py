"""Behaviors: how often and when each event happened, exact for the latest RECENT_MAX, by day for the older ones.

Beside each exact time are the properties of that occurrence. The latest RECENT_MAX of a multiset of occurrences
(ordered by time, then properties), and the days of the rest, depend on the multiset alone: so do the statistics, in
whatever order the occurrences come, as long as no limit is reached.
"""

from bisect import bisect_left, bisect_right, insort

from models.events.event import Event
from models.profile.policy import ProfileLimits
from models.profile.room import leave_out
from models.profile.state import DAY_MS, RECENT_MAX, EventStats

PAGE_VIEWED = "Page Viewed"
SCREEN_VIEWED = "Screen Viewed"
_TIMES_MIN = 16  # exact times that every name may have
_MEASURED_EVERY = 16  # occurrences of a name between two looks at the room that properties take
_LARGE = 1024  # bytes of properties that are looked at at once
_SECTION = "behaviors"


def names_of(event: Event) -> tuple[str, ...]:
    """Names that the event counts under: a named view counts as a view, and as a view of that page or screen."""
    if event.type == "track":
        return (event.name,) if event.name else ()
    if event.type == "page":
        return (PAGE_VIEWED, f"{PAGE_VIEWED}: {event.name}") if event.name else (PAGE_VIEWED,)
    if event.type == "screen":
        return (SCREEN_VIEWED, f"{SCREEN_VIEWED}: {event.name}") if event.name else (SCREEN_VIEWED,)
    return ()


def count_event(
    events: dict[str, EventStats],
    name: str,
    at: int,
    detail: bytes,
    limits: ProfileLimits,
    beyond: dict[str, int],
) -> bool:
    """Counts one occurrence at `at` (ms), with its packed properties. Returns False for one more name than the limits
    allow."""
    stats = events.get(name)
    if stats is None:
        if len(events) >= limits.events or len(name) > limits.text:
            leave_out(beyond, _SECTION)
            return False
        events[name] = EventStats(1, at, at, [at], details=[detail] if detail else [])
        return True
    stats.count += 1
    recent = stats.recent
    if at < stats.first:
        stats.first = at
    if stats.older and at < recent[0]:
        _count_day(events, stats, at, limits, beyond)
        return True
    if detail or stats.details:
        _insert_detail(stats, at, detail)
    elif at >= stats.last:
        recent.append(at)
    else:
        insort(recent, at)
    if at > stats.last:
        stats.last = at
    if len(recent) > RECENT_MAX or (
        len(events) * RECENT_MAX > limits.exact_times
        and len(recent) > _TIMES_MIN
        and sum([len(one.recent) for one in events.values()]) > limits.exact_times
    ):
        _age(events, stats, limits, beyond)
    if detail and (stats.count % _MEASURED_EVERY == 0 or len(detail) > _LARGE):
        _bound_details(events, stats, limits, beyond)
    return True


def merge_events(
    into: dict[str, EventStats], other: dict[str, EventStats], limits: ProfileLimits, beyond: dict[str, int]
) -> None:
    """Joins two persons' statistics, event by event. Takes over the lists of `other`."""
    for name, theirs in other.items():
        stats = into.get(name)
        if stats is None:
            if len(into) >= limits.events:
                leave_out(beyond, _SECTION, theirs.count)
                continue
            into[name] = theirs
            continue
        stats.count += theirs.count
        stats.first = min(stats.first, theirs.first)
        stats.last = max(stats.last, theirs.last)
        stats.undetailed = max(stats.undetailed, theirs.undetailed)
        occurrences = sorted([*_detailed(stats), *_detailed(theirs)])
        aged, kept = occurrences[:-RECENT_MAX], occurrences[-RECENT_MAX:]
        stats.recent = [at for at, _ in kept]
        stats.details = [detail for _, detail in kept] if any(detail for _, detail in kept) else []
        older = stats.older
        for day, count in theirs.older.items():
            older[day] = older.get(day, 0) + count
        for at, _ in aged:
            day = at // DAY_MS
            older[day] = older.get(day, 0) + 1
    _bound(into, limits, beyond)


def count_by_day(stats: EventStats) -> dict[int, int]:
    """Day number (ms // DAY_MS) -> occurrences, ascending by day."""
    days = dict(stats.older)
    for at in stats.recent:
        day = at // DAY_MS
        days[day] = days.get(day, 0) + 1
    return dict(sorted(days.items()))


def _detailed(stats: EventStats) -> list[tuple[int, bytes]]:
    """The exact times with their packed properties."""
    return list(zip(stats.recent, stats.details or [b""] * len(stats.recent), strict=True))


def _insert_detail(stats: EventStats, at: int, detail: bytes) -> None:
    recent, details = stats.recent, stats.details
    if not details:
        details = stats.details = [b""] * len(recent)
    place = bisect_right(recent, at)
    if place and recent[place - 1] == at:
        place = bisect_left(details, detail, bisect_left(recent, at), place)
    recent.insert(place, at)
    details.insert(place, detail)


def _age(events: dict[str, EventStats], stats: EventStats, limits: ProfileLimits, beyond: dict[str, int]) -> None:
    """Counts the name's oldest exact time by its day."""
    if stats.details:
        stats.details.pop(0)
        if not any(stats.details):
            stats.details = []
    _count_day(events, stats, stats.recent.pop(0), limits, beyond)


def _count_day(
    events: dict[str, EventStats], stats: EventStats, at: int, limits: ProfileLimits, beyond: dict[str, int]
) -> None:
    """Counts an occurrence by its day; a day too many takes the place of the name's oldest."""
    older = stats.older
    day = at // DAY_MS
    if day in older:
        older[day] += 1
        return
    older[day] = 1
    if sum([len(one.older) for one in events.values()]) > limits.days:
        leave_out(beyond, _SECTION, older.pop(min(older)))


def _bound_details(
    events: dict[str, EventStats], stats: EventStats, limits: ProfileLimits, beyond: dict[str, int]
) -> None:
    """Drops the properties of the older half of a name's occurrences, if those of all names take too much room."""
    while (
        sum([len(detail) for one in events.values() for detail in one.details]) > limits.property_bytes
        and stats.details
    ):
        held = [place for place, detail in enumerate(stats.details) if detail]
        for place in held[: len(held) // 2 + 1]:
            stats.details[place] = b""
        stats.undetailed = max(stats.undetailed, stats.recent[held[len(held) // 2]])
        leave_out(beyond, "properties", len(held) // 2 + 1)
        if not any(stats.details):
            stats.details = []


def _bound(events: dict[str, EventStats], limits: ProfileLimits, beyond: dict[str, int]) -> None:
    """Brings joined statistics back under the limits: fewer exact times, then fewer days, of the names with most."""
    if sum([len(stats.recent) for stats in events.values()]) > limits.exact_times:
        most = max(_TIMES_MIN, limits.exact_times // len(events))
        for stats in events.values():
            aged, stats.recent = stats.recent[:-most], stats.recent[-most:]
            stats.details = stats.details[-most:]
            for at in aged:
                stats.older[at // DAY_MS] = stats.older.get(at // DAY_MS, 0) + 1
    if sum([len(stats.older) for stats in events.values()]) > limits.days:
        most = limits.days // len(events)
        for stats in events.values():
            for day in sorted(stats.older)[: max(0, len(stats.older) - most)]:
                leave_out(beyond, _SECTION, stats.older.pop(day))
    for stats in events.values():
        if stats.details:
            _bound_details(events, stats, limits, beyond)
