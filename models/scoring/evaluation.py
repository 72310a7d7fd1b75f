"""How good scores are, told from what came of the people.

All measures are of n people, (n,) each, who had no part in the learning.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Yes = NDArray[np.bool_]

BINS = 10


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a model's scores."""

    people: int
    measures: dict[str, float]  # see PROBABILITY and NUMBER
    drift: dict[str, float] = {}  # of features and scores since it learned (`models.scoring.drift`)
    drift_today: dict[str, float] = {}  # the same of everybody on the day that it was trained
    milliseconds: float = 0.0  # to score one person, at the 99th percentile


PROBABILITY = ("auc", "brier", "calibration_error", "lift_top_tenth")
NUMBER = ("mean_absolute_error", "root_mean_squared_error", "top_tenth_share", "bias")


def measure_probabilities(told: Floats, yes: Yes) -> dict[str, float]:
    """PROBABILITY, as far as there are people of both kinds."""
    base = float(yes.mean()) if len(yes) else 0.0
    measures = {"brier": float(((told - yes) ** 2).mean()), "calibration_error": calibration_error(told, yes)}
    if 0 < base < 1:
        top = np.argsort(-told, kind="stable")[: max(len(told) // 10, 1)]
        measures |= {"auc": auc(told, yes), "lift_top_tenth": float(yes[top].mean()) / base}
    return measures


def measure_numbers(told: Floats, outcomes: Floats) -> dict[str, float]:
    """NUMBER; `bias` is the mean of what was told less the mean of what came."""
    off = told - outcomes
    measures = {
        "mean_absolute_error": float(np.abs(off).mean()),
        "root_mean_squared_error": float(np.sqrt((off**2).mean())),
        "bias": float(off.mean()),
    }
    total = float(outcomes.sum())
    if total > 0:
        top = np.argsort(-told, kind="stable")[: max(len(told) // 10, 1)]
        measures["top_tenth_share"] = float(outcomes[top].sum()) / total
    return measures


def auc(scores: Floats, yes: Yes) -> float:
    """How often somebody with a yes has the higher score of two; of equal scores, half."""
    order = np.argsort(scores, kind="stable")
    _, place, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
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
