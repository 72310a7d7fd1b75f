"""JSON criteria to the tree: the joins and every type of clause. See models.segments.field_reader for the errors."""

import re
from typing import Any

from models.profile.lifecycle import STAGES
from models.profile.state import MICRO
from models.segments.criteria import (
    CLAUSES_MAX,
    DEPTH_MAX,
    MEASURE_OPERATORS,
    MEASURES,
    PRESENCE_OPERATORS,
    PROPERTY_MEASURES,
    STEPS_MAX,
    TESTS_MAX,
    VALUE_MEASURES,
    VALUE_OPERATORS,
    AllOf,
    AnyOf,
    Behavioral,
    Clause,
    Computed,
    Demographic,
    Engagement,
    EventValue,
    Expression,
    LifecycleStage,
    Membership,
    Node,
    Not,
    OrderValue,
    Predicate,
    PropertyTest,
    Reference,
    Sequence,
    Step,
    Transactional,
)
from models.segments.field_reader import FieldReader, Fields, InvalidCriteria, kind_of, listed

ID_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}$"
CLAUSE_TYPES = (
    *("demographic", "behavioral", "transactional", "engagement", "lifecycle"),
    *("sequence", "membership", "computed"),
)
EXPRESSION_TYPES = ("behavioral", "transactional", "predicate")


def parse_criteria(data: object) -> Node:
    """The tree of JSON criteria. Raises InvalidCriteria."""
    reader = CriteriaReader()
    node = reader.node(data, "criteria", 1)
    reader.bound("criteria")
    if reader.errors or node is None:
        raise InvalidCriteria(reader.errors)
    return node


def parse_expression(data: object) -> Expression:
    """What a computed trait is, from JSON. Raises InvalidCriteria."""
    reader = CriteriaReader()
    expression = reader.expression(data, "expression")
    reader.bound("expression")
    if reader.errors or expression is None:
        raise InvalidCriteria(reader.errors)
    return expression


class CriteriaReader(FieldReader):
    """Walks the JSON; a node with errors is None or unusable."""

    def __init__(self) -> None:
        super().__init__()
        self._clauses = 0

    def bound(self, path: str) -> None:
        """Notes it if there are too many clauses."""
        if self._clauses > CLAUSES_MAX:
            self.fail(path, f"expected at most {CLAUSES_MAX} criteria, got {self._clauses}")

    def node(self, data: object, path: str, depth: int) -> Node | None:
        if not isinstance(data, dict):
            self.fail(path, f"expected an object, got {kind_of(data)}")
            return None
        operators = [key for key in ("all", "any", "not") if key in data]
        if not operators:
            return self._clause(data, path)
        if len(data) > 1:
            self.fail(path, f'expected "{operators[0]}" alone: put other criteria in an "all" or "any" around it')
            return None
        if depth > DEPTH_MAX:
            self.fail(path, f"expected at most {DEPTH_MAX} levels of all, any and not")
            return None
        key = operators[0]
        if key == "not":
            part = self.node(data["not"], f"{path}.not", depth + 1)
            return None if part is None else Not(part)
        parts = [self.node(part, place, depth + 1) for part, place in self._items(data, key, path, "criterion")]
        whole = tuple(part for part in parts if part is not None)
        if not whole:
            return None
        return AllOf(whole) if key == "all" else AnyOf(whole)

    def expression(self, data: object, path: str) -> Expression | None:
        """What a computed trait is."""
        if not isinstance(data, dict):
            self.fail(path, f"expected an object, got {kind_of(data)}")
            return None
        match self.choice(data, "type", path, EXPRESSION_TYPES):
            case "behavioral":
                self.only(data, path, ("type", "event", "measure", "property", "where", "window"))
                measure = self._measure(data, path, (*MEASURES["behavioral"], *VALUE_MEASURES))
                event, window, where = self.text(data, "event", path), self.window(data, path), self._where(data, path)
                return EventValue(event, measure, window, where, self._property(data, path, measure))
            case "transactional":
                self.only(data, path, ("type", "measure", "window", "product", "category", "currency"))
                measure = self._measure(data, path, tuple(MEASURES["transactional"]))
                return OrderValue(measure, self.window(data, path), *self._lines(data, path, measure))
            case "predicate":
                self.only(data, path, ("type", "criteria"))
                tree = self.node(data.get("criteria"), f"{path}.criteria", 1)
                return None if tree is None else Predicate(tree)
        return None

    def _items(self, data: Fields, key: str, path: str, what: str) -> list[tuple[Any, str]]:
        """The elements of a list, with their places."""
        found = data.get(key)
        if not isinstance(found, list) or not found:
            kind = "an empty list" if found == [] else kind_of(found) if key in data else "nothing"
            self.fail(f"{path}.{key}", f"expected a list of at least one {what}, got {kind}")
            return []
        return [(each, f"{path}.{key}[{i}]") for i, each in enumerate(found)]

    def _clause(self, data: Fields, path: str) -> Clause | None:
        self._clauses += 1
        match data.get("type"):
            case "demographic":
                return Demographic(*self._compared(data, path, "trait"))
            case "computed":
                return Computed(*self._compared(data, path, "trait"))
            case "behavioral":
                return self._behavioral(data, path)
            case "transactional":
                return self._transactional(data, path)
            case "engagement":
                return self._engagement(data, path)
            case "lifecycle":
                return self._lifecycle(data, path)
            case "sequence":
                return self._sequence(data, path)
            case "membership":
                return self._membership(data, path)
        expected = f"one of {listed(CLAUSE_TYPES)}"
        if "type" in data:
            self.fail(f"{path}.type", f"expected {expected}, got {kind_of(data['type'])} that is none of them")
        else:
            self.fail(path, f'expected an object with "all", "any" or "not", or with a "type": {expected}')
        return None

    def _compared(self, data: Fields, path: str, key: str) -> tuple[str, str, Any]:
        """(name, operator, value) of a clause on one value."""
        self.only(data, path, ("type", key, "operator", "value"))
        name = self.text(data, key, path)
        operator = self.choice(data, "operator", path, VALUE_OPERATORS)
        return name, operator, self.operand(data, path, operator, ("ago", "ahead"))

    def _behavioral(self, data: Fields, path: str) -> Behavioral:
        self.only(data, path, ("type", "event", "measure", "property", "operator", "value", "window", "where"))
        event = self.text(data, "event", path)
        measure, operator, value = self._comparison(data, "behavioral", path)
        prop = self._property(data, path, measure)
        return Behavioral(event, measure, operator, value, self.window(data, path), self._where(data, path), prop)

    def _property(self, data: Fields, path: str, measure: str) -> str:
        if measure in (*PROPERTY_MEASURES, *VALUE_MEASURES):
            return self.text(data, "property", path)
        if "property" in data:
            self.fail(f"{path}.property", f'expected none with the measure "{measure}": "where" filters occurrences')
        return ""

    def _where(self, data: Fields, path: str, step: int = -1) -> tuple[PropertyTest, ...]:
        """Tests of properties; those of a sequence's `step` may refer to the steps before it."""
        if "where" not in data:
            return ()
        items = self._items(data, "where", path, "test of a property")
        if len(items) > TESTS_MAX:
            self.fail(f"{path}.where", f"expected at most {TESTS_MAX} tests, got {len(items)}")
        return tuple(self._property_test(each, place, step) for each, place in items)

    def _property_test(self, data: object, path: str, step: int) -> PropertyTest:
        if not isinstance(data, dict):
            self.fail(path, f"expected an object, got {kind_of(data)}")
            return PropertyTest("", "exists")
        self.only(data, path, ("property", "operator", "value"))
        name = self.text(data, "property", path)
        operator = self.choice(data, "operator", path, VALUE_OPERATORS)
        value = data.get("value")
        if step >= 0 and operator == "equals" and isinstance(value, dict):
            return PropertyTest(name, operator, self._reference(value, f"{path}.value", step))
        return PropertyTest(name, operator, self.operand(data, path, operator, ()))

    def _reference(self, data: Fields, path: str, step: int) -> Reference:
        self.only(data, path, ("step", "property"))
        earlier = data.get("step")
        if not isinstance(earlier, int) or isinstance(earlier, bool) or not 0 <= earlier < step:
            self.fail(f"{path}.step", f"expected the number of an earlier step, from 0 to {step - 1}")
            earlier = 0
        return Reference(earlier, self.text(data, "property", path))

    def _transactional(self, data: Fields, path: str) -> Transactional:
        allowed = ("type", "measure", "operator", "value", "window", "product", "category", "currency")
        self.only(data, path, allowed)
        measure, operator, value = self._comparison(data, "transactional", path)
        return Transactional(measure, operator, value, self.window(data, path), *self._lines(data, path, measure))

    def _lines(self, data: Fields, path: str, measure: str) -> tuple[str, str, str]:
        """(product, category, currency)."""
        product = self.text(data, "product", path) if "product" in data else ""
        category = self.text(data, "category", path) if "category" in data else ""
        currency = self.text(data, "currency", path).strip().upper() if "currency" in data else ""
        for key, given in (("product", product), ("category", category)):
            if given and measure == "refunds":
                message = 'expected none with the measure "refunds": refunds are known by order only'
                self.fail(f"{path}.{key}", message)
        return product, category, currency

    def _engagement(self, data: Fields, path: str) -> Engagement:
        self.only(data, path, ("type", "channel", "measure", "action", "operator", "value"))
        channel = self.text(data, "channel", path) if "channel" in data else ""
        action = self.text(data, "action", path) if "action" in data else ""
        measure, operator, value = self._comparison(data, "engagement", path)
        if action and measure != "count":
            self.fail(f"{path}.action", f'expected none with the measure "{measure}": only counts are kept by action')
        if channel and measure == "score":
            self.fail(f"{path}.channel", 'expected none with the measure "score", which is of all channels')
        return Engagement(channel, measure, operator, value, action)

    def _lifecycle(self, data: Fields, path: str) -> LifecycleStage:
        self.only(data, path, ("type", "stage"))
        given = data.get("stage")
        stages = [given] if isinstance(given, str) else given
        expected = f"one or a list of {listed(STAGES)}"
        if not isinstance(stages, list) or not stages:
            self.fail(f"{path}.stage", f"expected {expected}, got {kind_of(given) if 'stage' in data else 'nothing'}")
            return LifecycleStage(())
        for i, stage in enumerate(stages):
            if stage not in STAGES:
                place = f"{path}.stage" if isinstance(given, str) else f"{path}.stage[{i}]"
                self.fail(place, f"expected {expected}, got {kind_of(stage)} that is none of them")
        return LifecycleStage(tuple(stage for stage in stages if isinstance(stage, str)))

    def _sequence(self, data: Fields, path: str) -> Sequence:
        self.only(data, path, ("type", "steps", "window"))
        items = self._items(data, "steps", path, "step")
        if items and not 2 <= len(items) <= STEPS_MAX:
            self.fail(f"{path}.steps", f"expected 2 to {STEPS_MAX} steps, got {len(items)}")
        steps = tuple(self._step(each, place, i, len(items)) for i, (each, place) in enumerate(items))
        return Sequence(steps, self.window(data, path))

    def _step(self, data: object, path: str, number: int, steps: int) -> Step:
        if not isinstance(data, dict):
            self.fail(path, f"expected an object, got {kind_of(data)}")
            return Step("")
        self.only(data, path, ("event", "where", "within", "absent"))
        within = self.duration(data["within"], f"{path}.within") if "within" in data else 0
        if within and not number:
            self.fail(f"{path}.within", "expected none at the first step, which comes after no other")
        absent = data.get("absent", False)
        if not isinstance(absent, bool):
            self.fail(f"{path}.absent", f"expected true or false, got {kind_of(absent)}")
        if absent is True and number != steps - 1:
            self.fail(f"{path}.absent", "expected it at the last step only")
        if absent is True and not within:
            self.fail(f"{path}.within", "expected a duration: how long the absent step was waited for")
        return Step(self.text(data, "event", path), self._where(data, path, number), within, absent is True)

    def _membership(self, data: Fields, path: str) -> Membership:
        self.only(data, path, ("type", "segment"))
        segment = self.text(data, "segment", path)
        if segment and not re.fullmatch(ID_PATTERN, segment):
            self.fail(f"{path}.segment", "expected the id of a segment: lower-case letters, digits, - and _")
        return Membership(segment)

    def _measure(self, data: Fields, path: str, measures: tuple[str, ...]) -> str:
        measure = data.get("measure", "count")
        if not isinstance(measure, str) or measure not in measures:
            self.fail(f"{path}.measure", f"expected one of {listed(measures)}, got {kind_of(measure)}")
            return ""
        return measure

    def _comparison(self, data: Fields, kind: str, path: str) -> tuple[str, str, Any]:
        """(measure, operator, value) of a clause that measures something."""
        measures = MEASURES[kind]
        measure = self._measure(data, path, tuple(measures))
        if not measure:
            return "count", "exists", None
        of = measures[measure]
        allowed = MEASURE_OPERATORS[of]
        if measure in ("distinct", "score"):
            allowed = MEASURE_OPERATORS["amount"]
        operator = self.choice(data, "operator", path, allowed)
        if operator in PRESENCE_OPERATORS or not operator:
            self.no_value(data, path, operator)
            return measure, operator, None
        if of == "time":
            return measure, operator, self.moment(data, path, ("ago",))
        if of == "amount":
            return measure, operator, round(self.number(data, path) * MICRO)
        return measure, operator, self.whole(data, path)
