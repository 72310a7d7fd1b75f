"""Transactions: orders from e-commerce events (Segment's specification), by order id.

The earliest completion of an order counts, refunds add up, a full refund or a cancellation stays. Retried or
doubled completions (one by the browser, one by the server) therefore count once, and late ones change nothing
but the earliest. Beyond the limits the oldest orders are folded into totals: their counts and sums stay exact, but
not their products, and an event of a folded order that comes again counts again. Amounts are
micro-units; quantities are thousandths.
"""

from typing import Any

import msgspec

from models.events.event import Event
from models.profile.money import AMOUNT_MAX, MICRO_MAX, add_saturated, multiply, to_micro
from models.profile.policy import OrderStep, ProfileLimits, ProfilePolicy
from models.profile.room import leave_out
from models.profile.state import MICRO, Folded, Order, Profile, Totals

PRODUCTS_MAX = 200  # lines of one order that are kept
QUANTITY_MAX = 10**6
_SECTION = "transactions"
_FEW = 16  # orders, and twice as many lines, that are too few to be measured
_UNNAMED = "message:"
_ORDER_IDS = ("order_id", "orderId", "transaction_id")
_REVENUES = ("revenue", "total", "value")
_REFUNDS = ("amount", "refund_amount", "total", "revenue", "value")
_CATEGORIES = ("category", "item_category", "product_category")
_PRODUCT_IDS = ("product_id", "productId", "sku", "item_id", "id", "name")

Products = list[tuple[str, int, int]]


def observe_order(
    profile: Profile, event: Event, step: OrderStep, timestamp: int, tie: int, policy: ProfilePolicy
) -> bool:
    """Tells of an order's completion, refund or cancellation. Returns whether an order is another one now."""
    orders, limits = profile.orders, policy.limits
    properties = event.properties
    order_id = order_id_of(event)
    if len(order_id) > limits.text and not order_id.startswith(_UNNAMED):
        leave_out(profile.beyond_limits, _SECTION)
        return False
    if step == "completed":
        changed = _complete(profile, order_id, properties, timestamp, tie, policy)
    else:
        changed = _take_back(profile, order_id, properties, step, limits)
    if len(orders) > _FEW or len(orders) > limits.orders or (changed and len(orders[order_id].products) > 2 * _FEW):
        bound_orders(profile, limits)
    return changed


def _take_back(
    profile: Profile, order_id: str, properties: dict[str, Any], step: OrderStep, limits: ProfileLimits
) -> bool:
    """A refund or a cancellation."""
    orders = profile.orders
    if order_id.startswith(_UNNAMED):  # there is no telling which order it was
        return False
    if step == "cancelled":
        order = orders.setdefault(order_id, Order())
        changed = not order.cancelled
        order.cancelled = True
        return changed
    return _refund(orders.setdefault(order_id, Order()), properties, limits)


def order_id_of(event: Event) -> str:
    """The order that an event is about; one without an id goes by the message that completed it."""
    return _text(event.properties, _ORDER_IDS) or f"{_UNNAMED}{event.message_id}"


def merge_orders(into: dict[str, Order], other: dict[str, Order]) -> None:
    """Joins the orders of two persons."""
    for order_id, theirs in other.items():
        order = into.setdefault(order_id, Order())
        _join_completion(order, theirs)
        order.refunded = add_saturated(order.refunded, theirs.refunded)
        order.refunded_in_full |= theirs.refunded_in_full
        order.cancelled |= theirs.cancelled


def merge_folded(into: Profile, other: Profile, limits: ProfileLimits) -> None:
    """Joins the totals of two persons' folded orders."""
    theirs = other.folded
    if theirs is None:
        return
    held = into.folded = into.folded or Folded()
    held.cancelled += theirs.cancelled
    for currency, totals in theirs.totals.items():
        _add_totals(into, held, currency, totals, limits)
    if theirs.first:
        held.first, held.last = min(held.first or theirs.first, theirs.first), max(held.last, theirs.last)


def bound_orders(profile: Profile, limits: ProfileLimits) -> None:
    """Brings the orders under the limits: first the oldest ones lose their products, then they are folded.

    An eighth more than needed goes at once, so that not every order has to be measured and sorted anew.
    """
    orders = profile.orders
    if len(orders) <= min(_FEW, limits.orders) and all(len(order.products) <= 2 * _FEW for order in orders.values()):
        return
    size = len(_encoder.encode(orders))
    if len(orders) <= limits.orders and size <= limits.order_bytes:
        return
    oldest = sorted(orders, key=lambda order_id: (orders[order_id].timestamp, order_id))
    if len(orders) > limits.orders:
        for order_id in oldest[: len(orders) - max(1, limits.orders * 7 // 8)]:
            size -= len(order_id) + len(_encoder.encode(orders[order_id]))
            _fold(profile, orders.pop(order_id), limits)
        oldest = oldest[-len(orders) :]
    if size <= limits.order_bytes:
        return
    enough = limits.order_bytes * 7 // 8
    for order_id in oldest:
        order = orders[order_id]
        if size > enough and order.products:
            leave_out(profile.beyond_limits, "products", len(order.products))
            size -= len(_encoder.encode(order.products))
            order.products, order.categories = [], []
    for order_id in oldest:
        if size > enough:
            size -= len(order_id) + len(_encoder.encode(orders[order_id]))
            _fold(profile, orders.pop(order_id), limits)


def is_sale(order: Order) -> bool:
    """The order counts: it was completed and not cancelled."""
    return order.timestamp > 0 and not order.cancelled


def refund_of(order: Order) -> int:
    """Micro-units that went back."""
    return order.revenue if order.refunded_in_full else order.refunded


def sales_between(profile: Profile, start: int, end: int) -> list[Order]:
    """The orders that count, completed later than `start` and up to `end`, ms."""
    return [order for order in profile.orders.values() if is_sale(order) and start < order.timestamp <= end]


def net_of(order: Order) -> float:
    """What an order came to, less what went back, in its currency's unit."""
    return (order.revenue - refund_of(order)) / MICRO


def _fold(profile: Profile, order: Order, limits: ProfileLimits) -> None:
    folded = profile.folded = profile.folded or Folded()
    if order.cancelled:
        folded.cancelled += 1
    elif not order.timestamp:  # a refund whose order never came
        leave_out(profile.beyond_limits, _SECTION)
    elif _add_totals(profile, folded, order.currency, Totals(1, order.revenue, refund_of(order)), limits):
        folded.first = min(folded.first or order.timestamp, order.timestamp)
        folded.last = max(folded.last, order.timestamp)


def _add_totals(profile: Profile, folded: Folded, currency: str, more: Totals, limits: ProfileLimits) -> bool:
    held = folded.totals.get(currency)
    if held is None:
        if len(folded.totals) >= limits.currencies:
            leave_out(profile.beyond_limits, _SECTION, more.count)
            return False
        held = folded.totals[currency] = Totals()
    held.count += more.count
    held.revenue = max(-MICRO_MAX, min(held.revenue + more.revenue, MICRO_MAX))
    held.refunded = add_saturated(held.refunded, more.refunded)
    return True


def _complete(
    profile: Profile, order_id: str, properties: dict[str, Any], timestamp: int, tie: int, policy: ProfilePolicy
) -> bool:
    currency = policy.currency
    products, categories = _products(properties, policy.limits)
    revenue = _amount(properties, _REVENUES)
    if revenue is None:
        total = sum(line[2] for line in products)
        revenue = max(-AMOUNT_MAX * MICRO, min(total, AMOUNT_MAX * MICRO))
    given = properties.get("currency")
    if isinstance(given, str) and 0 < len(given.strip()) <= 8:
        currency = given.strip().upper()
    order = profile.orders.setdefault(order_id, Order())
    return _join_completion(order, Order(timestamp, tie, revenue, currency, products, categories=categories))


def _join_completion(order: Order, told: Order) -> bool:
    """Keeps the earlier of two completions; a timestamp of 0 is none."""
    if not told.timestamp:
        return False
    if order.timestamp:
        new, held = (told.timestamp, told.tie), (order.timestamp, order.tie)
        if new == held:
            if _content(told) >= _content(order):
                return False
        elif new > held:
            return False
    order.timestamp, order.tie = told.timestamp, told.tie
    order.revenue, order.currency = told.revenue, told.currency
    order.products, order.categories = list(told.products), list(told.categories)
    return True


def _content(order: Order) -> tuple[int, str, Products, list[str]]:
    return order.revenue, order.currency, order.products, order.categories


def _refund(order: Order, properties: dict[str, Any], limits: ProfileLimits) -> bool:
    """A refund of an amount, or of the products listed, or else of the whole order."""
    amount = _amount(properties, _REFUNDS)
    if amount is None:
        products, _ = _products(properties, limits)
        if not products:
            changed = not order.refunded_in_full
            order.refunded_in_full = True
            return changed
        amount = sum(line[2] for line in products)
    order.refunded = add_saturated(order.refunded, min(abs(amount), MICRO_MAX))
    return amount != 0


def _products(properties: dict[str, Any], limits: ProfileLimits) -> tuple[Products, list[str]]:
    """(id, quantity in thousandths, revenue in micro-units) of each line that tells a product, and their categories
    ([] if none has one). Long texts are cut."""
    listed = properties.get("products")
    if listed is None:
        listed = properties.get("items")
    if not isinstance(listed, list):
        return [], []
    products, categories = [], []
    for line in listed[:PRODUCTS_MAX]:
        if not isinstance(line, dict):
            continue
        product_id = _text(line, _PRODUCT_IDS)
        if not product_id:
            continue
        quantity = to_micro(line.get("quantity", 1))
        thousandths = 1000 if quantity is None else (min(max(quantity, 0), QUANTITY_MAX * MICRO) + 500) // 1000
        product_id = product_id[: limits.text]
        products.append((product_id, thousandths, multiply(to_micro(line.get("price")) or 0, thousandths)))
        categories.append(_text(line, _CATEGORIES)[: limits.text])
    return products, categories if any(categories) else []


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


_encoder = msgspec.msgpack.Encoder()
