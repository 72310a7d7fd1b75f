"""When things count: each occurrence counts during a span of time, and a verdict flips where spans begin or end.

A judge is a function of (profile, now) that gives a judgement: whether its criterion holds, and the time
of the next flip, before which it cannot change unless the profile does. NEVER is a flip that does not come.
"""

from collections.abc import Callable, Iterable

from models.profile.state import DAY_MS, EventStats, Profile
from models.segments.criteria import Moment, Relative, Rolling, Window
from models.segments.times import FOREVER

NEVER = FOREVER
Judgement = tuple[bool, int]  # holds now; ms of the next flip, later than now
Judge = Callable[[Profile, int], Judgement]

Occurrence = tuple[int, int, int]  # ms, how many, amount
Span = tuple[int, int, int, int]  # from (ms, inclusive), until (ms, exclusive), how many, amount
Holds = Callable[[int, int], bool]  # of how many and amount in all


def judge_spans(spans: Iterable[Span], now: int, holds: Holds) -> Judgement:
    """Judges the sums over the spans that contain `now`; walks the later edges to the first flip. O(n log n)."""
    count = amount = 0
    edges: list[tuple[int, int, int]] = []
    for begin, end, many, much in spans:
        if end <= now or end <= begin:
            continue
        if begin <= now:
            count += many
            amount += much
        else:
            edges.append((begin, many, much))
        if end < FOREVER:
            edges.append((end, -many, -much))
    held = holds(count, amount)
    if not edges:
        return held, NEVER
    edges.sort()
    final = len(edges) - 1
    for i, (at, many, much) in enumerate(edges):
        count += many
        amount += much
        # Edges of one millisecond take effect together.
        if (i == final or edges[i + 1][0] != at) and holds(count, amount) != held:
            return held, at
    return held, NEVER


def occurrences(stats: EventStats) -> list[Occurrence]:
    """Every occurrence of an event. Those kept by day are at the start of the day, or at the first if that is later."""
    first = stats.first
    older = [(max(day * DAY_MS, first), many, 0) for day, many in stats.older.items()]
    return older + [(at, 1, 0) for at in stats.recent]


def in_window(found: Iterable[Occurrence], window: Window) -> list[Span]:
    """Spans during which the occurrences have happened and are inside the window."""
    if isinstance(window, Rolling):
        length = window.length
        return [(at, at + length, many, much) for at, many, much in found]
    start, end = window.start, window.end
    return [(at, FOREVER, many, much) for at, many, much in found if start <= at < end]


def judge_first_or_last(
    found: list[Occurrence], window: Window, measure: str, operator: str, moment: Moment, now: int
) -> Judgement:
    """Judges whether the first or last occurrence inside the window is before or after a moment."""
    late = measure == "last"
    if not isinstance(window, Rolling):
        found = [each for each in found if window.start <= each[0] < window.end]
    if not found:
        return False, NEVER
    latest = max(found)[0]
    if latest <= now:
        if not isinstance(window, Rolling):
            return judge_moment(latest if late else min(found)[0], operator, moment, now)
        if late:
            return judge_latest(latest, window.length, operator, moment, now)
    return _judge_beyond(in_window(found, window), late, operator, moment, now)


def judge_latest(latest: int, length: int, operator: str, moment: Moment, now: int) -> Judgement:
    """Judges the last occurrence inside a rolling window, given the last of all, which has happened."""
    leaves = latest + length
    if leaves <= now:
        return False, NEVER
    holds, flip = judge_moment(latest, operator, moment, now)
    if holds:
        return True, min(flip, leaves)
    return False, flip if flip < leaves else NEVER


def _judge_beyond(inside: list[Span], late: bool, operator: str, moment: Moment, now: int) -> Judgement:
    """First or last by counting, while occurrences come and go.

    The last is after a moment if any occurrence is; it is before it if there is one, and none at or after
    it. The first likewise, mirrored. So the spans carry two sums: occurrences in the window, and of those
    the ones beyond the moment.
    """
    seeking = late == (operator == "after")  # looks for one beyond the moment; otherwise there must be none
    inclusive = not seeking  # one at the moment itself is beyond it when there must be none
    spans: list[Span] = []
    for begin, end, many, _ in inside:
        spans.append((begin, end, many, 0))
        if isinstance(moment, Relative):
            # As time goes on the moment passes `begin`: what was late is then early.
            passed = begin - moment.offset + (1 if inclusive == late else 0)
            spans.append((begin, min(end, passed), 0, many) if late else (max(begin, passed), end, 0, many))
        elif (begin == moment.at and inclusive) or (begin > moment.at if late else begin < moment.at):
            spans.append((begin, end, 0, many))
    return judge_spans(spans, now, _some_beyond if seeking else _none_beyond)


def judge_moment(at: int, operator: str, moment: Moment, now: int) -> Judgement:
    """Judges whether one known time is before or after a moment, strictly. It flips at most once."""
    if not isinstance(moment, Relative):
        return (at < moment.at if operator == "before" else at > moment.at), NEVER
    reached = at - moment.offset  # when the moment is exactly `at`
    if operator == "before":
        return (True, NEVER) if now > reached else (False, reached + 1)
    return (True, reached) if now < reached else (False, NEVER)


def next_edge(times: Iterable[int], window: Window, now: int) -> int:
    """The first moment after `now` at which one of these occurrences comes or leaves the window; NEVER if none."""
    first = NEVER
    if isinstance(window, Rolling):
        for at in times:
            edge = at if at > now else at + window.length
            if now < edge < first:
                first = edge
        return first
    for at in times:
        if now < at < first and window.start <= at < window.end:
            first = at
    return first


def is_inside(at: int, window: Window, now: int) -> bool:
    """Whether an occurrence has happened and is inside the window."""
    if at > now:
        return False
    return at > now - window.length if isinstance(window, Rolling) else window.start <= at < window.end


def count_bounds(operator: str, value: int | None) -> tuple[int, int, bool]:
    """(low, high, wanted): the operator holds if low <= count <= high is `wanted`."""
    number = value or 0
    match operator:
        case "exists":
            return 1, FOREVER, True
        case "not_exists":
            return 0, 0, True
        case "equals":
            return number, number, True
        case "not_equals":
            return number, number, False
        case "greater_than":
            return number + 1, FOREVER, True
        case "at_least":
            return number, FOREVER, True
        case "at_most":
            return 0, number, True
    # less_than; below 0 there is nothing, which is to say: not "0 or more"
    return (0, number - 1, True) if number else (0, FOREVER, False)


def count_holds(low: int, high: int, wanted: bool) -> Holds:
    """The bounds as a test of sums."""
    return lambda count, amount: (low <= count <= high) == wanted


def _some_beyond(count: int, beyond: int) -> bool:
    return beyond > 0


def _none_beyond(count: int, beyond: int) -> bool:
    return count > 0 and beyond == 0
