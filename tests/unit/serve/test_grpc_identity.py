"""Matching over gRPC: the same as over HTTP, under other names."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from models.identity.customer_id import from_text
from models.privacy.purposes import Purpose, Purposes
from models.privacy.settings import PrivacySettings
from protos.client import event_of
from protos.onefold.v1 import identity_pb2 as pb
from protos.onefold.v1 import ingest_pb2
from serve.grpc_identity import REVIEWS_MAX
from serve.settings import Settings
from tests.unit.serve.grpc_service import GrpcService, Refused

MARTHA = {"firstName": "Martha", "lastName": "Cunningham", "birthday": "1968-03-12"}


@pytest.fixture
def service(tmp_path: Path) -> GrpcService:
    """Two people who are much alike."""
    service = GrpcService(tmp_path)
    people = [{"type": "identify", "userId": u, "messageId": u, "traits": MARTHA} for u in ("u1", "u2")]
    events = [event_of(person) for person in people]
    service.call("Ingest", ingest_pb2.IngestRequest(events=events, wait=True))
    return service


def refusal(service: GrpcService, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(Refused) as caught:
        service.call(method, request)
    return caught.value.code, caught.value.details


def customer_id(service: GrpcService, user_id: str) -> str:
    request = pb.ResolveRequest(identifiers=[f"user_id:{user_id}"])
    return pb.ResolveResponse.FromString(service.call("Resolve", request)).customer_id


def match(service: GrpcService) -> str:
    left, right = (from_text(customer_id(service, user_id)) for user_id in ("u1", "u2"))
    return service.http.router.join_people(left, right, "probabilistic", "matching")


def test_a_dry_run_with_traits(service: GrpcService) -> None:
    def resolve(**request: Any) -> pb.ResolveResponse:
        return pb.ResolveResponse.FromString(service.call("Resolve", pb.ResolveRequest(**request)))

    assert not resolve(identifiers=["user_id:u1"]).HasField("matching")
    answer = resolve(traits_json=json.dumps(MARTHA))
    assert (answer.created, answer.matching.decision) == (True, "link")
    assert answer.matching.customer_id == answer.matching.candidates[0].customer_id == customer_id(service, "u1")
    evidence = answer.matching.candidates[0].evidence
    assert evidence.prior + sum(field.weight for field in evidence.fields) == pytest.approx(evidence.score)
    assert answer.matching.candidates[0].standing == "free"
    for wrong in ("[]", "{", "7", '{"size": 18446744073709551616}'):
        code, details = refusal(service, "Resolve", pb.ResolveRequest(traits_json=wrong))
        assert code is grpc.StatusCode.INVALID_ARGUMENT and details.startswith("traits_json: ")


def test_two_people_are_explained_and_drawn(service: GrpcService) -> None:
    def explain(drawing: pb.Drawing) -> pb.EvidenceResponse:
        request = pb.ExplainRequest(left="user_id:u1", right="user_id:u2", drawing=drawing)
        return pb.EvidenceResponse.FromString(service.call("Explain", request))

    plain = explain(pb.DRAWING_UNSPECIFIED)
    assert plain.drawing == "" and plain.evidence.confidence > 0.8
    assert {field.field for field in plain.evidence.fields if field.level == "equal"} >= {"given_name", "birth_date"}
    assert "WEIGHT" in explain(pb.DRAWING_TEXT).drawing
    assert explain(pb.DRAWING_SVG).drawing.startswith("<svg")
    for request, problem in (
        (pb.ExplainRequest(left="jane", right="user_id:u2"), "left: "),
        (pb.ExplainRequest(left="user_id:u1", right="user_id:u1"), "right: "),
        (pb.ExplainRequest(left="user_id:u1", right="user_id:u2", drawing=9), "drawing: "),  # type: ignore[arg-type]
    ):
        code, details = refusal(service, "Explain", request)
        assert code is grpc.StatusCode.INVALID_ARGUMENT and details.startswith(problem)


def test_evidence_and_graph_of_a_merge(service: GrpcService) -> None:
    merge_id = match(service)
    request = pb.MergeEvidenceRequest(merge_id=merge_id)
    evidence = pb.EvidenceResponse.FromString(service.call("MergeEvidence", request)).evidence
    merges = pb.MergesResponse.FromString(service.call("Merges", pb.MergesRequest(key="user_id:u1"))).merges
    links = pb.LinksResponse.FromString(service.call("Links", pb.LinksRequest(key="user_id:u1"))).links
    assert [merge.evidence for merge in merges] == [link.evidence for link in links] == [evidence]
    graph_request = pb.GraphRequest(key="user_id:u2", drawing=pb.DRAWING_TEXT)
    graph = pb.GraphResponse.FromString(service.call("Graph", graph_request))
    assert graph.customer_id == customer_id(service, "u1")
    assert [node.label for node in graph.nodes] == ["user_id:u1", "user_id:u2"]
    assert [(edge.merge_id, edge.weakest, edge.score) for edge in graph.edges] == [(merge_id, True, evidence.score)]
    assert "<- weakest" in graph.drawing
    unknown = refusal(service, "MergeEvidence", pb.MergeEvidenceRequest(merge_id="mrg_9"))
    assert unknown[0] is grpc.StatusCode.NOT_FOUND
    assert refusal(service, "Graph", pb.GraphRequest(key="user_id:u9"))[0] is grpc.StatusCode.NOT_FOUND


def test_reviews_are_listed_and_decided(service: GrpcService) -> None:
    review_id = service.http.router.open_review("user_id:u1", "user_id:u2", "limits").review_id
    listed = pb.ListReviewsResponse.FromString(service.call("ListReviews", pb.ListReviewsRequest()))
    (review,) = listed.reviews
    assert (review.review_id, review.reason, review.rejected_at, listed.next_cursor) == (review_id, "limits", "", "")
    request = pb.GetReviewRequest(review_id=review_id)
    assert pb.Review.FromString(service.call("GetReview", request)) == review
    rejection = pb.RejectReviewRequest(review_id=review_id)
    rejected = pb.Review.FromString(service.call("RejectReview", rejection))
    assert rejected.rejected_at and rejected.rejected_by == "default"
    acceptance = pb.AcceptReviewRequest(review_id=review_id)
    assert refusal(service, "AcceptReview", acceptance)[0] is grpc.StatusCode.FAILED_PRECONDITION
    service.http.router.open_review("user_id:u1", "user_id:u2")
    accepted = pb.AcceptReviewResponse.FromString(service.call("AcceptReview", acceptance))
    assert (accepted.customer_id, accepted.merged) == (review.left, review.right)
    assert accepted.merge_id and customer_id(service, "u2") == review.left
    again = pb.AcceptReviewResponse.FromString(service.call("AcceptReview", acceptance))
    assert (again.customer_id, again.merged, again.merge_id) == (review.left, "", "")
    assert refusal(service, "GetReview", request)[0] is grpc.StatusCode.NOT_FOUND


def test_pages_of_reviews_and_who_may_decide(service: GrpcService) -> None:
    request = pb.ListReviewsRequest(limit=REVIEWS_MAX + 1)
    assert refusal(service, "ListReviews", request)[0] is grpc.StatusCode.INVALID_ARGUMENT
    review_id = service.http.router.open_review("user_id:u1", "user_id:u2").review_id
    service.key = service.http.create_key("read")
    assert service.call("ListReviews", pb.ListReviewsRequest(limit=1))
    for method, decision in (
        ("AcceptReview", pb.AcceptReviewRequest(review_id=review_id)),
        ("RejectReview", pb.RejectReviewRequest(review_id=review_id)),
    ):
        assert refusal(service, method, decision)[0] is grpc.StatusCode.PERMISSION_DENIED


def test_links_and_merges_where_there_is_a_registry_of_purposes(tmp_path: Path) -> None:
    purposes = Purposes(known={"service": Purpose(basis="contract")}, default="service")
    service = GrpcService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=purposes)))
    event = event_of({"type": "identify", "userId": "u1", "traits": MARTHA})
    service.call("Ingest", ingest_pb2.IngestRequest(events=[event], wait=True))
    for method, request in (("Links", pb.LinksRequest), ("Merges", pb.MergesRequest)):
        service.call(method, request(key="user_id:u1"))
        assert refusal(service, method, request(key="user_id:u9"))[0] is grpc.StatusCode.NOT_FOUND
