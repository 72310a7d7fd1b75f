"""The naive interpreter of segment criteria: filters raw lists by the definition of each word, one clock at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from models.profile.lifecycle import DEFAULT_RULES
from models.profile.state import DAY_MS, MICRO, ChannelStats, Order, Profile
from models.segments.catalogue import catalogue_of
from models.segments.columns import Columns
from models.segments.compile import compile_segment, judge_of
from models.segments.criteria import Node, SegmentDefinition
from models.segments.evaluate import evaluate
from models.segments.spans import NEVER
from models.segments.vector import VectorEvaluator
from tests.strategies.segment_strategies import (
    DURATION_MS,
    EPOCH,
    SEGMENTS,
    TRAITS,
    Criteria,
    History,
    detailed,
    profile_of,
)

FLIPS_FOLLOWED = 4
CATALOGUE = catalogue_of(
    {key: {"id": key, "name": key, "criteria": criteria} for key, criteria in SEGMENTS.items()},
    {key: {"id": key, "name": key, "expression": expression} for key, expression in TRAITS.items()},
)
NEGATIONS = {"not_equals": "equals", "not_in": "in", "not_exists": "exists"}


def holds(criteria: Criteria, history: History, now: int) -> bool:
    """Whether the criteria hold of a person with this history at `now` ms."""
    if "all" in criteria:
        return all(holds(part, history, now) for part in criteria["all"])
    if "any" in criteria:
        return any(holds(part, history, now) for part in criteria["any"])
    if "not" in criteria:
        return not holds(criteria["not"], history, now)
    if criteria["type"] == "lifecycle":
        wanted = criteria["stage"]
        return stage(history, now) in ([wanted] if isinstance(wanted, str) else wanted)
    if criteria["type"] == "sequence":
        return sequence(criteria, history, now)
    if criteria["type"] == "membership":
        return holds(SEGMENTS[criteria["segment"]], history, now)
    operator = criteria["operator"]
    if operator in NEGATIONS:
        return not holds({**criteria, "operator": NEGATIONS[operator]}, history, now)
    found = measure(criteria, history, now)
    return found is not None and compare(operator, found, criteria.get("value"), now)


def measure(clause: Criteria, history: History, now: int) -> Any:
    """What a clause looks at; None if there is no such thing."""
    if clause["type"] == "computed":
        return computed(TRAITS[clause["trait"]], history, now)
    what = "exists" if clause["operator"] == "exists" else clause.get("measure", "count")
    if clause["type"] == "demographic":
        return trait(history.traits, clause["trait"])
    if clause["type"] == "engagement":
        return engagement(clause, what, history, now)
    if clause["type"] == "behavioral" and ("where" in clause or "property" in clause):
        return of_properties(clause, what, history, now)
    if clause["type"] == "behavioral":
        happened = [(at, Order()) for at in known_times(history.events.get(clause["event"], []), history.exact)]
    else:
        happened = [(order.timestamp, order) for order in history.orders if is_of(order, clause)]
    if what in ("revenue", "average", "refunds") and "currency" not in clause:
        main = main_currency(history.orders)
        happened = [(at, order) for at, order in happened if order.currency == main]
    inside = [(at, order) for at, order in happened if at <= now and in_window(at, clause.get("window"), now)]
    times = [at for at, _ in inside]
    revenue = sum(revenue_of(order, clause) for _, order in inside) / MICRO
    match what:
        case "count":
            return len(inside)
        case "exists":
            return len(inside) or None
        case "first":
            return min(times, default=None)
        case "last":
            return max(times, default=None)
        case "refunds":
            return sum(order.revenue if order.refunded_in_full else order.refunded for _, order in inside) / MICRO
        case "revenue":
            return revenue
    return revenue / len(inside) if inside else None


def of_properties(clause: Criteria, what: str, history: History, now: int) -> Any:
    found = [
        (at, properties)
        for at, properties in detailed(history, clause["event"])[-history.exact :]
        if at <= now and in_window(at, clause.get("window"), now) and passes(clause, properties)
    ]
    times = [at for at, _ in found]
    if what in ("count", "exists", "first", "last"):
        every = {"count": len(times), "exists": len(times) or None}
        return every[what] if what in every else (min if what == "first" else max)(times, default=None)
    values = [properties[clause["property"]] for _, properties in found if clause["property"] in properties]
    kinds = [(isinstance(value, bool), value) for value in values]
    amounts = [float(value) for value in values if not isinstance(value, bool) and value in (1, 5, 7.5, "10")]
    match what:
        case "distinct":
            return len(set(kinds))
        case "sum":
            return sum(amounts)
        case "average":
            return sum(amounts) / len(amounts) if amounts else None
        case "min" | "max":
            return (min if what == "min" else max)(amounts, default=None)
        case "first_value":
            return values[0] if values else None
        case "last_value":
            return values[-1] if values else None
        case "unique":
            return values or None
    latest = {kind: place for place, kind in enumerate(kinds)}
    return max(kinds, key=lambda kind: (kinds.count(kind), latest[kind]))[1] if kinds else None


def passes(clause: Criteria, properties: Criteria) -> bool:
    """Whether an occurrence's properties pass the tests that refer to no other step."""
    return all(
        holds({**test, "type": "demographic", "trait": test["property"]}, History(traits=properties), 0)
        for test in clause.get("where", [])
        if not isinstance(test.get("value"), dict)
    )


def computed(expression: Criteria, history: History, now: int) -> Any:
    if expression["type"] == "predicate":
        return holds(expression["criteria"], history, now)
    return measure({"operator": "", **expression}, history, now)


def sequence(clause: Criteria, history: History, now: int) -> bool:
    """Tries every chain of occurrences."""
    return _rest_follows(clause, [], history, now)


def _rest_follows(clause: Criteria, chain: list[tuple[int, Criteria]], history: History, now: int) -> bool:
    if len(chain) == len(clause["steps"]):
        return True
    step = clause["steps"][len(chain)]
    within = DURATION_MS[step["within"]] if "within" in step else None
    candidates = [
        (at, properties)
        for at, properties in detailed(history, step["event"])[-history.exact :]
        if at <= now
        and passes(step, properties)
        and all(
            _same_as_earlier(properties, test, chain)
            for test in step.get("where", [])
            if isinstance(test.get("value"), dict)
        )
        and (not chain or (at > chain[-1][0] and (within is None or at <= chain[-1][0] + within)))
    ]
    if step.get("absent"):
        assert within is not None
        return not candidates and chain[-1][0] + within <= now
    return any(
        _rest_follows(clause, [*chain, candidate], history, now)
        for candidate in candidates
        if in_window(candidate[0], clause.get("window"), now)
    )


def _same_as_earlier(properties: Criteria, test: Criteria, chain: list[tuple[int, Criteria]]) -> bool:
    left, right = properties.get(test["property"]), chain[test["value"]["step"]][1].get(test["value"]["property"])
    return left is not None and right is not None and same(left, right)


def compare(operator: str, found: Any, value: Any, now: int) -> bool:
    match operator:
        case "exists":
            return True
        case "equals":
            return same(found, value)
        case "in":
            return any(same(found, each) for each in value)
        case "contains" if isinstance(found, list):
            return any(same(each, value) for each in found)
        case "contains":
            return isinstance(found, str) and isinstance(value, str) and value in found
        case "starts_with":
            return isinstance(found, str) and found.startswith(value)
        case "before" | "after":
            at = instant(found)
            if at is None:
                return False
            return at < moment(value, now) if operator == "before" else at > moment(value, now)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return bool(
        {
            "greater_than": found > value,
            "at_least": found >= value,
            "less_than": found < value,
            "at_most": found <= value,
        }[operator]
    )


def same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def instant(value: Any) -> int | None:
    """ms of a trait's date; in these tests text is ISO with an offset or no date at all, numbers are ms or tiny."""
    if isinstance(value, str):
        try:
            return round((datetime.fromisoformat(value).astimezone(UTC) - EPOCH) / timedelta(milliseconds=1))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value > 10**11 else int(value * 1000)


def moment(value: Any, now: int) -> int:
    if isinstance(value, dict):
        return now - DURATION_MS[value["ago"]] if "ago" in value else now + DURATION_MS[value["ahead"]]
    at = instant(value)
    assert at is not None
    return at


def trait(traits: dict[str, Any], name: str) -> Any:
    if name in traits:
        return traits[name]
    value: Any = traits
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def engagement(clause: Criteria, what: str, history: History, now: int) -> Any:
    if what == "score":
        return score(history, now)
    stats = history.channels.get(clause["channel"]) if "channel" in clause else together(history)
    if stats is None:
        return 0 if what == "count" else None
    count = stats.actions.get(clause["action"], 0) if "action" in clause else stats.count
    return {"first": stats.first, "last": stats.last, "count": count, "exists": count or None}[what]


def together(history: History) -> ChannelStats | None:
    stats = list(history.channels.values())
    if not stats:
        return None
    opened = sum(each.actions.get("opened", 0) for each in stats)
    return ChannelStats(
        sum(each.count for each in stats),
        min(each.first for each in stats),
        max(each.last for each in stats),
        {"opened": opened} if opened else {},
    )


def score(history: History, now: int) -> int:
    days = [max(now - stats.last, 0) / DAY_MS for stats in history.channels.values()]
    if not days or min(days) >= 90:
        return 0
    recency = 40 if min(days) < 1 else 30 if min(days) < 7 else 20 if min(days) < 30 else 10
    doublings = 0
    count = sum(stats.count for stats in history.channels.values())
    while 2**doublings <= count:
        doublings += 1
    return recency + min(30, 10 * len([day for day in days if day < 90])) + min(30, 3 * doublings)


def known_times(times: list[int], exact: int) -> list[int]:
    """Times as a profile knows them: beyond the latest `exact` ones the start of the day, but not before the first."""
    ordered = sorted(times)
    return [max(at // DAY_MS * DAY_MS, ordered[0]) for at in ordered[:-exact]] + ordered[-exact:]


def in_window(at: int, window: Criteria | None, now: int) -> bool:
    if window is None:
        return True
    if "last" in window:
        return now - DURATION_MS[window["last"]] < at <= now
    return not ("from" in window and at < moment(window["from"], now)) and not (
        "to" in window and at >= moment(window["to"], now)
    )


def is_of(order: Order, clause: Criteria) -> bool:
    return (
        order.timestamp > 0
        and not order.cancelled
        and clause.get("currency", order.currency) == order.currency
        and (not {"product", "category"} & set(clause) or bool(lines_of(order, clause)))
    )


def lines_of(order: Order, clause: Criteria) -> list[int]:
    """Revenue of the order's lines of the product and category."""
    categories = order.categories or [""] * len(order.products)
    return [
        revenue
        for (product, _, revenue), category in zip(order.products, categories, strict=True)
        if clause.get("product", product) == product and clause.get("category", category) == category
    ]


def main_currency(orders: list[Order]) -> str | None:
    sold = sorted(order.currency for order in orders if order.timestamp > 0 and not order.cancelled)
    return max(sold, key=sold.count, default=None)


def revenue_of(order: Order, clause: Criteria) -> int:
    return sum(lines_of(order, clause)) if {"product", "category"} & set(clause) else order.revenue


def stage(history: History, now: int) -> str:
    """The lifecycle stage under the default rules."""
    times = sorted(order.timestamp for order in history.orders if order.timestamp and not order.cancelled)
    if not times:
        return "known" if set(history.namespaces) - {"anonymous_id"} else "anonymous"
    if now - times[-1] >= 180 * DAY_MS:
        return "lapsed"
    if now - times[-1] >= 90 * DAY_MS:
        return "at_risk"
    if len(times) >= 3:
        return "loyal"
    return "new_customer" if now - times[0] < 30 * DAY_MS else "active"


def follow(criteria: Criteria, history: History, now: int) -> None:
    """Evaluates for real at `now` and then at each next flip, and compares verdicts and flips with the naive ones."""
    segment = compile_segment(SegmentDefinition("s", "S", criteria), catalogue=CATALOGUE)
    profile, changes = profile_of(history), instants_of_change(criteria, history)
    columns = columns_of(profile)
    for _ in range(FLIPS_FOLLOWED):
        member, next_flip = evaluate(segment, profile, now)
        assert member == holds(criteria, history, now)
        edge = vector_answer(columns, segment.tree, profile, now, member)
        true_flip = next((at for at in changes if at > now and holds(criteria, history, at) != member), None)
        assert next_flip == true_flip
        assert edge <= (NEVER if true_flip is None else true_flip)
        if next_flip is None:
            return
        # The list of candidates itself is not trusted: nothing changes just before, nor half-way.
        for between in (next_flip - 1, (now + next_flip) // 2):
            assert member == holds(criteria, history, between)
            vector_answer(columns, segment.tree, profile, between, member)
        now = next_flip


def columns_of(profile: Profile) -> Columns:
    """Columns with the profile among others, of which one has the same history and one a slot that is dead."""
    columns = Columns({"anonymous_id"})
    for customer_id in (1, 2, 3, 2):
        columns.put(msgspec.structs.replace(profile, customer_id=customer_id))
    columns.put(Profile(4, created_at=0))
    columns.remove(3)
    return columns


def vector_answer(columns: Columns, tree: Node, profile: Profile, now: int, member: bool) -> int:
    """Compares the vectorised answer with `member`; returns its edge."""
    empty = Profile(4, created_at=0)
    evaluator = VectorEvaluator(columns, lambda slot: empty if columns.customers[slot] == 4 else profile, now)
    members, edges = evaluator.members_and_edges(tree)
    slots = [columns.slot_of(1), columns.slot_of(2)]
    assert [bool(members[slot]) for slot in slots] == [member, member]
    nobody = judge_of(tree, DEFAULT_RULES)(empty, now)[0]
    assert members.sum() == 2 * member + nobody
    return NEVER if edges is None else int(min(edges[slot] for slot in slots))


def instants_of_change(criteria: Criteria, history: History) -> list[int]:
    """Every time at which the verdict may change: each known time, and each moved by each duration, and 1 ms later."""
    times = {at for raw in history.events.values() for at in known_times(raw, history.exact)}
    times |= {order.timestamp for order in history.orders}
    times |= {at for stats in history.channels.values() for at in (stats.first, stats.last)}
    times |= {at for value in _leaves(history.traits) if (at := instant(value)) is not None}
    words = [*_leaves(criteria), *_leaves(TRAITS), *_leaves(SEGMENTS)] if _refers(criteria) else _leaves(criteria)
    shifts = {0, 30 * DAY_MS, 90 * DAY_MS, 180 * DAY_MS} if "lifecycle" in words else {0}
    shifts |= {DAY_MS, 7 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS} if "score" in words else set()
    for text in words:
        shifts |= {DURATION_MS[text], -DURATION_MS[text]} if text in DURATION_MS else set()
    return sorted({at + shift + late for at in times for shift in shifts for late in (0, 1)})


def _refers(criteria: Criteria) -> bool:
    return bool({"computed", "membership"} & set(map(str, _leaves(criteria))))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]
