"""The naive interpreter of segment criteria: filters raw lists by the definition of each word, one clock at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from models.profile.state import DAY_MS, MICRO, Order
from models.segments.compile import compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.evaluate import evaluate
from tests.strategies.segment_strategies import DURATION_MS, EPOCH, Criteria, History, profile_of

FLIPS_FOLLOWED = 4
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
    operator = criteria["operator"]
    if operator in NEGATIONS:
        return not holds({**criteria, "operator": NEGATIONS[operator]}, history, now)
    found = measure(criteria, history, now)
    return found is not None and compare(operator, found, criteria.get("value"), now)


def measure(clause: Criteria, history: History, now: int) -> Any:
    """What a clause looks at; None if there is no such thing."""
    what = "exists" if clause["operator"] == "exists" else clause.get("measure", "count")
    if clause["type"] == "demographic":
        return trait(history.traits, clause["trait"])
    if clause["type"] == "engagement":
        return engagement(clause, what, history)
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


def engagement(clause: Criteria, what: str, history: History) -> Any:
    stats = history.channels.get(clause["channel"])
    if stats is None:
        return 0 if what == "count" else None
    count = stats.actions.get(clause["action"], 0) if "action" in clause else stats.count
    return {"first": stats.first, "last": stats.last, "count": count, "exists": count or None}[what]


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
        and ("product" not in clause or any(line[0] == clause["product"] for line in order.products))
    )


def main_currency(orders: list[Order]) -> str | None:
    sold = sorted(order.currency for order in orders if order.timestamp > 0 and not order.cancelled)
    return max(sold, key=sold.count, default=None)


def revenue_of(order: Order, clause: Criteria) -> int:
    if "product" not in clause:
        return order.revenue
    return sum(revenue for product, _, revenue in order.products if product == clause["product"])


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
    segment = compile_segment(SegmentDefinition("s", "S", criteria))
    profile, changes = profile_of(history), instants_of_change(criteria, history)
    for _ in range(FLIPS_FOLLOWED):
        member, next_flip = evaluate(segment, profile, now)
        assert member == holds(criteria, history, now)
        true_flip = next((at for at in changes if at > now and holds(criteria, history, at) != member), None)
        assert next_flip == true_flip
        if next_flip is None:
            return
        # The list of candidates itself is not trusted: nothing changes just before, nor half-way.
        for between in (next_flip - 1, (now + next_flip) // 2):
            assert member == holds(criteria, history, between)
        now = next_flip


def instants_of_change(criteria: Criteria, history: History) -> list[int]:
    """Every time at which the verdict may change: each known time, and each moved by each duration, and 1 ms later."""
    times = {at for raw in history.events.values() for at in known_times(raw, history.exact)}
    times |= {order.timestamp for order in history.orders}
    times |= {at for stats in history.channels.values() for at in (stats.first, stats.last)}
    times |= {at for value in _leaves(history.traits) if (at := instant(value)) is not None}
    shifts = {0, 30 * DAY_MS, 90 * DAY_MS, 180 * DAY_MS} if "lifecycle" in str(criteria) else {0}
    for text in _leaves(criteria):
        shifts |= {DURATION_MS[text], -DURATION_MS[text]} if text in DURATION_MS else set()
    return sorted({at + shift + late for at in times for shift in shifts for late in (0, 1)})


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]
