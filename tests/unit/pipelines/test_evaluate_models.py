"""Evaluation on real shards' files: the better of two models measures better, on the same people, who are unseen."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from models.privacy.purposes import Purposes
from models.profile.state import DAY_MS
from models.scoring.builtin import BUILTIN
from models.scoring.contract import Output, Refused, Signature
from models.scoring.evaluation import Report
from models.scoring.features import Feature
from models.scoring.gate import Gate
from models.scoring.registry import ModelVersion, complete, obstacles
from pipelines.evaluate_models import evaluate
from pipelines.learned_distributions import learned_distributions
from pipelines.people_as_of import PeopleAsOf, is_measured
from pipelines.train_models import train_churn
from tests.unit.pipelines.planted_shop import AT, HORIZON_DAYS, NOW, POLICY, SHARDS, fill, histories

Answer = Callable[[pa.RecordBatch], Any]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    fill(folder, histories(600, seed=5))
    return folder


class Told:
    """A model of one feature: the days of silence, as a probability that nothing is bought."""

    def __init__(self, answer: Answer) -> None:
        self.signature = Signature(
            name="churn",
            features={"silent": Feature(history="days_since_seen")},
            output=Output(kind="probability", horizon_days=HORIZON_DAYS),
        )
        self._answer = answer

    def score(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"value": self._answer(features)})


def version(model: Told, number: int, **more: Any) -> ModelVersion:
    return ModelVersion(name="churn", version=number, source="import", target="x:y", signature=model.signature, **more)


def silence(features: pa.RecordBatch) -> Any:
    days = np.asarray(features.column("silent"), np.float64)
    return days / (days + 60)


def people(folder: Path) -> Callable[[int], PeopleAsOf]:
    return lambda at: PeopleAsOf(folder, SHARDS, at, at + (NOW - AT), NOW, POLICY, Purposes())


def gate(signature: Signature, **more: Any) -> Gate:
    return complete(Gate(people_min=50, **more), signature)


def test_versions_are_measured_on_the_same_unseen_people(shop: Path) -> None:
    trained = train_churn(people(shop)(AT), HORIZON_DAYS)
    learned = msgspec.structs.replace(trained, version=1)
    backwards = Told(lambda features: 1 - silence(features))
    loaded = [
        (learned, BUILTIN[learned.target](learned.parameters)),
        (version(Told(silence), 2), Told(silence)),
        (version(backwards, 3), backwards),
    ]
    found = evaluate(loaded, gate(learned.signature), AT, people(shop))
    assert (found.as_of, found.until, found.outcome) == (AT, NOW, "not bought")
    assert learned.report is not None
    assert {report.people for report in found.reports.values()} == {learned.report.people}
    assert found.reports[1].measures["auc"] == pytest.approx(learned.report.measures["auc"])
    assert found.reports[1].measures["rival_auc"] == pytest.approx(learned.report.measures["rival_auc"])
    assert found.reports[2].measures["auc"] == pytest.approx(1 - found.reports[3].measures["auc"])
    assert set(found.reports[1].drift.values()) == {0.0}
    assert found.reports[2].drift == {}
    worse, better = sorted((found.reports[2], found.reports[3]), key=lambda report: report.measures["auc"])
    assert not obstacles(gate(learned.signature, calibration_error_max=1, milliseconds_max=1e9), better, worse)
    (why,) = obstacles(gate(learned.signature, calibration_error_max=1, milliseconds_max=1e9), worse, better)
    assert "auc" in why


def test_who_has_no_score_of_one_version_counts_for_none(shop: Path) -> None:
    def half(features: pa.RecordBatch) -> Any:
        return [value if row % 2 else None for row, value in enumerate(silence(features).tolist())]

    some, all_ = Told(half), Told(silence)
    found = evaluate([(version(some, 1), some), (version(all_, 2), all_)], gate(some.signature), AT, people(shop))
    assert found.reports[1].measures["auc"] == found.reports[2].measures["auc"]
    assert found.reports[1].people == found.reports[2].people
    assert found.reports[1].measures["scored_share"] == pytest.approx(0.5, abs=0.01)
    assert found.reports[2].measures["scored_share"] == 1.0
    nobody = Told(lambda features: pa.nulls(features.num_rows))
    with pytest.raises(ValueError, match="nobody with a score"):
        evaluate([(version(nobody, 1), nobody)], gate(some.signature), AT, people(shop))


def test_who_was_not_seen_for_too_long_is_measured_of_no_version(shop: Path) -> None:
    anybody, recent = Told(silence), Told(silence)
    recent.signature = msgspec.structs.replace(recent.signature, feature_age_max_days=30)
    loaded = [(version(anybody, 1), anybody), (version(recent, 2), recent)]
    found = evaluate(loaded, gate(anybody.signature), AT, people(shop))
    with closing(people(shop)(AT)) as then:
        seen = [AT - each.then.last_seen <= 30 * DAY_MS for each in then if is_measured(each.customer_id)]
    assert 0 < sum(seen) < len(seen)
    assert {report.people for report in found.reports.values()} == {sum(seen)}
    assert found.reports[2].measures["scored_share"] == pytest.approx(sum(seen) / len(seen))


def test_drift_is_told_since_a_version_learned(shop: Path) -> None:
    model = Told(silence)
    reports: dict[int, Report] = {}
    for number, learned_at in enumerate((AT - 90 * DAY_MS, AT), start=1):
        with closing(people(shop)(learned_at)) as then:
            made = version(model, number, distributions=learned_distributions(model, then))
        reports |= evaluate([(made, model)], gate(model.signature), AT, people(shop)).reports
    assert reports[1].drift["silent"] > 0.1 and reports[1].drift["value"] > 0.1
    assert reports[2].drift == {"silent": 0.0, "value": 0.0}
    (why,) = obstacles(gate(model.signature, drift_max=0.1, calibration_error_max=1), reports[1], None)
    assert why == "silent, value changed since it learned: stability index above 0.1"


def test_few_people_are_not_kept_as_what_a_version_learned_from(tmp_path: Path) -> None:
    fill(tmp_path, histories(99, seed=5))
    with closing(people(tmp_path)(AT)) as then, pytest.raises(ValueError, match="99 people were known here then"):
        learned_distributions(Told(silence), then)


def test_what_cannot_be_measured_is_refused(shop: Path) -> None:
    model = Told(silence)
    loaded = [(version(model, 1), model)]
    with pytest.raises(ValueError, match="does not measure a probability"):
        evaluate(loaded, gate(model.signature, outcome="revenue"), AT, people(shop))
    with pytest.raises(ValueError, match="expected bought"):
        evaluate(loaded, gate(model.signature, outcome="sold"), AT, people(shop))
    wrong = Told(lambda features: [0.5])
    with pytest.raises(Refused, match="rows, one a person, got 1"):
        evaluate([(version(wrong, 1), wrong)], gate(model.signature), AT, people(shop))


def test_a_gate_is_completed_by_the_model_or_says_what_is_missing() -> None:
    signature = Told(silence).signature
    assert complete(Gate(), signature).outcome == "not bought"
    assert complete(Gate(), signature).measure == "auc"
    other = msgspec.structs.replace(signature, name="upgrade", output=Output(kind="number"))
    with pytest.raises(ValueError, match=r"scoring\.gates\.upgrade: outcome"):
        complete(Gate(), other)
    with pytest.raises(ValueError, match=r"scoring\.gates\.upgrade: horizon_days"):
        complete(Gate(outcome="revenue EUR"), other)
    assert complete(Gate(outcome="revenue EUR", horizon_days=30), other).measure == "mean_absolute_error"
