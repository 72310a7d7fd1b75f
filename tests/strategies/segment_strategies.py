"""Random segment criteria and histories, and a naive interpreter of the one over the other: the judge of the real one.

The interpreter reads the JSON criteria and the raw times, filters lists, and knows nothing of flips. The times
are few and lie on a coarse grid, a millisecond to either side, so that window edges and ties are hit often.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

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
    exact: int = 256  # times of an event that the profile keeps exactly
    orders: list[Order] = field(default_factory=list)
    channels: dict[str, ChannelStats] = field(default_factory=dict)
    namespaces: list[str] = field(default_factory=list)


def profile_of(history: History) -> Profile:
    """The profile that events of this history lead to."""
    profile = Profile(1, created_at=NOON - 400 * DAY_MS)
    for trait, value in history.traits.items():
        profile.attributes[trait] = Attribute(Observation(NOON, 0, value))
    for name, unsorted in history.events.items():
        times = sorted(unsorted)
        older: dict[int, int] = {}
        for at in times[: -history.exact]:
            older[at // DAY_MS] = older.get(at // DAY_MS, 0) + 1
        profile.events[name] = EventStats(len(times), times[0], times[-1], times[-history.exact :], older)
    profile.orders = {f"o{i}": order for i, order in enumerate(history.orders)}
    profile.channels = dict(history.channels)
    profile.identifiers = {f"{namespace}:x": IdentifierInfo(NOON, NOON, 1, "s") for namespace in history.namespaces}
    return profile


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
    products=st.lists(st.tuples(st.sampled_from(PRODUCTS), st.just(1000), money), max_size=2),
    refunded=money,
    refunded_in_full=st.booleans(),
    cancelled=st.sampled_from((False, False, True)),
)
channels = st.builds(
    ChannelStats, count=st.integers(1, 3), first=instants, last=instants, actions=st.just({"opened": 2})
)
scalars = st.sampled_from(("Oslo", "Os", "", "2", 1, 2.5, True, False, 0))
trait_values = scalars | st.lists(scalars, max_size=2) | instants.map(iso) | instants | st.none()
event_times = st.lists(near, min_size=3, max_size=7) | st.lists(instants, min_size=1, max_size=7)
histories = st.builds(
    History,
    traits=st.fixed_dictionaries({"city": trait_values}, optional={"address.city": trait_values})
    | st.builds(lambda value: {"address": {"city": value}}, trait_values),
    events=st.fixed_dictionaries(
        {EVENTS[0]: event_times}, optional={EVENTS[1]: st.lists(instants, min_size=1, max_size=3)}
    ),
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
summed = _compared(st.sampled_from((0, 5, 7.5, 10, 20, 30)), st.sampled_from(("revenue", "average", "refunds")))


def _measured(
    kind: str, fields: dict[str, st.SearchStrategy[Any]], measured: st.SearchStrategy[Criteria]
) -> st.SearchStrategy[Criteria]:
    fixed = st.fixed_dictionaries({"type": st.just(kind), **fields})
    return st.builds(lambda own, rest: _clause({**own, **rest}), fixed, measured)


def _allowed(clause: Criteria) -> bool:
    measure = clause.get("measure")
    return not ("product" in clause and measure == "refunds") and not (
        "action" in clause and measure in ("first", "last")
    )


_event = {"event": st.sampled_from((EVENTS[0], EVENTS[0], EVENTS[1])), "window": windows}
event_counts = _measured("behavioral", _event, counted | counted | present)
event_times_compared = _measured("behavioral", _event, timed)
transactional = _measured(
    "transactional",
    {
        "window": windows,
        "product": st.none() | st.sampled_from(PRODUCTS),
        "currency": st.sampled_from((None, None, "EUR")),
    },
    counted | present | timed | summed | summed,
).filter(_allowed)
engagement = _measured(
    "engagement",
    {"channel": st.sampled_from((CHANNELS[0], *CHANNELS)), "action": st.sampled_from((None, "opened"))},
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
clauses = st.one_of(
    event_counts, event_times_compared, transactional, transactional, engagement, demographic, lifecycle
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
