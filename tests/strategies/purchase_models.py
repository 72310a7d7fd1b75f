"""Versions of the built-in models of buying with published parameters, and orders to score."""

from typing import Any

import msgspec

from models.events.event import Event
from models.profile.state import DAY_MS
from models.scoring.builtin import BUILTIN
from models.scoring.features import Feature
from models.scoring.registry import ModelVersion
from tests.unit.actors.local_shards import NOW, track

CHURN = {
    "horizon_days": 90,
    "purchases": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    "rival": {"base": 0.0, "terms": {}, "penalty": 1.0},
}
VALUE = {
    "horizon_days": 90,
    "currency": "USD",
    "purchases": CHURN["purchases"],
    "spend": {"p": 6.25, "q": 3.74, "v": 15.44},
}


def version(name: str, number: int = 1, features: dict[str, Feature] | None = None, **parameters: Any) -> ModelVersion:
    defaults = VALUE if name == "lifetime_value" else CHURN
    parameters = {**defaults, **parameters}
    signature = BUILTIN[name](parameters).signature
    if features:
        signature = msgspec.structs.replace(signature, features={**signature.features, **features})
    return ModelVersion(
        name=name, version=number, source="builtin", target=name, signature=signature, parameters=parameters
    )


def order(person: str, number: int, day: int, revenue: float = 20.0) -> Event:
    properties = {"order_id": f"o-{person}-{number}", "revenue": revenue, "currency": "USD"}
    at = NOW - day * DAY_MS
    return track(f"m-{person}-{number}", f"user_id:{person}", name="Order Completed", at=at, **properties)
