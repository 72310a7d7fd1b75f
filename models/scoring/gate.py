"""What a version of a model must reach to become the champion, as operators set it."""

from typing import Annotated

import msgspec
from msgspec import Meta

# What built-in models tell, in words of `models.scoring.outcomes.parse_outcome`.
DEFAULT_OUTCOMES = {"affinity": "bought", "churn": "not bought", "lifetime_value": "revenue"}
LABELS = "labels"  # an outcome that is told by a file of labels alone
# Of those that are measured by what others are not.
DEFAULT_MEASURES = {"affinity": "log_loss", "channel_preference": "log_loss"}


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a version must reach to become the champion."""

    measure: str = ""  # that decides; "": DEFAULT_MEASURES, auc, of numbers mean_absolute_error, of actions value
    outcome: str = ""  # that tells how good it is (`models.scoring.outcomes.parse_outcome`); "": see DEFAULT_OUTCOMES
    horizon_days: Annotated[int, Meta(ge=0, le=3650)] = 0  # in which the outcome is looked for; 0: as the model says
    gain: float = 0.0  # by how much it must be better than the champion's, in its own unit
    sure: bool = False  # whether all of the 95% interval of the difference must be
    people_min: Annotated[int, Meta(ge=1)] = 1_000
    calibration_error_max: float = 0.05  # of probabilities
    drift_max: float = 0.25  # of any feature since it learned
    milliseconds_max: float = 50.0  # to score one person
