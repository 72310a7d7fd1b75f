"""SegmentService and Health."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from models.scoring.settings import ScoringSettings
from protos.onefold.v1 import segment_pb2 as pb
from serve import grpc_health, grpc_segments
from serve.settings import Settings
from tests.unit.serve.grpc_service import GrpcService, Refused

GOLD = json.dumps({"type": "demographic", "trait": "plan", "operator": "equals", "value": "gold"})


@pytest.fixture
def service(tmp_path: Path) -> GrpcService:
    made = GrpcService(tmp_path)
    people = [("ann", "gold"), ("bob", "free"), ("cat", "gold")]
    made.http.send(*({"type": "identify", "userId": name, "traits": {"plan": plan}} for name, plan in people))
    return made


def create(service: GrpcService, **fields: Any) -> pb.Segment:
    request = pb.CreateSegmentRequest(**{"name": "Gold plan", "criteria_json": GOLD, **fields})
    return pb.Segment.FromString(service.call("CreateSegment", request))


def refusal(service: GrpcService, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(Refused) as caught:
        service.call(method, request)
    return caught.value.code, caught.value.details


def test_defined_listed_and_deleted(service: GrpcService) -> None:
    segment = create(service, description="pays")
    assert (segment.id, segment.name, segment.description, segment.members) == ("gold-plan", "Gold plan", "pays", 2)
    assert json.loads(segment.criteria_json) == json.loads(GOLD)
    assert pb.Segment.FromString(service.call("GetSegment", pb.GetSegmentRequest(id="gold-plan"))) == segment
    listed = pb.ListSegmentsResponse.FromString(service.call("ListSegments", pb.ListSegmentsRequest()))
    assert list(listed.segments) == [segment]
    assert service.http.get("/v1/segments/gold-plan").json()["members"] == 2
    service.call("DeleteSegment", pb.DeleteSegmentRequest(id="gold-plan"))
    for method, request in (
        ("GetSegment", pb.GetSegmentRequest(id="gold-plan")),
        ("DeleteSegment", pb.DeleteSegmentRequest(id="gold-plan")),
        ("ListMembers", pb.ListMembersRequest(id="gold-plan")),
    ):
        assert refusal(service, method, request)[0] is grpc.StatusCode.NOT_FOUND


def test_a_band_that_no_score_has_is_noted(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), scoring=ScoringSettings(bands={"churn": {"high": 0.7}}))
    service = GrpcService(tmp_path, settings)
    typo = json.dumps({"type": "demographic", "trait": "chrun_band", "operator": "equals", "value": "high"})
    assert list(create(service).notes) == []
    (note,) = create(service, criteria_json=typo).notes
    assert "chrun_band" in note and "was churn_band meant" in note


def test_criteria_that_cannot_be_used(service: GrpcService) -> None:
    for criteria in ("", "{", "[]", '{"type": "magic"}'):
        for method, request in (
            ("CreateSegment", pb.CreateSegmentRequest(name="x", criteria_json=criteria)),
            ("PreviewSegment", pb.PreviewSegmentRequest(criteria_json=criteria)),
        ):
            assert refusal(service, method, request)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_members_page_by_page(service: GrpcService) -> None:
    create(service)
    seen = []
    cursor = ""
    for _ in range(2):
        request = pb.ListMembersRequest(id="gold-plan", limit=1, cursor=cursor)
        page = pb.ListMembersResponse.FromString(service.call("ListMembers", request))
        seen += [member.customer_id for member in page.members]
        cursor = page.next_cursor
    assert len(set(seen)) == 2 and cursor == ""
    request = pb.ListMembersRequest(id="gold-plan", limit=-1)
    assert refusal(service, "ListMembers", request)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_preview_counts(service: GrpcService) -> None:
    request = pb.PreviewSegmentRequest(criteria_json=GOLD)
    assert pb.PreviewSegmentResponse.FromString(service.call("PreviewSegment", request)).members == 2


def test_only_admins_define(service: GrpcService) -> None:
    service.key = service.http.create_key("read")
    request = pb.CreateSegmentRequest(name="x", criteria_json=GOLD)
    assert refusal(service, "CreateSegment", request)[0] is grpc.StatusCode.PERMISSION_DENIED
    assert service.call("PreviewSegment", pb.PreviewSegmentRequest(criteria_json=GOLD))


async def first(stream: AsyncIterator[bytes], wanted: int) -> list[pb.SegmentChange]:
    found = []
    async for data in stream:
        found.append(pb.SegmentChange.FromString(data))
        if len(found) == wanted:
            break
    return found


def test_watching_goes_on_from_a_cursor(service: GrpcService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_segments, "LOOK_S", 0.0)
    create(service)
    stream = service.stream("WatchSegment", pb.WatchSegmentRequest(id="gold-plan", after="0:0,1:0"))
    one, two = asyncio.run(first(stream, 2))
    assert (one.segment_id, one.change, one.cause) == ("gold-plan", "entered", "definition")
    rest = service.stream("WatchSegment", pb.WatchSegmentRequest(id="gold-plan", after=one.cursor))
    assert asyncio.run(first(rest, 1)) == [two]


def test_watching_from_now_on(service: GrpcService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_segments, "LOOK_S", 0.01)
    monkeypatch.setattr(grpc_segments, "HEARTBEAT_S", 0.02)
    create(service)

    async def watch() -> pb.SegmentChange:
        stream = service.stream("WatchSegment", pb.WatchSegmentRequest())
        (beat,) = await first(stream, 1)
        assert not beat.customer_id  # it has begun, and does not tell of what was before
        parser = service.context.intake
        service.http.pass_time(1)
        message = json.dumps({"type": "identify", "userId": "ann", "traits": {"plan": "free"}}).encode()
        parsed = parser.parser.parse_items([message], parser.source("web"), service.http.now, lambda: "m1")
        await service.http.router.ingest(parsed.events)
        while True:
            (change,) = await first(stream, 1)
            if change.customer_id:
                return change

    change = asyncio.run(watch())
    assert (change.segment_id, change.change, change.cause) == ("gold-plan", "exited", "m1")


def test_quiet_streams_have_a_heartbeat(service: GrpcService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_segments, "LOOK_S", 0.01)
    monkeypatch.setattr(grpc_segments, "HEARTBEAT_S", 0.02)
    (beat,) = asyncio.run(first(service.stream("WatchSegment", pb.WatchSegmentRequest()), 1))
    assert (beat.customer_id, bool(beat.cursor)) == ("", True)


def test_watching_a_segment_that_is_none(service: GrpcService) -> None:
    with pytest.raises(Refused) as caught:
        asyncio.run(first(service.stream("WatchSegment", pb.WatchSegmentRequest(id="none")), 1))
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def check(service: GrpcService, name: str) -> int:
    response = health_pb2.HealthCheckResponse.FromString(
        service.call("Check", health_pb2.HealthCheckRequest(service=name))
    )
    return int(response.status)


def test_health(service: GrpcService, monkeypatch: pytest.MonkeyPatch) -> None:
    service.http.create_key("read")  # and none is shown
    monkeypatch.setattr(service.context.readiness, "_monotonic_s", lambda: service.http.seconds)
    for name in grpc_health.SERVICES:
        assert check(service, name) == health_pb2.HealthCheckResponse.SERVING
    unknown = health_pb2.HealthCheckRequest(service="onefold.v2")
    assert refusal(service, "Check", unknown)[0] is grpc.StatusCode.NOT_FOUND
    service.http.router.down = True
    service.http.pass_time(2_000)
    assert check(service, "") == health_pb2.HealthCheckResponse.NOT_SERVING
    listed = health_pb2.HealthListResponse.FromString(service.call("List", health_pb2.HealthListRequest()))
    assert set(listed.statuses) == set(grpc_health.SERVICES)


def test_healths_watch_shares_its_name(service: GrpcService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_health, "LOOK_S", 0.0)
    monkeypatch.setattr("serve.readiness.KEEP_S", 0.0)

    async def watch(name: str) -> list[int]:
        statuses: list[int] = []
        async for data in service.stream("Watch", health_pb2.HealthCheckRequest(service=name)):
            statuses.append(int(health_pb2.HealthCheckResponse.FromString(data).status))
            if len(statuses) == 2 or name == "none":
                break
            service.http.router.down = True
        return statuses

    status = health_pb2.HealthCheckResponse
    assert asyncio.run(watch("")) == [status.SERVING, status.NOT_SERVING]
    assert asyncio.run(watch("none")) == [status.SERVICE_UNKNOWN]
