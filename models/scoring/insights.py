"""What a profile tells of a person beside scores: signs of life events, and what they buy most lately.

Read of the profile alone, whenever it is looked at. A sign says that something may have changed, never that it has.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from math import exp2
from typing import Any

from models.profile.state import DAY_MS, Order, Profile
from models.profile.transactions import is_sale
from models.scoring.life_events import Occurrence, OnsetRule, Sign, signs

AFFINITY_DAYS = 60.0  # half-life of a purchase
AFFINITIES_MAX = 5

# Of moves, pets and travel alone: what tells of health, family or belief is for those to decide who have the basis.
DEFAULT_LIFE_EVENTS: dict[str, OnsetRule] = {
    "moving": OnsetRule(categories=("*moving*", "*furniture*", "*home improvement*"), at_least=3, within_days=60),
    "new_pet": OnsetRule(categories=("*pet *", "*pets*", "*dog *", "*cat *"), at_least=2, within_days=60),
    "travel": OnsetRule(categories=("*luggage*", "*travel*"), at_least=2, within_days=30),
}


class LifeEvents:
    """Finds signs by rules."""

    def __init__(self, rules: Mapping[str, OnsetRule]) -> None:
        self._rules = dict(rules)
        self._events = _pattern(each for rule in rules.values() for each in rule.events)
        self._categories = _pattern(each for rule in rules.values() for each in rule.categories)

    def signs(self, profile: Profile, now: int, may_read: Callable[[str], bool], orders: bool) -> list[Sign]:
        """The signs at a time, ms, latest first, as far as they are made of what may be read: events whose name
        `may_read` allows, and, if `orders`, orders."""
        if not self._rules:
            return []
        found: list[Occurrence] = []
        if self._events is not None:
            for name, stats in profile.events.items():
                if self._events.match(name.lower()) and may_read(name):
                    found += [Occurrence(at, "event", name) for at in stats.recent]
        if self._categories is not None and orders:
            for order in _sales(profile):
                named = {name for name in order.categories if name and self._categories.match(name.lower())}
                found += [Occurrence(order.timestamp, "category", name) for name in sorted(named)]
        return signs(self._rules, found, profile.first_seen, now) if found else []


def affinities(profile: Profile) -> dict[str, list[tuple[str, float]]]:
    """What a person buys most, by "products" and "categories", late purchases weighing more: names and shares, at most
    AFFINITIES_MAX each. Shares do not change with time alone."""
    sales = _sales(profile)
    latest = max((order.timestamp for order in sales), default=0)
    products: dict[str, float] = {}
    categories: dict[str, float] = {}
    for order in sales:
        weight = exp2((order.timestamp - latest) / (AFFINITY_DAYS * DAY_MS))
        for line, (product, _, _) in enumerate(order.products):
            products[product] = products.get(product, 0.0) + weight
            category = order.categories[line] if order.categories else ""
            if category:
                categories[category] = categories.get(category, 0.0) + weight
    found = {"products": _shares(products), "categories": _shares(categories)}
    return {kind: shares for kind, shares in found.items() if shares}


def told_signs(found: list[Sign], time_text: Callable[[int], str]) -> list[dict[str, Any]]:
    """Signs as a document has them, with the evidence."""
    return [
        {
            "name": sign.name,
            "since": time_text(sign.since),
            "evidence": [{"at": time_text(each.at), each.kind: each.name} for each in sign.evidence],
        }
        for sign in found
    ]


def told_affinities(found: Mapping[str, list[tuple[str, float]]]) -> dict[str, list[dict[str, Any]]]:
    """Affinities as a document has them."""
    return {
        kind: [{"name": name, "share": round(share, 4)} for name, share in shares] for kind, shares in found.items()
    }


def _sales(profile: Profile) -> list[Order]:
    return [order for order in profile.orders.values() if is_sale(order)]


def _shares(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    total = sum(weights.values())
    first = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:AFFINITIES_MAX]
    return [(name, weight / total) for name, weight in first]


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all patterns; None for none."""
    patterns = [translate(name.lower()) for name in names]
    return re.compile("|".join(patterns)) if patterns else None
