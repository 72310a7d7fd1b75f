"""What HTTP requests leave in the audit log: who read people, did something or was refused; and nothing personal."""

import asyncio
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.audit_log import FILE, HEAD_FILE, AuditLog
from models.identity.customer_id import from_text
from models.privacy.decisions import DecisionRecord
from models.shard.protocol import SegmentChange
from serve import http_segment_stream, instance
from serve.http_scopes import INGEST_PATHS, NO_PEOPLE, PUBLIC, SCOPES
from serve.settings import Settings
from tests.strategies.decision_points import SCORING
from tests.unit.serve.audit_scene import MAIL, MARTHA, PRO, Scene

READS = sorted(route for route, scope in SCOPES.items() if scope == "read" and route not in NO_PEOPLE)
STREAMS = ("/v1/segments/stream", "/v1/segments/{segment_id}/stream")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, Settings(scoring=SCORING))


# How each route is called, and whose data it then answers with or changes.
Recipe = Callable[[Scene], tuple[str, Any, set[int]]]
ABOUT_U1: dict[tuple[str, str], Recipe] = {
    route: lambda scene, path=route[1]: (path.replace("{key}", "user_id:u1"), None, {scene.u1})  # type: ignore[misc]
    for route in READS
    if route[1].startswith("/v1/profiles/{key}")
}
RECIPES: dict[tuple[str, str], Recipe] = {
    **ABOUT_U1,
    ("GET", "/v1/profiles/{key}/links"): lambda scene: (
        "/v1/profiles/email:jane.doe@example.com/links",
        None,
        {scene.u3},
    ),
    ("GET", "/v1/profiles/{key}/merges"): lambda scene: (
        scene.merge() and "/v1/profiles/user_id:u1/merges",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/profiles/{key}/graph"): lambda scene: (
        scene.merge() and "/v1/profiles/user_id:u1/graph",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/profiles/changes"): lambda scene: (
        "/v1/profiles/changes?after=0:0,1:0",
        None,
        {scene.u1, scene.u2, scene.u3},
    ),
    ("POST", "/v1/profiles/batch"): lambda scene: (
        "/v1/profiles/batch",
        {"keys": ["user_id:u1", "user_id:nobody", "user_id:u3"]},
        {scene.u1, scene.u3},
    ),
    ("POST", "/v1/profiles/{key}/rank"): lambda scene: (
        "/v1/profiles/user_id:u1/rank",
        {"items": [{"id": "p1"}]},
        {scene.u1},
    ),
    ("POST", "/v1/profiles/{key}/decide"): lambda scene: (
        "/v1/profiles/user_id:u1/decide",
        {"decision": "welcome"},
        {scene.u1},
    ),
    ("POST", "/v1/identity/resolve"): lambda scene: (
        "/v1/identity/resolve",
        {"identifiers": ["user_id:u3"], "traits": MARTHA},
        {scene.u1, scene.u2, scene.u3},
    ),
    ("GET", "/v1/identity/explain"): lambda scene: (
        "/v1/identity/explain?left=user_id:u1&right=user_id:u2",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/identity/merges/{merge_id}/evidence"): lambda scene: (
        f"/v1/identity/merges/{scene.merge()}/evidence",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/identity/reviews"): lambda scene: (
        scene.review() and "/v1/identity/reviews",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/identity/reviews/{review_id}"): lambda scene: (
        f"/v1/identity/reviews/{scene.review()}",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/segments/{segment_id}/members"): lambda scene: (
        "/v1/segments/pro/members",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/segments/{segment_id}/members/profiles"): lambda scene: (
        "/v1/segments/pro/members/profiles?traits=plan",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/segments/{segment_id}/changes"): lambda scene: (
        "/v1/segments/pro/changes",
        None,
        {scene.u1, scene.u2},
    ),
    ("GET", "/v1/segments/{segment_id}/why"): lambda scene: ("/v1/segments/pro/why?key=user_id:u1", None, {scene.u1}),
    ("GET", "/v1/events"): lambda scene: ("/v1/events", None, {scene.u1, scene.u2, scene.u3}),
    # What was refused belongs to nobody yet.
    ("GET", "/v1/deadletters"): lambda scene: ("/v1/deadletters", None, set()),
    ("POST", "/v1/identity/merge"): lambda scene: (
        "/v1/identity/merge",
        {"left": "user_id:u1", "right": "user_id:u2"},
        {scene.u1, scene.u2},
    ),
    ("POST", "/v1/identity/unmerge"): lambda scene: (
        "/v1/identity/unmerge",
        {"merge_id": scene.merge()},
        {scene.u1, scene.u2},
    ),
    ("POST", "/v1/identity/reviews/{review_id}/accept"): lambda scene: (
        f"/v1/identity/reviews/{scene.review()}/accept",
        None,
        {scene.u1, scene.u2},
    ),
    ("POST", "/v1/identity/reviews/{review_id}/reject"): lambda scene: (
        f"/v1/identity/reviews/{scene.review()}/reject",
        None,
        {scene.u1, scene.u2},
    ),
}


def test_every_route_that_reads_people_is_tried_here() -> None:
    tried = {*RECIPES, *(("GET", path) for path in STREAMS)}
    assert set(READS) <= tried, "say how the route is called and whom it then tells of (tell_people in its handler)"


@pytest.mark.parametrize("route", sorted(RECIPES))
def test_whoever_reads_or_changes_people_is_recorded_with_them(scene: Scene, route: tuple[str, str]) -> None:
    method, path = route
    concrete, body, people = RECIPES[route](scene)
    response = scene.service.request(method, concrete, body)
    assert response.status_code == 200, response.text
    (entry,) = scene.new_entries()
    assert (entry.actor, entry.action, entry.outcome) == (scene.key.key_id, f"{method} {path}", "200")
    assert set(entry.subjects) == people
    assert entry.detail["kind"] == ("read" if SCOPES[route] == "read" else "action")
    named = {from_text(text) for text in re.findall("cus_[0-9a-z]{13}", response.text)}
    assert named <= people, "an answer names somebody who was not recorded"


@pytest.mark.parametrize("path", STREAMS)
def test_streams_are_recorded_as_they_go(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path, Settings(data_dir=str(tmp_path)))
    told: list[bytes] = []
    event = http_segment_stream._event

    def noted(change: SegmentChange, positions: dict[int, int]) -> bytes:
        told.append(event(change, positions))
        return told[-1]

    monkeypatch.setattr(http_segment_stream, "_event", noted)

    async def follow(claim: instance.Claim) -> httpx.Response:
        reading = asyncio.to_thread(scene.service.get, path.replace("{segment_id}", "pro") + "?after=0:0,1:0")
        answer = asyncio.ensure_future(reading)
        while len(told) < 2 and not answer.done():
            await asyncio.sleep(0.01)
        claim.tell_stopping()
        return await answer

    with instance.Claim(tmp_path) as claim:
        text = asyncio.run(follow(claim)).text
    assert text.count("event: entered") == 2
    entries = scene.new_entries()
    assert {subject for entry in entries for subject in entry.subjects} == {scene.u1, scene.u2}
    assert {entry.action for entry in entries} == {f"GET {path}"}
    assert sum(int(entry.detail["requests"]) for entry in entries) == 1


def test_every_action_is_recorded_whatever_its_outcome(scene: Scene) -> None:
    for (method, path), scope in sorted(SCOPES.items()):
        if scope in ("admin", "privacy"):
            concrete = re.sub(r"\{\w+\}", MAIL, path)
            answer = scene.service.request(method, concrete, b'{"name": "jane doe"}')
            (entry,) = scene.new_entries()
            assert (entry.action, entry.outcome) == (f"{method} {path}", str(answer.status_code))
            assert (entry.actor, entry.detail["kind"]) == (scene.key.key_id, "action")
            assert entry.detail["request_id"] == answer.headers["x-request-id"]
            assert MAIL not in str(entry)


def test_counts_probes_status_and_events_are_not_recorded(scene: Scene) -> None:
    for (method, path), scope in sorted(SCOPES.items()):
        if scope in (PUBLIC, "analyse") or (method, path) in NO_PEOPLE:
            scene.service.request(method, path.replace("{segment_id}", "pro"), {"criteria": PRO})
    scene.service.send({"type": "track", "userId": "u1", "event": "x"})
    scene.service.get(f"/nowhere/{MAIL}")
    assert scene.new_entries() == []


def test_who_looked_for_somebody_in_vain_is_recorded(scene: Scene) -> None:
    scene.service.get(f"/v1/profiles/email:{MAIL}x")
    scene.service.get("/v1/profiles/nothing")
    assert [(entry.outcome, entry.subjects) for entry in scene.new_entries()] == [("404", ()), ("400", ())]


def test_refusals_are_recorded_with_the_key_and_counted(scene: Scene) -> None:
    service = scene.service
    service.key = service.create_key("read", "web")
    web = service.control.keys()[-1].key_id
    for _ in range(20):
        service.get("/v1/admin/keys")
        service.post("/v1/track", {"userId": "u1", "event": "x"})
        service.get("/v1/status", Authorization="Bearer ofk_wrong")
        service.post("/v1/batch", {"batch": [], "writeKey": "ofk_wrong"}, Authorization="")
    found = {(e.actor, e.action, e.outcome, e.detail["requests"]) for e in scene.new_entries()}
    assert found == {
        (web, "GET /v1/admin/keys", "403", 20),
        (web, "POST /v1/track", "403", 20),
        ("", "GET /v1/status", "401", 20),
        ("", "POST /v1/batch", "401", 20),
    }


def test_busy_senders_are_not_recorded(tmp_path: Path) -> None:
    settings = Settings()
    limits = type(settings.limits)(events_per_second=1.0, events_burst=3.0)
    scene = Scene(tmp_path, Settings(limits=limits))
    answers = [scene.service.post("/v1/track", {"userId": "u", "event": "x"}).status_code for _ in range(5)]
    assert 429 in answers
    assert scene.new_entries() == []


def test_an_action_is_on_disk_before_its_answer(scene: Scene, tmp_path: Path) -> None:
    """Looked at from another connection, at the moment at which the answer begins."""
    seen: list[int] = []

    async def call() -> None:
        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                db = sqlite3.connect(tmp_path / FILE)
                seen.append(db.execute("SELECT count(*) FROM entries WHERE action LIKE '%admin/keys'").fetchone()[0])
                db.close()

        async def receive() -> Any:
            return {"type": "http.request", "body": b'{"name": "crm", "scopes": ["read"]}', "more_body": False}

        headers = [(b"authorization", f"Bearer {scene.service.key}".encode())]
        scope = {"type": "http", "method": "POST", "path": "/v1/admin/keys", "raw_path": b"", "query_string": b""}
        scope |= {"headers": headers, "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80), "scheme": "http"}
        await scene.service.app(scope, receive, send)

    asyncio.run(call())
    assert seen == [1]


def test_an_action_of_a_client_that_went_away_is_recorded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def slow(*_: object) -> None:
        begun.set()
        await asyncio.sleep(3_600)

    monkeypatch.setattr(scene.service.router, "merge", slow)

    async def call() -> None:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(scene.service.app), base_url="http://127.0.0.1:8080"
        ) as http:
            headers = {"Authorization": f"Bearer {scene.service.key}"}
            body = {"left": "user_id:u1", "right": "user_id:u2"}
            merging = asyncio.ensure_future(http.post("/v1/identity/merge", json=body, headers=headers))
            await begun.wait()
            merging.cancel()
            await asyncio.gather(merging, return_exceptions=True)

    asyncio.run(call())
    assert [(e.action, e.outcome) for e in scene.new_entries()] == [("POST /v1/identity/merge", "499")]


def test_an_action_that_broke_is_recorded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(scene.service.router, "merge", broken)
    answer = scene.service.post("/v1/identity/merge", {"left": "user_id:u1", "right": "user_id:u2"})
    assert answer.status_code == 500
    assert [entry.outcome for entry in scene.new_entries()] == ["500"]


def test_without_a_log_nothing_is_answered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on the device")

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "append", full)
        answer = scene.service.post("/v1/admin/keys", {"name": "crm", "scopes": ["read"]})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "audit log cannot be written" in answer.json()["message"] and "ofk_" not in answer.text
        assert answer.headers["retry-after"]
    (entry,) = scene.new_entries()  # it was done, and is recorded when that can be
    assert entry.outcome == "200"


def test_nothing_personal_is_in_the_files(scene: Scene, tmp_path: Path) -> None:
    service = scene.service
    for path in (f"email:{MAIL}", f"email:{MAIL}/events", "email:nobody.known@example.com"):
        assert service.get(f"/v1/profiles/{path}").status_code in (200, 404)
    service.post("/v1/profiles/batch", {"keys": [f"email:{MAIL}"]}, **{"X-Request-Id": MAIL, "User-Agent": MAIL})
    service.post("/v1/identity/merge", {"left": f"email:{MAIL}", "right": "user_id:u1"})
    service.get(f"/v1/segments/{MAIL}/members")
    service.get(f"/v1/segments/pro/why?key=email:{MAIL}")
    service.request("DELETE", f"/v1/segments/{MAIL}")
    service.request("DELETE", f"/v1/admin/keys/{MAIL}")
    service.get("/v1/status", Authorization=f"Bearer {MAIL}")
    service.get(f"/v1/audit/entries?key={MAIL}&action={MAIL}")
    assert len(scene.new_entries()) >= 10
    raw = b"".join(file.read_bytes() for file in tmp_path.glob("audit.*"))
    assert scene.key.key_id.encode() in raw  # the control: the scan finds what is there
    for canary in (MAIL, "jane", "Cunningham", "nobody.known", "u1", service.key):
        assert canary.encode() not in raw, canary


def test_ingestion_is_the_only_thing_that_changes_people_and_is_not_recorded() -> None:
    assert {path for (method, path), scope in SCOPES.items() if scope == "ingest"} == set(INGEST_PATHS)


def test_the_head_is_there_with_the_log(scene: Scene, tmp_path: Path) -> None:
    scene.service.get("/v1/admin/keys")
    assert (tmp_path / HEAD_FILE).exists()
    assert scene.service.audit_log.verify().broken == 0


def test_a_decision_about_whom_the_key_is_of_by_then_is_recorded_with_them_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = scene.service.router
    take = router.take_decision

    async def moved(record: DecisionRecord, absorbed: list[int]) -> DecisionRecord | None:
        if record.customer_id == scene.u1:
            router.index["user_id:u1"] = scene.u2
            return None
        return await take(record, absorbed)

    monkeypatch.setattr(router, "take_decision", moved)
    answer = scene.service.post("/v1/profiles/user_id:u1/decide", {"decision": "welcome"}).json()
    (entry,) = scene.new_entries()
    assert (from_text(answer["customer_id"]), set(entry.subjects)) == (scene.u2, {scene.u1, scene.u2})
