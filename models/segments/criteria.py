"""The criteria language as a tree: what a segment asks of a profile, parsed and checked, ready to be compiled.

A closed language: these nodes and no others, so criteria are never run as code. `models.segments.parse`
makes the tree from JSON, `models.segments.compile` turns it into a function of one profile. Times and
durations are integer milliseconds. The language for its users: docs/segments.md.
"""

from typing import Any

import msgspec

from models.segments.times import FOREVER

DEPTH_MAX = 8  # all, any and not inside each other
CLAUSES_MAX = 100  # criteria in one segment
LIST_MAX = 1000  # values of `in`
TEXT_MAX = 1000  # characters of a name or value
NUMBER_MAX = 10**12  # absolute value of a number compared with
WHOLE_MAX = 10**15  # of a count compared with

NUMERIC_OPERATORS = ("equals", "not_equals", "greater_than", "at_least", "less_than", "at_most")
PRESENCE_OPERATORS = ("exists", "not_exists")
TIME_OPERATORS = ("before", "after")
ORDER_OPERATORS = ("greater_than", "at_least", "less_than", "at_most")
DEMOGRAPHIC_OPERATORS = (
    *("equals", "not_equals", "in", "not_in", "contains", "starts_with"),
    *PRESENCE_OPERATORS,
    *ORDER_OPERATORS,
    *TIME_OPERATORS,
)

# Measures of each type of clause, and their kind: "whole" (a count), "amount" (money) or "time".
MEASURES: dict[str, dict[str, str]] = {
    "behavioral": {"count": "whole", "first": "time", "last": "time"},
    "transactional": {
        "count": "whole",
        "revenue": "amount",
        "average": "amount",
        "refunds": "amount",
        "first": "time",
        "last": "time",
    },
    "engagement": {"count": "whole", "first": "time", "last": "time"},
}
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


class Behavioral(msgspec.Struct, frozen=True, tag=True):
    """How often, or when first or last, an event happened. `value`: int, Moment, or None for (not_)exists."""

    event: str
    measure: str
    operator: str
    value: Any = None
    window: Window = ALL_TIME


class Transactional(msgspec.Struct, frozen=True, tag=True):
    """Completed orders: their number, sums (micro-units) and times, of one product or currency if given."""

    measure: str
    operator: str
    value: Any = None
    window: Window = ALL_TIME
    product: str = ""
    currency: str = ""


class Engagement(msgspec.Struct, frozen=True, tag=True):
    """Engagement on a channel: number (of one action if given), first or last time."""

    channel: str
    measure: str
    operator: str
    value: Any = None
    action: str = ""


class LifecycleStage(msgspec.Struct, frozen=True, tag=True):
    """The profile's lifecycle stage is one of these."""

    stages: tuple[str, ...]


class AllOf(msgspec.Struct, frozen=True, tag=True):
    """Every part holds."""

    parts: tuple["Node", ...]


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """At least one part holds."""

    parts: tuple["Node", ...]


class Not(msgspec.Struct, frozen=True, tag=True):
    """The part does not hold."""

    part: "Node"


Clause = Demographic | Behavioral | Transactional | Engagement | LifecycleStage
Node = Clause | AllOf | AnyOf | Not


class SegmentDefinition(msgspec.Struct, frozen=True):
    """A segment as its author gave it."""

    id: str
    name: str
    criteria: dict[str, Any]  # JSON, in the language of docs/segments.md
    description: str = ""
    created_at: int = 0  # ms
    version: int = 1
