"""Where columns or profiles run out of room, both still give the same answer."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from models.events.event import Event
from models.profile.lifecycle import DEFAULT_RULES
from models.profile.policy import ProfileLimits, ProfilePolicy
from models.profile.properties import pack_properties
from models.profile.reduce import apply, time_of
from models.profile.state import DAY_MS, Profile
from models.segments import columns as columns_module
from models.segments import text_column, value_column
from models.segments.columns import Columns
from models.segments.compile import judge_of
from models.segments.criteria import Instant
from models.segments.parse_criteria import parse_criteria
from models.segments.scalars import scalar_test
from models.segments.value_column import ValueColumn
from models.segments.vector import VectorEvaluator

NOW = 1_759_000_000_000


def told(number: int, name: str, at: int, properties: dict[str, Any] | None = None, **more: Any) -> Event:
    return Event(f"m{number}", "track", name, at, at, "s", ("user_id:1",), "user_id:1", {}, properties or {}, **more)


def followed(events: Iterable[Event], policy: ProfilePolicy) -> tuple[Profile, Columns]:
    profile, columns = Profile(1, 1), Columns()
    columns.put(profile)
    for event in events:
        changed = apply(profile, event, policy)
        columns.observe(profile, event, time_of(event), pack_properties(event, policy)[0], changed)
    return profile, columns


def agreed(criteria: dict[str, Any], events: Iterable[Event], limits: ProfileLimits | None = None) -> bool:
    """The answer of the judge, and of columns that followed the events."""
    profile, columns = followed(events, ProfilePolicy(limits=limits or ProfileLimits()))
    tree = parse_criteria(criteria)
    judged, _ = judge_of(tree, DEFAULT_RULES)(profile, NOW)
    mask = VectorEvaluator(columns, lambda slot: profile, NOW).members(tree)
    assert bool(mask[columns.slot_of(1)]) == judged
    return judged


def test_lines_of_old_orders_for_which_there_is_no_room() -> None:
    lines = [{"product_id": f"sku-{n}-" + "x" * 60, "price": 1, "quantity": 1} for n in range(40)]
    orders = [
        told(n, "Order Completed", NOW - 30 * DAY_MS + n, {"order_id": f"o{n}", "total": 9, "products": lines})
        for n in range(40)
    ]
    orders[0].properties["products"] = [{"product_id": "first", "price": 1}]
    assert not agreed({"type": "transactional", "product": "first", "operator": "exists"}, orders)


def test_a_day_that_is_counted_and_dropped_at_once() -> None:
    events = [told(n, "B", NOW - 400 * DAY_MS + n * DAY_MS) for n in range(258)]
    events += [told(1000 + n, "A", NOW - 100 * DAY_MS + n * 3_600_000) for n in range(257)]
    criteria = {"type": "behavioral", "event": "A", "operator": "at_least", "value": 257, "window": {"last": "200d"}}
    assert not agreed(criteria, events, ProfileLimits(days=2))


@pytest.mark.parametrize("absent", [False, True])
def test_a_sequence_joined_by_a_property_that_has_no_column(absent: bool) -> None:
    events = [told(n, "View", NOW - 100_000 + n, {f"p{n}": 1}) for n in range(columns_module.PROPERTIES_MAX)]
    events += [told(100, "View", NOW - 5000, {"cart_id": "c"}), told(101, "Buy", NOW - 4000, {"cart_id": "c"})]
    joined = [{"property": "cart_id", "operator": "equals", "value": {"step": 0, "property": "cart_id"}}]
    first = {"event": "View", "where": [{"property": "cart_id", "operator": "exists"}]}
    last = {"event": "Buy", "where": joined, **({"within": "3s", "absent": True} if absent else {})}
    assert agreed({"type": "sequence", "steps": [first, last]}, events) != absent


@pytest.mark.parametrize(
    "criteria",
    [
        {"type": "engagement", "channel": "made-up-40", "operator": "at_least", "value": 1},
        {"type": "engagement", "channel": "made-up-1", "operator": "at_least", "value": 1},
        {"type": "engagement", "operator": "at_least", "value": 41},
        {"type": "engagement", "measure": "last", "operator": "after", "value": {"ago": "1d"}},
        {"type": "engagement", "measure": "score", "operator": "at_least", "value": 30},
    ],
)
def test_channels_that_have_no_column(criteria: dict[str, Any]) -> None:
    events = [told(n, "Seen", NOW - 9_000 + n, context={"channel": f"made-up-{n}"}) for n in range(41)]
    assert agreed(criteria, events)
    assert len(followed(events, ProfilePolicy())[1].channels) == columns_module.CHANNELS_MAX


def test_occurrences_that_no_profile_holds_any_more_go() -> None:
    events = [told(n, "A", NOW - 20_000_000 + n * 1000) for n in range(12_000)]
    events.append(told(-1, "A", -DAY_MS))
    profile, columns = followed(events, ProfilePolicy())
    assert columns.events["A"].slots.size < 2 * columns_module._TRIM_MIN
    kept = len(profile.events["A"].recent)
    criteria = {"type": "behavioral", "event": "A", "operator": "at_least", "value": kept, "window": {"last": "1d"}}
    assert agreed(criteria, events)


VALUES = [None, 10**13, 2.5, True, ["a", 3], ["x"], {"k": 1}, "2025-09-01", "text a", "ähnlich", "", 1_757_000_000, "a"]
TESTS = [
    *(("contains", value) for value in ("a", "ä", "", 3, "x", "zzz")),
    *(("starts_with", value) for value in ("te", "ä", "", "zzz")),
    *((operator, value) for operator in ("equals", "not_equals") for value in ("a", 2.5, True, 10**13)),
    *((operator, ("a", 2.5)) for operator in ("in", "not_in")),
    *((operator, None) for operator in ("exists", "not_exists")),
    *((operator, value) for operator in ("greater_than", "at_most") for value in (5, 2.5)),
    *((operator, Instant(1_756_800_000_000)) for operator in ("before", "after")),
]


@pytest.mark.parametrize(("operator", "value"), TESTS)
def test_a_column_of_too_many_values_answers_as_the_values(
    monkeypatch: pytest.MonkeyPatch, operator: str, value: Any
) -> None:
    monkeypatch.setattr(value_column, "DISTINCT_MAX", 20)
    monkeypatch.setattr(text_column, "_BLOCK", 8)
    column = ValueColumn()
    rng = np.random.default_rng(3)
    held: list[Any] = [None] * 120
    test = scalar_test(operator, value)
    for step in range(600):
        position = int(rng.integers(len(held)))
        held[position] = VALUES[step % len(VALUES)] if rng.random() < 0.4 else f"text {step}"
        column.put(position, held[position])
        if step == 400:
            kept = rng.random(len(held)) < 0.7
            column.keep(kept)
            held = [each for each, stays in zip(held, kept, strict=True) if stays]
    assert not column.is_coded
    answer = column.test(operator, value, len(held))
    unsure = np.zeros(len(held), np.bool_) if answer.unsure is None else answer.unsure
    assert all(isinstance(held[position], list) for position in np.flatnonzero(unsure))
    for position, each in enumerate(held):
        if not unsure[position]:
            assert answer.holds[position] == test(each), each
