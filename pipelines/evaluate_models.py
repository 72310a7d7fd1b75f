"""Versions of a scoring model, measured side by side: on the same people as of a time, by what came of them after it.

The people are those from whom built-in models never learn. Who has no score of one version, or no outcome, counts for
none. How far they are from those a version learned from is told by its features and scores then and as of that time.
"""

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.scoring.contract import RIVAL, VALUE, ScoringModel
from models.scoring.drift import columns, counts, drift
from models.scoring.evaluation import Report, measure_numbers
from models.scoring.feature_age import asked_of_recent
from models.scoring.features import CUSTOMER, Feature
from models.scoring.gate import Gate
from models.scoring.outcomes import Outcome, parse_outcome
from models.scoring.registry import Evaluation, ModelVersion
from pipelines.people_as_of import PeopleAsOf
from pipelines.train_models import collect, measure_yes, milliseconds
from pipelines.training_sets import TrainingSpec

Floats = NDArray[np.float64]
ReadPeople = Callable[[int], PeopleAsOf]
"""The people of a time, ms; to be closed."""

_SEEN = "seen"  # a column beside the features of versions


def evaluate(
    loaded: Sequence[tuple[ModelVersion, ScoringModel]],
    gate: Gate,
    at: int,
    people_as_of: ReadPeople,
    rules: LifecycleRules = DEFAULT_RULES,
) -> Evaluation:
    """Measures versions of one model by the outcome and in the time of a complete gate, as of `at`, ms.

    Raises ValueError if there is nobody to measure by or the outcome does not fit, Refused if what a model gives is not
    what it says, and ModelFailed.
    """
    outcome, negated = parse_outcome(gate.outcome)
    version = loaded[0][0]
    output = version.signature.output
    if output.kind == "label" or (output.kind == "probability") != outcome.is_yes_or_no:
        raise ValueError(f"scoring.gates.{version.name}: outcome: {gate.outcome} does not measure a {output.kind}")
    features = {_key(each, name): f for each, _ in loaded for name, f in each.signature.features.items()}
    features[_SEEN] = Feature(history="days_since_seen")
    with closing(people_as_of(at)) as people:
        found = collect(people, _spec(features, outcome, gate.horizon_days), rules)
        now, until = people.now, people.until
    unseen = found.features.take(pa.array(found.measure))
    outcomes = 1 - found.labels[found.measure] if negated else found.labels[found.measure]
    questions = [_question(each, unseen) for each, _ in loaded]
    seen = _numbers(unseen, _SEEN)
    scores = [_scores(model, question, seen) for (_, model), question in zip(loaded, questions, strict=True)]
    known = np.isfinite(outcomes)
    for told, _ in scores:
        known &= np.isfinite(told)
    if not known.any():
        raise ValueError("there is nobody with a score and an outcome to measure by; choose another --as-of")
    measure = measure_yes if outcome.is_yes_or_no else measure_numbers
    reports = {}
    for (each, model), question, (told, rival) in zip(loaded, questions, scores, strict=True):
        measures = measure(told[known], outcomes[known])
        if np.isfinite(rival[known]).all():
            measures |= {f"rival_{name}": value for name, value in measure(rival[known], outcomes[known]).items()}
        reports[each.version] = Report(
            people=int(known.sum()),
            measures={**measures, "scored_share": float(np.isfinite(told).mean())},
            drift=_drift(each, _question(each, found.features), told),
            milliseconds=milliseconds(model, question),
        )
    return Evaluation(name=version.name, at=now, as_of=at, until=until, outcome=gate.outcome, reports=reports)


def _spec(features: dict[str, Feature], outcome: Outcome, horizon_days: int) -> TrainingSpec:
    return TrainingSpec(name="evaluation", features=features, outcome=outcome, horizon_days=horizon_days)


def _key(version: ModelVersion, feature: str) -> str:
    return f"{version.version}:{feature}"


def _question(version: ModelVersion, people: pa.RecordBatch) -> pa.RecordBatch:
    """What a version is asked about people of whom the features of all versions are known."""
    names = list(version.signature.features)
    columns = [people.column(CUSTOMER), *(people.column(_key(version, name)) for name in names)]
    return pa.RecordBatch.from_arrays(columns, names=[CUSTOMER, *names])


def _scores(model: ScoringModel, question: pa.RecordBatch, days_since_seen: Floats) -> tuple[Floats, Floats]:
    """Scores and the rival's, (n,) each, NaN where there is none."""
    found = asked_of_recent(model, question, days_since_seen)
    nothing = [None] * question.num_rows
    told, rival = (np.array(found.get(name, nothing), np.float64) for name in (VALUE, RIVAL))
    return told, rival


def _drift(version: ModelVersion, features: pa.RecordBatch, told: Floats) -> dict[str, float]:
    now = {**columns(version.signature, features, ()), VALUE: told}
    return drift(version.distributions, counts(version.distributions, now))


def _numbers(batch: pa.RecordBatch, name: str) -> Floats:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), np.float64)
