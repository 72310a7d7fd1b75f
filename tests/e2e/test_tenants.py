"""Two tenants on one service: what is one's does not exist for the other, whatever it asks for."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, NamedTuple

import grpc
import httpx
import pytest

from actors.api_keys import SCOPES, Scope, allows
from actors.control import ControlStore
from pipelines.batch_client import ApiClient
from protos.client import Client
from tests.e2e.service import RunningService
from tests.strategies.every_call import grpc_calls, http_calls

CANARY = "zyzzyva"  # in everything that the default tenant has
MAIL = f"{CANARY}@example.com"
STREAMED_S = 1.0  # that a stream is followed which should tell nothing
PATIENCE_S = 30.0
MAKES = {("PUT", "/v1/admin/sources/{source_id}")}  # something of the caller's own, whatever its name
SHOWN = {"Get", "BatchGet", "Watch", "GetSegment", "ListSegments", "Rank"}  # gRPC methods that tell the owner of it


class Ours(NamedTuple):
    """What the default tenant has, and keys to it."""

    about: dict[str, str]
    keys: dict[Scope, str]
    ended: dict[str, str]


@pytest.fixture(scope="module")
def running(service: RunningService, acme: str) -> RunningService:
    return service


@pytest.fixture(scope="module")
def http(running: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url) as client:
        yield client


@pytest.fixture(scope="module")
def theirs(acme: str) -> str:
    """The other tenant's key, which may do everything."""
    return acme


@pytest.fixture(scope="module")
def ours(running: RunningService) -> Ours:
    criteria = {"type": "demographic", "trait": CANARY, "operator": "exists"}
    expression = {"type": "behavioral", "measure": "count", "event": CANARY}
    with running.client() as client:
        client.post("/v1/segments", {"id": CANARY, "name": CANARY, "criteria": criteria})
        client.post("/v1/webhooks", {"id": CANARY, "url": f"https://{CANARY}.example.com/", "enabled": False})
        trait = client.post("/v1/computed-traits", {"id": CANARY, "name": CANARY, "expression": expression})
        client.request("PUT", f"/v1/admin/sources/{CANARY}", json.dumps({"kind": CANARY}).encode())
        key = client.post("/v1/admin/keys", {"name": CANARY, "scopes": ["read"]})["key"]
        people = [
            {"type": "identify", "userId": f"{CANARY}-{n}", "traits": {"email": f"{n}{MAIL}", CANARY: CANARY}}
            for n in range(2)
        ]
        broken = {"type": "track", "userId": CANARY, "properties": {CANARY: CANARY}}
        client.post("/v1/batch?wait=true", {"batch": [*people, {"type": "track", "event": CANARY, "userId": CANARY}]})
        client.post("/v1/batch", {"batch": [*people[:1], broken]})
        merged = client.post("/v1/identity/merge", {"left": f"user_id:{CANARY}-0", "right": f"user_id:{CANARY}-1"})
        merge_id = client.get(f"/v1/profiles/user_id:{CANARY}-0/merges")["data"][0]["merge_id"]
        letter = client.get("/v1/deadletters")["data"][0]["id"]
    out = running.data_dir.parent / "export.zip"
    export = running.cli("privacy", "export", f"email:0{MAIL}", "--out", str(out), timeout_s=120)
    about = {
        "key": f"user_id:{CANARY}-0",
        "other_key": f"user_id:{CANARY}",
        "segment_id": CANARY,
        "webhook_id": CANARY,
        "trait_id": trait["id"],
        "source_id": CANARY,
        "key_id": key["id"],
        "merge_id": merge_id,
        "review_id": f"rev_{merged['customer_id']}_{merged['merged'][0]}",
        "subject_request_id": export["subject_request_id"],
        "name": export["results_url"].rpartition("/")[2],
        "decision_id": "dec_0123456789abcdef01234567",
        "model": "upgrade",
        "decision": "welcome",
        "alias": "champion",
        "letter_id": letter,
        "trait": CANARY,
    }
    with closing(ControlStore(running.data_dir / "control.sqlite")) as control:
        keys = {scope: control.create_key(scope, [scope])[1] for scope in SCOPES}
        revoked, secret = control.create_key("revoked", ["admin"])
        control.revoke_key(revoked.key_id)
        _, expired = control.create_key("expired", ["admin"], lifetime_ms=1)
    time.sleep(0.6)  # until every process knows them
    return Ours(about, keys, {"none": "", "unknown": "ofk_guessed", "revoked": secret, "expired": expired})


def answer(http: httpx.Client, method: str, path: str, key: str, body: Any = None) -> tuple[int, str]:
    """Status and text; of a stream what it says in a while."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    patience = dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE_S)
    with http.stream(method, path, json=body, headers=headers, extensions={"timeout": patience}) as response:
        text = ""
        if path.endswith("stream"):
            patience["read"] = STREAMED_S  # from here on, the answer has begun
        with suppress(httpx.ReadTimeout):  # of a stream
            for chunk in response.iter_raw():
                text += chunk.decode(errors="replace")
        return response.status_code, text


def state(running: RunningService) -> tuple[object, ...]:
    """What operators of the default tenant have made, and the messages that wait."""
    with closing(ControlStore(running.data_dir / "control.sqlite")) as control, running.client() as client:
        made = control.segments(), control.webhooks(), control.computed_traits(), control.sources(), control.keys()
        return (*made, client.get("/v1/deadletters"))


def call(
    running: RunningService, method: Any, request: Any, key: str, streamed_s: float = PATIENCE_S
) -> tuple[grpc.StatusCode, bytes]:
    """The status of a gRPC call and the bytes of its replies; a stream is followed for so long, or to the canary."""
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    path = f"/{method.containing_service.full_name}/{method.name}"
    told = b""
    with grpc.insecure_channel(running.grpc_target) as channel:
        kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
        make = getattr(channel, kind)(path, lambda sent: sent.SerializeToString(), bytes)
        sent = iter([request]) if method.client_streaming else request
        try:
            replies = make(sent, metadata=metadata, timeout=streamed_s if method.server_streaming else PATIENCE_S)
            for reply in replies if method.server_streaming else [replies]:
                told += reply
                if CANARY.encode() in told:
                    break
        except grpc.RpcError as error:
            return error.code(), told + str(error.details()).encode()
    return grpc.StatusCode.OK, told


def test_the_same_person_is_two_people(running: RunningService, http: httpx.Client, theirs: str) -> None:
    ids = {}
    for name, key, plan in (("default", running.admin_key, "gold"), ("acme", theirs, "free")):
        # The key in the body, as browsers send it; and never is it a header or the body that says whose it is.
        traits = {"email": "shared@example.com", "plan": plan}
        body = {"userId": "shared", "writeKey": key, "tenant": "default", "traits": traits}
        sent = httpx.post(
            f"{running.url}/v1/identify?wait=true&tenant=acme",
            json=body,
            headers={"Onefold-Tenant": "acme"},
            timeout=PATIENCE_S,
        )
        ids[name] = sent.json()["results"][0]["customer_id"]
    for key, plan in ((running.admin_key, "gold"), (theirs, "free")):
        status, text = answer(http, "GET", "/v1/profiles/email:shared@example.com", key)
        assert status == 200 and json.loads(text)["attributes"]["plan"]["value"] == plan
        with Client(running.grpc_target, key) as client:
            found = client.get("email:shared@example.com")
            assert found is not None and json.loads(found.attributes["plan"].value_json) == plan
    told = running.cli("profile", "user_id:shared", "--tenant", "acme")
    assert told["customer_id"] == ids["acme"]


def test_no_route_and_no_method_shows_or_changes_what_is_anothers(
    running: RunningService, http: httpx.Client, ours: Ours, theirs: str
) -> None:
    wrong = []
    seen_by_owner = set()
    nothing = {name: value.replace(CANARY, "nothing") for name, value in ours.about.items()}
    paths_of_nothing = {(method, route): path for method, route, _, path, _ in http_calls(nothing)}
    before = state(running)
    for method, route, scope, path, body in http_calls(ours.about):
        if method == "GET":
            status, text = answer(http, method, path, running.admin_key)
            if CANARY in text:
                seen_by_owner.add(route)
        for name, key in ours.ended.items():
            status, text = answer(http, method, path, key, body)
            if status != 401 or CANARY in text:
                wrong.append((method, route, name, status))
        for owned, key in ours.keys.items():
            if not allows((owned,), scope):
                status, text = answer(http, method, path, key, body)
                if status != 403 or CANARY in text:
                    wrong.append((method, route, owned, status))
        status, text = answer(http, method, path, theirs, body)
        if (method, route) in MAKES:
            continue
        # Of some things the answer is an empty list if there is none.
        is_like_nothing = "{" not in route or status in (404, 400)
        if not is_like_nothing:
            is_like_nothing = (status, text) == answer(http, method, paths_of_nothing[method, route], theirs, body)
        if CANARY in text or status in (401, 403) or not is_like_nothing:
            wrong.append((method, route, "another tenant's", status))
    assert wrong == []
    assert len(seen_by_owner) > 20, sorted(seen_by_owner)
    # Nothing of it has done anything: all is still there.
    assert state(running) == before
    for method, route, _, path, _ in http_calls(ours.about):
        if method == "GET" and route in seen_by_owner and not route.endswith("stream"):
            assert answer(http, method, path, running.admin_key)[0] == 200, route


def test_no_grpc_method_does_either(running: RunningService, ours: Ours, theirs: str) -> None:
    criteria = json.dumps({"type": "demographic", "trait": CANARY, "operator": "exists"})
    about: dict[str, str] = {
        **ours.about,
        **{"identifiers": ours.about["key"], "keys": ours.about["key"], "left": ours.about["key"]},
        **{"right": ours.about["other_key"], "id": CANARY, "criteria_json": criteria, "name": "", "description": ""},
        **dict.fromkeys(["traits_json", "cursor", "sent_at", "min_seq", "after", "refresh", "at", "purpose"], ""),
        "category": CANARY,
    }
    wrong, seen_by_owner = [], set()
    for method, request in grpc_calls(about):
        for name, key in ours.ended.items():
            code, told = call(running, method, request, key)
            if code is not grpc.StatusCode.UNAUTHENTICATED or CANARY.encode() in told:
                wrong.append((method.name, name, code))
        refused = [owned for owned, key in ours.keys.items() if owned == "privacy"]
        assert refused
        code, told = call(running, method, request, ours.keys["privacy"])
        if code is not grpc.StatusCode.PERMISSION_DENIED or CANARY.encode() in told:
            wrong.append((method.name, "privacy", code))
        code, told = call(running, method, request, theirs, STREAMED_S)
        if CANARY.encode() in told or code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            wrong.append((method.name, "another tenant's", code))
        patience_s = PATIENCE_S if method.name in SHOWN else STREAMED_S
        if CANARY.encode() in call(running, method, request, ours.keys["read"], patience_s)[1]:
            seen_by_owner.add(method.name)
    assert wrong == []
    assert seen_by_owner >= SHOWN


def test_streams_tell_of_ones_own_people_alone(running: RunningService, ours: Ours, theirs: str) -> None:
    with ApiClient(running.url, theirs) as other:
        criteria = {"type": "demographic", "trait": "vip", "operator": "exists"}
        other.post("/v1/segments", {"id": "own", "name": "Own", "criteria": criteria})
        with (
            httpx.Client(timeout=30) as client,
            client.stream(
                "GET", f"{running.url}/v1/segments/stream", headers={"Authorization": f"Bearer {theirs}"}
            ) as response,
        ):
            lines = response.iter_lines()
            assert next(lines).startswith("retry")
            with running.client() as own:
                person = {"userId": f"{CANARY}-9", "traits": {CANARY: CANARY}}
                assert own.post("/v1/identify?wait=true", person)["results"][0]["segment_changes"]
            entered = other.post("/v1/identify?wait=true", {"userId": "v", "traits": {"vip": True}})["results"][0]
            told = json.loads(next(line for line in lines if line.startswith("data:")).removeprefix("data:"))
    assert (told["customer_id"], told["segment_id"]) == (entered["customer_id"], "own")


def test_a_tenant_comes_and_goes_while_the_service_runs(running: RunningService, http: httpx.Client) -> None:
    running.cli("tenants", "create", "globex", "--shards", "1", timeout_s=180)
    key = running.tenant_key("globex")
    with ApiClient(running.url, key) as client:
        client.post("/v1/identify?wait=true", {"userId": "g"})
        assert client.get("/v1/profiles/user_id:g")
    assert {each["tenant"] for each in running.cli("tenants", "list")} >= {"acme", "globex"}
    pids = len(running.processes())
    assert running.command("tenants", "delete", "globex").returncode == 2
    running.cli("tenants", "delete", "globex", "--yes", timeout_s=180)
    assert answer(http, "GET", "/v1/status", key)[0] == 401
    assert not (running.data_dir / "tenants" / "globex").exists()
    assert len(running.processes()) < pids
    assert answer(http, "GET", "/readyz", "")[0] == 200
    running.cli("tenants", "create", "globex", "--shards", "1", timeout_s=180)
    assert running.cli("status", "--tenant", "globex")["events"] == 0
