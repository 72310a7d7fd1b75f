"""Ranks products or offers for a person: what they buy, as far as that is known, and what is popular.

Two steps of the same kind: how likely a category is, and how likely an item within it. Each is what the person bought,
late purchases weighing more, shrunk to popularity as far as their history is short (Dirichlet-multinomial, as in
`models.scoring.affinity`). So somebody without purchases is shown what is popular. With a model that has learned, it
says how popular products are unless the caller does, what that is worth, and how far those that the person has not
bought yet come forward because people who bought the same bought them.
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
    worth = WORTH if learned is None else learned.model.worth
    popularity = _popularity(items, learned)
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
        share = (mine[item.category] + worth * of_category / total) / (whole + worth)
        likely.append(share * (own.get(item.id, 0.0) + worth * each / of_category) / (within[item.category] + worth))
    if learned is not None and own and learned.model.mix:
        _bring_near_forward(likely, items, own, learned)
    ranked = [
        Ranked(item.id, each * item.margin, each, item.id in own) for item, each in zip(items, likely, strict=True)
    ]
    return sorted(ranked, key=lambda each: -each.score)


def _popularity(items: Sequence[Item], learned: ProductAffinity | None) -> list[float]:
    """What the caller says of each, or the model if they say nothing of any."""
    if learned is not None and all(item.popularity is None for item in items):
        return learned.popularity(item.id for item in items)
    return [1.0 if item.popularity is None else item.popularity for item in items]


def _bring_near_forward(
    likely: list[float], items: Sequence[Item], own: Mapping[str, float], learned: ProductAffinity
) -> None:
    """Divides the model's share of what the known products that are new to the person have together by how near they
    are to what was bought."""
    nearness = learned.nearness(own, [item.id for item in items])
    near = {place: each for place, each in enumerate(nearness) if each is not None and items[place].id not in own}
    total, mix = sum(near.values()), learned.model.mix
    if not total:
        return
    shared = mix * sum(likely[place] for place in near)
    for place, each in near.items():
        likely[place] = (1 - mix) * likely[place] + shared * each / total
