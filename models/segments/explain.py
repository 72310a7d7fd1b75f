"""Why somebody is in a segment, or is not: every clause with its answer, what was found, and the occurrences behind it.

The answer has the shape of the criteria: each of its objects with `holds` beside the criteria's own fields.
"""

from collections.abc import Callable, Collection
from typing import Any

from models.profile.engagement import engagement_score
from models.profile.lifecycle import LifecycleRules, lifecycle
from models.profile.money import to_decimal_text
from models.profile.state import MICRO, Order, Profile
from models.profile.transactions import is_sale
from models.segments.attributes import channel_reader, trait_reader
from models.segments.catalogue import Catalogue, expand
from models.segments.compile import Reads, judge_of, reads_of
from models.segments.computed import kind_of, value_reader
from models.segments.criteria import (
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
    Sequence,
    Transactional,
    Window,
)
from models.segments.events import finder
from models.segments.orders import revenue_of
from models.segments.parse_criteria import parse_criteria
from models.segments.sequences import static_tests
from models.segments.spans import is_inside

OCCURRENCES_MAX = 20  # of one clause, the latest ones
TIME_MAX = 253_402_300_799_999  # ms: the end of the year 9999, after which times cannot be written

Explained = dict[str, Any]


def explain(
    criteria: dict[str, Any],
    catalogue: Catalogue,
    profile: Profile,
    now: int,
    rules: LifecycleRules,
    time_text: Callable[[int], str],
    may_show: Callable[[Reads], bool] = lambda reads: True,
) -> tuple[Explained, list[Explained]]:
    """The criteria (JSON) with the answer of each part for a profile at `now` ms; and all occurrences in it.

    Added fields: `holds`; `changes_at` (when time alone may next change that; absent for never, and for later than
    TIME_MAX); in clauses `found` (the value that was compared; money as decimal text) and `occurrences`, a list of
    {"event", "at"} or {"order_id", "at"}, oldest first. Times are written by `time_text`. The second list has the very
    objects of the first answer, so that more can be said of them. A part that reads what `may_show` says no to has
    `withheld` (true) in the place of all of these.
    """
    explainer = _Explainer(catalogue, profile, now, rules, time_text, may_show)
    return explainer.part(criteria, expand(parse_criteria(criteria), catalogue)), explainer.occurrences


class _Explainer:
    def __init__(
        self,
        catalogue: Catalogue,
        profile: Profile,
        now: int,
        rules: LifecycleRules,
        time_text: Callable[[int], str],
        may_show: Callable[[Reads], bool],
    ) -> None:
        self.occurrences: list[Explained] = []
        self._catalogue = catalogue
        self._profile = profile
        self._now = now
        self._rules = rules
        self._time_text = time_text
        self._may_show = may_show

    def part(self, criteria: dict[str, Any], node: Node) -> Explained:
        """`node` is the tree of these criteria, with what they refer to in the place of the reference."""
        is_shown = self._may_show(reads_of(node))
        answer: Explained = {"withheld": True}
        if is_shown:
            held, edge = judge_of(node, self._rules)(self._profile, self._now)
            answer = {"holds": held}
            if edge <= TIME_MAX:
                answer["changes_at"] = self._time_text(edge)
        for join in ("all", "any"):
            if join in criteria:
                assert isinstance(node, AllOf | AnyOf)
                parts = zip(criteria[join], node.parts, strict=True)
                return {join: [self.part(part, its_node) for part, its_node in parts], **answer}
        if "not" in criteria:
            assert isinstance(node, Not)
            return {"not": self.part(criteria["not"], node.part), **answer}
        return {**criteria, **answer, **(self._evidence(criteria, node) if is_shown else {})}

    def _evidence(self, criteria: dict[str, Any], node: Node) -> Explained:
        """What is behind the answer of a clause."""
        if criteria["type"] == "membership":
            return {"criteria": self.part(self._catalogue.segments[criteria["segment"]].criteria, node)}
        if criteria["type"] == "computed":
            expression = self._catalogue.traits[criteria["trait"]].expression
            if expression["type"] == "predicate":
                if (criteria["operator"] == "equals") != criteria["value"]:
                    assert isinstance(node, Not)  # the clause asks for the contrary
                    node = node.part
                return {"criteria": self.part(expression["criteria"], node)}
        match node:
            case Demographic():
                return self._trait(node)
            case Behavioral():
                return self._events(EventValue(node.event, node.measure, node.window, node.where, node.property))
            case Transactional():
                return self._orders(OrderValue(node.measure, node.window, node.product, node.category, node.currency))
            case Comparison(EventValue() as value):
                return self._events(value)
            case Comparison(OrderValue() as value):
                return self._orders(value)
            case Engagement():
                return {"found": self._engagement(node)}
            case LifecycleStage():
                return {"found": lifecycle(self._profile, self._now, self._rules).stage}
            case Sequence():
                return {"occurrences": self._steps(node)}
        raise TypeError(f"{type(node).__name__} is not a clause")

    def _trait(self, clause: Demographic) -> Explained:
        found = {"found": trait_reader(clause.trait)(self._profile)}
        held = self._profile.attributes
        attribute = held.get(clause.trait) or held.get(clause.trait.partition(".")[0])
        if attribute is not None:
            winner = attribute.winner
            found |= {"source": winner.source, "updated_at": self._time_text(winner.timestamp)}
        return found

    def _events(self, value: EventValue) -> Explained:
        times = self._times(value.event, value.where, value.window)
        return {"found": self._value(value), "occurrences": [self._told(at, event=value.event) for at in times]}

    def _orders(self, value: OrderValue) -> Explained:
        sold = sorted(
            (order.timestamp, order_id)
            for order_id, order in self._profile.orders.items()
            if is_sale(order) and _is_of(value, order) and is_inside(order.timestamp, value.window, self._now)
        )
        told = [self._told(at, order_id=order_id) for at, order_id in sold[-OCCURRENCES_MAX:]]
        return {"found": self._value(value), "occurrences": told}

    def _steps(self, clause: Sequence) -> list[Explained]:
        """The latest occurrences that each step may be."""
        return [
            self._told(at, step=number, event=step.event)
            for number, step in enumerate(clause.steps)
            for at in self._times(step.event, static_tests(step), clause.window)
        ]

    def _times(self, event: str, where: Collection[PropertyTest], window: Window) -> list[int]:
        """When the latest occurrences were, oldest first."""
        found = finder(event, tuple(where))(self._profile)
        return [at for at, _ in found if is_inside(at, window, self._now)][-OCCURRENCES_MAX:]

    def _told(self, at: int, **of: Any) -> Explained:
        """An occurrence."""
        told = {**of, "at": self._time_text(at)}
        self.occurrences.append(told)
        return told

    def _value(self, value: EventValue | OrderValue) -> Any:
        found, _ = value_reader(value)(self._profile, self._now)
        if found is None:
            return None
        kind = kind_of(value)
        if kind == "time":
            return self._time_text(found)
        return to_decimal_text(round(found * MICRO)) if kind == "amount" and isinstance(value, OrderValue) else found

    def _engagement(self, clause: Engagement) -> Any:
        if clause.measure == "score":
            return engagement_score(self._profile, self._now)[0]
        stats = channel_reader(clause.channel)(self._profile)
        if stats is None:
            return 0 if clause.measure == "count" else None
        if clause.measure == "count":
            return stats.actions.get(clause.action, 0) if clause.action else stats.count
        return self._time_text(stats.first if clause.measure == "first" else stats.last)


def _is_of(value: OrderValue, order: Order) -> bool:
    if value.currency and order.currency != value.currency:
        return False
    return not (value.product or value.category) or revenue_of(order, value.product, value.category) is not None
