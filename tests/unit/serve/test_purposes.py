"""Reads for a purpose: keys and segments that have one, and what of events and evidence is shown."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.basis_check import FRESH_MS
from actors.errors import Invalid
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from protos.onefold.v1 import identity_pb2, profile_pb2, segment_pb2
from serve import http_segment_stream
from serve.grpc_methods import GrpcMethods
from serve.request_context import RequestContext
from serve.settings import Settings
from tests.unit.serve.grpc_service import GrpcService, Refused
from tests.unit.serve.http_service import NOW, HttpService
from tests.unit.serve.test_grpc_contract import CONTRACT

PURPOSES = Purposes(
    known={
        "service": Purpose(basis="contract"),
        "ads": Purpose(basis="consent", data=DataScope(traits=("income", "birthday"), events=("Ad *",))),
        "insight": Purpose(basis="legitimate_interests", data=DataScope(sections=("realTimeContext",))),
    },
    default="service",
)
PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
RICH = {"type": "demographic", "trait": "income", "operator": "greater_than", "value": 1}
ADS = {"Onefold-Purpose": "ads"}


def settings_of(folder: Path) -> Settings:
    return Settings(data_dir=str(folder), privacy=PrivacySettings(purposes=PURPOSES))


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path, settings_of(tmp_path))
    made.router.purposes = PURPOSES
    return made


def arrive(service: HttpService, user: str, ads: bool | None, **traits: Any) -> None:
    traits = {"plan": "pro", "email": f"{user}@x.io", **traits}
    service.post("/v1/identify", {"userId": user, "traits": traits})
    if ads is not None:
        service.post(f"/v1/profiles/user_id:{user}/consents", {"decisions": {"ads": ads}})
    service.pass_time(1_000)


def test_a_key_with_a_purpose_reads_for_that_one_only(service: HttpService) -> None:
    arrive(service, "u1", True)
    arrive(service, "u1", None, income=70_000)
    for name, purpose in (("ads", "ads"), ("gone", "gone")):
        service.control.create_key(name, ["read"], purpose=purpose)
    _, secret = service.control.create_key("campaigns", ["read"], purpose="ads")
    service.pass_time(1_000)
    service.key = secret
    shown = service.get("/v1/profiles/user_id:u1").json()
    assert shown["attributes"].keys() == {"income"}
    assert service.get("/v1/profiles/user_id:u1", **ADS).json()["attributes"].keys() == {"income"}
    refused = service.get("/v1/profiles/user_id:u1", **{"Onefold-Purpose": "service"})
    assert refused.status_code == 403
    assert "for the purpose ads only" in refused.json()["message"]


def test_a_key_whose_purpose_is_not_in_the_registry_any_more_reads_nobody(service: HttpService) -> None:
    arrive(service, "u1", True)
    _, secret = service.control.create_key("old", ["read"], purpose="gone")
    service.pass_time(1_000)
    service.key = secret
    assert service.get("/v1/profiles/user_id:u1").status_code == 403


def test_keys_with_a_purpose_are_made_listed_rotated_and_audited(service: HttpService) -> None:
    made = service.post("/v1/admin/keys", {"name": "c", "scopes": ["read"], "purpose": "ads"}).json()
    assert made["key"]["purpose"] == "ads"
    service.control.create_key("root", ["admin"])
    service.pass_time(1_000)
    service.key = service.create_key("admin", "desk")
    rotated = service.post(f"/v1/admin/keys/{made['key']['id']}/rotate", {}).json()
    assert rotated["key"]["purpose"] == "ads"
    assert {key["name"]: key["purpose"] for key in service.get("/v1/admin/keys").json()["keys"]}["c"] == "ads"
    details = [entry.detail for entry in service.recorded() if "/v1/admin/keys" in entry.action]
    assert [detail.get("purpose") for detail in details[:2]] == ["ads", "ads"]
    unknown = service.post("/v1/admin/keys", {"name": "d", "scopes": ["read"], "purpose": "other"})
    assert (unknown.status_code, "purpose" in unknown.json()["message"]) == (400, True)


@pytest.mark.parametrize("scope", ["admin", "privacy"])
def test_who_sees_everything_has_no_single_purpose(service: HttpService, scope: Any) -> None:
    with pytest.raises(Invalid, match="purpose"):
        service.control.create_key("k", ["read", scope], purpose="ads")


def test_reads_of_a_segment_are_for_its_purpose_unless_they_declare_another(service: HttpService) -> None:
    arrive(service, "u1", True)
    arrive(service, "u2", False)
    body = {"id": "pro", "name": "Pro", "criteria": PRO, "purpose": "ads"}
    assert service.post("/v1/segments", body).json()["purpose"] == "ads"
    members = service.get("/v1/segments/pro/members")
    assert (len(members.json()["data"]), members.headers["onefold-withheld"]) == (1, "members=1")
    assert len(service.get("/v1/segments/pro/members", **{"Onefold-Purpose": "service"}).json()["data"]) == 2
    changes = service.get("/v1/segments/pro/changes")
    assert (len(changes.json()["data"]), changes.headers["onefold-withheld"]) == (1, "entries=1")
    assert service.get("/v1/segments/pro/members/profiles?traits=plan").status_code == 400
    refused = service.post("/v1/segments", {**body, "purpose": "other"})
    assert refused.status_code == 400
    assert "purpose" in refused.json()["errors"][0]["field"]


def test_a_stream_tells_entries_of_those_for_whom_there_is_a_basis_and_exits_of_all(service: HttpService) -> None:
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO, "purpose": "ads"})
    service.post("/v1/segments", {"id": "all", "name": "All", "criteria": PRO})
    arrive(service, "u1", True)
    arrive(service, "u2", None)
    service.post("/v1/identify", {"userId": "u2", "traits": {"plan": "free"}})

    async def always() -> bool:
        return True

    async def read(purpose: str) -> list[str]:
        streams = http_segment_stream.Streams(service.services)
        check_of = RequestContext(service.services).fresh_check(purpose)
        found: list[str] = []
        async for part in http_segment_stream.events(streams, "", {}, always, check_of):
            found.append(part.decode())
            if len(found) == 7:
                break
        return [json_of(part) for part in found[1:]]

    every = asyncio.run(read(""))  # each entry for its segment's purpose
    assert sorted(every) == ["all entered", "all entered", "all exited", "pro entered", "pro exited", "withheld"]
    assert sorted(asyncio.run(read("service"))).count("withheld") == 0
    assert sorted(asyncio.run(read("ads"))).count("withheld") == 2


def json_of(part: str) -> str:
    data = [line for line in part.splitlines() if line.startswith("data: ")]
    if not data:
        return part.splitlines()[1].removeprefix(": ")
    told = msgspec.json.decode(data[0].removeprefix("data: "))
    return f"{told['segment_id']} {told['change']}"


def test_events_show_no_identifiers_and_no_context_to_a_purpose_that_these_do_not_serve(service: HttpService) -> None:
    arrive(service, "u1", True)
    context = {"page": {"url": "https://x/1"}, "device": {"id": "dev-1"}}
    service.post("/v1/track", {"userId": "u1", "event": "Ad Clicked", "context": context, "properties": {"a": 1}})
    service.post("/v1/track", {"userId": "u1", "event": "Seen", "context": context})
    for path in ("/v1/profiles/user_id:u1/events", "/v1/events"):
        answer = service.get(path, **ADS)
        (clicked,) = [each for each in answer.json()["data"] if each["name"]]
        assert (clicked["name"], clicked["identifiers"], clicked["context"]) == ("Ad Clicked", [], {})
        assert clicked["properties"] == {"a": 1}
        assert "events=" in answer.headers["onefold-withheld"]
        (seen,) = [each for each in service.get(path).json()["data"] if each["name"]]
        assert (seen["name"], "user_id:u1" in seen["identifiers"]) == ("Seen", True)
    service.post("/v1/profiles/user_id:u1/consents", {"decisions": {"!restricted": True}})
    service.pass_time(1_000)
    assert service.get("/v1/events").json()["data"] == []
    assert "user_id:u1" not in service.get("/v1/profiles/user_id:u1/events").text


def test_dead_letters_tell_what_they_say_to_the_default_purpose_of_operators_only(service: HttpService) -> None:
    service.post("/v1/track", {"userId": "u1", "properties": {"secret": "canary"}})
    reader, operator = service.create_key("read", "reader"), service.create_key("admin", "operator")
    for key, purpose, is_told in ((operator, "", True), (operator, "ads", False), (reader, "", False)):
        service.key = key
        answer = service.get("/v1/deadletters", **({"Onefold-Purpose": purpose} if purpose else {}))
        (letter,) = answer.json()["data"]
        assert (letter["body"] is not None, letter["reasons"] != []) == (is_told, True)
        assert ("canary" in answer.text) is is_told
        assert ("onefold-withheld" in answer.headers) is not is_told


def test_evidence_has_values_of_those_who_may_be_read_and_that_certainly_serve_the_purpose(
    service: HttpService,
) -> None:
    traits = {"firstName": "Jane", "lastName": "Doe", "birthday": "1990-02-03"}
    for user in ("u1", "u2"):
        arrive(service, user, True)
        arrive(service, user, None, **traits)
    explained = "/v1/identity/explain?left=user_id:u1&right=user_id:u2"
    shown = service.get(explained)
    fields = {field["field"]: field["left"] for field in shown.json()["fields"]}
    assert (fields["given_name"] != "", fields["birth_date"]) == (True, "")  # some birthdays are for ads
    assert shown.headers["onefold-withheld"] == "evidence=1"
    assert not any(field["left"] for field in service.get(explained, **ADS).json()["fields"])
    review = service.router.open_review("user_id:u1", "user_id:u2")
    assert len(service.get("/v1/identity/reviews").json()["data"]) == 1
    service.post("/v1/profiles/user_id:u2/consents", {"decisions": {"!restricted": True}})
    service.pass_time(1_000)
    listed = service.get("/v1/identity/reviews")
    assert (listed.json()["data"], listed.headers["onefold-withheld"]) == ([], "reviews=1")
    for path in (explained, f"/v1/identity/reviews/{review.review_id}", "/v1/profiles/user_id:u2/graph"):
        answer = service.get(path)
        assert answer.status_code == 404
        assert "nothing is told" in answer.json()["message"]
    links = service.get("/v1/profiles/user_id:u2/links")
    assert (links.json()["data"], links.headers["onefold-withheld"]) == ([], "everything=1")


def test_why_says_nothing_of_what_does_not_serve_the_purpose(service: HttpService) -> None:
    arrive(service, "u1", True)
    arrive(service, "u1", None, income=70_000)
    service.post("/v1/segments", {"id": "both", "name": "Both", "criteria": {"all": [PRO, RICH]}})
    answer = service.get("/v1/segments/both/why?key=user_id:u1")
    whole = answer.json()["criteria"]
    plan, income = whole["all"]
    assert (whole["withheld"], plan["holds"], income["withheld"]) == (True, True, True)
    assert "holds" not in whole
    assert "70000" not in answer.text
    assert answer.headers["onefold-withheld"] == "criteria=2"
    assert "70000" in service.get("/v1/segments/both/why?key=user_id:u1", **ADS).text


def test_a_computed_trait_is_shown_where_all_that_it_is_made_of_serves(service: HttpService) -> None:
    for name, event in (("clicks", "Ad Clicked"), ("views", "Seen")):
        expression = {"type": "behavioral", "event": event, "measure": "count"}
        answer = service.post("/v1/computed-traits", {"id": name, "name": name, "expression": expression})
        assert answer.status_code == 200
    arrive(service, "u1", True)
    service.post("/v1/track", {"userId": "u1", "event": "Ad Clicked"})
    service.pass_time(1_000)
    shown = service.get("/v1/profiles/user_id:u1").json()
    assert shown["insights"]["computed_traits"] == {"views": 0}
    assert shown["withheld"]["insights"] == 1


def test_preferences_of_the_device_are_the_context_s(service: HttpService) -> None:
    service.post("/v1/track", {"userId": "u1", "event": "Seen", "context": {"locale": "de-CH"}})
    shown = service.get("/v1/profiles/user_id:u1").json()
    assert (shown["preferences"], shown["withheld"]["preferences"]) == ({}, 1)


def test_every_method_states_what_it_shows(tmp_path: Path) -> None:
    names = {method.name for each in CONTRACT for method in each.methods} - {"Watch"} | {"WatchProfiles"}
    stated = {name: getattr(GrpcMethods, name).__dict__["shows"] for name in names}
    assert {name for name, shows in stated.items() if shows == "nobody"} == {
        *("CreateSegment", "ListSegments", "GetSegment", "DeleteSegment", "PreviewSegment"),
    }
    assert {name for name, shows in stated.items() if shows == "ids"} == {
        *("Ingest", "IngestStream", "Merge", "Unmerge", "AcceptReview"),
    }


def test_the_same_over_grpc(tmp_path: Path) -> None:
    grpc = GrpcService(tmp_path, settings_of(tmp_path))
    grpc.http.router.purposes = PURPOSES
    arrive(grpc.http, "u1", True)
    arrive(grpc.http, "u2", False)
    grpc.http.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO, "purpose": "ads"})

    def members(*metadata: tuple[str, str]) -> int:
        reply = grpc.call("ListMembers", segment_pb2.ListMembersRequest(id="pro"), metadata=metadata)
        return len(segment_pb2.ListMembersResponse.FromString(reply).members)

    assert (members(), grpc.last.trailing) == (1, [("onefold-withheld", "members=1")])
    assert (members(("onefold-purpose", "service")), grpc.last.trailing) == (2, [])
    links = identity_pb2.LinksRequest(key="user_id:u2")
    reply = grpc.call("Links", links, metadata=(("onefold-purpose", "ads"),))
    assert (len(identity_pb2.LinksResponse.FromString(reply).links), grpc.last.trailing) == (
        0,
        [("onefold-withheld", "everything=1")],
    )
    _, grpc.key = grpc.http.control.create_key("c", ["read"], purpose="ads")
    grpc.http.pass_time(1_000)
    assert members() == 1
    with pytest.raises(Refused, match="PERMISSION_DENIED"):
        members(("onefold-purpose", "service"))
    assert grpc.http.now > NOW


def test_a_change_that_a_slow_client_asks_for_late_is_as_of_then(tmp_path: Path) -> None:
    grpc = GrpcService(tmp_path, settings_of(tmp_path))
    grpc.http.router.purposes = PURPOSES
    for user in ("u1", "u2"):
        arrive(grpc.http, user, None)

    async def watch() -> list[profile_pb2.ProfileChange]:
        found: list[profile_pb2.ProfileChange] = []
        async for reply in grpc.stream("Watch", profile_pb2.WatchRequest(after="0:0,1:0")):
            found.append(profile_pb2.ProfileChange.FromString(reply))
            if len(found) == 2:
                break
            consent = {"decisions": {"!restricted": True}}
            await grpc.http.router.state_consents("user_id:u2", consent, "desk", grpc.http.now)
            grpc.http.pass_time(FRESH_MS)
        return found

    first, second = asyncio.run(watch())
    assert (set(first.profile.attributes), len(first.profile.withheld)) == ({"plan", "email"}, 0)
    assert dict(second.profile.withheld) == {"everything": 1}
    assert not second.profile.attributes


HEALTH = Purposes(
    known={
        "shop": Purpose(basis="contract"),
        "care": Purpose(basis="consent", data=DataScope(traits=("allergy",), sections=("segments",))),
    },
    default="shop",
    labels={"health": DataScope(traits=("allergy",))},
)
ALLERGIC = {"type": "demographic", "trait": "allergy.nuts", "operator": "exists"}
CARE = {"Onefold-Purpose": "care"}


def test_who_is_in_a_segment_made_of_health_data_is_told_for_purposes_that_it_serves(tmp_path: Path) -> None:
    known = {**HEALTH.known, "shop": Purpose(basis="contract", data=DataScope(sections=("segments",)))}
    purposes = msgspec.structs.replace(HEALTH, known=known)
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=purposes)))
    service.router.purposes = purposes
    both = {"all": [{"type": "membership", "segment": "nuts"}, PRO]}
    for name, criteria in (("nuts", ALLERGIC), ("pro", PRO), ("both", both)):
        service.post("/v1/segments", {"id": name, "name": name, "criteria": criteria})
    service.post("/v1/identify", {"userId": "u1", "traits": {"plan": "pro"}})
    service.post("/v1/profiles/user_id:u1/consents", {"decisions": {"care": True}})
    service.pass_time(1_000)
    service.post("/v1/identify", {"userId": "u1", "traits": {"allergy": {"nuts": "severe"}}})

    def segments(headers: dict[str, str]) -> set[str]:
        found = service.get("/v1/profiles/user_id:u1/segments", **headers).json()["data"]
        return {each["id"] for each in found}

    assert segments(CARE) == {"nuts", "pro", "both"}
    assert segments({}) == {"pro"}
    assert service.get("/v1/profiles/user_id:u1").json()["withheld"]["segments"] == 2
    for path in ("members", "members/profiles", "changes", "why?key=user_id:u1", f"members?at={NOW}"):
        assert service.get(f"/v1/segments/nuts/{path}").status_code == 403, path
    assert service.get("/v1/segments/nuts/stream").status_code == 403
    assert len(service.get("/v1/segments/nuts/members", **CARE).json()["data"]) == 1
    assert len(service.get("/v1/segments/pro/members").json()["data"]) == 1
    person = next(iter(service.router.people))
    context = RequestContext(service.services)
    entries = [(person, "nuts"), (person, "pro")]
    assert asyncio.run(context.basis.entries(entries, "")) == {(person, "pro")}
    assert asyncio.run(context.basis.entries(entries, "care")) == set(entries)
