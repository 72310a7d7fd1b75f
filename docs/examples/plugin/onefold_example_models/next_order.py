"""How likely somebody orders within 30 days: from their own rate of orders, drawn to everybody's.

As if everybody had, before their own history, ordered `ORDERS` times in `DAYS` days. Copy this file and put your own
model in its place.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.scoring.contract import Output, Signature
from models.scoring.features import Feature

HORIZON_DAYS = 30
ORDERS, DAYS = 1.0, 90.0


class NextOrder:
    """The model. Nobody who never ordered has a score."""

    signature = Signature(
        name="next_order",
        features={"again": Feature(history="repeat_purchases"), "days": Feature(history="customer_days")},
        output=Output(
            kind="probability", unit=f"probability of an order in {HORIZON_DAYS} days", horizon_days=HORIZON_DAYS
        ),
        owner="you@example.com",
        description="orders again soon",
        rival="the same for everybody",
    )

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Of many people, (n,) each."""
        again, days = (features.column(name).to_numpy(zero_copy_only=False) for name in ("again", "days"))
        told = _probability(again, days)
        rival = np.full(features.num_rows, _probability(np.zeros(1), np.zeros(1))[0])
        return pa.RecordBatch.from_pydict({"value": pa.array(told, from_pandas=True), "rival": rival})

    def score_one(self, features: Mapping[str, float | str | None]) -> Mapping[str, float | str | None]:
        """Of one person, without Arrow: optional."""
        again, days = features["again"], features["days"]
        rival = float(_probability(np.zeros(1), np.zeros(1))[0])
        if not isinstance(again, float) or not isinstance(days, float):
            return {"value": None, "rival": rival}
        return {"value": float(_probability(np.array([again]), np.array([days]))[0]), "rival": rival}

    explained_in = f"orders to expect in {HORIZON_DAYS} days"

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """What each feature adds, (n,), from what everybody begins with: optional."""
        again, days = (features.column(name).to_numpy(zero_copy_only=False) for name in ("again", "days"))
        base = np.full(features.num_rows, HORIZON_DAYS * ORDERS / DAYS)
        known_longer = HORIZON_DAYS * ORDERS / (days + DAYS) - base
        came_back = HORIZON_DAYS * again / (days + DAYS)
        return pa.RecordBatch.from_pydict({"base": base, "days": known_longer, "again": came_back})


def _probability(again: NDArray[np.float64], days: NDArray[np.float64]) -> NDArray[np.float64]:
    rate = (again + ORDERS) / (days + DAYS)
    likely: NDArray[np.float64] = -np.expm1(-rate * HORIZON_DAYS)
    return likely
