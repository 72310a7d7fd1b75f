"""IngestService and IdentityService: events in, and who is who."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from models.privacy.door import SourceFields
from models.privacy.settings import PrivacySettings
from protos.client import event_of
from protos.onefold.v1 import identity_pb2, ingest_pb2
from serve.settings import Limits, Settings
from tests.unit.serve.grpc_service import GrpcService, Refused

ANN = {
    "type": "identify",
    "userId": "ann",
    "messageId": "m1",
    "traits": {"email": "ann@example.com", "n": [1, {"a": None}]},
}


@pytest.fixture
def service(tmp_path: Path) -> GrpcService:
    return GrpcService(tmp_path)


def ingest(service: GrpcService, *messages: dict[str, Any], **more: Any) -> ingest_pb2.IngestResponse:
    request = ingest_pb2.IngestRequest(events=[event_of(message) for message in messages], **more)
    return ingest_pb2.IngestResponse.FromString(service.call("Ingest", request))


def refusal(service: GrpcService, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(Refused) as caught:
        service.call(method, request)
    return caught.value.code, caught.value.details


def test_results_when_waited_for(service: GrpcService) -> None:
    response = ingest(service, ANN, ANN, wait=True)
    first, second = response.results
    assert (first.index, first.message_id, first.status, first.created) == (0, "m1", "applied", True)
    assert first.customer_id.startswith("cus_") and first.confidence == 1.0
    assert "attributes.email" in first.profile_updates
    assert (second.index, second.status) == (1, "duplicate")
    assert response.sequence and not response.rejections
    (stored,) = service.http.router.log
    assert stored.event.traits == ANN["traits"]


def test_what_was_not_kept_is_told_as_over_http(tmp_path: Path) -> None:
    privacy = PrivacySettings(sources={"*": SourceFields(traits=("plan",))})
    service = GrpcService(tmp_path, Settings(data_dir=str(tmp_path), privacy=privacy))
    refused = {"type": "track", "userId": "ann", "event": "", "messageId": "m2"}
    other = {"type": "identify", "userId": "bob", "messageId": "m3", "traits": {"plan": "pro"}}
    response = ingest(service, refused, ANN, other, wait=True)
    by_http = service.http.post("/v1/batch?wait=true", {"batch": [refused, ANN, other]}).json()["results"]
    assert [(each.index, list(each.withheld)) for each in response.results] == [
        (each["index"], each["withheld"]) for each in by_http
    ]
    assert [list(each.withheld) for each in response.results] == [["traits.email", "traits.n"], []]


def test_acknowledged_when_durable(service: GrpcService) -> None:
    (result,) = ingest(service, ANN).results
    assert (result.status, result.customer_id) == ("accepted", "")


def test_every_field_arrives(service: GrpcService) -> None:
    message = {
        "type": "track",
        "messageId": "m9",
        "userId": "ann",
        "anonymousId": "a-1",
        "event": "Order Completed",
        "timestamp": "2026-02-28T10:00:00.000Z",
        "properties": {"order_id": "o1", "revenue": 3.5},
        "context": {"page": {"url": "https://shop.example/"}},
        "integrations": {"All": True},
    }
    ingest(service, message, sent_at="2026-03-01T12:30:00.000Z")
    (stored,) = service.http.router.log
    event = stored.event
    assert (event.name, event.properties, event.context, event.integrations) == (
        message["event"],
        message["properties"],
        message["context"],
        message["integrations"],
    )
    assert event.timestamp == service.http.now - 95_400_000 and event.sent_at == service.http.now
    assert set(event.identifiers) == {"user_id:ann", "anonymous_id:a-1"}


def test_other_types(service: GrpcService) -> None:
    ingest(
        service,
        {"type": "group", "userId": "ann", "groupId": "g1", "traits": {"name": "Acme"}},
        {"type": "alias", "userId": "ann", "previousId": "old"},
        {"type": "screen", "userId": "ann", "name": "Home"},
    )
    kinds = [(stored.event.type, stored.event.group_id, stored.event.name) for stored in service.http.router.log]
    assert kinds == [("group", "g1", ""), ("alias", "", ""), ("screen", "", "Home")]


def test_what_is_refused_is_told_by_index_and_kept(service: GrpcService) -> None:
    response = ingest(service, {"type": "identify", "messageId": "bad"}, ANN, {"type": "wish", "userId": "u"})
    assert [result.index for result in response.results] == [1]
    assert [(rejection.index, bool(rejection.reasons)) for rejection in response.rejections] == [(0, True), (2, True)]
    assert response.rejections[0].message_id == "bad"
    assert len(service.http.router.letters) == 2


def test_json_that_is_none_is_one_events_problem(service: GrpcService) -> None:
    broken = ingest_pb2.Event(type="track", user_id="ann", event="A", properties_json='{"a": 1}} , {')
    request = ingest_pb2.IngestRequest(events=[broken, event_of(ANN)])
    response = ingest_pb2.IngestResponse.FromString(service.call("Ingest", request))
    assert [rejection.index for rejection in response.rejections] == [0]
    assert [result.index for result in response.results] == [1]


def test_an_empty_request(service: GrpcService) -> None:
    response = ingest(service)
    assert (response.sequence, list(response.results)) == ("", [])


def test_limits(tmp_path: Path) -> None:
    service = GrpcService(tmp_path, settings=Settings(limits=Limits(batch_events=2, batch_bytes=2_000)))
    too_many = ingest_pb2.IngestRequest(events=[event_of(ANN)] * 3)
    assert refusal(service, "Ingest", too_many)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    too_large = ingest_pb2.IngestRequest(events=[event_of({**ANN, "traits": {"bio": "x" * 3_000}})])
    assert refusal(service, "Ingest", too_large)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_key_that_reads_cannot_write(service: GrpcService) -> None:
    service.key = service.http.create_key("read")
    code, _ = refusal(service, "Ingest", ingest_pb2.IngestRequest(events=[event_of(ANN)]))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    service.key = service.http.create_key("ingest", "shop")
    ingest(service, ANN)
    assert service.http.router.log[0].event.source == "shop"


@pytest.mark.parametrize(("scope", "explicit"), [("ingest", False), ("admin", True)])
def test_only_an_operators_alias_goes_past_the_limits(service: GrpcService, scope: str, explicit: bool) -> None:
    service.key = service.http.create_key(scope)
    ingest(service, {"type": "alias", "userId": "u1", "previousId": "p1"})
    assert service.http.router.log[-1].event.explicit is explicit


def test_a_stream_sums_up(service: GrpcService) -> None:
    async def requests() -> AsyncIterator[ingest_pb2.IngestRequest]:
        yield ingest_pb2.IngestRequest(events=[event_of(ANN)])
        yield ingest_pb2.IngestRequest(events=[event_of(ANN), ingest_pb2.Event(type="wish", message_id="w")])
        yield ingest_pb2.IngestRequest(events=[event_of({**ANN, "messageId": "m2"})])

    summary = ingest_pb2.IngestSummary.FromString(service.call("IngestStream", requests()))
    assert (summary.accepted, summary.duplicates, summary.rejected) == (3, 1, 1)
    assert [(rejection.index, rejection.message_id) for rejection in summary.rejections] == [(2, "w")]
    assert summary.sequence


def test_resolution_tells_and_changes_nothing(service: GrpcService) -> None:
    def resolve(*identifiers: str) -> identity_pb2.ResolveResponse:
        request = identity_pb2.ResolveRequest(identifiers=identifiers)
        return identity_pb2.ResolveResponse.FromString(service.call("Resolve", request))

    unknown = resolve("user_id:ann")
    assert (unknown.customer_id, unknown.created) == ("", True)
    (result,) = ingest(service, ANN, wait=True).results
    assert resolve("email:ANN@example.com", "user_id:new").customer_id == result.customer_id
    assert len(service.http.router.index) == 2
    assert refusal(service, "Resolve", identity_pb2.ResolveRequest())[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_links_merges_and_back(service: GrpcService) -> None:
    ingest(service, ANN, {"type": "identify", "userId": "ann-2", "traits": {"phone": "+14155550100"}})
    links = identity_pb2.LinksResponse.FromString(service.call("Links", identity_pb2.LinksRequest(key="user_id:ann")))
    assert [(link.left, link.right, link.message_id) for link in links.links] == [
        ("user_id:ann", "email:ann@example.com", "m1")
    ]
    merge = identity_pb2.MergeRequest(left="user_id:ann", right="user_id:ann-2")
    result = ingest_pb2.EventResult.FromString(service.call("Merge", merge))
    assert len(result.merged) == 1
    request = identity_pb2.MergesRequest(key="user_id:ann-2")
    (entry,) = identity_pb2.MergesResponse.FromString(service.call("Merges", request)).merges
    assert (entry.winner, entry.loser, entry.undone_at) == (result.customer_id, result.merged[0], "")
    unmerge = identity_pb2.UnmergeRequest(merge_id=entry.merge_id)
    undone = identity_pb2.UnmergeResponse.FromString(service.call("Unmerge", unmerge))
    assert (undone.winner, undone.restored) == (entry.winner, entry.loser)
    assert refusal(service, "Unmerge", unmerge)[0] is grpc.StatusCode.FAILED_PRECONDITION


def test_identity_refusals(service: GrpcService) -> None:
    ingest(service, ANN)
    assert refusal(service, "Links", identity_pb2.LinksRequest(key="user_id:x"))[0] is grpc.StatusCode.NOT_FOUND
    missing = identity_pb2.UnmergeRequest(merge_id="mrg_x")
    assert refusal(service, "Unmerge", missing)[0] is grpc.StatusCode.NOT_FOUND
    assert refusal(service, "Unmerge", identity_pb2.UnmergeRequest())[0] is grpc.StatusCode.INVALID_ARGUMENT
    service.key = service.http.create_key("read")
    merge = identity_pb2.MergeRequest(left="user_id:ann", right="user_id:x")
    assert refusal(service, "Merge", merge)[0] is grpc.StatusCode.PERMISSION_DENIED


def test_a_stream_stops_at_the_first_batch_that_cannot_be_stored(service: GrpcService) -> None:
    async def requests() -> AsyncIterator[ingest_pb2.IngestRequest]:
        yield ingest_pb2.IngestRequest(events=[event_of(ANN)])
        service.http.router.down = True
        yield ingest_pb2.IngestRequest(events=[event_of({**ANN, "messageId": "m2"})])
        await asyncio.sleep(3_600)

    assert refusal(service, "IngestStream", requests())[0] is grpc.StatusCode.UNAVAILABLE
    assert len(service.http.router.log) == 1
