"""Lifecycle stage: where a person stands as a customer, since when, and when time alone will change it.

Pure rules over identifiers and orders (completed and not cancelled), so that every date can be told exactly:

    anonymous     no identifier that outlives a device or browser, no order
    known         such an identifier, no order
    new_customer  the first order is less than `new_days` old
    active        a customer who is none of the others
    loyal         at least `loyal_orders` orders
    at_risk       the last order is at least `at_risk_days` old
    lapsed        the last order is at least `lapsed_days` old

Of those that hold, the last in this list is the stage. A return after more than `at_risk_days` begins a new run of
orders, and "since" of a customer is not before it.
"""

from typing import Literal

import msgspec

from models.profile.state import DAY_MS, Profile

Stage = Literal["anonymous", "known", "new_customer", "active", "loyal", "at_risk", "lapsed"]
STAGES: tuple[Stage, ...] = ("anonymous", "known", "new_customer", "active", "loyal", "at_risk", "lapsed")

# Namespaces that name a device, browser or app install and not a person.
ANONYMOUS_NAMESPACES = frozenset(
    {
        *("anonymous_id", "advertising_id", "cookie_id", "device_id", "ga_client_id", "gaid", "idfa", "idfv"),
        *("android.id", "android.idfa", "android.push_token", "ios.id", "ios.idfa", "ios.push_token"),
        "cross_domain_id",
    }
)


class LifecycleRules(msgspec.Struct, frozen=True):
    """The numbers in the rules above. Raises ValueError for numbers that cannot go together."""

    new_days: int = 30
    at_risk_days: int = 90
    lapsed_days: int = 180
    loyal_orders: int = 3
    anonymous_namespaces: frozenset[str] = ANONYMOUS_NAMESPACES

    def __post_init__(self) -> None:
        if self.new_days < 1 or self.at_risk_days < 1 or self.loyal_orders < 1:
            raise ValueError("lifecycle: new_days, at_risk_days and loyal_orders must be at least 1")
        if self.lapsed_days <= self.at_risk_days:
            raise ValueError("lifecycle.lapsed_days must be greater than lifecycle.at_risk_days")


class Lifecycle(msgspec.Struct, frozen=True):
    """A stage with its dates."""

    stage: Stage
    since: int  # ms
    next_change: int | None  # ms when the stage will be another if nothing happens; None for never


DEFAULT_RULES = LifecycleRules()


def lifecycle(profile: Profile, now: int, rules: LifecycleRules = DEFAULT_RULES) -> Lifecycle:
    """The profile's stage at `now` (ms). O(n log n) in the number of orders."""
    if profile.orders or profile.folded is not None:
        times = [order.timestamp for order in profile.orders.values() if order.timestamp and not order.cancelled]
        folded = profile.folded
        if folded is not None and folded.first:
            # When those between the first and the last were is not known any more.
            count = sum(totals.count for totals in folded.totals.values())
            times += [folded.first] * min(count - 1, rules.loyal_orders) + [folded.last]
        if times:
            return _of_customer(times, now, rules)
    known = [
        info.first
        for identifier, info in profile.identifiers.items()
        if identifier.partition(":")[0] not in rules.anonymous_namespaces
    ]
    if known:
        return Lifecycle("known", min(known), None)
    return Lifecycle("anonymous", profile.first_seen or profile.created_at, None)


def _of_customer(times: list[int], now: int, rules: LifecycleRules) -> Lifecycle:
    times.sort()
    first, last = times[0], times[-1]
    at_risk = last + rules.at_risk_days * DAY_MS
    lapsed = last + rules.lapsed_days * DAY_MS
    if now >= lapsed:
        return Lifecycle("lapsed", lapsed, None)
    if now >= at_risk:
        return Lifecycle("at_risk", at_risk, lapsed)
    run = _start_of_run(times, rules.at_risk_days * DAY_MS)
    if len(times) >= rules.loyal_orders:
        return Lifecycle("loyal", max(times[rules.loyal_orders - 1], run), at_risk)
    settled = first + rules.new_days * DAY_MS
    if now < settled:
        return Lifecycle("new_customer", run, min(settled, at_risk))
    return Lifecycle("active", max(settled, run), at_risk)


def _start_of_run(times: list[int], gap: int) -> int:
    """First of the latest ascending `times` that follow each other by at most `gap` ms."""
    start = times[-1]
    for at in reversed(times):
        if start - at > gap:
            break
        start = at
    return start
