"""Versions of models and what they stand for: immutable versions, aliases with their history, and what promotion needs.

A version never changes. `champion` names the version whose scores count; `challenger` one that is scored beside it in
the shadow, whose scores nobody sees but those who compare them. To promote is to move the alias; every move is kept,
with who made it and why.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from models.scoring.comparison import Comparison, gain
from models.scoring.contract import Signature
from models.scoring.drift import Distribution
from models.scoring.evaluation import Report
from models.scoring.gate import DEFAULT_MEASURES, DEFAULT_OUTCOMES, LABELS, Gate

Alias = Literal["champion", "challenger"]
Source = Literal["builtin", "entry_point", "import", "onnx", "sklearn", "mlflow"]

NEXT_BEST_ACTION = "next_best_action"  # target of versions that choose at a decision point
CHANNEL = "channel_preference"
AFFINITY = "affinity"  # target of versions that tell of products (`models.scoring.product_affinity`)


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it was registered."""

    name: str  # of its score
    version: int  # counted from 1
    source: Source
    target: str  # what is loaded: a name, an import path, or a path below the folder of models
    signature: Signature
    parameters: dict[str, Any] = {}  # that a built-in model has learned
    digest: str = ""  # SHA-256 of the artefact
    created_at: int = 0  # ms
    created_by: str = ""
    learned: dict[str, Any] = {}  # from whom and as of when
    distributions: dict[str, Distribution] = {}  # of features and scores then, by `models.scoring.drift.columns`
    report: Report | None = None  # on people who had no part in it

    @property
    def reference(self) -> str:
        """As it is written, "name@version"."""
        return f"{self.name}@{self.version}"

    @property
    def is_decision(self) -> bool:
        """Whether it chooses at a decision point (`models.scoring.deciding`), and is no score of people."""
        return (self.source, self.target) == ("builtin", NEXT_BEST_ACTION)

    @property
    def is_channels(self) -> bool:
        """Whether it is the preferred channel that comes with Onefold (`models.scoring.builtin_behaviour`)."""
        return (self.source, self.target) == ("builtin", CHANNEL)

    @property
    def is_score(self) -> bool:
        """Whether it scores people, rather than to choose for them or to tell of products."""
        return not (self.is_decision or self.is_affinity)

    @property
    def is_affinity(self) -> bool:
        """Whether it tells of products, and is no score of people."""
        return (self.source, self.target) == ("builtin", AFFINITY)


class AliasChange(msgspec.Struct, frozen=True):
    """That an alias stands for a version from then on; 0 for none."""

    name: str
    alias: Alias
    version: int
    at: int  # ms
    by: str
    reason: str = ""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Versions of one model, measured side by side on the same people."""

    name: str
    at: int  # ms, when it was done
    as_of: int  # ms, of the people's features
    until: int  # ms, up to which outcomes were looked for
    outcome: str
    reports: dict[int, Report]  # by version
    asked: int = 0  # people who were to be measured, also those without a score of each version, or an outcome
    kept: bool = False  # by scores that were kept when they were made, up to `as_of`; else by scores made for this
    comparison: Comparison | None = None  # of the first version with the champion


def current(changes: Iterable[AliasChange]) -> dict[tuple[str, Alias], int]:
    """(name, alias) -> version, from the history in its order; aliases that stand for none are left out."""
    standing = {(change.name, change.alias): change.version for change in changes}
    return {key: version for key, version in standing.items() if version}


def decides(gate: Gate, signature: Signature) -> Gate:
    """The gate with its measure."""
    measures = {"probability": "auc", "number": "mean_absolute_error", "label": "value"}
    measure = gate.measure or DEFAULT_MEASURES.get(signature.name) or measures[signature.output.kind]
    return msgspec.structs.replace(gate, measure=measure)


def complete(gate: Gate, signature: Signature) -> Gate:
    """The gate with all that it leaves to the model. Raises ValueError if neither says what is to be measured."""
    outcome = gate.outcome or DEFAULT_OUTCOMES.get(signature.name, "")
    if not outcome:
        raise ValueError(
            f"scoring.gates.{signature.name}: outcome: the settings do not say by what the model is to be measured: "
            "name what came of people, such as bought"
        )
    horizon = gate.horizon_days or signature.output.horizon_days
    if not horizon and outcome != LABELS:
        raise ValueError(
            f"scoring.gates.{signature.name}: horizon_days: neither the settings nor the model's signature say in "
            "how many days the outcome is looked for: name them"
        )
    return msgspec.structs.replace(decides(gate, signature), outcome=outcome, horizon_days=horizon)


def obstacles(
    gate: Gate, candidate: Report, champion: Report | None, comparison: Comparison | None = None
) -> list[str]:
    """Why a candidate may not become the champion; none if it may. Both must have been measured on the same people."""
    found = []
    if candidate.people < gate.people_min:
        found.append(f"measured on {candidate.people} people; {gate.people_min} are needed")
    mine = candidate.measures.get(gate.measure)
    if mine is None:
        found.append(f"{gate.measure} was not measured")
    elif champion is not None and (theirs := champion.measures.get(gate.measure)) is not None:
        better = gain(gate.measure, mine, theirs)
        if better < gate.gain or better < 0:
            found.append(f"{gate.measure} {mine:.4g} is not {gate.gain:g} better than the champion's {theirs:.4g}")
        elif gate.sure and (comparison is None or comparison.low < gate.gain or comparison.low <= 0):
            found.append(f"{gate.measure} {mine:.4g} and the champion's {theirs:.4g} are not distinguishable")
    calibration = candidate.measures.get("calibration_error", 0.0)
    if calibration > gate.calibration_error_max:
        found.append(f"calibration error {calibration:.4g} is above {gate.calibration_error_max:g}")
    drifted = sorted(name for name, index in candidate.drift.items() if index > gate.drift_max)
    if drifted:
        found.append(f"{', '.join(drifted)} changed since it learned: stability index above {gate.drift_max:g}")
    if candidate.milliseconds > gate.milliseconds_max:
        found.append(f"{candidate.milliseconds:.3g} ms to score one person; at most {gate.milliseconds_max:g}")
    return found
