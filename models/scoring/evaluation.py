"""How good scores are, told from what came of the people.

All measures are of n people, (n,) each, who had no part in the learning.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Yes = NDArray[np.bool_]
Measure = Callable[[Floats, NDArray[Any]], float | None]
"""A figure of scores and what came of the people (for yes and no 1 and 0), (n,) each; None if it cannot be told."""

BINS = 10


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a model's scores."""

    people: int
    measures: dict[str, float]  # see PROBABILITY and NUMBER
    drift: dict[str, float] = {}  # of features and scores since it learned (`models.scoring.drift`)
    drift_today: dict[str, float] = {}  # the same of everybody on the day that it was trained
    milliseconds: float = 0.0  # to score one person, at the 99th percentile


def measure_probabilities(told: Floats, yes: Yes) -> dict[str, float]:
    """PROBABILITY, as far as there are people of both kinds."""
    found = {name: measure(told, yes) for name, measure in PROBABILITY.items()}
    return {name: value for name, value in found.items() if value is not None}


def measure_numbers(told: Floats, outcomes: Floats) -> dict[str, float]:
    """NUMBER, as far as anything came; `bias` is the mean of what was told less the mean of what came."""
    found = {name: measure(told, outcomes) for name, measure in NUMBER.items()}
    return {name: value for name, value in found.items() if value is not None}


def auc(scores: Floats, yes: Yes) -> float:
    """How often somebody with a yes has the higher score of two; of equal scores, half."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    place = np.cumsum(np.append(0, ordered[1:] != ordered[:-1]))  # of equal scores
    counts = np.bincount(place)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positives = int(yes.sum())
    return float((ranks[yes[order]].sum() - positives * (positives + 1) / 2) / (positives * (len(yes) - positives)))


def average_precision(scores: Floats, yes: Yes) -> float:
    """The mean precision at each yes, from the highest score down; equal scores come at once."""
    _, place, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    hits = np.bincount(place, yes)
    precision = np.cumsum(hits) / np.cumsum(counts)
    return float((precision * hits).sum() / yes.sum())


def calibration_error(told: Floats, yes: Yes) -> float:
    """How far probabilities are from shares, on average, in BINS groups of equally many people."""
    groups = np.array_split(np.argsort(told, kind="stable"), min(BINS, max(len(told), 1)))
    return float(sum(abs(told[group].mean() - yes[group].mean()) * len(group) for group in groups) / len(told))


def _top_tenth(told: Floats) -> NDArray[np.int64]:
    return np.argsort(-told, kind="stable")[: max(len(told) // 10, 1)]


def _of_both_kinds(measure: Callable[[Floats, Yes], float]) -> Measure:
    """A measure of yes and no that needs people of both kinds."""
    return lambda told, outcomes: measure(told, outcomes > 0) if 0 < (outcomes > 0).mean() < 1 else None


def _lift_top_tenth(told: Floats, yes: Yes) -> float:
    return float(yes[_top_tenth(told)].mean() / yes.mean())


def _top_tenth_share(told: Floats, outcomes: Floats) -> float | None:
    total = float(outcomes.sum())
    return float(outcomes[_top_tenth(told)].sum()) / total if total > 0 else None


PROBABILITY: Mapping[str, Measure] = {
    "auc": _of_both_kinds(auc),
    "brier": lambda told, yes: float(((told - yes) ** 2).mean()),
    "calibration_error": calibration_error,
    "lift_top_tenth": _of_both_kinds(_lift_top_tenth),
}
NUMBER: Mapping[str, Measure] = {
    "mean_absolute_error": lambda told, outcomes: float(np.abs(told - outcomes).mean()),
    "root_mean_squared_error": lambda told, outcomes: float(np.sqrt(((told - outcomes) ** 2).mean())),
    "top_tenth_share": _top_tenth_share,
    "bias": lambda told, outcomes: float((told - outcomes).mean()),
}
