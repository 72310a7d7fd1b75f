"""Orders: completions, refunds and cancellations, with and without ids."""

from typing import Any

import pytest

from models.events.event import Event
from models.profile.document import document
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply
from models.profile.state import Order, Profile, encode_profile
from models.profile.transactions import PRODUCTS_MAX, is_sale, refund_of

POLICY = ProfilePolicy()


def track(name: str, at: int = 1000, message_id: str = "", **properties: Any) -> Event:
    identifiers = ("user_id:u1",)
    return Event(message_id or f"{name}{at}", "track", name, at, at, "web", identifiers, identifiers[0],
                 properties=properties)  # fmt: skip


def orders(*events: Event, policy: ProfilePolicy = POLICY) -> dict[str, Order]:
    profile = Profile(1, 1)
    for event in events:
        apply(profile, event, policy)
    encode_profile(profile)
    return profile.orders


def test_revenue_comes_first_then_total_then_value_then_products() -> None:
    line = {"product_id": "p", "price": 4, "quantity": 2}
    given: dict[str, Any] = {"revenue": 1, "total": 2, "value": 3, "products": [line]}
    for dropped, units in (("", 1), ("revenue", 2), ("total", 3), ("value", 8), ("products", 0)):
        given.pop(dropped, None)
        assert orders(track("Order Completed", order_id="o", **given))["o"].revenue == units * 1_000_000


def test_junk_revenue_falls_through() -> None:
    order = orders(track("Order Completed", order_id="o", revenue="much", total="12.5"))["o"]
    assert order.revenue == 12_500_000


def test_the_earliest_completion_counts() -> None:
    late = track("Order Completed", 2000, order_id="o", revenue=9)
    early = track("Order Completed", 1000, order_id="o", revenue=5)
    for events in ((late, early), (early, late)):
        order = orders(*events)["o"]
        assert (order.timestamp, order.revenue) == (1000, 5_000_000)


def test_completions_of_one_millisecond_and_tie_are_settled_by_content() -> None:
    one = track("Order Completed", message_id="same", order_id="o", revenue=9)
    two = track("Order Completed", message_id="same", order_id="o", revenue=5)
    assert orders(one, two) == orders(two, one)


def test_an_order_without_id_goes_by_its_message() -> None:
    found = orders(
        track("Order Completed", message_id="m1", revenue=1), track("Order Completed", message_id="m2", revenue=1)
    )
    assert set(found) == {"message:m1", "message:m2"}


@pytest.mark.parametrize("properties", [{"order_id": 17}, {"orderId": "17"}, {"transaction_id": "17"}])
def test_spellings_of_the_order_id(properties: dict[str, Any]) -> None:
    assert set(orders(track("Order Completed", **properties))) == {"17"}


def test_refunds_add_up_and_may_come_first() -> None:
    order = orders(
        track("Order Refunded", 1, order_id="o", amount=1),
        track("Order Refunded", 2, order_id="o", total="-2.50"),
        track("Order Refunded", 3, order_id="o", products=[{"product_id": "p", "price": 0.25, "quantity": 2}]),
        track("Order Completed", 4, order_id="o", revenue=10),
    )["o"]
    assert refund_of(order) == 4_000_000
    assert is_sale(order)


def test_a_refund_without_amount_is_of_the_whole_order() -> None:
    order = orders(track("Order Completed", order_id="o", revenue=10), track("Order Refunded", order_id="o"))["o"]
    assert order.refunded_in_full
    assert refund_of(order) == 10_000_000


def test_refund_or_cancellation_of_nobody_knows_what_is_ignored() -> None:
    assert orders(track("Order Refunded", amount=5), track("Order Cancelled")) == {}


def test_a_cancellation_wins_in_any_order() -> None:
    done, undone = track("Order Completed", order_id="o", revenue=1), track("Order Cancelled", order_id="o")
    for events in ((done, undone), (undone, done)):
        assert not is_sale(orders(*events)["o"])


def test_a_refund_alone_is_no_sale() -> None:
    assert not is_sale(orders(track("Order Refunded", order_id="o", amount=1))["o"])


def test_configured_names_and_currency() -> None:
    policy = ProfilePolicy(order_events={"Kauf": "completed"}, currency="EUR")
    found = orders(track("Kauf", order_id="o", value=3), track("Order Completed", order_id="x"), policy=policy)
    assert (set(found), found["o"].currency) == ({"o"}, "EUR")


@pytest.mark.parametrize(("given", "currency"), [("gbp", "GBP"), ("", "USD"), (7, "USD"), ("far too long", "USD")])
def test_currency(given: Any, currency: str) -> None:
    assert orders(track("Order Completed", order_id="o", currency=given))["o"].currency == currency


def test_products() -> None:
    listed = [
        {"product_id": "a", "price": "1.5", "quantity": "2"},
        {"sku": "b", "price": None},
        {"id": 7, "price": 3, "quantity": 0.5},
        {"price": 9},
        "junk",
        {"name": "c", "price": 1, "quantity": -4},
    ]
    order = orders(track("Order Completed", order_id="o", products=listed))["o"]
    assert order.products == [("a", 2000, 3_000_000), ("b", 1000, 0), ("7", 500, 1_500_000), ("c", 0, 0)]
    assert order.revenue == 4_500_000


@pytest.mark.parametrize("listed", ["junk", 3, {}, [None], [[]]])
def test_junk_products(listed: Any) -> None:
    assert orders(track("Order Completed", order_id="o", products=listed))["o"].products == []


def test_extremes_are_bounded_and_stored() -> None:
    dear = {"product_id": "p", "price": 10**12, "quantity": 10**6}
    order = orders(
        track("Order Completed", order_id="o", products=[dear] * (PRODUCTS_MAX + 5)),
        *(track("Order Refunded", n, order_id="o", amount=10**12) for n in range(1, 20)),
    )["o"]
    assert len(order.products) == PRODUCTS_MAX
    assert order.revenue == 10**18
    assert order.refunded == 2**63 - 1


def test_path_is_told_only_when_an_order_changes() -> None:
    profile = Profile(1, 1)
    assert "transactions" in apply(profile, track("Order Completed", 5, order_id="o", revenue=1), POLICY)
    assert "transactions" not in apply(profile, track("Order Completed", 6, order_id="o", revenue=1), POLICY)
    assert "transactions" not in apply(profile, track("Order Refunded", 6, order_id="o", amount=0), POLICY)
    assert "transactions" in apply(profile, track("Order Refunded", 7, order_id="o", amount=1), POLICY)
    assert "transactions" in apply(profile, track("Order Cancelled", 8, order_id="o"), POLICY)
    assert "transactions" not in apply(profile, track("Order Cancelled", 9, order_id="o"), POLICY)


def test_document_averages_are_rounded_to_cents() -> None:
    profile = Profile(1, 1)
    for n, revenue in enumerate((10, 10, 0.01)):
        apply(profile, track("Order Completed", n + 1, order_id=str(n), revenue=revenue), POLICY)
    found = document(profile, 10, {})["transactions"]
    assert (found["revenue"], found["orders"], found["average_order_value"]) == ("20.01", 3, "6.67")
