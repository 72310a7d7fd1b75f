"""Decisions over HTTP: by chance, by a champion, logged, the same when asked again, none of who has opted out."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from models.scoring.registry import AliasChange
from models.segments.holdout import is_held_out
from serve.decision_points import DecisionPoints
from serve.settings import Settings
from tests.strategies.decision_points import SCORING, champion
from tests.strategies.purchase_models import version
from tests.unit.serve.http_service import HttpService

PATH = "/v1/profiles/user_id:u1/decide"
LOG = "/v1/profiles/user_id:u1/decisions"
CRITERIA = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "basic"}
PURPOSES = Purposes(
    known={
        "shop": Purpose(basis="contract", data=DataScope(traits=("*",), events=("*",), sections=("*",))),
        "mail": Purpose(basis="contract", data=DataScope(sections=("insights",))),
        "ads": Purpose(basis="consent", data=DataScope(traits=("*",), sections=("insights",))),
    },
    default="shop",
)


def started(folder: Path, **settings: Any) -> HttpService:
    service = HttpService(folder, Settings(scoring=SCORING, **settings))
    service.send({"type": "identify", "userId": "u1", "traits": {"plan": "basic"}})
    return service


def promote(service: HttpService, name: str = "welcome") -> None:
    made = service.control.register_model(champion() if name == "welcome" else version(name))
    service.control.set_model_aliases(AliasChange(made.name, "champion", made.version, 1, "test"))
    service.pass_time(1_000)


def decide(service: HttpService, decision_id: str = "", **headers: str) -> dict[str, Any]:
    answer = service.post(PATH, {"decision": "welcome", "decision_id": decision_id}, **headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    return started(tmp_path)


def test_a_decision_is_logged_as_it_is_told(service: HttpService) -> None:
    told = decide(service)
    assert (told["model"], told["personal"], told["propensities"]) == (None, False, {"none": 0.5, "letter": 0.5})
    promote(service)
    taken = [decide(service) for _ in range(40)]
    assert {each["model"] for each in taken} == {"welcome@1"}
    assert sum(each["action"] == "letter" for each in taken) > 30  # calls are for members of a segment
    assert taken[0]["expected"]["letter"] > taken[0]["expected"]["none"]
    logged = service.get(f"{LOG}?limit=100").json()["data"]
    assert len({each["id"] for each in logged}) == 41
    for each in (told, *taken):
        (entry,) = [entry for entry in logged if entry["id"] == each["record_id"]]
        assert (entry["kind"], entry["subject"], entry["cause"]) == ("model", "welcome", each["decision_id"])
        for name in ("action", "propensities", "expected", "personal", "decided", "at"):
            assert entry[name] == each[name]
        assert each["propensity"] == entry["propensities"][entry["action"]]


def test_asked_again_it_is_what_was_decided_first(service: HttpService) -> None:
    first = decide(service, "d1")
    promote(service)
    service.send({"type": "identify", "userId": "u1", "traits": {"plan": "gold"}})
    assert decide(service, "d1") == first
    assert decide(service, "d2")["model"] == "welcome@1"
    assert len(service.get(LOG).json()["data"]) == 2


def test_what_is_chosen_cannot_be_known_from_what_the_caller_says(tmp_path: Path) -> None:
    chosen = []
    for number in range(2):
        (folder := tmp_path / str(number)).mkdir()
        service = started(folder)
        for _ in range(number):
            decide(service)
        told = [decide(service, f"d{each}") for each in range(40)]
        chosen.append([(each["customer_id"], each["decision_id"], each["action"]) for each in told])
    assert [each[:2] for each in chosen[0]] == [each[:2] for each in chosen[1]] and chosen[0] != chosen[1]


def test_a_champion_that_moves_meanwhile_is_asked_about_its_own_features(service: HttpService) -> None:
    promote(service)
    (profile,) = service.router.people.values()
    parameters = msgspec.json.encode(champion().parameters)
    looks = 0

    def later() -> int:
        """Each look at the clock finds another champion, whose feature has another name."""
        nonlocal looks
        looks += 1
        renamed = msgspec.json.decode(parameters.replace(b'"plan":', b'"plan_%d":' % looks))
        made = service.control.register_model(msgspec.structs.replace(champion(), parameters=renamed))
        service.control.set_model_aliases(AliasChange("welcome", "champion", made.version, 1, "test"))
        return service.now + 1_000 * looks

    points = DecisionPoints(service.services.settings, service.control, later)
    assert points.choose("welcome", profile, "", service.now, 0.5).personal
    assert points.recommended(profile, "", service.now)
    assert looks > 2


def test_what_is_allowed_follows_from_segments(service: HttpService) -> None:
    (profile,) = service.router.people.values()
    profile.memberships["reachable"] = service.now
    promote(service)
    told = decide(service, "d3")
    assert list(told["propensities"]) == ["none", "letter", "call"]
    assert told["propensities"]["call"] > 0.9 and told["personal"]
    shown = service.get("/v1/profiles/user_id:u1").json()["insights"]["next_best_actions"]
    assert [(each["decision"], each["action"], each["version"]) for each in shown] == [("welcome", "call", "welcome@1")]
    assert shown[0]["expected"] == {name: round(value, 4) for name, value in told["expected"].items()}
    assert len(service.get(LOG).json()["data"]) == 1  # a recommendation is none


def test_the_holdout_of_a_segment_is_left_alone(service: HttpService) -> None:
    promote(service)
    (profile,) = service.router.people.values()
    profile.memberships["reachable"] = service.now
    for percent, allowed in ((0.0, 3), (99.0, 2)):
        assert is_held_out("reachable", profile.customer_id, percent) == (allowed == 2)
        segment = {"id": "reachable", "name": "Reachable", "criteria": CRITERIA, "holdout": percent}
        service.control.put_segment("reachable", segment)
        service.pass_time(1_000)
        told = decide(service)
        assert len(told["propensities"]) == allowed
        recommended = service.get("/v1/profiles/user_id:u1").json()["insights"]["next_best_actions"]
        assert len(recommended[0]["expected"]) == allowed


def test_nothing_is_decided_of_who_has_opted_out(service: HttpService) -> None:
    promote(service)
    first = decide(service, "d4")
    consents = "/v1/profiles/user_id:u1/consents"
    service.post(consents, {"decisions": {"!no_automated_decisions": True}})
    for decision_id in ("d4", "d5", "d5"):
        told = decide(service, decision_id)
        assert (told["decided"], told["action"], told["propensity"]) == ("skipped: opted out", None, None)
        assert (told["propensities"], told["expected"], told["model"]) == ({}, {}, None)
    assert "next_best_actions" not in service.get("/v1/profiles/user_id:u1").json()["insights"]
    assert len(service.get(LOG).json()["data"]) == 3
    service.pass_time(1_000)
    service.post(consents, {"decisions": {"!no_automated_decisions": False}})
    assert decide(service, "d4") == first


def test_what_does_not_serve_the_purpose_does_not_count(tmp_path: Path) -> None:
    service = started(tmp_path, privacy=PrivacySettings(purposes=PURPOSES))
    service.router.purposes = PURPOSES
    (profile,) = service.router.people.values()
    profile.memberships["reachable"] = service.now
    promote(service)
    mine = decide(service, "d1", **{"Onefold-Purpose": "shop"})
    assert mine["personal"] and len(mine["propensities"]) == 3
    others = decide(service, "d2", **{"Onefold-Purpose": "mail"})  # neither the plan nor segments serve it
    assert not others["personal"]
    assert others["expected"] == pytest.approx({"none": 0.2, "letter": 4.5})
    assert {each["purpose"] for each in service.get(LOG).json()["data"]} == {"shop", "mail"}
    asked = {"decision": "welcome", "decision_id": "d1"}
    other = service.post(PATH, asked, **{"Onefold-Purpose": "mail"})  # it tells of the plan and of segments
    assert other.status_code == 409 and "for another purpose" in other.json()["message"]
    refused = service.post(PATH, {"decision": "welcome"}, **{"Onefold-Purpose": "ads"})
    assert refused.status_code == 404 and "has no basis" in refused.json()["message"]
    by_purpose = {
        purpose: service.get("/v1/profiles/user_id:u1", **{"Onefold-Purpose": purpose}).json()["insights"]
        for purpose in ("shop", "mail")
    }
    assert ["next_best_actions" in each for each in by_purpose.values()] == [True, False]


def test_what_cannot_be_decided_says_why(service: HttpService) -> None:
    unknown = service.post(PATH, {"decision": "goodbye"})
    assert unknown.status_code == 404 and "scoring.decisions (welcome)" in unknown.json()["message"]
    assert service.post("/v1/profiles/user_id:u9/decide", {"decision": "welcome"}).status_code == 404
    assert service.post(PATH, {"decision": "welcome", "decision_id": "x" * 129}).status_code == 400
    service.key = service.create_key("ingest")
    assert service.post(PATH, {"decision": "welcome"}).status_code == 403


def test_a_champion_of_another_release_takes_nothing_from_profiles(service: HttpService) -> None:
    made = service.control.register_model(msgspec.structs.replace(champion(), parameters={"name": "welcome"}))
    service.control.set_model_aliases(AliasChange(made.name, "champion", made.version, 1, "test"))
    service.pass_time(1_000)
    assert service.get("/v1/profiles/user_id:u1").json()["insights"] == {}
    refused = service.post(PATH, {"decision": "welcome"})
    assert refused.status_code == 409 and "train it again" in refused.json()["message"]
    assert service.get(LOG).json()["data"] == []


def test_a_score_of_the_same_name_is_in_the_way(tmp_path: Path) -> None:
    scoring = msgspec.structs.replace(SCORING, decisions={"churn": SCORING.decisions["welcome"]})
    service = HttpService(tmp_path, Settings(scoring=scoring))
    service.send({"type": "identify", "userId": "u1"})
    promote(service, "churn")
    refused = service.post(PATH, {"decision": "churn"})
    assert refused.status_code == 409 and "rename the decision point" in refused.json()["message"]
    assert service.get("/v1/profiles/user_id:u1").json()["insights"] == {}


def test_what_may_be_done_does_not_tell_who_is_in_a_segment_made_of_health_data(tmp_path: Path) -> None:
    everything = DataScope(traits=("*",), events=("*",), sections=("*",))
    purposes = Purposes(
        known={"shop": Purpose(basis="contract", data=everything), "care": Purpose(basis="consent", data=everything)},
        default="shop",
        labels={"health": DataScope(traits=("allergy",))},
    )
    service = started(tmp_path, privacy=PrivacySettings(purposes=purposes))
    service.router.purposes = purposes
    service.post("/v1/profiles/user_id:u1/consents", {"decisions": {"care": True}})
    (profile,) = service.router.people.values()
    profile.memberships["reachable"] = service.now
    promote(service)
    criteria = {**CRITERIA, "trait": "allergy"}
    for counted, told_of in ((CRITERIA, {"shop", "care"}), (criteria, {"care"})):
        service.control.put_segment("reachable", {"id": "reachable", "name": "Reachable", "criteria": counted})
        service.pass_time(1_000)
        for purpose in ("shop", "care"):
            headers = {"Onefold-Purpose": purpose}
            answer = service.post(PATH, {"decision": "welcome"}, **headers)
            assert ("call" in answer.json()["propensities"]) is (purpose in told_of), purpose
            assert answer.headers.get("Onefold-Withheld", "") == ("" if purpose in told_of else "segments=1")
            shown = service.get("/v1/profiles/user_id:u1", **headers).json()["insights"]["next_best_actions"]
            assert ("call" in shown[0]["expected"]) is (purpose in told_of), purpose
    # Of a segment that is gone, or that this version cannot read, nobody knows what it tells of.
    for definition in (None, {"id": "reachable", "name": "Reachable", "criteria": {"type": "of another version"}}):
        if definition is None:
            service.control.delete_segment("reachable")
        else:
            service.control.put_segment("reachable", definition)
        service.pass_time(1_000)
        assert "call" not in decide(service)["propensities"]
        assert service.get("/v1/profiles/user_id:u1").json()["segments"] == []
