"""Why somebody is in a segment, or is not: every clause with its answer, what was found, and the occurrences behind it.

The answer has the shape of the criteria: each of its objects with `holds` beside the criteria's own fields.
"""

from typing import Any

from models.profile.engagement import engagement_score
from models.profile.lifecycle import LifecycleRules, lifecycle
from models.profile.money import to_decimal_text
from models.profile.state import MICRO, Profile
from models.profile.transactions import is_sale
from models.segments.attributes import channel_reader, trait_reader
from models.segments.catalogue import Catalogue, expand
from models.segments.compile import judge_of
from models.segments.computed import kind_of, value_reader
from models.segments.criteria import (
    MEASURES,
    Behavioral,
    Computed,
    Demographic,
    Engagement,
    EventValue,
    LifecycleStage,
    OrderValue,
    Sequence,
    Transactional,
    Window,
)
from models.segments.events import finder
from models.segments.orders import revenue_of
from models.segments.parse_criteria import parse_criteria, parse_expression
from models.segments.sequences import static_tests
from models.segments.spans import NEVER, is_inside

OCCURRENCES_MAX = 20  # of one clause, the latest ones

Explained = dict[str, Any]


def explain(
    criteria: dict[str, Any], catalogue: Catalogue, profile: Profile, now: int, rules: LifecycleRules
) -> Explained:
    """The criteria (JSON) with the answer of each part for a profile at `now` ms.

    Added fields: `holds`; `changes_at` (ms, when time alone may next change that; absent for never); in clauses
    `found` (the value that was compared; times in ms, money as decimal text) and `occurrences`, a list of {"event",
    "at"} or {"order_id", "at"}, oldest first.
    """
    held, edge = judge_of(expand(parse_criteria(criteria), catalogue), rules)(profile, now)
    answer: Explained = {"holds": held}
    if edge != NEVER:
        answer["changes_at"] = edge
    for join in ("all", "any"):
        if join in criteria:
            return {join: [explain(part, catalogue, profile, now, rules) for part in criteria[join]], **answer}
    if "not" in criteria:
        return {"not": explain(criteria["not"], catalogue, profile, now, rules), **answer}
    if criteria["type"] == "membership":
        segment = catalogue.segments[criteria["segment"]]
        return {**criteria, **answer, "criteria": explain(segment.criteria, catalogue, profile, now, rules)}
    return {**criteria, **answer, **_evidence(criteria, catalogue, profile, now, rules)}


def _evidence(
    criteria: dict[str, Any], catalogue: Catalogue, profile: Profile, now: int, rules: LifecycleRules
) -> Explained:
    clause = parse_criteria(criteria)
    match clause:
        case Demographic():
            return _trait(clause, profile)
        case Behavioral():
            measure = "count" if clause.measure not in MEASURES["behavioral"] else clause.measure
            value = EventValue(clause.event, measure, clause.window, clause.where, clause.property)
            return {"found": value_reader(value)(profile, now)[0], **_events(value, profile, now)}
        case Transactional():
            sold = OrderValue(clause.measure, clause.window, clause.product, clause.category, clause.currency)
            return {"found": _money(sold, value_reader(sold)(profile, now)[0]), **_orders(sold, profile, now)}
        case Engagement():
            return {"found": _engagement(clause, profile, now)}
        case LifecycleStage():
            return {"found": lifecycle(profile, now, rules).stage}
        case Sequence():
            return {"occurrences": _steps(clause, profile, now)}
        case Computed():
            return _computed(clause, catalogue, profile, now, rules)
    return {}


def _trait(clause: Demographic, profile: Profile) -> Explained:
    found = {"found": trait_reader(clause.trait)(profile)}
    attribute = profile.attributes.get(clause.trait) or profile.attributes.get(clause.trait.partition(".")[0])
    if attribute is not None:
        found |= {"source": attribute.winner.source, "updated_at": attribute.winner.timestamp}
    return found


def _computed(clause: Computed, catalogue: Catalogue, profile: Profile, now: int, rules: LifecycleRules) -> Explained:
    definition = catalogue.traits[clause.trait].expression
    expression = parse_expression(definition)
    if isinstance(expression, EventValue):
        return {"found": value_reader(expression)(profile, now)[0], **_events(expression, profile, now)}
    if isinstance(expression, OrderValue):
        return {
            "found": _money(expression, value_reader(expression)(profile, now)[0]),
            **_orders(expression, profile, now),
        }
    return {"criteria": explain(definition["criteria"], catalogue, profile, now, rules)}


def _money(value: OrderValue, found: Any) -> Any:
    """Sums as decimal text."""
    return to_decimal_text(round(found * MICRO)) if kind_of(value) == "amount" and found is not None else found


def _events(value: EventValue, profile: Profile, now: int) -> Explained:
    inside = [at for at, _ in finder(value.event, value.where)(profile) if is_inside(at, value.window, now)]
    return {"occurrences": [{"event": value.event, "at": at} for at in inside[-OCCURRENCES_MAX:]]}


def _orders(value: OrderValue, profile: Profile, now: int) -> Explained:
    sold = sorted(
        (order.timestamp, order_id)
        for order_id, order in profile.orders.items()
        if is_sale(order) and _is_of(value, order) and is_inside(order.timestamp, value.window, now)
    )
    return {"occurrences": [{"order_id": order_id, "at": at} for at, order_id in sold[-OCCURRENCES_MAX:]]}


def _is_of(value: OrderValue, order: Any) -> bool:
    if value.currency and order.currency != value.currency:
        return False
    return not (value.product or value.category) or revenue_of(order, value.product, value.category) is not None


def _engagement(clause: Engagement, profile: Profile, now: int) -> Any:
    if clause.measure == "score":
        return engagement_score(profile, now)[0]
    stats = channel_reader(clause.channel)(profile)
    if stats is None:
        return 0 if clause.measure == "count" else None
    if clause.measure == "count":
        return stats.actions.get(clause.action, 0) if clause.action else stats.count
    return stats.first if clause.measure == "first" else stats.last


def _steps(clause: Sequence, profile: Profile, now: int) -> list[Explained]:
    """The latest occurrences that each step may be."""
    window: Window = clause.window
    found = []
    for number, step in enumerate(clause.steps):
        times = [at for at, _ in finder(step.event, static_tests(step))(profile) if is_inside(at, window, now)]
        found += [{"step": number, "event": step.event, "at": at} for at in times[-OCCURRENCES_MAX:]]
    return found
