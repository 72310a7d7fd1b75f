"""Scores over HTTP: in documents and as a list, for the purposes that they serve, with features that do too; and how
scorers stand."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors.scoring import ScorerStatus
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from models.scoring.contract import Output, Score
from models.scoring.features import Feature, Value
from models.scoring.kept import KeptModel, KeptScore
from protos.onefold.v1.profile_pb2 import GetRequest, Profile
from serve.settings import Settings
from tests.strategies.purchase_models import version
from tests.unit.serve.grpc_service import GrpcService
from tests.unit.serve.http_service import NOW, HttpService

PURPOSES = Purposes(
    known={
        "service": Purpose(basis="contract"),
        "ads": Purpose(basis="consent", data=DataScope(traits=("income",), sections=("scores",))),
    },
    default="service",
)
ADS = {"Onefold-Purpose": "ads"}
FEATURES = {"income": Feature(trait="income"), "purchases": Feature(history="repeat_purchases")}


def score(stale: str = "") -> KeptScore:
    told = Score(0.25, "churn@3", NOW, rival=0.5, features={"income": 9.0, "purchases": 2.0}, stale=stale)
    model = KeptModel("churn@3", Output(kind="probability", unit="p", horizon_days=90), FEATURES)
    return KeptScore("churn", told, model)


def arrive(service: HttpService, stale: str = "") -> None:
    service.post("/v1/identify", {"userId": "u1", "traits": {"plan": "pro"}})
    service.pass_time(1_000)
    (customer_id,) = service.router.people
    service.router.kept_scores[customer_id] = [score(stale)]


def scores(service: HttpService, **headers: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/v1/profiles/user_id:u1/scores", **headers).json()["data"]
    return found


def test_a_document_tells_scores_and_the_list_what_they_were_made_of(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    arrive(service, stale="the model failed: it did not answer in 5 s")
    told = service.get("/v1/profiles/user_id:u1").json()["scores"]["churn"]
    assert told == {
        "value": 0.25,
        "unit": "p",
        "version": "churn@3",
        "as_of": "2026-03-01T12:30:00.000Z",
        "horizon_days": 90,
        "rival": 0.5,
        "stale": "the model failed: it did not answer in 5 s",
    }
    assert scores(service) == [{"name": "churn", **told, "features": {"income": 9.0, "purchases": 2.0}}]


def arrive_scored(service: HttpService) -> None:
    """A person with a score of a version in the registry."""
    arrive(service)
    model = service.control.register_model(version("churn"))
    signature = model.signature
    features: dict[str, Value] = {"repeat_purchases": 4.0, "last_purchase_day": 80.0, "customer_days": 200.0}
    kept = KeptModel(model.reference, signature.output, signature.features, signature.rival)
    (customer_id,) = service.router.people
    told = Score(0.25, model.reference, NOW, rival=0.5, features=features)
    service.router.kept_scores[customer_id] = [KeptScore("churn", told, kept)]


def test_a_score_is_explained_by_what_it_was_made_of(tmp_path: Path) -> None:
    service = GrpcService(tmp_path)
    arrive_scored(service.http)
    (plain,) = service.http.get("/v1/profiles/user_id:u1/scores").json()["data"]
    assert "explanation" not in plain
    (explained,) = service.http.get("/v1/profiles/user_id:u1/scores?explain=true").json()["data"]
    told = explained["explanation"]
    assert (told["unit"], told["rival"]) == ("log odds", "how long ago the last purchase was")
    assert set(told["adds"]) == set(explained["features"]) and explained["rival"] == 0.5
    request = GetRequest(key="user_id:u1", explain_scores=True)
    message = Profile.FromString(service.call("Get", request))
    del explained["name"]
    assert json.loads(message.scores_json) == {"churn": explained}
    (customer_id,) = service.http.router.people
    service.http.router.kept_scores[customer_id] = [score()]  # of a version that the registry does not have
    (unknown,) = service.http.get("/v1/profiles/user_id:u1/scores?explain=true").json()["data"]
    assert "explanation" not in unknown and unknown["value"] == 0.25


def test_an_explanation_is_for_who_may_see_all_that_it_is_of(tmp_path: Path) -> None:
    scoped = Purposes(
        known={
            name: Purpose(basis="contract", data=DataScope(sections=sections))
            for name, sections in (("shop", ("scores", "transactions")), ("ads", ("scores",)))
        },
        default="shop",
    )
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=scoped)))
    service.router.purposes = scoped
    arrive_scored(service)
    for purpose, is_told in (("shop", True), ("ads", False)):
        answer = service.get("/v1/profiles/user_id:u1/scores?explain=true", **{"Onefold-Purpose": purpose})
        (shown,) = answer.json()["data"]
        assert ("explanation" in shown, shown["features"] != {}) == (is_told, is_told)


@pytest.fixture
def governed(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=PURPOSES)))
    made.router.purposes = PURPOSES
    arrive(made)
    return made


def agree(service: HttpService, ads: bool) -> None:
    service.post("/v1/profiles/user_id:u1/consents", {"decisions": {"ads": ads}})
    service.pass_time(1_000)


def test_scores_are_for_the_purposes_that_they_serve_while_these_have_a_basis(governed: HttpService) -> None:
    agree(governed, True)
    (shown,) = scores(governed, **ADS)
    assert (shown["value"], shown["features"]) == (0.25, {"income": 9.0})
    assert scores(governed) == []  # for the service
    answer = governed.get("/v1/profiles/user_id:u1")
    assert (answer.json()["scores"], answer.json()["withheld"]["scores"]) == ({}, 1)
    agree(governed, False)
    assert scores(governed, **ADS) == []
    assert governed.get("/v1/profiles/user_id:u1", **ADS).json()["scores"] == {}


def test_the_status_tells_how_scorers_stand(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    assert service.get("/v1/status").json()["scorers"] == []
    status = ScorerStatus(0, ["churn@3"], [], 7, True, 100, 2, 5, 1 << 20)
    service.router.scorers = [status]
    (told,) = service.get("/v1/status").json()["scorers"]
    assert (told["champions"], told["position"], told["everybody"], told["failures"]) == (["churn@3"], 7, True, 2)


def test_a_score_that_is_made_of_health_data_is_told_for_purposes_that_it_serves(tmp_path: Path) -> None:
    both = DataScope(traits=("income",), sections=("scores",))
    known = {"ads": Purpose(basis="consent", data=both), "service": Purpose(basis="contract", data=both)}
    purposes = Purposes(known=known, default="service", labels={"health": DataScope(traits=("income",))})
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=purposes)))
    arrive(service)
    service.post("/v1/profiles/user_id:u1/consents", {"decisions": {"ads": True}})
    service.pass_time(1_000)
    assert [each["name"] for each in scores(service, **ADS)] == ["churn"]
    assert scores(service) == []
    assert service.get("/v1/profiles/user_id:u1").json()["withheld"]["scores"] == 1
