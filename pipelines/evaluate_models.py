"""Versions of a scoring model, measured side by side: on the same people as of a time, by what came of them after it.

The people are those from whom built-in models never learn. Who has no score of one version, or no outcome, counts for
none. How far they are from those a version learned from is told by its features and scores then and as of that time.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.identity.customer_id import from_text
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.scoring.comparison import Comparison, differences
from models.scoring.contract import RIVAL, VALUE, ScoringModel
from models.scoring.drift import columns, counts, drift
from models.scoring.evaluation import NUMBER, PROBABILITY, Report, measure_numbers
from models.scoring.feature_age import asked_of_recent
from models.scoring.features import CUSTOMER, Feature
from models.scoring.gate import LABELS, Gate
from models.scoring.outcomes import Outcome, parse_outcome
from models.scoring.registry import Evaluation, ModelVersion
from models.scoring.samples import Sample, Samples
from pipelines.people_as_of import PeopleAsOf
from pipelines.train_models import collect, measure_yes, milliseconds
from pipelines.training_sets import TrainingSpec

Floats = NDArray[np.float64]
ReadPeople = Callable[[int], PeopleAsOf]
"""The people of a time, ms; to be closed."""

_SEEN = "seen"  # a column beside the features of versions
_NO_OUTCOME = Outcome(kind="bought")  # where labels tell


def evaluate(
    loaded: Sequence[tuple[ModelVersion, ScoringModel]],
    gate: Gate,
    at: int,
    people_as_of: ReadPeople,
    rules: LifecycleRules = DEFAULT_RULES,
    labels: Mapping[int, float] | None = None,
    kept: Sequence[Samples] | None = None,
) -> Evaluation:
    """Measures versions of one model by the outcome and in the time of a complete gate, as of `at`, ms.

    `labels`: what came of people, instead of the outcome. `kept`: of each version the scores that were kept when they
    were made, instead of those it is asked for now; each person is of a time of their own then. The first version is
    compared with the second. Raises ValueError if there is nobody to measure by or the outcome does not fit, Refused if
    what a model gives is not what it says, and ModelFailed.
    """
    version = loaded[0][0]
    outcome, negated = (_NO_OUTCOME, False) if labels is not None else parse_outcome(gate.outcome)
    yes_or_no = version.signature.output.kind == "probability"
    _check_fits(version, gate, outcome if labels is None else None)
    features = {_key(each, name): f for each, _ in loaded for name, f in each.signature.features.items()}
    features[_SEEN] = Feature(history="days_since_seen")
    with closing(people_as_of(at)) as people:
        found = collect(people, _spec(features, outcome, gate.horizon_days or 1), rules)
        now, until = people.now, people.until
    rows, outcomes = found.measure, found.labels[found.measure]
    if labels is not None:
        if all(each.source != "builtin" for each, _ in loaded):
            rows = np.arange(found.features.num_rows)  # nobody of these was learned from here
        outcomes = _labels(labels, found.features.take(pa.array(rows)), yes_or_no)
    elif negated:
        outcomes = 1 - outcomes
    unseen = found.features.take(pa.array(rows))
    questions = [_question(each, unseen) for each, _ in loaded]
    if kept is None:
        seen = _numbers(unseen, _SEEN)
        scores = [_scores(model, question, seen) for (_, model), question in zip(loaded, questions, strict=True)]
    else:
        scores = [_kept(samples, unseen, found.times[rows]) for samples in kept]
    known = np.isfinite(outcomes)
    for told, _ in scores:
        known &= np.isfinite(told)
    if not known.any():
        what = "an outcome" if labels is None else "a label"
        raise ValueError(f"there is nobody with a score and {what} to measure by; choose another --as-of")
    measure = measure_yes if yes_or_no else measure_numbers
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
    return Evaluation(
        name=version.name,
        at=now,
        as_of=at,
        until=until,
        outcome=gate.outcome if labels is None else LABELS,
        reports=reports,
        asked=len(rows) if labels is None else len(labels),
        kept=kept is not None,
        comparison=_comparison(loaded, gate, [told[known] for told, _ in scores], outcomes[known]),
    )


def _check_fits(version: ModelVersion, gate: Gate, outcome: Outcome | None) -> None:
    """Raises ValueError if an outcome, or labels (None), cannot measure a model."""
    kind = version.signature.output.kind
    if kind == "label" or (outcome is not None and (kind == "probability") != outcome.is_yes_or_no):
        told = LABELS if outcome is None else gate.outcome
        raise ValueError(f"scoring.gates.{version.name}: outcome: {told} does not measure a {kind}")


def _labels(labels: Mapping[int, float], people: pa.RecordBatch, yes_or_no: bool) -> Floats:
    found = np.array([labels.get(customer_id, np.nan) for customer_id in _ids(people)], np.float64)
    if yes_or_no and not np.isin(found[np.isfinite(found)], (0.0, 1.0)).all():
        raise ValueError("labels: expected 1 and 0, since the model tells probabilities")
    return found


def _kept(samples: Samples, people: pa.RecordBatch, times: NDArray[np.int64]) -> tuple[Floats, Floats]:
    nothing = Sample(np.nan, np.nan)
    found = [samples.get(key, nothing) for key in zip(_ids(people), times.tolist(), strict=True)]
    return np.array([each.value for each in found]), np.array([each.rival for each in found])


def _comparison(
    loaded: Sequence[tuple[ModelVersion, ScoringModel]],
    gate: Gate,
    scores: Sequence[Floats],
    outcomes: Floats,
) -> Comparison | None:
    measures = PROBABILITY if loaded[0][0].signature.output.kind == "probability" else NUMBER
    if len(scores) < 2 or gate.measure not in measures:
        return None
    found = differences(gate.measure, measures[gate.measure], scores[0], scores[1], outcomes)
    if found is None:
        return None
    difference, low, high = found
    mine, theirs = (each.version for each, _ in loaded[:2])
    return Comparison(version=mine, champion=theirs, measure=gate.measure, difference=difference, low=low, high=high)


def _ids(people: pa.RecordBatch) -> list[int]:
    return [from_text(each) for each in people.column(CUSTOMER).to_pylist()]


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
