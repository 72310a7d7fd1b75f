"""Random segment criteria and histories, and a naive interpreter of the one over the other: the judge of the real one.

The interpreter reads the JSON criteria and the raw times, filters lists, and knows nothing of flips. The times
are few and lie on a coarse grid, a millisecond to either side, so that window edges and ties are hit often.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from models.profile.lifecycle import STAGES
from models.profile.state import (
    DAY_MS,
    MICRO,
    Attribute,
    ChannelStats,
    EventStats,
    IdentifierInfo,
    Observation,
    Order,
    Profile,
)

HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = 20_000 * DAY_MS + 12 * HOUR_MS  # 2024-10-04, a clock in the middle of the histories
EVENTS = ("Viewed", "Added: to cart")
CHANNELS = ("email", "push")
PRODUCTS = ("p1", "p2")
DURATIONS = ("90m", "6h", "12h", "1d", "2d", "30d", "90d")
DURATION_MS = dict(
    zip(
        DURATIONS,
        (90 * 60_000, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS),
        strict=True,
    )
)
NUMERIC = ("equals", "not_equals", "greater_than", "at_least", "less_than", "at_most")

Criteria = dict[str, Any]


@dataclass
class History:
    """What is known of one person, raw."""

    traits: dict[str, Any] = field(default_factory=dict)
    events: dict[str, list[int]] = field(default_factory=dict)  # ms
    properties: dict[str, list[Criteria]] = field(default_factory=dict)  # of the events in that order; {} beyond
    exact: int = 256  # times of an event that the profile keeps exactly
    orders: list[Order] = field(default_factory=list)
    channels: dict[str, ChannelStats] = field(default_factory=dict)
    namespaces: list[str] = field(default_factory=list)


def profile_of(history: History) -> Profile:
    """The profile that events of this history lead to."""
    profile = Profile(1, created_at=NOON - 400 * DAY_MS)
    for trait, value in history.traits.items():
        profile.attributes[trait] = Attribute(Observation(NOON, 0, value))
    for name in history.events:
        occurrences = detailed(history, name)
        older: dict[int, int] = {}
        for at, _ in occurrences[: -history.exact]:
            older[at // DAY_MS] = older.get(at // DAY_MS, 0) + 1
        times, known = [at for at, _ in occurrences], occurrences[-history.exact :]
        details = [pack(found) for _, found in known] if any(found for _, found in known) else []
        recent = [at for at, _ in known]
        profile.events[name] = EventStats(len(times), times[0], times[-1], recent, older, details)
    profile.orders = {f"o{i}": order for i, order in enumerate(history.orders)}
    profile.channels = dict(history.channels)
    profile.identifiers = {f"{namespace}:x": IdentifierInfo(NOON, NOON, 1, "s") for namespace in history.namespaces}
    return profile


def detailed(history: History, name: str) -> list[tuple[int, Criteria]]:
    """The occurrences of an event with their properties, in order."""
    times = history.events.get(name, [])
    properties = history.properties.get(name, [])
    padded = (properties + [{}] * len(times))[: len(times)]
    return sorted(zip(times, padded, strict=True), key=lambda occurrence: (occurrence[0], pack(occurrence[1])))


def pack(properties: Criteria) -> bytes:
    """As a profile packs them."""
    return msgspec.msgpack.encode(properties, order="deterministic") if properties else b""


def iso(at: int) -> str:
    """ISO 8601 text of a time in ms."""
    return (EPOCH + timedelta(milliseconds=at)).isoformat()


# Histories

# Six hours apart within two days, so that windows of hours and days have several at and on either side of an edge.
near = st.builds(lambda steps: NOON + steps * 6 * HOUR_MS, st.integers(-10, 2))
instants = st.one_of(
    near,
    near,
    st.builds(lambda at, shift: at + shift, near, st.sampled_from((-1, 1))),
    st.builds(lambda days: NOON + days * DAY_MS, st.sampled_from((-200, -120, -90, -60, -30, 30))),
)
money = st.sampled_from((0, 5, 10, 20)).map(lambda amount: amount * MICRO)
orders = st.builds(
    Order,
    timestamp=instants | st.just(0),
    revenue=money,
    currency=st.sampled_from(("EUR", "EUR", "USD")),
    products=st.lists(st.tuples(st.sampled_from(PRODUCTS), st.just(1000), money), min_size=2, max_size=2),
    categories=st.lists(st.sampled_from(("", "shoes", "hats")), min_size=2, max_size=2) | st.just([]),
    refunded=money,
    refunded_in_full=st.booleans(),
    cancelled=st.sampled_from((False, False, True)),
)
channels = st.builds(
    ChannelStats, count=st.integers(1, 3), first=instants, last=instants, actions=st.just({"opened": 2})
)
scalars = st.sampled_from(("Oslo", "Os", "", "2", 1, 2.5, True, False, 0))
trait_values = scalars | st.lists(scalars, max_size=2) | instants.map(iso) | instants | st.none()
properties = st.fixed_dictionaries(
    {},
    optional={"color": st.sampled_from(("red", "red", "blue", 1, True)), "price": st.sampled_from((5, 7.5, "10", "x"))},
)
event_times = st.lists(near, min_size=3, max_size=7) | st.lists(instants, min_size=1, max_size=7)
histories = st.builds(
    History,
    traits=st.fixed_dictionaries({"city": trait_values}, optional={"address.city": trait_values})
    | st.builds(lambda value: {"address": {"city": value}}, trait_values),
    events=st.fixed_dictionaries(
        {EVENTS[0]: event_times}, optional={EVENTS[1]: st.lists(instants, min_size=1, max_size=3)}
    ),
    properties=st.fixed_dictionaries({name: st.lists(properties, max_size=7) for name in EVENTS}),
    exact=st.sampled_from((1, 2, 3, 4, 256)),
    orders=st.lists(orders, max_size=4),
    channels=st.fixed_dictionaries({CHANNELS[0]: channels}),
    namespaces=st.lists(st.sampled_from(("anonymous_id", "email", "user_id")), max_size=2, unique=True),
)

# Criteria

durations = st.sampled_from(DURATIONS)
rolling = st.builds(lambda length: {"last": length}, durations)
windows = st.one_of(
    st.none(),
    rolling,
    rolling,
    st.builds(lambda a, b: {"from": iso(min(a, b)), "to": iso(max(a, b) + 1)}, instants, instants),
    st.builds(lambda key, at: {key: iso(at)}, st.sampled_from(("from", "to")), instants),
)
ago = st.builds(lambda length: {"ago": length}, durations)
past_moments = st.one_of(ago, ago, instants.map(iso))
moments = past_moments | st.builds(lambda length: {"ahead": length}, durations)


def _clause(fields: Criteria) -> Criteria:
    """A clause without the fields that are left out."""
    return {key: value for key, value in fields.items() if value is not None}


def _compared(number: st.SearchStrategy[Any], measures: st.SearchStrategy[str | None]) -> st.SearchStrategy[Criteria]:
    return st.fixed_dictionaries({"measure": measures, "operator": st.sampled_from(NUMERIC), "value": number})


counts = st.integers(0, 4)
counted = _compared(counts, st.sampled_from((None, "count")))
present = st.fixed_dictionaries(
    {
        "measure": st.sampled_from((None, "count", "first", "last")),
        "operator": st.sampled_from(("exists", "not_exists")),
    }
)
timed = st.fixed_dictionaries(
    {
        "measure": st.sampled_from(("first", "last")),
        "operator": st.sampled_from(("before", "after")),
        "value": past_moments,
    }
)
exact_counts = st.fixed_dictionaries({"operator": st.sampled_from(NUMERIC), "value": counts})
amounts = st.sampled_from((0, 5, 7.5, 10, 20, 30))
summed = _compared(st.sampled_from((0, 5, 7.5, 10, 20, 30)), st.sampled_from(("revenue", "average", "refunds")))


def _measured(
    kind: str, fields: dict[str, st.SearchStrategy[Any]], measured: st.SearchStrategy[Criteria]
) -> st.SearchStrategy[Criteria]:
    fixed = st.fixed_dictionaries({"type": st.just(kind), **fields})
    return st.builds(lambda own, rest: _clause({**own, **rest}), fixed, measured)


def _allowed(clause: Criteria) -> bool:
    measure = clause.get("measure")
    return not (("product" in clause or "category" in clause) and measure == "refunds") and not (
        "action" in clause and measure in ("first", "last")
    )


_event = {"event": st.sampled_from((EVENTS[0], EVENTS[0], EVENTS[1])), "window": windows}
property_tests = st.builds(
    lambda name, rest: _clause({"property": name, **rest}),
    st.sampled_from(("color", "color", "price", "size")),
    st.one_of(
        st.fixed_dictionaries(
            {
                "operator": st.sampled_from(("equals", "not_equals", "contains")),
                "value": st.sampled_from(("red", "blue", 1, True, "e")),
            }
        ),
        st.fixed_dictionaries({"operator": st.sampled_from(("exists", "not_exists"))}),
        st.fixed_dictionaries({"operator": st.sampled_from(NUMERIC[2:]), "value": amounts}),
    ),
)
wheres = st.lists(property_tests, min_size=1, max_size=2)
_filtered = {**_event, "where": wheres}
event_properties = _measured("behavioral", _filtered, counted | present | timed) | _measured(
    "behavioral",
    {**_event, "where": st.none() | wheres, "property": st.sampled_from(("price", "price", "color"))},
    _compared(amounts, st.sampled_from(("sum", "average", "min", "max"))) | _compared(counts, st.just("distinct")),
)


def _sequence(steps: list[Criteria], window: Criteria | None, last: Criteria) -> Criteria:
    for number, step in enumerate(steps):
        if not number:
            step.pop("within", None)
        for test in step.get("where") or []:
            if "step" in str(test.get("value")):
                test["value"]["step"] %= max(number, 1)
        if not number and step["where"]:
            step["where"] = [test for test in step["where"] if not isinstance(test.get("value"), dict)] or None
    if last:
        steps[-1].update(last)
    return _clause({"type": "sequence", "steps": [_clause(step) for step in steps], "window": window})


references = st.builds(
    lambda step, name: {"property": name, "operator": "equals", "value": {"step": step, "property": name}},
    st.integers(0, 3),
    st.sampled_from(("color", "price")),
)
steps = st.fixed_dictionaries(
    {
        "event": st.sampled_from(EVENTS),
        "where": st.none() | st.lists(references | property_tests, min_size=1, max_size=2),
        "within": st.none() | durations,
    }
)
sequences = st.builds(
    _sequence,
    st.lists(steps, min_size=2, max_size=3),
    windows,
    st.just({}) | st.builds(lambda within: {"absent": True, "within": within}, durations),
)
event_counts = _measured("behavioral", _event, counted | counted | present)
event_times_compared = _measured("behavioral", _event, timed)
transactional = _measured(
    "transactional",
    {
        "window": windows,
        "product": st.none() | st.sampled_from(PRODUCTS),
        "category": st.sampled_from((None, None, "shoes")),
        "currency": st.sampled_from((None, None, "EUR")),
    },
    counted | present | timed | summed | summed,
).filter(_allowed)
engagement = _measured(
    "engagement",
    {"channel": st.sampled_from((CHANNELS[0], *CHANNELS, None)), "action": st.sampled_from((None, "opened"))},
    counted | present | timed,
).filter(_allowed)
demographic = st.builds(
    lambda trait, rest: _clause({"type": "demographic", "trait": trait, **rest}),
    st.sampled_from(("city", "city", "address.city")),
    st.one_of(
        st.fixed_dictionaries({"operator": st.sampled_from(("equals", "not_equals", "contains")), "value": scalars}),
        st.fixed_dictionaries(
            {"operator": st.sampled_from(("in", "not_in")), "value": st.lists(scalars, min_size=1, max_size=3)}
        ),
        st.fixed_dictionaries({"operator": st.just("starts_with"), "value": st.sampled_from(("O", "Os", "2"))}),
        st.fixed_dictionaries({"operator": st.sampled_from(("exists", "not_exists"))}),
        st.fixed_dictionaries({"operator": st.sampled_from(NUMERIC[2:]), "value": counts}),
        st.fixed_dictionaries({"operator": st.sampled_from(("before", "after")), "value": moments}),
        st.fixed_dictionaries({"operator": st.sampled_from(("before", "after")), "value": moments}),
    ),
)
lifecycle = st.builds(
    lambda stages: {"type": "lifecycle", "stage": stages},
    st.sampled_from(STAGES) | st.lists(st.sampled_from(STAGES), min_size=1, max_size=3),
)
engagement_scores = st.builds(
    lambda operator, value: {"type": "engagement", "measure": "score", "operator": operator, "value": value},
    st.sampled_from(NUMERIC),
    st.sampled_from((0, 13, 30, 43, 53, 56)),
)

# What may be referred to: every measure of a computed trait, and segments of segments.
TRAITS: dict[str, Criteria] = {
    "views": {"type": "behavioral", "event": EVENTS[0]},
    "views-1d": {"type": "behavioral", "event": EVENTS[0], "window": {"last": "1d"}},
    "reds": {
        "type": "behavioral",
        "event": EVENTS[0],
        "where": [{"property": "color", "operator": "equals", "value": "red"}],
        "window": {"last": "2d"},
    },
    "first-seen": {"type": "behavioral", "event": EVENTS[0], "measure": "first", "window": {"last": "2d"}},
    "last-seen": {"type": "behavioral", "event": EVENTS[0], "measure": "last"},
    **{
        f"price-{measure}": {
            "type": "behavioral",
            "event": EVENTS[0],
            "measure": measure,
            "property": "price",
            "window": {"last": "2d"},
        }
        for measure in ("sum", "average", "min", "max")
    },
    **{
        f"color-{measure}": {"type": "behavioral", "event": EVENTS[0], "measure": measure, "property": "color"}
        for measure in ("distinct", "first_value", "last_value", "most_frequent", "unique")
    },
    "color-latest-1d": {
        "type": "behavioral",
        "event": EVENTS[0],
        "measure": "last_value",
        "property": "color",
        "window": {"last": "1d"},
    },
    "orders-30d": {"type": "transactional", "window": {"last": "30d"}},
    "revenue": {"type": "transactional", "measure": "revenue", "category": "shoes"},
    "basket": {"type": "transactional", "measure": "average", "currency": "EUR"},
    "last-order": {"type": "transactional", "measure": "last"},
    "is-keen": {
        "type": "predicate",
        "criteria": {"type": "computed", "trait": "views-1d", "operator": "at_least", "value": 2},
    },
}
SEGMENTS: dict[str, Criteria] = {
    "keen": {"type": "computed", "trait": "is-keen", "operator": "equals", "value": True},
    "buyers": {"type": "transactional", "operator": "exists", "window": {"last": "30d"}},
    "keen-or-buyers": {
        "any": [{"type": "membership", "segment": "keen"}, {"not": {"type": "membership", "segment": "buyers"}}]
    },
}
_KINDS: dict[str, tuple[str, ...]] = {
    "number": (
        *("views", "views-1d", "reds", "price-sum", "price-average", "price-min", "price-max", "color-distinct"),
        *("orders-30d", "revenue", "basket"),
    ),
    "time": ("first-seen", "last-seen", "last-order"),
    "scalar": ("color-first_value", "color-last_value", "color-most_frequent", "color-latest-1d"),
}


def _computed(kind: str, rest: st.SearchStrategy[Criteria]) -> st.SearchStrategy[Criteria]:
    return st.builds(
        lambda trait, compared: {"type": "computed", "trait": trait, **compared}, st.sampled_from(_KINDS[kind]), rest
    )


_existence = st.fixed_dictionaries({"operator": st.sampled_from(("exists", "not_exists"))})
computed = st.one_of(
    _computed("number", st.fixed_dictionaries({"operator": st.sampled_from(NUMERIC), "value": amounts | counts})),
    _computed("number", _existence),
    _computed("time", st.fixed_dictionaries({"operator": st.sampled_from(("before", "after")), "value": moments})),
    _computed("time", _existence),
    _computed(
        "scalar",
        st.fixed_dictionaries(
            {
                "operator": st.sampled_from(("equals", "not_equals", "contains")),
                "value": st.sampled_from(("red", "blue", 1, True)),
            }
        ),
    ),
    st.builds(
        lambda value: {"type": "computed", "trait": "color-unique", "operator": "contains", "value": value},
        st.sampled_from(("red", 1, True)),
    ),
    st.builds(
        lambda value: {"type": "computed", "trait": "is-keen", "operator": "equals", "value": value}, st.booleans()
    ),
)
memberships = st.builds(lambda segment: {"type": "membership", "segment": segment}, st.sampled_from(tuple(SEGMENTS)))
clauses = st.one_of(
    event_counts,
    event_times_compared,
    event_properties,
    transactional,
    transactional,
    engagement,
    engagement_scores,
    demographic,
    lifecycle,
    sequences,
    computed,
    memberships,
)
criteria = st.recursive(
    clauses,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=5,
)
# Where to start the clock: at one of the instants of change, or so many hours after the latest event.
starts = st.tuples(st.sampled_from(("change", "latest")), st.integers(0, 1000))
