"""A decision point, and a champion of it that knows what it is about without having learned."""

from typing import Any

import msgspec

from models.impact.policy_value import Estimate
from models.scoring.additive import AdditiveModel, TextTerm
from models.scoring.deciding import DecisionParameters
from models.scoring.decision_point import Action, DecisionPoint
from models.scoring.features import Feature
from models.scoring.next_best_action import ActionModel
from models.scoring.outcomes import Outcome
from models.scoring.registry import NEXT_BEST_ACTION, ModelVersion
from models.scoring.settings import ScoringSettings

POINT = DecisionPoint(
    features={"plan": Feature(trait="plan", text=True)},
    actions={"none": Action(), "letter": Action(cost=0.5), "call": Action(cost=1.0, segment="reachable")},
    response=Outcome(kind="event", event="Product Viewed"),
    value=Outcome(kind="revenue", currency="EUR"),
    explore=0.1,
)
SCORING = ScoringSettings(decisions={"welcome": POINT})
_WORTH = 10.0


def champion(personal: bool = True, number: int = 1, **more: Any) -> ModelVersion:
    """Letters are best for people with the plan gold, calls for those with basic; on average, letters."""

    def model(gold: float, basic: float) -> AdditiveModel:
        return AdditiveModel(0.0, {"plan": TextTerm({"gold": gold, "basic": basic})}, 1.0)

    learned = ActionModel(
        actions=("none", "letter", "call"),
        responses=(model(-4.0, -4.0), model(1.0, -1.0), model(-1.0, 1.0)),
        worths=(_WORTH,) * 3,
        costs=(0.0, 0.5, 1.0),
        means=(0.2, 4.5, 4.0),
        gain=Estimate(1.0, 0.5 if personal else -0.5, 1.5, 0.3),
    )
    parameters = DecisionParameters(
        name="welcome",
        features=POINT.features,
        response=POINT.response,
        value=POINT.value,
        horizon_days=POINT.horizon_days,
        model=learned,
    )
    return ModelVersion(
        name="welcome",
        version=number,
        source="builtin",
        target=NEXT_BEST_ACTION,
        signature=parameters.signature,
        parameters=msgspec.to_builtins(parameters),
        **more,
    )
