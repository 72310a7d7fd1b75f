"""Every small case, beside the naive interpreter: chance finds the rare coincidences of two edges too seldom."""

from collections.abc import Iterator
from itertools import combinations_with_replacement, cycle, product

import pytest

from models.profile.state import DAY_MS
from tests.strategies.naive_segments import follow, holds
from tests.strategies.segment_strategies import DURATION_MS, HOUR_MS, NOON, NUMERIC, Criteria, History, iso

EVENT = "Viewed"
STEP_MS = 6 * HOUR_MS
# Up to three occurrences six hours apart, some of them together: all in the past of the later clocks.
TIMES = [
    [NOON + step * STEP_MS for step in steps]
    for count in (1, 2, 3)
    for steps in combinations_with_replacement(range(4), count)
]
CLOCKS = [NOON + step * STEP_MS + shift for step, shift in product((0, 2, 3, 4, 5), (-1, 0, 1))][:13]
WINDOWS: list[Criteria] = [
    {"last": "6h"},
    {"last": "12h"},
    {"last": "1d"},
    {"from": iso(NOON + STEP_MS), "to": iso(NOON + 2 * STEP_MS)},
    {"to": iso(NOON + STEP_MS)},
]


def event(window: Criteria | None, **fields: object) -> Criteria:
    clause = {"type": "behavioral", "event": EVENT, **fields}
    return clause if window is None else {**clause, "window": window}


def counts() -> Iterator[Criteria]:
    for operator, value, window in product(NUMERIC, range(4), [*WINDOWS, None]):
        yield event(window, operator=operator, value=value)


def moments() -> Iterator[Criteria]:
    values: list[object] = [{"ago": "6h"}, {"ago": "12h"}, {"ago": "1d"}, iso(NOON + STEP_MS), iso(NOON + 2 * STEP_MS)]
    for measure, operator, value, window in product(("first", "last"), ("before", "after"), values, [*WINDOWS, None]):
        yield event(window, measure=measure, operator=operator, value=value)


@pytest.mark.parametrize("clauses", [list(counts()), list(moments())], ids=["counts", "moments"])
def test_every_clause_on_every_small_history(clauses: list[Criteria]) -> None:
    clocks = cycle(CLOCKS)  # 13: it divides no other number here, so that no case keeps to a few clocks
    for clause, times, exact in product(clauses, TIMES, (1, 2, 256)):
        follow(clause, History(events={EVENT: times}, exact=exact), next(clocks))


def test_days_of_old_occurrences_count_from_their_start() -> None:
    first = NOON - 3 * DAY_MS
    times = [first, first + HOUR_MS, NOON - 2 * DAY_MS, NOON - DAY_MS, NOON]
    for exact, window, value in product((1, 2, 3, 4), ("1d", "2d", "30d"), range(6)):
        for operator in NUMERIC:
            clause = event({"last": window}, operator=operator, value=value)
            for at in times:
                for shift in (-1, 0, 1):
                    follow(clause, History(events={EVENT: times}, exact=exact), at + DURATION_MS[window] + shift)


SCALARS: list[object] = ["Oslo", "Os", "", "1", 1, 1.0, 2.5, 0, True, False, None]


def test_every_operator_on_every_kind_of_trait() -> None:
    clauses: list[Criteria] = []
    for value in SCALARS[:-1]:
        clauses += [{"operator": o, "value": value} for o in ("equals", "not_equals", "contains")]
        clauses += [{"operator": o, "value": [value, other]} for o in ("in", "not_in") for other in SCALARS[:-1]]
        clauses += [{"operator": o, "value": [value]} for o in ("in", "not_in")]
    clauses += [{"operator": "starts_with", "value": value} for value in ("Os", "1")]
    clauses += [{"operator": o} for o in ("exists", "not_exists")]
    clauses += [{"operator": o, "value": value} for o in NUMERIC[2:] for value in (0, 1, 2.5)]
    values = [*SCALARS, [], {}, {"Oslo": 1}, *([value] for value in SCALARS)]
    for clause, found in product(clauses, values):
        follow({"type": "demographic", "trait": "city", **clause}, History(traits={"city": found}), NOON)
    for clause in clauses:
        follow({"type": "demographic", "trait": "city", **clause}, History(), NOON)


def test_the_interpreter_itself() -> None:
    """A few verdicts by hand, so that the two do not agree on something wrong."""
    history = History(traits={"city": "Oslo"}, events={EVENT: [NOON, NOON + STEP_MS]})
    twice = event({"last": "12h"}, operator="equals", value=2)
    assert [holds(twice, history, NOON + ms) for ms in (STEP_MS - 1, STEP_MS, 2 * STEP_MS - 1, 2 * STEP_MS)] == [
        False,
        True,
        True,
        False,
    ]
    assert holds(
        {"not": {"type": "demographic", "trait": "city", "operator": "equals", "value": "oslo"}}, history, NOON
    )
