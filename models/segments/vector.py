"""Criteria over columns: which of all profiles meet them, at once. The same answer as the judge of each profile gives.

Each clause is answered for every slot from the columns. Slots of which the columns do not know enough (see
`models.segments.columns`) are asked of the profile, by the judge of that clause; the joins ask only where it matters.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from models.profile.engagement import RECENCY, SCORE_MS
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.profile.state import DAY_MS, Profile
from models.segments.column_sequences import find_sequences
from models.segments.column_values import as_number, compare_average, compare_numbers, of_nothing, unique_pairs
from models.segments.column_windows import (
    Found,
    Positions,
    compare_moment,
    counts,
    earlier,
    edges,
    extremes,
    inside,
    sums,
)
from models.segments.columns import DEPTH_MAX, Columns, EventColumn
from models.segments.compile import judge_of
from models.segments.computed import kind_of
from models.segments.criteria import (
    PRESENCE_OPERATORS,
    TIME_OPERATORS,
    AllOf,
    AnyOf,
    Behavioral,
    Comparison,
    Demographic,
    Engagement,
    EventValue,
    LifecycleStage,
    Node,
    Not,
    OrderValue,
    PropertyTest,
    Relative,
    Rolling,
    Sequence,
    Transactional,
    Window,
)
from models.segments.growing_array import Int64s, Mask
from models.segments.scalars import scalar_test
from models.segments.spans import NEVER, count_bounds
from models.segments.value_column import NO_AMOUNT, NO_MOMENT, compare_all

ProfileOf = Callable[[int], Profile]  # of a slot


class VectorEvaluator:
    """Answers criteria about all slots of `columns` at `now` (ms)."""

    def __init__(
        self, columns: Columns, profile_of: ProfileOf, now: int, rules: LifecycleRules = DEFAULT_RULES
    ) -> None:
        self._columns = columns
        self._profile_of = profile_of
        self._now = now
        self._rules = rules
        self._size = columns.size
        self._follows = False  # edges are asked for
        self.asked = 0  # profiles that had to be asked

    def members(self, tree: Node) -> Mask:
        """The slots of the profiles that meet the criteria (a tree without references)."""
        live = self._columns.live
        return self._node(tree, live)[0] & live

    def members_and_edges(self, tree: Node) -> tuple[Mask, Int64s | None]:
        """The same, with the earliest moment (ms) at which time alone may change each answer; None for never."""
        live = self._columns.live
        self._follows = True
        holds, moments = self._node(tree, live)
        self._follows = False
        return holds & live, moments

    def _edges(self, slots: Any, times: Int64s, window: Window) -> Int64s | None:
        return edges(slots, times, window, self._now, self._size) if self._follows else None

    def _node(self, node: Node, asked: Mask) -> tuple[Mask, Int64s | None]:
        """Answers that are right where `asked`."""
        match node:
            case AllOf(parts) | AnyOf(parts):
                every = isinstance(node, AllOf)
                holds = np.full(self._size, every)
                moments: Int64s | None = None
                for part in sorted(parts, key=_cost):
                    # Whoever fails one part of `all` may still flip through it: edges are taken of every part.
                    more, its = self._node(part, asked & holds if every else asked & ~holds)
                    holds = holds & more if every else holds | more
                    moments = earlier(moments, its)
                return holds, moments
            case Not(part):
                holds, moments = self._node(part, asked)
                return ~holds, moments
        found = self._clause(node)
        return self._ask(node, found, asked)

    def _ask(self, clause: Node, found: Found, asked: Mask) -> tuple[Mask, Int64s | None]:
        """Asks the profiles of hard slots. Where nobody asked, they may change at any moment."""
        hard = np.fromiter(found.hard, np.int64)
        if not len(hard):
            return found.holds, found.edges
        moments = np.full(self._size, NEVER, np.int64) if found.edges is None else found.edges.copy()
        judge = judge_of(clause, self._rules)
        live, now = self._columns.live, self._now
        for slot in hard[live[hard]]:
            if not asked[slot]:
                moments[slot] = now + 1
                continue
            self.asked += 1
            found.holds[slot], moments[slot] = judge(self._profile_of(int(slot)), now)
        return found.holds, moments

    def _clause(self, clause: Node) -> Found:
        match clause:
            case Demographic():
                return self._demographic(clause)
            case Behavioral():
                return self._behavioral(clause)
            case Transactional():
                return self._transactional(clause)
            case Engagement():
                return self._engagement(clause)
            case LifecycleStage():
                return self._lifecycle(clause)
            case Comparison():
                return self._comparison(clause)
            case Sequence():
                return find_sequences(clause, self._columns, self._now, self._occurrences)
        raise TypeError(f"{type(clause).__name__} is a reference: expand the tree first")

    def _nobody(self) -> Mask:
        return np.zeros(self._size, np.bool_)

    # Traits

    def _demographic(self, clause: Demographic) -> Found:
        columns, name, size = self._columns, clause.trait, self._size
        if name in columns.untracked_traits or name.partition(".")[0] in columns.untracked_traits:
            return Found(self._nobody(), None, np.flatnonzero(columns.live))
        if name.count(".") > DEPTH_MAX:
            return Found(self._nobody(), None, np.flatnonzero(columns.live))
        column = columns.traits.get(name)
        operator, moment = clause.operator, clause.value
        if operator in TIME_OPERATORS and isinstance(moment, Relative):
            if column is None:
                return Found(self._nobody())
            at = column.moments(size)
            return Found(*compare_moment(at, at != NO_MOMENT, operator, moment, self._now))
        if column is None:
            return Found(np.full(size, scalar_test(operator, moment)(None)))
        answer = column.test(operator, moment, size)
        return Found(answer.holds, None, () if answer.unsure is None else np.flatnonzero(answer.unsure))

    # Events

    def _occurrences(self, event: str, where: tuple[PropertyTest, ...]) -> tuple[EventColumn | None, Mask, set[int]]:
        """The occurrences that pass the tests, as positions, and the slots of those that may or may not."""
        column = self._columns.events.get(event)
        if column is None:
            hard = set() if self._columns.complete else set(map(int, np.flatnonzero(self._columns.live)))
            return None, np.zeros(0, np.bool_), hard
        length = column.slots.size
        passed = np.ones(length, np.bool_)
        if not where:
            return column, passed, set()
        unsure = np.zeros(length, np.bool_)
        for test in where:
            values = column.properties.get(test.property)
            if test.property in column.untracked:
                unsure |= passed
            elif values is None:
                if not scalar_test(test.operator, test.value)(None):
                    passed[:] = False
            else:
                answer = values.test(test.operator, test.value, length)
                if answer.unsure is not None:
                    unsure |= answer.unsure
                    passed &= answer.holds | answer.unsure
                else:
                    passed &= answer.holds
        unsure &= passed
        return column, passed, set(map(int, np.unique(column.slots.view(length)[unsure])))

    def _aged(self, column: EventColumn, window: Window) -> set[int]:
        """Slots of which the profile knows what is inside the window less exactly than the column."""
        begin = self._now - window.length if isinstance(window, Rolling) else window.start - 1
        return {slot for slot, since in column.aged.items() if begin < since}

    def _behavioral(self, clause: Behavioral) -> Found:
        column, passed, hard = self._occurrences(clause.event, clause.where)
        measure, operator, value, size = clause.measure, clause.operator, clause.value, self._size
        presence = operator in PRESENCE_OPERATORS
        if column is None:
            return Found(np.full(size, of_nothing(measure, operator, value)), None, hard)
        hard |= self._aged(column, clause.window)
        slots, times = column.slots.view(len(passed)), column.times.view(len(passed))
        if clause.where:
            chosen = np.flatnonzero(passed)
            slots, times = slots[chosen], times[chosen]
        within = inside(times, clause.window, self._now, column.latest)
        moments = self._edges(slots, times, clause.window)
        if measure == "count" or presence:
            low, high, wanted = count_bounds(operator, value)
            count = counts(slots[within], size)
            return Found(((count >= low) & (count <= high)) == wanted, moments, hard)
        if measure in ("first", "last"):
            at = extremes(slots[within], times[within], size, measure == "first")
            holds, flips = compare_moment(at, np.abs(at) != NEVER, operator, value, self._now)
            return Found(holds, earlier(moments, flips), hard)
        number, has, exact = self._measured(clause.measure, column, clause.property, passed, within)
        if measure == "average":
            holds, exact_too = compare_average(number, has, operator, value)
            exact = exact and exact_too
        elif measure in ("min", "max"):
            holds = np.where(has > 0, compare_all(operator, number, value), operator == "not_equals")
        else:
            holds = compare_all(operator, number, value)
        return Found(holds, moments, hard if exact else self._everybody(column))

    def _everybody(self, column: EventColumn) -> set[int]:
        return set(map(int, np.unique(column.slots.view(column.slots.size))))

    def _measured(
        self, measure: str, column: EventColumn, name: str, passed: Mask, within: Positions
    ) -> tuple[Int64s, Int64s, bool]:
        """A measure of a property by slot (amounts in micro-units, sums for the average), of how many values, and
        whether it is exact. `within`: of those passed, the ones inside the window."""
        size = self._size
        positions = np.flatnonzero(passed)[within]
        slots = column.slots.view(len(passed))[positions]
        values = column.properties.get(name)
        if name in column.untracked:
            return np.zeros(size, np.int64), np.zeros(size, np.int64), False
        if values is None:
            nothing = np.zeros(size, np.int64)
            return nothing, nothing, True
        if measure == "distinct":
            hashes = values.hashes(len(passed))[positions]
            there = hashes != 0
            pairs = unique_pairs(slots[there], hashes[there])
            count = counts(pairs, size)
            return count, count, True
        amounts = values.amounts(len(passed))[positions]
        there = amounts != NO_AMOUNT
        slots, amounts = slots[there], amounts[there]
        has = counts(slots, size)
        if measure in ("min", "max"):
            return extremes(slots, amounts, size, measure == "min"), has, True
        total, exact = sums(slots, amounts, size)
        return total, has, exact

    # Orders

    def _sales(self, clause: Transactional | OrderValue) -> tuple[Positions, Int64s | None, set[int]]:
        """The sales that a clause is about (an index), the amounts of all if these are not their revenue, and the hard
        slots."""
        orders, measure = self._columns.orders, clause.measure
        length = orders.slots.size
        hard = set(orders.folded)
        chosen: Positions = slice(None)
        if clause.currency:
            chosen = np.flatnonzero(orders.currency.test("equals", clause.currency, length).holds)
        elif measure in ("revenue", "average", "refunds"):
            hard |= orders.mixed
        if not (clause.product or clause.category):
            return chosen, None, hard
        lines = orders.line_sales.size
        of = np.ones(lines, np.bool_)
        if clause.product:
            of &= orders.product.test("equals", clause.product, lines).holds
        if clause.category:
            of &= orders.category.test("equals", clause.category, lines).holds
        lined = np.flatnonzero(of)
        sales = orders.line_sales.view(lines)[lined]
        theirs = np.flatnonzero(counts(sales, length))
        chosen = theirs if isinstance(chosen, slice) else np.intersect1d(chosen, theirs, assume_unique=True)
        amounts, exact = sums(sales, orders.line_revenue.view(lines)[lined], length)
        return chosen, amounts, hard if exact else set(map(int, np.unique(orders.slots.view(length))))

    def _transactional(self, clause: Transactional) -> Found:
        orders, size, window, measure = self._columns.orders, self._size, clause.window, clause.measure
        operator, value = clause.operator, clause.value
        chosen, amounts, hard = self._sales(clause)
        length = orders.slots.size
        slots, times = orders.slots.view(length)[chosen], orders.times.view(length)[chosen]
        within = inside(times, window, self._now, orders.latest)
        moments = self._edges(slots, times, window)
        if measure == "count" or operator in PRESENCE_OPERATORS:
            low, high, wanted = count_bounds(operator, value)
            count = counts(slots[within], size)
            return Found(((count >= low) & (count <= high)) == wanted, moments, hard)
        if measure in ("first", "last"):
            at = extremes(slots[within], times[within], size, measure == "first")
            holds, flips = compare_moment(at, np.abs(at) != NEVER, operator, value, self._now)
            return Found(holds, earlier(moments, flips), hard)
        much = self._amounts(measure, amounts, chosen)[within]
        total, exact = sums(slots[within], much, size, orders.turnover if amounts is None else None)
        if measure == "average":
            holds, exact_too = compare_average(total, counts(slots[within], size), operator, value)
            exact = exact and exact_too
        else:
            holds = compare_all(operator, total, value)
        return Found(holds, moments, hard if exact else set(map(int, np.unique(slots))))

    def _amounts(self, measure: str, amounts: Int64s | None, chosen: Positions) -> Int64s:
        orders = self._columns.orders
        if amounts is None:
            amounts = (orders.refunded if measure == "refunds" else orders.revenue).view(orders.slots.size)
        found: Int64s = amounts[chosen]
        return found

    # Engagement and lifecycle

    def _engagement(self, clause: Engagement) -> Found:
        size, measure, operator = self._size, clause.measure, clause.operator
        if measure == "score":
            score, moments = self._score()
            return Found(compare_all(operator, score, clause.value), moments, self._columns.channelled)
        named = self._columns.channels.get(clause.channel)
        hard = () if named else self._columns.channelled
        channels = list(self._columns.channels.values()) if not clause.channel else [named] if named else []
        if operator in TIME_OPERATORS:
            least = measure == "first"
            at = np.full(size, NEVER if least else -NEVER, np.int64)
            for channel in channels:
                at = np.minimum(at, channel.first(size, NEVER)) if least else np.maximum(at, channel.last(size, -NEVER))
            return Found(*compare_moment(at, np.abs(at) != NEVER, operator, clause.value, self._now), hard)
        low, high, wanted = count_bounds(operator, clause.value)
        count = np.zeros(size, np.int64)
        for channel in channels:
            count += channel.count(size, clause.action)
        return Found(((count >= low) & (count <= high)) == wanted, None, hard)

    def _score(self) -> tuple[Int64s, Int64s]:
        """As models.profile.engagement.engagement_score."""
        size, now = self._size, self._now
        youngest = np.full(size, NEVER, np.int64)
        recent = np.zeros(size, np.int64)
        count = np.zeros(size, np.int64)
        moments = np.full(size, NEVER, np.int64)
        for channel in self._columns.channels.values():
            last = channel.last(size, -NEVER)
            age = np.maximum(now - last, 0)
            youngest = np.minimum(youngest, age)
            recent += age < SCORE_MS
            count += channel.count(size)
            for limit, _ in RECENCY:
                moments = np.minimum(moments, np.where(last + limit > now, last + limit, NEVER))
        recency = np.zeros(size, np.int64)
        for limit, points in reversed(RECENCY):
            recency[youngest < limit] = points
        doublings = np.frexp(count.astype(np.float64))[1]
        score = recency + np.minimum(10 * recent, 30) + np.minimum(3 * doublings, 30)
        return np.where(recent > 0, score, 0), np.where(recent > 0, moments, NEVER)

    def _lifecycle(self, clause: LifecycleStage) -> Found:
        orders, size, now, rules = self._columns.orders, self._size, self._now, self._rules
        slots, times = orders.slots.view(orders.slots.size), orders.times.view(orders.slots.size)
        count = counts(slots, size)
        first, last = extremes(slots, times, size, True), extremes(slots, times, size, False)
        at_risk, lapsed = last + rules.at_risk_days * DAY_MS, last + rules.lapsed_days * DAY_MS
        settled = first + rules.new_days * DAY_MS
        stage = np.where(self._columns.known, "known", "anonymous").astype("<U12")
        customer = count > 0
        stage[customer] = "active"
        stage[customer & (now < settled)] = "new_customer"
        stage[customer & (count >= rules.loyal_orders)] = "loyal"
        stage[customer & (now >= at_risk)] = "at_risk"
        stage[customer & (now >= lapsed)] = "lapsed"
        moments = np.full(size, NEVER, np.int64)
        for moment in (at_risk, lapsed, settled):
            moments = np.where(customer & (moment > now), np.minimum(moments, moment), moments)
        return Found(np.isin(stage, clause.stages), moments, set(orders.folded))

    # Computed traits

    def _comparison(self, clause: Comparison) -> Found:
        expression, size = clause.expression, self._size
        kind = kind_of(expression)
        nothing = scalar_test("exists", None) if kind == "time" else scalar_test(clause.operator, clause.value)
        if isinstance(expression, OrderValue):
            return self._compare_orders(clause, expression)
        column, passed, hard = self._occurrences(expression.event, expression.where)
        if column is None:
            value = 0 if expression.measure in ("count", "sum", "distinct") else None
            if kind == "time":
                return Found(np.full(size, clause.operator == "not_exists"), None, hard)
            return Found(np.full(size, nothing(value)), None, hard)
        if kind in ("scalar", "list"):
            return Found(np.full(size, nothing(None)), None, self._everybody(column))
        hard |= self._aged(column, expression.window)
        chosen = np.flatnonzero(passed)
        slots, times = column.slots.view(len(passed))[chosen], column.times.view(len(passed))[chosen]
        within = inside(times, expression.window, self._now, column.latest)
        moments = self._edges(slots, times, expression.window)
        return self._compare_event(clause, expression, column, passed, slots, times, within, moments, hard)

    def _compare_event(
        self,
        clause: Comparison,
        expression: EventValue,
        column: EventColumn,
        passed: Mask,
        slots: Any,
        times: Int64s,
        within: Positions,
        moments: Int64s | None,
        hard: set[int],
    ) -> Found:
        size, measure = self._size, expression.measure
        if measure in ("first", "last"):
            return self._compare_time(clause, slots[within], times[within], measure, moments, hard)
        if measure == "count":
            count = counts(slots[within], size)
            return Found(compare_numbers(count.astype(np.float64), np.ones(size, np.bool_), clause), moments, hard)
        number, has, exact = self._measured(measure, column, expression.property, passed, within)
        value, there, precise = as_number(measure, number, has)
        if not (exact and precise):
            hard = self._everybody(column)
        return Found(compare_numbers(value, there, clause), moments, hard)

    def _compare_orders(self, clause: Comparison, expression: OrderValue) -> Found:
        orders, size, measure = self._columns.orders, self._size, expression.measure
        chosen, amounts, hard = self._sales(expression)
        length = orders.slots.size
        slots, times = orders.slots.view(length)[chosen], orders.times.view(length)[chosen]
        within = inside(times, expression.window, self._now, orders.latest)
        moments = self._edges(slots, times, expression.window)
        if measure in ("first", "last"):
            return self._compare_time(clause, slots[within], times[within], measure, moments, hard)
        count = counts(slots[within], size)
        if measure == "count":
            return Found(compare_numbers(count.astype(np.float64), np.ones(size, np.bool_), clause), moments, hard)
        much = self._amounts(measure, amounts, chosen)[within]
        total, exact = sums(slots[within], much, size, orders.turnover if amounts is None else None)
        value, there, precise = as_number("average" if measure == "average" else "sum", total, count)
        if not (exact and precise):
            hard = set(map(int, np.unique(slots)))
        return Found(compare_numbers(value, there, clause), moments, hard)

    def _compare_time(
        self, clause: Comparison, slots: Any, times: Int64s, measure: str, moments: Int64s | None, hard: set[int]
    ) -> Found:
        at = extremes(slots, times, self._size, measure == "first")
        has = np.abs(at) != NEVER
        if clause.operator in PRESENCE_OPERATORS:
            return Found(has if clause.operator == "exists" else ~has, moments, hard)
        holds, flips = compare_moment(at, has, clause.operator, clause.value, self._now)
        return Found(holds, earlier(moments, flips), hard)


def _cost(node: Node) -> int:
    """Rank of a part's cost: traits first, whose answers spare the others some questions."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            return max(_cost(part) for part in parts)
        case Not(part):
            return _cost(part)
        case Demographic() | Engagement():
            return 0
        case Sequence():
            return 2
    return 1
