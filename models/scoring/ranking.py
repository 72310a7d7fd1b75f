"""Ranks products or offers for a person: what they buy, as far as that is known, and what is popular.

Two steps of the same kind: how likely a category is, and how likely an item within it. Each is what the person bought,
late purchases weighing more, shrunk to popularity as far as their history is short (Dirichlet-multinomial, as in
`models.scoring.affinity`). So somebody without purchases is shown what is popular.
"""

from collections.abc import Sequence
from math import exp2
from typing import NamedTuple

from models.profile.state import DAY_MS, Profile
from models.profile.transactions import is_sale
from models.scoring.insights import AFFINITY_DAYS

WORTH = 5.0  # purchases of one's own that popularity is worth


class Item(NamedTuple):
    """Something that may be shown."""

    id: str  # of the product
    category: str = ""
    popularity: float = 1.0  # against the others, such as how often it is bought; above 0
    margin: float = 1.0  # what a purchase brings


class Ranked(NamedTuple):
    """An item with its place in the order."""

    id: str
    score: float  # `likely` times the margin
    likely: float  # of all items, that the next purchase among them is this one
    bought: bool  # before


def rank(items: Sequence[Item], profile: Profile | None, now: int) -> list[Ranked]:
    """The items, best first; of equals, in their order. Without a profile by popularity alone."""
    own = {} if profile is None else _count(profile, now, categories=False)
    total = sum(item.popularity for item in items)
    popular: dict[str, float] = {}
    within: dict[str, float] = {}
    for item in items:
        popular[item.category] = popular.get(item.category, 0.0) + item.popularity
        within[item.category] = within.get(item.category, 0.0) + own.get(item.id, 0.0)
    bought = {} if profile is None else _count(profile, now, categories=True)
    # A category counts by all that was bought of it, also what is not among the items.
    mine = {category: max(count, bought.get(category, 0.0) if category else 0.0) for category, count in within.items()}
    whole = sum(mine.values())
    ranked = []
    for item in items:
        of_category = popular[item.category]
        likely = (mine[item.category] + WORTH * of_category / total) / (whole + WORTH)
        likely *= (own.get(item.id, 0.0) + WORTH * item.popularity / of_category) / (within[item.category] + WORTH)
        ranked.append(Ranked(item.id, likely * item.margin, likely, item.id in own))
    return sorted(ranked, key=lambda each: -each.score)


def _count(profile: Profile, now: int, categories: bool) -> dict[str, float]:
    """Decayed purchases by product, or by category."""
    counts: dict[str, float] = {}
    for order in profile.orders.values():
        if not is_sale(order):
            continue
        weight = exp2(min(order.timestamp - now, 0) / (AFFINITY_DAYS * DAY_MS))
        names = order.categories if categories else [product for product, _, _ in order.products]
        for name in names:
            counts[name] = counts.get(name, 0.0) + weight
    return counts
