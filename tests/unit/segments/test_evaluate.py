"""Verdicts by hand, on profiles that real events made, and the bound on looking ahead."""

from typing import Any

import pytest

from models.events.event import Event
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply
from models.profile.state import DAY_MS, EventStats, Order, Profile
from models.segments.compile import compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.evaluate import LOOKAHEAD, Verdict, evaluate

NOW = 20_000 * DAY_MS
MINUTE_MS = 60_000


def verdict(criteria: dict[str, Any], profile: Profile, now: int = NOW) -> Verdict:
    return evaluate(compile_segment(SegmentDefinition("s", "S", criteria)), profile, now)


def person(times: list[int], name: str = "Product Viewed", **properties: object) -> Profile:
    profile = Profile(1, created_at=NOW)
    for i, at in enumerate(times):
        event = Event(f"m{i}", "track", name, at, at, "web", ("user_id:1",), "user_id:1", properties=dict(properties))
        apply(profile, event, ProfilePolicy())
    return profile


def viewed(**fields: object) -> dict[str, Any]:
    return {"type": "behavioral", "event": "Product Viewed", **fields}


def test_exit_at_the_millisecond_that_the_window_passes() -> None:
    profile = person([NOW - 5 * DAY_MS, NOW - DAY_MS])
    active = viewed(operator="at_least", value=1, window={"last": "30d"})
    leaves = NOW + 29 * DAY_MS
    assert verdict(active, profile) == (True, leaves)
    assert verdict(active, profile, leaves - 1) == (True, leaves)
    assert verdict(active, profile, leaves) == (False, None)


def test_a_dormant_person_has_no_timer() -> None:
    profile = person([NOW - 40 * DAY_MS])
    assert verdict(viewed(operator="at_least", value=1, window={"last": "30d"}), profile) == (False, None)


def test_more_occurrences_than_are_kept_exactly() -> None:
    times = [NOW - i * 10 * MINUTE_MS for i in range(1, 401)]  # nearly three days; the latest 256 reach back 42.7 h
    profile = person(times)
    assert verdict(viewed(operator="equals", value=400), profile) == (True, None)
    # Exact inside: 1 day holds 143, and the next one leaves when ten minutes have passed since it entered.
    assert verdict(viewed(operator="equals", value=143, window={"last": "1d"}), profile).member
    assert verdict(viewed(operator="greater_than", value=142, window={"last": "1d"}), profile) == (
        True,
        NOW + 10 * MINUTE_MS,
    )
    # Three days hold all of them: those of the first days count from the start of their day, at the earliest from
    # the first occurrence, and leave by day.
    window = {"last": "3d"}
    assert verdict(viewed(operator="equals", value=400, window=window), profile) == (True, min(times) + 3 * DAY_MS)


def test_an_event_of_the_future_counts_from_its_time() -> None:
    profile = person([NOW + 1000])
    assert verdict(viewed(operator="exists"), profile) == (False, NOW + 1000)
    assert verdict(viewed(operator="exists", window={"last": "1d"}), profile, NOW + 1000) == (True, NOW + 1000 + DAY_MS)


def test_amounts_are_of_one_currency() -> None:
    orders = [Order(NOW - DAY_MS, 0, 30_000_000, "EUR"), Order(NOW - DAY_MS, 0, 10_000_000, "EUR")]
    profile = Profile(1, NOW, orders={"1": orders[0], "2": orders[1], "3": Order(NOW, 0, 900_000_000, "JPY")})

    def holds(measure: str, value: float, **fields: str) -> bool:
        clause = {"type": "transactional", "measure": measure, "operator": "equals", "value": value, **fields}
        return verdict(clause, profile).member

    assert holds("revenue", 40)
    assert holds("average", 20)
    assert holds("revenue", 900, currency="JPY")
    assert holds("count", 3)
    assert holds("count", 2, currency="EUR")


def test_average_is_compared_without_rounding() -> None:
    orders = {str(i): Order(NOW - DAY_MS, 0, amount, "EUR") for i, amount in enumerate((1, 1, 2))}
    profile = Profile(1, NOW, orders=orders)
    clause = {"type": "transactional", "measure": "average", "value": 0.000001}
    assert verdict({**clause, "operator": "greater_than"}, profile).member
    assert not verdict({**clause, "operator": "equals"}, profile).member


def test_lifecycle_rules_are_an_argument() -> None:
    profile = person([NOW - 20 * DAY_MS], "Order Completed", order_id="o1", revenue=5)
    definition = SegmentDefinition("s", "S", {"type": "lifecycle", "stage": "at_risk"})
    assert evaluate(compile_segment(definition), profile, NOW) == (False, NOW + 70 * DAY_MS)
    rules = LifecycleRules(at_risk_days=10, lapsed_days=30)
    assert evaluate(compile_segment(definition, rules), profile, NOW) == (True, NOW + 10 * DAY_MS)


def test_stages_that_follow_each_other_are_one_stay() -> None:
    profile = person([NOW - DAY_MS], "Order Completed", order_id="o1", revenue=5)
    customers = {"type": "lifecycle", "stage": ["new_customer", "active", "at_risk"]}
    assert verdict(customers, profile) == (True, NOW + 179 * DAY_MS)


@pytest.mark.parametrize(("clauses", "found"), [(2, True), (LOOKAHEAD + 2, False)])
def test_looking_ahead_is_bounded(clauses: int, found: bool) -> None:
    """Parts that take turns: every flip of one is made up for by the next, so that the whole stays as it was."""
    profile = Profile(1, NOW)
    parts = []
    for i in range(clauses):
        # Held from i to i + 1 days from now, the next from then on.
        profile.events[f"E{i}"] = EventStats(1, NOW + i * DAY_MS, NOW + i * DAY_MS, [NOW + i * DAY_MS])
        parts.append({"type": "behavioral", "event": f"E{i}", "operator": "exists", "window": {"last": "1d"}})
    member, next_flip = verdict({"any": parts}, profile)
    assert member
    assert next_flip is not None
    assert (next_flip == NOW + clauses * DAY_MS) == found
    assert verdict({"any": parts}, profile, next_flip - 1).member
