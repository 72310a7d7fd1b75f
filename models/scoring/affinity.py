"""Product affinity: what somebody will buy next, again or for the first time.

What people buy again is what they bought often and lately: decayed counts, shrunk to how popular each product is as far
as a history is short (Dirichlet-multinomial). What they try for the first time is judged by the products that others
bought together with theirs (nearest neighbours by cosine), mixed with popularity in the share that predicts best, which
may be none: so it is never worse than popularity on what it was learned from.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEIGHBOURS = 50  # of each product
BUYERS_MIN = 5  # of a product, or of two together: what fewer people show may be chance, and is theirs alone
_MIXES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_WORTH_MIN, _WORTH_MAX = 0.1, 1e4
_LEAST = 1e-2  # purchases that every product is taken to have
_FIRST = 10  # products that somebody is shown
_ERRORS = 2.0  # standard errors by which neighbours must be better than popularity
_MIXED_MAX = 10_000  # people who tell how far to trust neighbours: more do not change it
_ROWS = 500  # people whose scores of all products are held at once


class Purchases(NamedTuple):
    """m purchases: who, (m,), 0 to people - 1; what, (m,), 0 to products - 1; when, (m,), in the half-life's unit."""

    people: Ints
    products: Ints
    times: Floats

    def between(self, start: float, end: float) -> "Purchases":
        """Those from one time until before another."""
        kept = (self.times >= start) & (self.times < end)
        return Purchases(self.people[kept], self.products[kept], self.times[kept])

    def counts(self, size: tuple[int, int], now: float, half_life: float) -> sparse.csr_matrix:
        """Decayed counts at a time, (people, products)."""
        weights = np.exp2((self.times - now) / half_life)
        return sparse.coo_matrix((weights, (self.people, self.products)), size).tocsr()


class AffinityModel(NamedTuple):
    """What was learned of k products."""

    popularity: Floats  # (k,): shares of all that is bought
    novelty: Floats  # (k,): shares of what is bought for the first time; popularity if that tells it better
    worth: float  # of everybody's popularity, in purchases of one's own
    similarities: sparse.csr_matrix  # (k, k): of a product to its neighbours, columns add up to how close they are
    mix: float  # share of neighbours in what is new; the rest is popularity
    half_life: float

    def repeat_scores(self, counts: sparse.csr_matrix) -> Floats:
        """How likely each person's next purchase is each product, (n, k), from decayed counts, (n, k)."""
        own = np.asarray(counts.todense(), np.float64)
        scores: Floats = (own + self.worth * self.popularity) / (own.sum(1, keepdims=True) + self.worth)
        return scores

    def new_scores(self, counts: sparse.csr_matrix) -> Floats:
        """How likely what each person tries next is each product that they never bought, (n, k); of bought ones,
        -inf."""
        bought = counts.toarray() > 0
        return np.where(bought, -np.inf, self._tried(counts, bought))

    def likely(self, counts: sparse.csr_matrix) -> Floats:
        """How likely each person's next purchase is each product, bought before or not, (n, k): 1 together."""
        own = counts.toarray()
        bought = own > 0
        again = np.where(bought, own + self.worth * self.popularity, 0.0) / (own.sum(1, keepdims=True) + self.worth)
        scores: Floats = again + (1 - again.sum(1, keepdims=True)) * self._tried(counts, bought)
        scores /= scores.sum(1, keepdims=True)  # of who has bought everything nothing is left to try
        return scores

    def nearness(self, counts: sparse.csr_matrix) -> Floats:
        """How near each product is to what each person bought, (n, k), 0 or more."""
        near: Floats = (counts.sqrt() @ self.similarities).toarray()
        return near

    def _tried(self, counts: sparse.csr_matrix, bought: NDArray[np.bool_]) -> Floats:
        """Shares of products that were not bought yet in what is tried next, (n, k)."""
        near = self.mix * _shares(self.nearness(counts)) if self.mix else np.zeros(bought.shape)
        return _shares(np.where(bought, 0.0, near + (1 - self.mix) * self.novelty))


def fit_affinity(
    purchases: Purchases, size: tuple[int, int], now: float, half_life: float, hold: float
) -> AffinityModel:
    """Learns from purchases before `now`. The last `hold` before `now` tells how far to trust neighbours and histories.

    Raises ValueError if nothing was bought before that, or nothing in it.
    """
    then = now - hold
    past = purchases.between(-np.inf, then)
    if not past.people.size:
        raise ValueError("purchases: none is older than what they are to be tested with")
    recent = purchases.between(then, now)
    if not recent.people.size:
        raise ValueError("purchases: none is late enough to test with what is learned of the others")
    earlier = _fit(past, size, then, half_life)
    counts = past.counts(size, then, half_life)
    outcomes = recent.counts(size, now, np.inf)
    worth = _likeliest_worth(counts, outcomes, earlier.popularity)
    tried = sparse.csr_matrix(outcomes - outcomes.multiply(counts > 0))
    some = np.flatnonzero(np.asarray((tried > 0).sum(1)).ravel())[:_MIXED_MAX]
    popular = earlier._replace(novelty=earlier.popularity)  # what is bought most may be what is tried most
    told = [float(_hit_rates(each, counts[some], tried[some]).sum()) for each in (earlier, popular)]
    mix = _best_mix(popular if told[1] > told[0] else earlier, counts[some], tried[some])
    model = _fit(purchases.between(-np.inf, now), size, now, half_life)._replace(worth=worth, mix=mix)
    return model._replace(novelty=model.popularity) if told[1] > told[0] else model


def _fit(purchases: Purchases, size: tuple[int, int], now: float, half_life: float) -> AffinityModel:
    counts = purchases.counts(size, now, half_life)
    popularity = np.asarray(counts.sum(0), np.float64).ravel() + _LEAST
    buyers = np.asarray((counts > 0).sum(0), np.float64).ravel() + _LEAST
    similarities = _similarities(sparse.csr_matrix((counts > 0).astype(np.float64)))
    return AffinityModel(popularity / popularity.sum(), buyers / buyers.sum(), 1.0, similarities, 0.0, half_life)


def _similarities(bought: sparse.csr_matrix) -> sparse.csr_matrix:
    """Cosines of the products' buyers, each product's NEIGHBOURS closest only, of those that enough people bought
    both."""
    together = (bought.T @ bought).tocsr()
    norms = np.sqrt(together.diagonal())
    together.data[together.data < BUYERS_MIN] = 0.0
    scale = sparse.diags(1 / np.maximum(norms, 1e-12))
    cosines = sparse.csr_matrix(scale @ together @ scale)
    cosines.setdiag(0)
    cosines.eliminate_zeros()
    for row in range(cosines.shape[0]):
        start, end = cosines.indptr[row], cosines.indptr[row + 1]
        if end - start > NEIGHBOURS:
            part = cosines.data[start:end]
            part[np.argsort(-part, kind="stable")[NEIGHBOURS:]] = 0.0
    cosines.eliminate_zeros()
    return cosines


def _likeliest_worth(counts: sparse.csr_matrix, outcomes: sparse.csr_matrix, popularity: Floats) -> float:
    """The worth under which what was bought next was likeliest (Dirichlet-multinomial)."""
    from scipy.optimize import minimize_scalar  # half a second, for which those who learn nothing should not wait

    then = outcomes.tocoo()  # of what was not bought nothing is told
    own = np.asarray(counts[then.row, then.col], np.float64).ravel()
    own_total, then_total = (np.asarray(each.sum(1), np.float64).ravel() for each in (counts, outcomes))

    def loss(log: float) -> float:
        worth = np.exp(log)
        prior, total = own + worth * popularity[then.col], own_total + worth
        told = gammaln(prior + then.data) - gammaln(prior)
        return float((gammaln(total + then_total) - gammaln(total)).sum() - told.sum())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(_WORTH_MIN), np.log(_WORTH_MAX)), method="bounded").x))


def _best_mix(model: AffinityModel, counts: sparse.csr_matrix, tried: sparse.csr_matrix) -> float:
    """The share of neighbours under which most of what people tried, each of them something, is among the first that
    they would have been shown; 0 unless that is more than by popularity alone, beyond what chance may do."""
    rates = {mix: _hit_rates(model._replace(mix=mix), counts, tried) for mix in _MIXES}
    best = max(_MIXES, key=lambda mix: float(rates[mix].sum()))
    gain = rates[best] - rates[0.0]
    error = float(gain.std()) / max(len(gain), 1) ** 0.5
    return best if len(gain) and float(gain.mean()) > _ERRORS * error else 0.0


def _hit_rates(model: AffinityModel, counts: sparse.csr_matrix, tried: sparse.csr_matrix) -> Floats:
    """Of each person, who has tried something: the share of it that is among the first, (n,)."""
    people: int = counts.shape[0]
    parts = [slice(start, start + _ROWS) for start in range(0, people, _ROWS)]
    return np.concatenate(
        [hit_rates(model.new_scores(counts[part]), tried[part], _FIRST) for part in parts] or [np.zeros(0)]
    )


def _shares(weights: Floats) -> Floats:
    """Each row as shares of its sum; of a row without any, nothing."""
    shares: Floats = weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)
    return shares


def hit_rate(scores: Floats, bought: sparse.csr_matrix, first: int) -> float:
    """Share of what each person bought, (n, k), that is among their `first` highest scores, (n, k): the mean of those
    who bought something."""
    who = np.asarray((bought > 0).sum(1)).ravel() > 0
    return float(hit_rates(scores, bought, first)[who].mean()) if who.any() else 0.0


def hit_rates(scores: Floats, bought: sparse.csr_matrix, first: int) -> Floats:
    """The same of each person, (n,); 0 of who bought nothing."""
    top = np.argsort(-scores, axis=1, kind="stable")[:, :first]
    hits = np.take_along_axis(np.asarray((bought > 0).todense()), top, 1).sum(1)
    rates: Floats = hits / np.maximum(np.asarray((bought > 0).sum(1)).ravel(), 1)
    return rates
