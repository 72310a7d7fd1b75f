"""The criteria language as a tree: what a segment asks of a profile, parsed and checked, ready to be compiled.

A closed language: these nodes and no others, so criteria are never run as code. `models.segments.parse`
makes the tree from JSON, `models.segments.compile` turns it into a function of one profile. Times and
durations are integer milliseconds. The language for its users: docs/segments.md.
"""

from typing import Any

import msgspec

from models.segments.times import FOREVER, parse_duration

DEPTH_MAX = 8  # all, any and not inside each other
CLAUSES_MAX = 100  # criteria in one segment
LIST_MAX = 1000  # values of `in`
TEXT_MAX = 1000  # characters of a name or value
NUMBER_MAX = 10**12  # absolute value of a number compared with
WHOLE_MAX = 10**15  # of a count compared with

STEPS_MAX = 5  # of a sequence
TESTS_MAX = 10  # of an occurrence's properties, in one `where`

NUMERIC_OPERATORS = ("equals", "not_equals", "greater_than", "at_least", "less_than", "at_most")
PRESENCE_OPERATORS = ("exists", "not_exists")
TIME_OPERATORS = ("before", "after")
ORDER_OPERATORS = ("greater_than", "at_least", "less_than", "at_most")
VALUE_OPERATORS = (
    *("equals", "not_equals", "in", "not_in", "contains", "starts_with"),
    *PRESENCE_OPERATORS,
    *ORDER_OPERATORS,
    *TIME_OPERATORS,
)

# Measures of each type of clause, and their kind: "whole" (a count), "amount" (a number) or "time".
MEASURES: dict[str, dict[str, str]] = {
    "behavioral": {
        "count": "whole",
        "distinct": "whole",
        "sum": "amount",
        "average": "amount",
        "min": "amount",
        "max": "amount",
        "first": "time",
        "last": "time",
    },
    "transactional": {
        "count": "whole",
        "revenue": "amount",
        "average": "amount",
        "refunds": "amount",
        "first": "time",
        "last": "time",
    },
    "engagement": {"count": "whole", "first": "time", "last": "time", "score": "whole"},
}
PROPERTY_MEASURES = ("distinct", "sum", "average", "min", "max")  # measures of an event that need a property
VALUE_MEASURES = ("first_value", "last_value", "most_frequent", "unique")  # what only computed traits may be
MEASURE_OPERATORS: dict[str, tuple[str, ...]] = {
    "whole": (*NUMERIC_OPERATORS, *PRESENCE_OPERATORS),
    "amount": NUMERIC_OPERATORS,
    "time": (*TIME_OPERATORS, *PRESENCE_OPERATORS),
}


class Rolling(msgspec.Struct, frozen=True, tag=True):
    """The window (now - length, now]."""

    length: int  # ms


class Absolute(msgspec.Struct, frozen=True, tag=True):
    """The window [start, end)."""

    start: int = -FOREVER  # ms
    end: int = FOREVER  # ms


Window = Rolling | Absolute
ALL_TIME = Absolute()


class Instant(msgspec.Struct, frozen=True, tag=True):
    """A fixed time to compare with."""

    at: int  # ms


class Relative(msgspec.Struct, frozen=True, tag=True):
    """The time `offset` from now: negative for the past, positive for the future."""

    offset: int  # ms


Moment = Instant | Relative


class Demographic(msgspec.Struct, frozen=True, tag=True):
    """A trait compared with a value. `value`: a scalar, a tuple of scalars for (not_)in, a Moment for before/after."""

    trait: str
    operator: str
    value: Any = None


class Reference(msgspec.Struct, frozen=True, tag=True):
    """The value that a property had at an earlier step of the same sequence."""

    step: int  # from 0
    property: str


class PropertyTest(msgspec.Struct, frozen=True, tag=True):
    """A test of one property of an occurrence; `value` as of Demographic (times are fixed), or a Reference."""

    property: str
    operator: str
    value: Any = None


class Behavioral(msgspec.Struct, frozen=True, tag=True):
    """A measure of an event's occurrences that pass every test of `where`, compared with a value.

    `value`: int (counts), micro-units (sum, average, min, max of a property), Moment, or None for (not_)exists.
    """

    event: str
    measure: str
    operator: str
    value: Any = None
    window: Window = ALL_TIME
    where: tuple[PropertyTest, ...] = ()
    property: str = ""


class Transactional(msgspec.Struct, frozen=True, tag=True):
    """Completed orders: their number, sums (micro-units) and times, of one product, category or currency if given."""

    measure: str
    operator: str
    value: Any = None
    window: Window = ALL_TIME
    product: str = ""
    category: str = ""
    currency: str = ""


class Engagement(msgspec.Struct, frozen=True, tag=True):
    """Engagement on a channel, or on all: number (of one action if given), first or last time, or the score."""

    channel: str
    measure: str
    operator: str
    value: Any = None
    action: str = ""


class LifecycleStage(msgspec.Struct, frozen=True, tag=True):
    """The profile's lifecycle stage is one of these."""

    stages: tuple[str, ...]


class Step(msgspec.Struct, frozen=True, tag=True):
    """One event of a sequence. It comes after the step before it, `within` so many ms of that (0: at any time)."""

    event: str
    where: tuple[PropertyTest, ...] = ()
    within: int = 0
    absent: bool = False  # the last step only: it has not come, and `within` has passed


class Sequence(msgspec.Struct, frozen=True, tag=True):
    """Events in this order, all inside the window."""

    steps: tuple[Step, ...]
    window: Window = ALL_TIME


class Membership(msgspec.Struct, frozen=True, tag=True):
    """The person meets the criteria of another segment."""

    segment: str


class Computed(msgspec.Struct, frozen=True, tag=True):
    """A computed trait compared with a value, as a Demographic."""

    trait: str
    operator: str
    value: Any = None


class EventValue(msgspec.Struct, frozen=True, tag=True):
    """What a computed trait takes from an event's occurrences: a measure, or a VALUE_MEASURE of a property."""

    event: str
    measure: str
    window: Window = ALL_TIME
    where: tuple[PropertyTest, ...] = ()
    property: str = ""


class OrderValue(msgspec.Struct, frozen=True, tag=True):
    """What a computed trait takes from orders."""

    measure: str
    window: Window = ALL_TIME
    product: str = ""
    category: str = ""
    currency: str = ""


class Predicate(msgspec.Struct, frozen=True, tag=True):
    """A computed trait that is true or false."""

    tree: "Node"


Expression = EventValue | OrderValue | Predicate


class Comparison(msgspec.Struct, frozen=True, tag=True):
    """A Computed clause with what its trait is: made by models.segments.catalogue."""

    expression: EventValue | OrderValue
    operator: str
    value: Any = None


class AllOf(msgspec.Struct, frozen=True, tag=True):
    """Every part holds."""

    parts: tuple["Node", ...]


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """At least one part holds."""

    parts: tuple["Node", ...]


class Not(msgspec.Struct, frozen=True, tag=True):
    """The part does not hold."""

    part: "Node"


Clause = (
    Demographic
    | Behavioral
    | Transactional
    | Engagement
    | LifecycleStage
    | Sequence
    | Membership
    | Computed
    | Comparison
)
Node = Clause | AllOf | AnyOf | Not


class SegmentDefinition(msgspec.Struct, frozen=True):
    """A segment as its author gave it."""

    id: str
    name: str
    criteria: dict[str, Any]  # JSON, in the language of docs/segments.md
    description: str = ""
    created_at: int = 0  # ms
    version: int = 1
    refresh: str = "real_time"  # or a duration: evaluated anew so often, and not in between
    holdout: float = 0.0  # percent of the members that are kept back from activation
    purpose: str = ""  # of the registry: what its members are for; the default one if empty

    @property
    def refresh_ms(self) -> int:
        """ms between two evaluations; 0 for a segment that is evaluated as things happen."""
        return parse_duration(self.refresh) or 0


class ComputedTrait(msgspec.Struct, frozen=True):
    """A computed trait as its author gave it."""

    id: str
    name: str
    expression: dict[str, Any]  # JSON, in the language of docs/segments.md
    description: str = ""
    created_at: int = 0  # ms
    version: int = 1
