"""/v1/models: what stands for what, and the gate in front of the champion."""

from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.scoring.comparison import Comparison
from models.scoring.contract import Output, Signature
from models.scoring.drift import Distribution, DriftCounts
from models.scoring.evaluation import Report
from models.scoring.features import Feature
from models.scoring.gate import Gate
from models.scoring.registry import Evaluation, ModelVersion
from serve.model_moves import obstacles_of
from tests.unit.serve.http_service import HttpService

SIGNATURE = Signature(
    name="upgrade", features={"events": Feature(history="events")}, output=Output(kind="probability", horizon_days=30)
)
CHAMPION, CHALLENGER = "/v1/models/upgrade/aliases/champion", "/v1/models/upgrade/aliases/challenger"


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path)
    model = ModelVersion(name="upgrade", version=0, source="import", target="x:y", signature=SIGNATURE)
    for _ in range(3):
        made.control.register_model(model)
    return made


def measured(service: HttpService, **auc: float) -> None:
    reports = {
        int(version.removeprefix("v")): Report(people=5_000, measures={"auc": value}) for version, value in auc.items()
    }
    service.control.add_evaluation(
        Evaluation(name="upgrade", at=3, as_of=1, until=2, outcome="labels", reports=reports)
    )


def test_a_champion_passes_its_gate_or_is_forced_with_a_reason(service: HttpService) -> None:
    refused = service.request("PUT", CHAMPION, {"version": 1})
    assert refused.status_code == 409 and "was not measured" in refused.json()["message"]
    assert service.request("PUT", CHAMPION, {"version": 1, "force": True}).status_code == 400
    forced = service.request("PUT", CHAMPION, {"version": 1, "force": True, "reason": "the first"}).json()
    assert (forced["champion"], forced["challenger"]) == (1, None)
    assert service.request("PUT", CHALLENGER, {"version": 2}).json()["challenger"] == 2
    measured(service, v2=0.8)
    refused = service.request("PUT", CHAMPION, {"version": 2})
    assert "was not measured beside upgrade@1" in refused.json()["message"]
    measured(service, v1=0.81, v2=0.8)
    refused = service.request("PUT", CHAMPION, {"version": 2})
    assert refused.status_code == 409 and "auc 0.8 is not 0 better" in refused.json()["message"]
    measured(service, v1=0.79, v2=0.8)
    promoted = service.request("PUT", CHAMPION, {"version": 2, "reason": "better"}).json()
    assert (promoted["champion"], promoted["challenger"]) == (2, None)
    assert [move["reason"] for move in promoted["moves"]] == ["it became the champion", "better", "", "the first"]
    assert promoted["versions"][1]["report"]["measures"] == {"auc": 0.8}


def test_models_are_listed_and_retired(service: HttpService) -> None:
    (listed,) = service.get("/v1/models").json()["models"]
    assert [each["version"] for each in listed["versions"]] == [3, 2, 1]
    assert service.get("/v1/models/upgrade").json() == listed
    assert service.request("PUT", CHALLENGER, {"version": None}).status_code == 409
    service.request("PUT", CHALLENGER, {"version": 3})
    assert service.request("PUT", CHALLENGER, {"version": None}).json()["challenger"] is None
    for path in ("/v1/models/nothing", "/v1/models/nothing/aliases/champion"):
        assert service.request("GET" if "aliases" not in path else "PUT", path, {"version": 1}).status_code == 404
    assert service.request("PUT", CHALLENGER, {"version": 9}).status_code == 404
    for version in (0, 2**63, 2**70):
        assert service.request("PUT", CHALLENGER, {"version": version}).status_code == 400


def test_a_gate_may_ask_for_a_sure_difference_and_passes_over_other_outcomes(service: HttpService) -> None:
    gate = Gate(sure=True, outcome="event Upgraded")
    reports = {number: Report(people=5_000, measures={"auc": 0.7 + number / 100}) for number in (1, 2)}
    found = Comparison(version=2, champion=1, measure="auc", difference=0.01, low=-0.01, high=0.03)
    forced = {"version": 1, "force": True, "reason": "the first"}
    service.request("PUT", CHAMPION, forced)
    version = service.control.model_version("upgrade", 2)

    def why(low: float, outcome: str) -> list[str]:
        made = Evaluation(
            name="upgrade",
            at=3,
            as_of=1,
            until=2,
            outcome=outcome,
            reports=reports,
            comparison=msgspec.structs.replace(found, low=low),
        )
        service.control.add_evaluation(made)
        return obstacles_of(service.control, {"upgrade": gate}, version)

    for other in ("labels", "event Bought"):
        assert why(0.005, other) == [
            "it was not measured beside upgrade@1; `onefold models evaluate upgrade@2` does that"
        ]
    assert why(-0.01, gate.outcome) == ["auc 0.72 and the champion's 0.71 are not distinguishable"]
    told = service.get("/v1/models/upgrade").json()["versions"][1]["comparison"]
    assert (told["champion"], told["verdict"]) == (1, "not distinguishable")
    assert why(0.005, gate.outcome) == why(-0.01, "labels") == []
    assert obstacles_of(service.control, {"upgrade": Gate(outcome="labels", sure=True)}, version) != []
    assert obstacles_of(service.control, {"upgrade": Gate(outcome="bought")}, version) != []


def test_drift_of_all_shards_is_told_of_a_model(service: HttpService) -> None:
    then = Distribution((1.0,), (0.5, 0.5, 0.0))
    learned = ModelVersion(
        name="upgrade",
        version=0,
        source="import",
        target="x:y",
        signature=SIGNATURE,
        distributions={"events": then, "value": then},
    )
    service.control.register_model(learned)
    assert service.get("/v1/models/upgrade").json()["versions"][0]["drift_now"] is None
    shards = ([40, 10, 0], [10, 40, 0])
    service.router.drift = [
        DriftCounts(1_000 * (number + 1), {"upgrade@4": {"events": counts, "value": [50, 0, 0]}})
        for number, counts in enumerate(shards)
    ]
    told = service.get("/v1/models/upgrade").json()["versions"][0]["drift_now"]
    assert (told["as_of"], told["people"]) == ("1970-01-01T00:00:01.000Z", 100)
    assert told["indices"]["events"] == 0 and told["indices"]["value"] > 0.25
    service.control.register_model(learned)
    service.router.drift.append(DriftCounts(9_000, {"upgrade@5": {"events": [1, 0, 0], "value": [1, 0, 0]}}))
    service.request("PUT", CHALLENGER, {"version": 4})  # 5 stands for nothing
    families = {family.name: family for family in text_string_to_metric_families(service.get("/metrics").text)}
    samples = {each.labels["feature"]: each for each in families["onefold_model_drift"].samples}
    assert {each.labels["model"] for each in samples.values()} == {"upgrade@4"}
    assert {feature: each.value for feature, each in samples.items()} == pytest.approx(told["indices"])


def test_everybody_is_scored_again_when_it_is_asked_for(service: HttpService) -> None:
    before = (service.control.rescores(), service.control.version())
    assert service.request("POST", "/v1/models/rescore").status_code == 202
    assert (service.control.rescores(), service.control.version()) == (before[0] + 1, before[1] + 1)


def test_every_version_is_told_whole(service: HttpService) -> None:
    version = service.get("/v1/models/upgrade").json()["versions"][0]
    assert version["features"]["events"]["history"] == "events"
    assert version["output"] == msgspec.json.decode(msgspec.json.encode(SIGNATURE.output))
