"""Ranks products or offers for a person: what they buy, as far as that is known, and what is popular.

Two steps of the same kind: how likely a category is, and how likely an item within it. Each is what the person bought,
late purchases weighing more, shrunk to popularity as far as their history is short (Dirichlet-multinomial). So somebody
without purchases is shown what is popular. With a model that has learned of products (`models.scoring.affinity`), it
tells of those that it knows, and categories are not needed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.profile.state import Profile
from models.scoring.product_affinity import ProductAffinity, decayed_purchases

WORTH = 5.0  # purchases of one's own that popularity is worth, as long as no model has learned that


class Item(NamedTuple):
    """Something that may be shown."""

    id: str  # of the product
    category: str = ""
    popularity: float | None = None  # against the others, such as how often it is bought; above 0
    margin: float = 1.0  # what a purchase brings


class Ranked(NamedTuple):
    """An item with its place in the order."""

    id: str
    score: float  # `likely` times the margin
    likely: float  # of all items, that the next purchase among them is this one
    bought: bool  # before


def rank(
    items: Sequence[Item], profile: Profile | None, now: int, learned: ProductAffinity | None = None
) -> list[Ranked]:
    """The items, best first; of equals, in their order. Without a profile by popularity alone."""
    own = {} if profile is None else decayed_purchases(profile, now)
    given = any(item.popularity is not None for item in items)
    popularity = [1.0 if item.popularity is None else item.popularity for item in items]
    likely = None
    if learned is not None:
        likely = learned.shares([item.id for item in items], own, popularity if given else None)
    if likely is None:
        likely = _by_category(items, popularity, profile, own, now)
    told = zip(items, likely, strict=True)
    ranked = [Ranked(item.id, each * item.margin, each, item.id in own) for item, each in told]
    return sorted(ranked, key=lambda each: -each.score)


def _by_category(
    items: Sequence[Item], popularity: Sequence[float], profile: Profile | None, own: Mapping[str, float], now: int
) -> list[float]:
    """How likely each item is, of all."""
    total = sum(popularity)
    popular: dict[str, float] = {}
    within: dict[str, float] = {}
    for item, each in zip(items, popularity, strict=True):
        popular[item.category] = popular.get(item.category, 0.0) + each
        within[item.category] = within.get(item.category, 0.0) + own.get(item.id, 0.0)
    bought = {} if profile is None else decayed_purchases(profile, now, categories=True)
    # A category counts by all that was bought of it, also what is not among the items.
    mine = {category: max(count, bought.get(category, 0.0) if category else 0.0) for category, count in within.items()}
    whole = sum(mine.values())
    likely = []
    for item, each in zip(items, popularity, strict=True):
        of_category = popular[item.category]
        share = (mine[item.category] + WORTH * of_category / total) / (whole + WORTH)
        likely.append(share * (own.get(item.id, 0.0) + WORTH * each / of_category) / (within[item.category] + WORTH))
    return likely
