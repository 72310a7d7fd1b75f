"""How old what is known of a person may be for a model to be asked about them.

The same rule wherever models score: live, as of times past, and where they are measured.
"""

import numpy as np
from numpy.typing import NDArray

from models.scoring.contract import Signature


def recent(signature: Signature, days_since_seen: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a model is asked about each of n people, who were last seen so many days before (NaN: never)."""
    if not signature.feature_age_max_days:
        return np.ones(len(days_since_seen), np.bool_)
    return days_since_seen <= signature.feature_age_max_days


def too_old(signature: Signature) -> str:
    """Why there is no score of anybody else."""
    return f"the person was last seen more than {signature.feature_age_max_days:g} days ago"
