"""What gRPC calls leave in the audit log: the same as over HTTP, for every call of the contract."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from actors.audit_log import AuditLog
from models.audit.chain import Entry
from models.identity.customer_id import from_text
from protos.client import event_of
from protos.onefold.v1 import decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2
from serve import grpc_profiles
from serve.settings import Settings
from tests.strategies.decision_points import SCORING
from tests.unit.serve.grpc_service import GrpcService, Refused

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
MARTHA = {"firstName": "Martha", "lastName": "Cunningham", "birthday": "1968-03-12", "plan": "pro"}
CALLS = {
    method.name: f"/{service.full_name}/{method.name}"
    for module in (decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
UNRECORDED = {"Ingest", "IngestStream", "ListSegments", "GetSegment", "PreviewSegment"}  # events, and counts
ACTIONS = {"Merge", "Unmerge", "AcceptReview", "RejectReview", "CreateSegment", "DeleteSegment"}
STREAMS = {"Watch", "WatchSegment"}


class Scene:
    """u1 and u2 are much alike and in the segment pro."""

    def __init__(self, data_dir: Path) -> None:
        self.grpc = GrpcService(data_dir, Settings(scoring=SCORING))
        self.http = self.grpc.http
        self.grpc.call(
            "CreateSegment", segment_pb2.CreateSegmentRequest(id="pro", name="Pro", criteria_json=json.dumps(PRO))
        )
        people = [{"type": "identify", "userId": u, "messageId": u, "traits": MARTHA} for u in ("u1", "u2")]
        self.grpc.call("Ingest", ingest_pb2.IngestRequest(events=[event_of(person) for person in people], wait=True))
        self.u1, self.u2 = (self.http.router.index[f"user_id:{user_id}"] for user_id in ("u1", "u2"))
        self.grpc.key = self.http.create_key("admin", "ops")
        (self.key,) = self.http.control.keys()
        self.seen = len(self.http.recorded())

    def merge(self) -> str:
        return self.http.router.join_people(self.u1, self.u2, "probabilistic", "matching")

    def review(self) -> str:
        return self.http.router.open_review("user_id:u1", "user_id:u2").review_id

    def new_entries(self) -> list[Entry]:
        entries = self.http.recorded()[self.seen :]
        self.seen += len(entries)
        return entries


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


# How each call is made; all but those of ONE and NOBODY are about both.
RECIPES: dict[str, Callable[[Scene], Any]] = {
    "Get": lambda scene: profile_pb2.GetRequest(key="user_id:u1"),
    "BatchGet": lambda scene: profile_pb2.BatchGetRequest(keys=["user_id:u1", "user_id:nobody", "user_id:u2"]),
    "Watch": lambda scene: profile_pb2.WatchRequest(after="0:0,1:0"),
    "Resolve": lambda scene: identity_pb2.ResolveRequest(traits_json=json.dumps(MARTHA)),
    "Explain": lambda scene: identity_pb2.ExplainRequest(left="user_id:u1", right="user_id:u2"),
    "Links": lambda scene: scene.merge() and identity_pb2.LinksRequest(key="user_id:u1"),
    "Merges": lambda scene: scene.merge() and identity_pb2.MergesRequest(key="user_id:u1"),
    "MergeEvidence": lambda scene: identity_pb2.MergeEvidenceRequest(merge_id=scene.merge()),
    "Graph": lambda scene: scene.merge() and identity_pb2.GraphRequest(key="user_id:u1"),
    "Merge": lambda scene: identity_pb2.MergeRequest(left="user_id:u1", right="user_id:u2"),
    "Unmerge": lambda scene: identity_pb2.UnmergeRequest(merge_id=scene.merge()),
    "ListReviews": lambda scene: scene.review() and identity_pb2.ListReviewsRequest(),
    "GetReview": lambda scene: identity_pb2.GetReviewRequest(review_id=scene.review()),
    "AcceptReview": lambda scene: identity_pb2.AcceptReviewRequest(review_id=scene.review()),
    "RejectReview": lambda scene: identity_pb2.RejectReviewRequest(review_id=scene.review()),
    "ListMembers": lambda scene: segment_pb2.ListMembersRequest(id="pro"),
    "WatchSegment": lambda scene: segment_pb2.WatchSegmentRequest(id="pro", after="0:0,1:0"),
    "CreateSegment": lambda scene: segment_pb2.CreateSegmentRequest(
        id="new", name="New", criteria_json=json.dumps(PRO)
    ),
    "DeleteSegment": lambda scene: segment_pb2.DeleteSegmentRequest(id="pro"),
    "Decide": lambda scene: decision_pb2.DecideRequest(key="user_id:u1", decision="welcome"),
    "Rank": lambda scene: decision_pb2.RankRequest(key="user_id:u1", items=[decision_pb2.RankItem(id="tea")]),
}
ONE, NOBODY = {"Get", "Links", "Decide", "Rank"}, {"CreateSegment", "DeleteSegment"}


def test_every_call_that_is_recorded_is_tried_here() -> None:
    assert set(RECIPES) == set(CALLS) - UNRECORDED, "say how it is made and whom it then tells of (call.told)"


async def messages(service: GrpcService, name: str, request: Any, count: int) -> bytes:
    stream = service.stream(name, request)
    return b"".join([await anext(stream) for _ in range(count)])


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_whoever_reads_or_changes_people_is_recorded_with_them(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_profiles, "GATHER_S", 0.0)
    request = RECIPES[name](scene)
    reply = asyncio.run(messages(scene.grpc, name, request, 2)) if name in STREAMS else scene.grpc.call(name, request)
    entries = scene.new_entries()
    assert {(e.actor, e.action, e.outcome) for e in entries} == {(scene.key.key_id, CALLS[name], "OK")}
    people = set() if name in NOBODY else {scene.u1} if name in ONE else {scene.u1, scene.u2}
    assert {subject for entry in entries for subject in entry.subjects} == people
    assert {entry.detail["kind"] for entry in entries} == {"action" if name in ACTIONS else "read"}
    if name not in ACTIONS:
        assert sum(int(entry.detail["requests"]) for entry in entries) == 1
    named = {from_text(text.decode()) for text in re.findall(rb"cus_[0-9a-z]{13}", reply)}
    assert named <= people, "a reply names somebody who was not recorded"


def test_events_and_counts_are_not_recorded(scene: Scene) -> None:
    scene.grpc.call(
        "Ingest", ingest_pb2.IngestRequest(events=[event_of({"type": "track", "userId": "u", "event": "x"})])
    )
    scene.grpc.call("ListSegments", segment_pb2.ListSegmentsRequest())
    scene.grpc.call("GetSegment", segment_pb2.GetSegmentRequest(id="pro"))
    assert scene.new_entries() == []


def test_refusals_are_counted(scene: Scene) -> None:
    scene.grpc.key = scene.http.create_key("ingest", "web")
    web = scene.http.control.keys()[-1].key_id
    for _ in range(3):
        for name in ("Get", "Merge"):
            with pytest.raises(Refused):
                scene.grpc.call(name, RECIPES[name](scene))
        with pytest.raises(Refused):
            asyncio.run(messages(scene.grpc, "Watch", RECIPES["Watch"](scene), 1))
    scene.grpc.key = "ofk_wrong"
    with pytest.raises(Refused):
        scene.grpc.call("Ingest", ingest_pb2.IngestRequest())
    found = {(e.actor, e.action, e.outcome, e.detail["requests"]) for e in scene.new_entries()}
    assert found == {
        *((web, CALLS[name], "PERMISSION_DENIED", 3) for name in ("Get", "Merge", "Watch")),
        ("", CALLS["Ingest"], "UNAUTHENTICATED", 1),
    }


def test_who_looked_for_somebody_in_vain_and_what_failed_is_recorded(scene: Scene) -> None:
    for name, request in (
        ("Get", profile_pb2.GetRequest(key="email:nobody@example.com")),
        ("Unmerge", identity_pb2.UnmergeRequest(merge_id="mrg_9")),
    ):
        with pytest.raises(Refused):
            scene.grpc.call(name, request)
    entries = scene.new_entries()
    assert sorted((e.action, e.outcome, e.subjects) for e in entries) == [
        (CALLS["Unmerge"], "NOT_FOUND", ()),
        (CALLS["Get"], "NOT_FOUND", ()),
    ]
    assert "nobody" not in str(entries) and "mrg_9" not in str(entries)


def test_without_a_log_nothing_is_answered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on the device")

    monkeypatch.setattr(AuditLog, "append", full)
    with pytest.raises(Refused) as caught:
        scene.grpc.call("Merge", RECIPES["Merge"](scene))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert "audit log cannot be written" in caught.value.details


def test_a_call_that_is_cancelled_is_recorded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def slow(*_: object) -> None:
        begun.set()
        await asyncio.sleep(3_600)

    monkeypatch.setattr(scene.http.router, "merge", slow)

    async def cancel() -> None:
        merging = asyncio.ensure_future(scene.grpc.Merge(RECIPES["Merge"](scene), scene.grpc._context("unix:", ())))
        await begun.wait()
        merging.cancel()
        await asyncio.gather(merging, return_exceptions=True)

    asyncio.run(cancel())
    assert [(e.action, e.outcome) for e in scene.new_entries()] == [(CALLS["Merge"], "CANCELLED")]


def test_a_stream_ends_with_its_key(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_profiles, "GATHER_S", 0.0)

    async def watch() -> None:
        stream = scene.grpc.stream("Watch", RECIPES["Watch"](scene))
        await anext(stream)
        scene.http.control.revoke_key(scene.key.key_id)
        scene.http.pass_time(1_000)
        with pytest.raises(Refused) as caught:
            await anext(stream)
        assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED

    asyncio.run(watch())
    assert [entry.outcome for entry in scene.new_entries()][-1] == "UNAUTHENTICATED"


def test_a_stream_of_events_ends_with_its_key(scene: Scene) -> None:
    event = event_of({"type": "track", "userId": "u", "event": "x"})

    async def send() -> Any:
        async def requests() -> Any:
            yield ingest_pb2.IngestRequest(events=[event])
            scene.http.control.revoke_key(scene.key.key_id)
            scene.http.pass_time(1_000)
            yield ingest_pb2.IngestRequest(events=[event])

        context = scene.grpc._context("unix:", ())
        await scene.grpc.IngestStream(requests(), context)
        return context.code

    before = len(scene.http.router.log)
    assert asyncio.run(send()) is grpc.StatusCode.UNAUTHENTICATED
    assert len(scene.http.router.log) == before + 1
