"""What models say of a segment's members, added up: of each score how many have one, its mean, and how it is spread.

Scorers make these of the members on their shards (`predicted`); they add up (`join_predictions`), and the report of
`models.segments.analytics` tells them where they are of people enough.
"""

from collections.abc import Iterable
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.scoring.contract import Output

STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of probabilities


class Prediction(msgspec.Struct):
    """One score over members."""

    unit: str = ""
    members: int = 0  # who have it
    stale: int = 0  # of them, those of whom there is none of a later time
    total: float = 0.0
    steps: list[int] = []  # members by probability, in STEPS; [] of other numbers


def predicted(output: Output, values: NDArray[np.float64], is_stale: NDArray[np.bool_]) -> Prediction:
    """Of members with these scores, (n,) each."""
    steps = np.histogram(values, STEPS)[0].tolist() if output.kind == "probability" else []
    return Prediction(output.unit, len(values), int(np.count_nonzero(is_stale)), float(values.sum()), steps)


def join_predictions(parts: Iterable[dict[str, Prediction]]) -> dict[str, Prediction]:
    """All shards' members together, by the score's name."""
    whole: dict[str, Prediction] = {}
    for part in parts:
        for name, one in part.items():
            held = whole.get(name)
            if held is None:
                whole[name] = one
                continue
            steps = [a + b for a, b in zip(held.steps, one.steps, strict=True)]
            members, stale = held.members + one.members, held.stale + one.stale
            whole[name] = Prediction(one.unit, members, stale, held.total + one.total, steps)
    return whole


def step_names() -> list[str]:
    """How the steps of probabilities are called."""
    return [f"{low:g} to {high:g}" for low, high in pairwise(STEPS)]
