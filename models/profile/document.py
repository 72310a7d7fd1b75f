"""The profile as the world sees it: a JSON document made from the state.

Times are ISO 8601 in UTC with milliseconds, days are ISO dates in UTC, money is a decimal text ("19.99") beside
its currency, and amounts of different currencies are never added. See docs/profile.md for every section.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from models.identity.customer_id import to_text
from models.profile.behaviors import count_by_day
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules, lifecycle
from models.profile.money import to_decimal_text
from models.profile.realtime import MINUTE_MS, session_bounds, session_end
from models.profile.state import DAY_MS, Folded, Observation, Order, Profile, Totals
from models.profile.transactions import is_sale, refund_of

FOREVER_MS = 1 << 62  # later than every time that can be written
DAYS_MAX = 366  # latest days with an occurrence that the document lists for an event
ORDERS_MAX = 10  # latest orders that the document lists
FROM_CONTEXT = "context"  # source of preferences that are taken from the device
PRODUCTS_MAX = 20  # products, by revenue, that the document lists

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_TIME_MAX = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


def document(
    profile: Profile, now: int, segment_names: Mapping[str, str], rules: LifecycleRules = DEFAULT_RULES
) -> dict[str, Any]:
    """The profile's document at `now` (ms), JSON-ready. `segment_names`: segment id -> name."""
    text = _Times()
    return {
        "customer_id": to_text(profile.customer_id),
        "version": profile.sequence,
        "created_at": text[profile.created_at],
        "first_seen": text[profile.first_seen] if profile.first_seen else None,
        "last_seen": text[profile.last_seen] if profile.last_seen else None,
        "identities": _identities(profile, text),
        "attributes": {
            name: {"value": w.value, "source": w.source, "updated_at": text[w.timestamp]}
            for name, attribute in profile.attributes.items()
            if (w := attribute.winner).value is not None
        },
        "behaviors": _behaviors(profile, text),
        "transactions": _transactions(profile, text),
        "engagement": {
            channel: {
                "count": stats.count,
                "first": text[stats.first],
                "last": text[stats.last],
                "actions": dict(stats.actions),
            }
            for channel, stats in profile.channels.items()
        },
        "segments": [
            {"id": segment_id, "name": segment_names.get(segment_id, segment_id), "entered_at": text[entered]}
            for segment_id, entered in sorted(profile.memberships.items())
        ],
        "preferences": _preferences(profile, text),
        "lifecycle": _lifecycle(profile, now, rules, text),
        "scores": {},
        "privacy": {
            "consents": {
                category: {"granted": told.value is True, "source": told.source, "updated_at": text[told.timestamp]}
                for category, told in profile.consents.items()
            }
        },
        "insights": {},
        "realTimeContext": _realtime(profile, now, text),
        "groups": [
            {"id": group_id, "traits": told.value, "source": told.source, "updated_at": text[told.timestamp]}
            for group_id, told in sorted(profile.groups.items())
        ],
        **({"beyond_limits": dict(sorted(profile.beyond_limits.items()))} if profile.beyond_limits else {}),
    }


def valid_until(profile: Profile, now: int, rules: LifecycleRules = DEFAULT_RULES) -> int:
    """ms until which (exclusive) the document does not change by time alone; FOREVER_MS for never."""
    until = FOREVER_MS
    change = lifecycle(profile, now, rules).next_change
    if change is not None:
        until = change
    end = session_end(profile.active_minutes)
    return min(until, end) if end > now else until


class _Times(dict[int, str]):
    """ms -> ISO 8601. A document has few different times, so each is written once."""

    def __missing__(self, ms: int) -> str:
        seconds, milliseconds = divmod(min(ms, _TIME_MAX), 1000)
        text = self[ms] = f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{milliseconds:03d}Z"
        return text


def _identities(profile: Profile, text: _Times) -> list[dict[str, Any]]:
    identities = []
    for identifier, info in sorted(profile.identifiers.items()):
        namespace, _, value = identifier.partition(":")
        identities.append(
            {
                "namespace": namespace,
                "value": value,
                "first_seen": text[info.first],
                "last_seen": text[info.last],
                "count": info.count,
                "source": info.source,
            }
        )
    return identities


def _behaviors(profile: Profile, text: _Times) -> dict[str, Any]:
    days: dict[int, str] = {}
    behaviors = {}
    for name, stats in profile.events.items():
        by_day = {}
        for day, count in list(count_by_day(stats).items())[-DAYS_MAX:]:
            written = days.get(day)
            if written is None:
                written = days[day] = _iso_day(day)
            by_day[written] = count
        behaviors[name] = {
            "count": stats.count,
            "first": text[stats.first],
            "last": text[stats.last],
            "by_day": by_day,
        }
    return behaviors


def _iso_day(day: int) -> str:
    return date.fromordinal(_EPOCH_DAY + min(day, _TIME_MAX // DAY_MS)).isoformat()


def _transactions(profile: Profile, text: _Times) -> dict[str, Any]:
    """Sales of the currency with most orders, the other currencies beside it, products and the latest orders."""
    folded = profile.folded or Folded()
    by_currency: dict[str, list[tuple[str, Order]]] = {currency: [] for currency in folded.totals}
    cancelled = folded.cancelled
    sales: list[tuple[str, Order]] = []
    for order_id, order in profile.orders.items():
        if order.cancelled:
            cancelled += 1
        elif is_sale(order):
            sales.append((order_id, order))
            by_currency.setdefault(order.currency, []).append((order_id, order))
    sales.sort(key=lambda sale: (sale[1].timestamp, sale[1].tie, sale[0]))
    totals = {currency: _totals(orders, folded.totals.get(currency)) for currency, orders in by_currency.items()}
    main = min(totals, key=lambda currency: (-totals[currency]["orders"], currency), default=None)
    times = [sale[1].timestamp for sale in sales] + ([folded.first, folded.last] if folded.first else [])
    return {
        "currency": main,
        **(totals[main] if main is not None else _totals([], None)),
        "other_currencies": {c: totals[c] for c in sorted(totals) if c != main},
        "first_at": text[min(times)] if times else None,
        "last_at": text[max(times)] if times else None,
        "cancelled": cancelled,
        "products": _products(by_currency[main]) if main is not None else [],
        "latest": [_order(order_id, order, text) for order_id, order in sales[: -ORDERS_MAX - 1 : -1]],
    }


def _totals(sales: list[tuple[str, Order]], folded: Totals | None) -> dict[str, Any]:
    folded = folded or Totals()
    count = folded.count + len(sales)
    revenue = folded.revenue + sum(order.revenue for _, order in sales)
    refunds = folded.refunded + sum(refund_of(order) for _, order in sales)
    return {
        "orders": count,
        "revenue": to_decimal_text(revenue),
        "average_order_value": to_decimal_text(_rounded_ratio(revenue, count, 10_000)) if count else None,
        "refunds": to_decimal_text(refunds),
        "net_revenue": to_decimal_text(revenue - refunds),
    }


def _rounded_ratio(amount: int, count: int, step: int) -> int:
    """amount / count to the nearest multiple of `step`."""
    return (2 * amount + count * step) // (2 * count * step) * step


def _products(sales: list[tuple[str, Order]]) -> list[dict[str, Any]]:
    bought: dict[str, tuple[int, int]] = {}
    for _, order in sales:
        for product_id, quantity, revenue in order.products:
            before = bought.get(product_id, (0, 0))
            bought[product_id] = (before[0] + quantity, before[1] + revenue)
    ranked = sorted(bought.items(), key=lambda product: (-product[1][1], -product[1][0], product[0]))
    return [
        {"product_id": product_id, "quantity": _quantity(quantity), "revenue": to_decimal_text(revenue)}
        for product_id, (quantity, revenue) in ranked[:PRODUCTS_MAX]
    ]


def _quantity(thousandths: int) -> int | float:
    return thousandths // 1000 if thousandths % 1000 == 0 else thousandths / 1000


def _order(order_id: str, order: Order, text: _Times) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "at": text[order.timestamp],
        "revenue": to_decimal_text(order.revenue),
        "currency": order.currency,
        "refunds": to_decimal_text(refund_of(order)),
        "items": len(order.products),
    }


def _preferences(profile: Profile, text: _Times) -> dict[str, Any]:
    """What the person told; locale and timezone of their device where they told none."""
    preferences = {name: _told(told, text) for name, told in profile.preferences.items() if told.value is not None}
    for name in ("locale", "timezone"):
        seen = profile.context.get(name)
        if seen is not None and name not in preferences:
            preferences[name] = {"value": seen.value, "source": FROM_CONTEXT, "updated_at": text[seen.timestamp]}
    return preferences


def _told(told: Observation, text: _Times) -> dict[str, Any]:
    return {"value": told.value, "source": told.source, "updated_at": text[told.timestamp]}


def _lifecycle(profile: Profile, now: int, rules: LifecycleRules, text: _Times) -> dict[str, Any]:
    found = lifecycle(profile, now, rules)
    return {
        "stage": found.stage,
        "since": text[found.since],
        "next_change": None if found.next_change is None else text[found.next_change],
    }


def _realtime(profile: Profile, now: int, text: _Times) -> dict[str, Any]:
    context = profile.context
    realtime: dict[str, Any] = {"session": None}
    bounds = session_bounds(profile.active_minutes)
    if bounds is not None:
        first, last = bounds
        realtime["session"] = {
            "started_at": text[first * MINUTE_MS],
            "last_activity_at": text[last * MINUTE_MS],
            "active": now < session_end(profile.active_minutes),
        }
    for name in ("page", "screen", "device", "campaign", "location", "app"):
        told = context.get(name)
        if told is not None:
            realtime[name] = {"value": told.value, "at": text[told.timestamp]}
    return realtime
