"""The models that are part of the platform. What one has learned are its parameters, plain data in its version."""

from collections.abc import Callable, Mapping
from typing import Any

from models.scoring.builtin_additive import additive
from models.scoring.builtin_behaviour import (
    ENGAGEMENT,
    UNUSUAL_ORDER,
    channel_preference,
    engagement,
    unusual_order,
)
from models.scoring.builtin_purchases import CHURN, LIFETIME_VALUE, churn, lifetime_value
from models.scoring.contract import ScoringModel
from models.scoring.registry import CHANNEL

# The target of a version whose source is "builtin" -> what makes the model of its parameters; raises ValueError.
BUILTIN: Mapping[str, Callable[[dict[str, Any]], ScoringModel]] = {
    LIFETIME_VALUE: lifetime_value,
    CHURN: churn,
    "additive": additive,
    ENGAGEMENT: engagement,
    UNUSUAL_ORDER: unusual_order,
    CHANNEL: channel_preference,
}
