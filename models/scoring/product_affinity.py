"""What was learned of products (`models.scoring.affinity`) with their names: as a version's file keeps it, and as it is
asked about single people."""

from collections.abc import Mapping, Sequence
from math import exp2
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.profile.state import DAY_MS, Profile
from models.profile.transactions import is_sale
from models.scoring.affinity import AffinityModel

AFFINITY_DAYS = 60.0  # half-life of a purchase
PRODUCTS_MAX = 5_000  # the most bought ones; of others nothing is learned
PROSPECTS_MAX = 5

Floats = NDArray[np.float64]
Likely = list[tuple[str, float]]  # names and probabilities, likeliest first


class AffinityFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a version has learned of k products, as MessagePack."""

    products: list[str]  # (k,)
    popularity: list[float]  # (k,)
    novelty: list[float]  # (k,)
    worth: float
    mix: float
    half_life_days: float
    starts: list[int]  # (k + 1,): where each product's neighbours begin
    neighbours: list[int]
    closeness: list[float]  # of each neighbour


class Prospects(NamedTuple):
    """What a person's next purchase is likely to be, at most PROSPECTS_MAX each, with how likely that is."""

    again: Likely
    first_time: Likely


class ProductAffinity:
    """A model of products by name. `version` is its reference."""

    def __init__(self, version: str, products: Sequence[str], model: AffinityModel) -> None:
        self.version = version
        self.model = model
        self.products = list(products)  # those that most people bought first
        self._places = {product: place for place, product in enumerate(products)}

    @staticmethod
    def decode(version: str, data: bytes) -> "ProductAffinity":
        """Raises ValueError for what `encode` has not made."""
        told = msgspec.msgpack.decode(data, type=AffinityFile)
        size = len(told.products)
        closeness = (np.array(told.closeness), np.array(told.neighbours, np.int64), np.array(told.starts, np.int64))
        similarities = sparse.csr_matrix(closeness, (size, size))
        model = AffinityModel(
            np.array(told.popularity), np.array(told.novelty), told.worth, similarities, told.mix, told.half_life_days
        )
        return ProductAffinity(version, told.products, model)

    def encode(self) -> bytes:
        """The file of the version."""
        model, near = self.model, self.model.similarities
        return msgspec.msgpack.encode(
            AffinityFile(
                products=self.products,
                popularity=model.popularity.tolist(),
                novelty=model.novelty.tolist(),
                worth=model.worth,
                mix=model.mix,
                half_life_days=model.half_life,
                starts=near.indptr.tolist(),
                neighbours=near.indices.tolist(),
                closeness=near.data.tolist(),
            )
        )

    def prospects(self, bought: Mapping[str, float]) -> Prospects:
        """Of a person with these decayed purchases; without any that is known, what all people buy."""
        counts = self._counts(bought)
        likely = self.model.likely(counts)[0]
        owned = np.zeros(len(likely), np.bool_)
        owned[counts.indices] = True
        return Prospects(
            self._first(np.where(owned, likely, 0.0)),
            self._first(np.where(owned, 0.0, likely)),
        )

    def shares(
        self, products: Sequence[str], bought: Mapping[str, float], told: Sequence[float] | None
    ) -> list[float] | None:
        """How likely the next purchase among some products is each, 1 together; None if none of them is known.

        `bought`: a person's decayed purchases, {} for what suits anybody. `told`: how popular the products are against
        each other, above 0; None for what was learned, where those that are not known are the least popular.
        """
        model = self.model
        places = np.array([self._places.get(product, -1) for product in products])
        known = places >= 0
        if not known.any():
            return None
        popularity, novelty = (
            np.where(known, learned[places], learned.min()) for learned in (model.popularity, model.novelty)
        )
        if told is not None:
            share = np.array(told) / sum(told)
            popularity, novelty = share * popularity[known].sum(), share * novelty[known].sum()
        if not bought:
            anybody: list[float] = _shares(popularity).tolist()
            return anybody
        own = np.array([bought.get(product, 0.0) for product in products])
        new = own == 0
        prior = model.worth * popularity
        near = np.where(known, _shares(model.nearness(self._counts(bought))[0])[places], 0.0)
        tried = np.where(new, model.mix * near + (1 - model.mix) * novelty, 0.0)
        weights = np.where(new, prior[new].sum() * _shares(tried), own + prior)
        likely: list[float] = _shares(weights).tolist()
        return likely

    def _counts(self, bought: Mapping[str, float]) -> sparse.csr_matrix:
        known = sorted((self._places[each], count) for each, count in bought.items() if each in self._places)
        places, counts = np.array([place for place, _ in known], np.int64), np.array([count for _, count in known])
        return sparse.csr_matrix((counts, places, np.array([0, len(known)])), (1, len(self.products)))

    def _first(self, likely: Floats) -> Likely:
        some = min(PROSPECTS_MAX, len(likely))
        top = np.argpartition(-likely, some - 1)[:some]
        found = sorted(
            ((self.products[place], float(likely[place])) for place in top), key=lambda each: (-each[1], each[0])
        )
        return [(product, share) for product, share in found if share > 0]


def _shares(weights: Floats) -> Floats:
    """As shares of their sum; without any, nothing."""
    shares: Floats = weights / max(float(weights.sum()), 1e-12)
    return shares


def decayed_purchases(profile: Profile, now: int, categories: bool = False) -> dict[str, float]:
    """How often a person bought each product, or of each category, by `now` ms: late purchases weigh more."""
    counts: dict[str, float] = {}
    for order in profile.orders.values():
        if not is_sale(order):
            continue
        weight = exp2(min(order.timestamp - now, 0) / (AFFINITY_DAYS * DAY_MS))
        names = order.categories if categories else [product for product, _, _ in order.products]
        for name in names:
            counts[name] = counts.get(name, 0.0) + weight
    return counts
