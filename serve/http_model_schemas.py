"""The shapes of the HTTP API that are about scoring models."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from models.impact.policy_report import PolicyReport as PolicyReport  # as it is answered
from serve.http_schemas import Time

AliasName = Literal["champion", "challenger"]
_VERSION_MAX = 1_000_000_000  # they are counted from 1


class ModelReport(msgspec.Struct, frozen=True):
    """What was measured of a version on people who had no part in its learning."""

    people: int
    measures: Annotated[
        dict[str, float], Meta(description="by name; rival_NAME is that of the simplest thing that does the same")
    ]
    drift: Annotated[
        dict[str, float],
        Meta(
            description="of the people measured: stability index of each feature, and of the scores as `value`, since "
            "it learned; above 0.25 they are commonly taken as others"
        ),
    ]
    drift_today: Annotated[
        dict[str, float], Meta(description="the same of everybody on the day that it was trained; empty where unknown")
    ]
    milliseconds: Annotated[float, Meta(description="to score one person, at the 99th percentile")]


class ModelComparison(msgspec.Struct, frozen=True):
    """A version beside the champion, on the same people; differences are above 0 where the version is better."""

    champion: int
    measure: str
    difference: float
    low: Annotated[float, Meta(description="of the 95% interval")]
    high: float
    verdict: Literal["better", "worse", "not distinguishable"]


class ModelDrift(msgspec.Struct, frozen=True):
    """How far the people who are scored now are from those a version learned from, when everybody was scored last."""

    as_of: Time
    people: int
    indices: Annotated[dict[str, float], Meta(description="as `drift` of the report")]


class ModelVersionEntry(msgspec.Struct, frozen=True):
    """A version of a model. It never changes; what it stands for does."""

    name: str
    version: int
    alias: Annotated[AliasName | None, Meta(description="what it stands for now")]
    source: Literal["builtin", "entry_point", "import", "onnx", "sklearn", "mlflow"]
    target: str
    digest: Annotated[str, Meta(description="SHA-256 of its artefact or its code")]
    owner: str
    description: str
    features: dict[str, Any]
    output: dict[str, Any]
    rival: str
    created_at: Time
    created_by: str
    report: Annotated[ModelReport | None, Meta(description="the latest that there is")]
    comparison: Annotated[ModelComparison | None, Meta(description="of the same evaluation, with the champion then")]
    drift_now: Annotated[
        ModelDrift | None,
        Meta(description="of what stands for something, where one model is asked for; null where it is not known"),
    ]


class AliasMove(msgspec.Struct, frozen=True):
    """That an alias stood for a version from then on; null for none."""

    alias: AliasName
    version: int | None
    at: Time
    by: str
    reason: str


class ModelEntry(msgspec.Struct, frozen=True):
    """A model with its versions, the latest first, and every move of its aliases, the latest first."""

    name: str
    champion: int | None
    challenger: int | None
    versions: list[ModelVersionEntry]
    moves: list[AliasMove]


class ModelsAnswer(msgspec.Struct, frozen=True):
    """All models, by name."""

    models: list[ModelEntry]


class RescoreAnswer(msgspec.Struct, frozen=True):
    """That everybody is scored again."""

    requested_at: Time


class AliasRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What an alias is to stand for."""

    version: Annotated[int, Meta(ge=1, le=_VERSION_MAX)] | None  # null: none any more
    reason: str = ""
    force: Annotated[bool, Meta(description="champion: although the gate is not passed; a reason must be given")] = (
        False
    )
