"""An additive model of a yes or no: each feature moves the log odds by itself, so that an answer explains itself.

Numbers enter as piecewise linear functions with knots at quantiles, texts as their levels; what is missing has a level
of its own. Learned by ridge-penalised logistic regression (iteratively reweighted least squares); how much is penalised
is chosen by Akaike's criterion, with the effective number of parameters. A model is plain data: it is stored as JSON,
and nothing of it is ever executed.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Column = NDArray[np.float64] | Sequence[str | None]  # (n,): numbers, NaN where missing; or texts, None where missing

_KNOTS = 6
_LEVEL_MIN = 20  # people who must share a level for it to count
_PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
_STEPS_MAX = 50
_SETTLED = 1e-6  # of log odds
_NEARLY_NONE = 1e-9
_ODDS_MAX = 30.0


class NumberTerm(msgspec.Struct, frozen=True, tag="number"):
    """A feature that is a number. Beyond the outer knots it counts as at them."""

    knots: tuple[float, ...]  # ascending
    weights: tuple[float, ...]  # log odds at each knot
    missing: float  # log odds


class TextTerm(msgspec.Struct, frozen=True, tag="text"):
    """A feature that is a text."""

    weights: dict[str, float]  # log odds by level
    other: float = 0.0  # of levels that are not known
    missing: float = 0.0


class AdditiveModel(msgspec.Struct, frozen=True):
    """What was learned: the log odds are `base` and the sum of all terms."""

    base: float
    terms: dict[str, NumberTerm | TextTerm]
    penalty: float

    def contributions(self, features: Mapping[str, Column]) -> dict[str, Floats]:
        """What each feature adds to the log odds of each person, (n,). Raises ValueError if a feature is not given."""
        absent = [name for name in self.terms if name not in features]
        if absent:
            raise ValueError(f"features: the model needs {', '.join(absent)}")
        return {name: _apply(term, features[name]) for name, term in self.terms.items()}

    def probabilities(self, features: Mapping[str, Column]) -> Floats:
        """How likely a yes is for each person, (n,). Raises ValueError."""
        return _logistic(np.asarray(sum(self.contributions(features).values(), np.float64(self.base))))


def fit_additive(
    features: Mapping[str, Column], outcomes: NDArray[np.bool_], people: NDArray[np.int64] | None = None
) -> AdditiveModel:
    """Learns from features and outcomes, (n,), of `people`, (n,), if some are in it more than once. Raises ValueError
    if all outcomes are the same."""
    y = outcomes.astype(np.float64)
    if not 0 < y.mean() < 1:
        raise ValueError("outcomes: expected some of both kinds")
    who = np.arange(len(y)) if people is None else people
    bases = {name: _basis(column, who) for name, column in features.items()}
    design = np.column_stack([np.ones(len(y)), *[_design(bases[name], column) for name, column in features.items()]])
    weights = np.zeros(design.shape[1])
    fits: list[tuple[float, float, Floats]] = []
    for penalty in _PENALTIES:
        weights, criterion = _fit(design, y, penalty, weights)
        fits.append((criterion, penalty, weights))
    _, penalty, weights = min(fits, key=lambda fit: fit[0])
    terms, at, base = {}, 1, float(weights[0])
    for name, basis in bases.items():
        terms[name], moved = _centred(basis, weights[at : at + basis.width], design[:, at : at + basis.width])
        base, at = base + moved, at + basis.width
    return AdditiveModel(base, terms, penalty)


class _Basis(msgspec.Struct, frozen=True):
    """How a feature becomes columns: a hat function for each knot or an indicator for each level, and one for
    missing."""

    knots: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return len(self.knots or self.levels) + 1


def _basis(column: Column, people: NDArray[np.int64]) -> _Basis:
    if isinstance(column, np.ndarray):
        known = column[np.isfinite(column)]
        knots = np.unique(np.quantile(known, np.linspace(0, 1, _KNOTS))) if known.size else np.zeros(1)
        return _Basis(knots=tuple(knots.tolist()))
    counts: dict[str, int] = {}
    for value, _ in set(zip(column, people.tolist(), strict=True)):
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    return _Basis(levels=tuple(sorted(level for level, count in counts.items() if count >= _LEVEL_MIN)))


def _design(basis: _Basis, column: Column) -> Floats:
    """(n, width), without the column for missing values last if none is missing (it is zero then)."""
    if isinstance(column, np.ndarray):
        return _hats(np.asarray(basis.knots), column)
    index = {level: number for number, level in enumerate(basis.levels)}
    places = np.array([len(index) if value is None else index.get(value, -1) for value in column], np.int64)
    columns = np.zeros((len(places), basis.width))
    columns[np.flatnonzero(places >= 0), places[places >= 0]] = 1.0
    return columns


def _hats(knots: Floats, column: Floats) -> Floats:
    known = np.isfinite(column)
    values = np.clip(np.where(known, column, knots[0]), knots[0], knots[-1])
    columns = np.zeros((len(column), len(knots) + 1))
    right = np.clip(np.searchsorted(knots, values, "right"), 1, max(len(knots) - 1, 1))
    rows = np.arange(len(column))
    if len(knots) == 1:
        columns[:, 0] = 1.0
    else:
        share = (values - knots[right - 1]) / (knots[right] - knots[right - 1])
        columns[rows, right - 1], columns[rows, right] = 1 - share, share
    columns[~known] = 0.0
    columns[~known, -1] = 1.0
    return columns


def _fit(design: Floats, y: Floats, penalty: float, weights: Floats) -> tuple[Floats, float]:
    """The weights, found from a start, and Akaike's criterion."""
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = _NEARLY_NONE
    weights = weights.copy()
    for _ in range(_STEPS_MAX):
        likely = _logistic(design @ weights)
        curvature = np.maximum(likely * (1 - likely), _NEARLY_NONE)
        information = (design * curvature[:, None]).T @ design
        step = np.linalg.solve(information + np.diag(ridge), design.T @ (y - likely) - ridge * weights)
        weights += step
        if np.abs(step).max() < _SETTLED:
            break
    odds = design @ weights
    loss = float(np.logaddexp(0, odds).sum() - odds @ y)
    parameters = float(np.trace(np.linalg.solve(information + np.diag(ridge), information)))
    return weights, 2 * (loss + parameters)


def _centred(basis: _Basis, weights: Floats, columns: Floats) -> tuple[NumberTerm | TextTerm, float]:
    """The term, so that it adds nothing on average, and what it added."""
    mean = float((columns @ weights).mean())
    moved = [float(weight) - mean for weight in weights]
    if basis.knots:
        return NumberTerm(basis.knots, tuple(moved[:-1]), moved[-1]), mean
    return TextTerm(dict(zip(basis.levels, moved, strict=False)), -mean, moved[-1]), mean


def _apply(term: NumberTerm | TextTerm, column: Column) -> Floats:
    if isinstance(term, TextTerm):
        weights = term.weights
        return np.array([term.missing if v is None else weights.get(str(v), term.other) for v in column], np.float64)
    values = np.asarray(column, np.float64)
    known = np.isfinite(values)
    return np.where(known, np.interp(np.where(known, values, 0.0), term.knots, term.weights), term.missing)


def _logistic(odds: Floats) -> Floats:
    likely: Floats = 1 / (1 + np.exp(-np.clip(odds, -_ODDS_MAX, _ODDS_MAX)))
    return likely
