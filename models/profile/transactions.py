"""Transactions: orders from e-commerce events (Segment's specification), by order id.

The earliest completion of an order counts, refunds add up, a full refund or a cancellation stays. Retried or
doubled completions (one by the browser, one by the server) therefore count once, and late ones change nothing
but the earliest. Amounts are micro-units; quantities are thousandths.
"""

from typing import Any

from models.events.event import Event
from models.profile.money import AMOUNT_MAX, MICRO_MAX, add_saturated, multiply, to_micro
from models.profile.policy import OrderStep
from models.profile.state import MICRO, Order

PRODUCTS_MAX = 200  # lines of one order that are kept
QUANTITY_MAX = 10**6
_ORDER_IDS = ("order_id", "orderId", "transaction_id")
_REVENUES = ("revenue", "total", "value")
_REFUNDS = ("amount", "refund_amount", "total", "revenue", "value")
_PRODUCT_IDS = ("product_id", "productId", "sku", "item_id", "id", "name")

Products = list[tuple[str, int, int]]


def observe_order(
    orders: dict[str, Order], event: Event, step: OrderStep, timestamp: int, tie: int, currency: str
) -> bool:
    """Tells of an order's completion, refund or cancellation. Returns whether an order is another one now."""
    properties = event.properties
    order_id = _text(properties, _ORDER_IDS)
    if step == "completed":
        return _complete(orders, order_id or f"message:{event.message_id}", properties, timestamp, tie, currency)
    if not order_id:  # there is no telling which order it was
        return False
    if step == "cancelled":
        order = orders.setdefault(order_id, Order())
        changed = not order.cancelled
        order.cancelled = True
        return changed
    return _refund(orders.setdefault(order_id, Order()), properties)


def merge_orders(into: dict[str, Order], other: dict[str, Order]) -> None:
    """Joins the orders of two persons."""
    for order_id, theirs in other.items():
        order = into.setdefault(order_id, Order())
        _join_completion(order, theirs.timestamp, theirs.tie, theirs.revenue, theirs.currency, list(theirs.products))
        order.refunded = add_saturated(order.refunded, theirs.refunded)
        order.refunded_in_full |= theirs.refunded_in_full
        order.cancelled |= theirs.cancelled


def is_sale(order: Order) -> bool:
    """The order counts: it was completed and not cancelled."""
    return order.timestamp > 0 and not order.cancelled


def refund_of(order: Order) -> int:
    """Micro-units that went back."""
    return order.revenue if order.refunded_in_full else order.refunded


def _complete(
    orders: dict[str, Order], order_id: str, properties: dict[str, Any], timestamp: int, tie: int, currency: str
) -> bool:
    products = _products(properties)
    revenue = _amount(properties, _REVENUES)
    if revenue is None:
        total = sum(line[2] for line in products)
        revenue = max(-AMOUNT_MAX * MICRO, min(total, AMOUNT_MAX * MICRO))
    given = properties.get("currency")
    if isinstance(given, str) and 0 < len(given.strip()) <= 8:
        currency = given.strip().upper()
    order = orders.setdefault(order_id, Order())
    return _join_completion(order, timestamp, tie, revenue, currency, products)


def _join_completion(order: Order, timestamp: int, tie: int, revenue: int, currency: str, products: Products) -> bool:
    """Keeps the earlier of two completions; a timestamp of 0 is none."""
    if not timestamp:
        return False
    if order.timestamp:
        new, held = (timestamp, tie), (order.timestamp, order.tie)
        if new == held:
            if (revenue, currency, products) >= (order.revenue, order.currency, order.products):
                return False
        elif new > held:
            return False
    order.timestamp, order.tie = timestamp, tie
    order.revenue, order.currency, order.products = revenue, currency, products
    return True


def _refund(order: Order, properties: dict[str, Any]) -> bool:
    """A refund of an amount, or of the products listed, or else of the whole order."""
    amount = _amount(properties, _REFUNDS)
    if amount is None:
        products = _products(properties)
        if not products:
            changed = not order.refunded_in_full
            order.refunded_in_full = True
            return changed
        amount = sum(line[2] for line in products)
    order.refunded = add_saturated(order.refunded, min(abs(amount), MICRO_MAX))
    return amount != 0


def _products(properties: dict[str, Any]) -> Products:
    """(id, quantity in thousandths, revenue in micro-units) of each line that tells a product."""
    listed = properties.get("products")
    if listed is None:
        listed = properties.get("items")
    if not isinstance(listed, list):
        return []
    products = []
    for line in listed[:PRODUCTS_MAX]:
        if not isinstance(line, dict):
            continue
        product_id = _text(line, _PRODUCT_IDS)
        if not product_id:
            continue
        quantity = to_micro(line.get("quantity", 1))
        thousandths = 1000 if quantity is None else (min(max(quantity, 0), QUANTITY_MAX * MICRO) + 500) // 1000
        products.append((product_id, thousandths, multiply(to_micro(line.get("price")) or 0, thousandths)))
    return products


def _amount(properties: dict[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        if name in properties:
            amount = to_micro(properties[name])
            if amount is not None:
                return amount
    return None


def _text(properties: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first of the properties that is a text or a number, as text."""
    for name in names:
        value = properties.get(name)
        if (isinstance(value, str) and value) or type(value) is int:
            return str(value)
    return ""
