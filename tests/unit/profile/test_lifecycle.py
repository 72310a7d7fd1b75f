"""Lifecycle stages: the rules, one by one (their dates: tests/properties/test_profile_time.py)."""

import pytest

from models.profile.lifecycle import STAGES, Lifecycle, LifecycleRules, lifecycle
from models.profile.state import DAY_MS, IdentifierInfo, Order, Profile

NOW = 1000 * DAY_MS


def customer(*days_ago: int, cancelled: bool = False) -> Profile:
    orders = {str(n): Order(NOW - days * DAY_MS, cancelled=cancelled) for n, days in enumerate(days_ago)}
    return Profile(1, 5, first_seen=7, orders=orders)


def identified(*identifiers: str) -> Profile:
    infos = {name: IdentifierInfo(100 + n, 200, 1, "web") for n, name in enumerate(identifiers)}
    return Profile(1, 5, first_seen=7, identifiers=infos)


def test_anonymous_and_known() -> None:
    assert lifecycle(Profile(1, 5), NOW) == Lifecycle("anonymous", 5, None)
    assert lifecycle(identified("anonymous_id:x", "idfa:y"), NOW) == Lifecycle("anonymous", 7, None)
    assert lifecycle(identified("anonymous_id:x", "email:a@b.c", "user_id:1"), NOW) == Lifecycle("known", 101, None)


@pytest.mark.parametrize(
    ("days_ago", "stage", "since", "next_change"),
    [
        ((10,), "new_customer", 10, -20),
        ((30,), "active", 0, -60),
        ((50, 10), "active", 20, -80),
        ((400, 10), "active", 10, -80),
        ((50, 20, 10), "loyal", 10, -80),
        ((50, 40, 20, 10), "loyal", 20, -80),
        ((500, 490, 480, 10), "loyal", 10, -80),
        ((50, 40, 20, 90), "loyal", 40, -70),
        ((300, 200, 95), "at_risk", 5, -85),
        ((180,), "lapsed", 0, None),
    ],
)
def test_customers(days_ago: tuple[int, ...], stage: str, since: int, next_change: int | None) -> None:
    found = lifecycle(customer(*days_ago), NOW)
    assert found.stage == stage
    assert found.since == NOW - since * DAY_MS
    assert found.next_change == (None if next_change is None else NOW - next_change * DAY_MS)


def test_cancelled_and_unknown_orders_do_not_count() -> None:
    assert lifecycle(customer(10, cancelled=True), NOW).stage == "anonymous"
    assert lifecycle(Profile(1, 5, orders={"o": Order(refunded=5)}), NOW).stage == "anonymous"


def test_rules_are_settings() -> None:
    rules = LifecycleRules(loyal_orders=1, anonymous_namespaces=frozenset({"email"}))
    assert lifecycle(customer(10), NOW, rules).stage == "loyal"
    assert lifecycle(identified("email:a@b.c"), NOW, rules).stage == "anonymous"
    assert len(set(STAGES)) == 7


def test_a_new_customer_may_return_too() -> None:
    rules = LifecycleRules(new_days=200)
    found = lifecycle(customer(150, 10), NOW, rules)
    assert found == Lifecycle("new_customer", NOW - 10 * DAY_MS, NOW + 50 * DAY_MS)


@pytest.mark.parametrize("fields", [{"new_days": 0}, {"at_risk_days": 0}, {"loyal_orders": 0}, {"lapsed_days": 90}])
def test_rules_that_cannot_go_together(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="lifecycle"):
        LifecycleRules(**fields)  # type: ignore[arg-type]
