"""Behaviors: how often and when each event happened, exact for the latest RECENT_MAX, by day for the older ones.

The latest RECENT_MAX of a multiset of times, and the days of the rest, depend on the multiset alone: so do
the statistics, in whatever order the times come.
"""

from bisect import insort

from models.events.event import Event
from models.profile.state import DAY_MS, RECENT_MAX, EventStats

PAGE_VIEWED = "Page Viewed"
SCREEN_VIEWED = "Screen Viewed"


def names_of(event: Event) -> tuple[str, ...]:
    """Names that the event counts under: a named view counts as a view, and as a view of that page or screen."""
    if event.type == "track":
        return (event.name,) if event.name else ()
    if event.type == "page":
        return (PAGE_VIEWED, f"{PAGE_VIEWED}: {event.name}") if event.name else (PAGE_VIEWED,)
    if event.type == "screen":
        return (SCREEN_VIEWED, f"{SCREEN_VIEWED}: {event.name}") if event.name else (SCREEN_VIEWED,)
    return ()


def count_event(events: dict[str, EventStats], name: str, at: int) -> None:
    """Counts one occurrence at `at` (ms)."""
    stats = events.get(name)
    if stats is None:
        events[name] = EventStats(1, at, at, [at])
        return
    stats.count += 1
    recent = stats.recent
    if at >= stats.last:
        stats.last = at
        recent.append(at)
    else:
        if at < stats.first:
            stats.first = at
        insort(recent, at)
    if len(recent) > RECENT_MAX:
        day = recent.pop(0) // DAY_MS
        stats.older[day] = stats.older.get(day, 0) + 1


def merge_events(into: dict[str, EventStats], other: dict[str, EventStats]) -> None:
    """Joins two persons' statistics, event by event."""
    for name, theirs in other.items():
        stats = into.get(name)
        if stats is None:
            into[name] = EventStats(theirs.count, theirs.first, theirs.last, list(theirs.recent), dict(theirs.older))
            continue
        stats.count += theirs.count
        stats.first = min(stats.first, theirs.first)
        stats.last = max(stats.last, theirs.last)
        times = sorted(stats.recent + theirs.recent)
        aged, stats.recent = times[:-RECENT_MAX], times[-RECENT_MAX:]
        older = stats.older
        for day, count in theirs.older.items():
            older[day] = older.get(day, 0) + count
        for at in aged:
            day = at // DAY_MS
            older[day] = older.get(day, 0) + 1


def count_by_day(stats: EventStats) -> dict[int, int]:
    """Day number (ms // DAY_MS) -> occurrences, ascending by day."""
    days = dict(stats.older)
    for at in stats.recent:
        day = at // DAY_MS
        days[day] = days.get(day, 0) + 1
    return dict(sorted(days.items()))
