"""A person's purchases as models see them: days, not orders; one currency; refunds and folded orders."""

from models.profile.state import DAY_MS, MICRO, Folded, Order, Profile, Totals
from models.scoring.purchase_history import PurchaseHistory, purchase_history

DAY = 20_000


def bought(**orders: tuple[float, float]) -> Profile:
    """A profile with orders: day -> (when in days, for how much)."""
    profile = Profile(1, DAY * DAY_MS)
    for order_id, (day, amount) in orders.items():
        profile.orders[order_id] = Order(round((DAY + day) * DAY_MS), 0, round(amount * MICRO), "EUR")
    return profile


def history(profile: Profile, day: float) -> PurchaseHistory | None:
    return purchase_history(profile, round((DAY + day) * DAY_MS))


def test_orders_of_a_day_are_one_purchase() -> None:
    profile = bought(a=(0.2, 10), b=(0.9, 20), c=(3.5, 30), d=(7.1, 50))
    assert history(profile, 10.9) == (2, 7, 10, 40, "EUR")


def test_who_bought_once_has_not_come_back() -> None:
    assert history(bought(a=(2, 10)), 9) == (0, 0, 7, 0, "EUR")
    assert history(Profile(1, 1), 9) is None


def test_refunds_and_cancellations_are_no_spending() -> None:
    profile = bought(a=(0, 10), b=(1, 30), c=(2, 50), d=(3, 70))
    profile.orders["b"].refunded = 10 * MICRO
    profile.orders["c"].cancelled = True
    profile.orders["d"].refunded_in_full = True
    assert history(profile, 3) == (2, 3, 3, 10, "EUR")


def test_the_main_currency_counts() -> None:
    profile = bought(a=(0, 10), b=(1, 30), c=(2, 50))
    profile.orders["b"].currency = "USD"
    assert history(profile, 2) == (1, 2, 2, 50, "EUR")


def test_folded_orders_are_purchases() -> None:
    profile = bought(a=(10, 40), b=(12, 40))
    first, last = DAY * DAY_MS, (DAY + 8) * DAY_MS
    profile.folded = Folded(first, last, 0, {"EUR": Totals(4, 160 * MICRO, 0)})
    assert history(profile, 20) == (5, 12, 20, 40, "EUR")


def test_a_clock_behind_the_last_order_does_not_run_backwards() -> None:
    found = history(bought(a=(0, 10), b=(5, 10)), 3)
    assert found is not None
    assert found.t_x <= found.T
