"""gRPC as clients meet it: through HAProxy and Ray Serve, with real shards."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from itertools import islice
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from bench import lookup
from protos.client import Client
from protos.onefold.v1 import profile_pb2, segment_pb2
from serve import instance
from serve.grpc_health import SERVICES
from tests.e2e.service import RunningService

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Client]:
    with Client(service.grpc_target, service.admin_key, timeout_s=PATIENCE_S) as made:
        yield made


@pytest.fixture
def name() -> str:
    """A user id that no other test has."""
    return uuid4().hex[:12]


def test_an_event_is_seen_by_the_next_read(client: Client, name: str) -> None:
    for number in range(1, 30):
        message = {"type": "track", "userId": name, "event": "Counted", "anonymousId": f"{name}-{number % 4}"}
        answer = client.ingest([message])
        profile = client.get(f"user_id:{name}", min_seq=answer.sequence)
        assert profile is not None and profile.behaviors["Counted"].count == number


def test_results_with_wait(client: Client, name: str) -> None:
    messages = [{"type": "identify", "userId": name, "messageId": name, "traits": {"email": f"{name}@example.com"}}]
    (result,) = client.ingest(messages, wait=True).results
    assert (result.status, result.created, list(result.methods)) == ("applied", True, ["new"])
    (again,) = client.ingest(messages, wait=True).results
    assert again.status == "duplicate"
    profile = client.get(f"email:{name.upper()}@Example.com")
    assert profile is not None and profile.customer_id == result.customer_id
    assert client.get(result.customer_id) == profile


def test_where_answers_come_from(service: RunningService, client: Client, name: str) -> None:
    sequence = client.ingest([{"type": "track", "userId": name, "event": "A"}]).sequence
    client.get(f"user_id:{name}", min_seq=sequence)
    metadata = (("authorization", f"Bearer {service.admin_key}"), ("explain", "1"))
    get = client.channel.unary_unary("/onefold.v1.ProfileService/Get", profile_pb2.GetRequest.SerializeToString, bytes)
    _, call = get.with_call(profile_pb2.GetRequest(key=f"user_id:{name}"), metadata=metadata)
    assert dict(call.trailing_metadata())["served-from"] == "cache"


def test_batches(client: Client, name: str) -> None:
    names = [f"{name}-{number}" for number in range(200)]
    sequence = client.ingest([{"type": "track", "userId": each, "event": "A"} for each in names]).sequence
    keys = [f"user_id:{each}" for each in [*names, "nobody-" + name]]
    *found, nobody = client.batch_get(keys, min_seq=sequence)
    assert nobody is None
    for each, profile in zip(names, found, strict=True):
        assert profile is not None and each in {identity.value for identity in profile.identities}


def test_a_stream_of_batches(client: Client, name: str) -> None:
    batches = [
        [{"type": "track", "userId": name, "event": "A", "messageId": f"{name}-{batch}-{n}"} for n in range(50)]
        for batch in range(10)
    ]
    summary = client.ingest_stream([*batches, batches[0], [{"type": "wish"}]])
    assert (summary.accepted, summary.duplicates, summary.rejected) == (550, 50, 1)
    assert [rejection.index for rejection in summary.rejections] == [550]
    profile = client.get(f"user_id:{name}", min_seq=summary.sequence)
    assert profile is not None and profile.behaviors["A"].count == 500


def test_identity_merged_and_unmerged(client: Client, name: str) -> None:
    left, right = f"user_id:{name}-l", f"user_id:{name}-r"
    for each, plan in ((f"{name}-l", "gold"), (f"{name}-r", "free")):
        client.ingest([{"type": "identify", "userId": each, "traits": {"plan": plan}}], wait=True)
    assert len(client.resolve([left, right]).merges) in (0, 1)  # one user id a person: nothing but a statement merges
    merged = client.merge(left, right)
    assert len(merged.merged) == 1
    one, other = client.batch_get([left, right])
    assert one is not None and one == other
    (entry,) = client.merges(left)
    assert {entry.winner, entry.loser} == {merged.customer_id, merged.merged[0]}
    assert any({link.left, link.right} == {left, right} for link in client.links(right))
    client.unmerge(entry.merge_id)
    plans = [
        profile and json.loads(profile.attributes["plan"].value_json) for profile in client.batch_get([left, right])
    ]
    assert plans == ["gold", "free"]
    with pytest.raises(grpc.RpcError) as caught:
        client.unmerge(entry.merge_id)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_segments_move(client: Client, name: str) -> None:
    criteria = {"type": "demographic", "trait": "tier", "operator": "equals", "value": name}
    watching: list[segment_pb2.SegmentChange] = []
    segment = client.create_segment("Tier " + name, criteria, segment_id=name)
    assert (segment.id, segment.members) == (name, 0)
    stream = client.watch_segment(name, after="0:0,1:0")
    thread = threading.Thread(target=lambda: watching.extend(islice(stream, 2)))
    thread.start()
    (result,) = client.ingest([{"type": "identify", "userId": name, "traits": {"tier": name}}], wait=True).results
    assert [(move.segment_id, move.change) for move in result.segment_changes] == [(name, "entered")]
    assert [member.customer_id for member in client.members(name)] == [result.customer_id]
    assert client.preview(criteria) == 1
    assert client.segment(name).members == 1

    def shown() -> list[str]:
        profile = client.get(f"user_id:{name}")
        return [] if profile is None else [membership.name for membership in profile.segments]

    deadline = time.monotonic() + PATIENCE_S
    while shown() != ["Tier " + name]:  # a replica knows names within a second
        assert time.monotonic() < deadline
        time.sleep(0.01)
    client.ingest([{"type": "identify", "userId": name, "traits": {"tier": "none"}}], wait=True)
    thread.join(PATIENCE_S)
    assert [(change.change, change.customer_id) for change in watching] == [
        ("entered", result.customer_id),
        ("exited", result.customer_id),
    ]
    client.delete_segment(name)
    assert name not in [each.id for each in client.segments()]


@pytest.mark.parametrize("everybody", [False, True])
def test_watching_profiles(client: Client, name: str, everybody: bool) -> None:
    client.ingest([{"type": "track", "userId": name, "event": "First"}], wait=True)
    stream = client.watch([] if everybody else [f"user_id:{name}"])
    seen: list[profile_pb2.ProfileChange] = []
    arrived = threading.Event()

    def watch() -> None:
        for change in stream:
            if any(identity.value == name for identity in change.profile.identities):
                seen.append(change)
                arrived.set()
                if "Second" in change.profile.behaviors:
                    return

    thread = threading.Thread(target=watch)
    thread.start()
    if not everybody:
        assert arrived.wait(PATIENCE_S)  # first the profile as it is
    deadline = time.monotonic() + PATIENCE_S
    while thread.is_alive() and time.monotonic() < deadline:  # from when it stands, changes of everybody are told
        client.ingest([{"type": "track", "userId": name, "event": "Second"}])
        thread.join(0.2)
    assert "Second" in seen[-1].profile.behaviors
    resumed = client.watch([], after=seen[-1].cursor)
    client.ingest([{"type": "track", "userId": name, "event": "Third"}])
    assert any("Third" in change.profile.behaviors for change in resumed)


def test_refusals(service: RunningService, client: Client) -> None:
    for key, code in (
        ("", "UNAUTHENTICATED"),
        ("ofk_guessed", "UNAUTHENTICATED"),
        (service.write_key, "PERMISSION_DENIED"),
    ):
        with Client(service.grpc_target, key) as other, pytest.raises(grpc.RpcError) as caught:
            other.get("user_id:ann")
        assert caught.value.code().name == code
    with pytest.raises(grpc.RpcError) as caught:
        client.get("no key")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(caught.value.details()).startswith("key: ")
    with pytest.raises(grpc.RpcError) as caught:
        next(client.watch(["no key"]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_health_and_reflection(client: Client) -> None:
    health = health_pb2_grpc.HealthStub(client.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    assert {health.Check(health_pb2.HealthCheckRequest(service=name)).status for name in SERVICES} == {serving}
    stream = health.Watch(health_pb2.HealthCheckRequest())
    assert next(stream).status == serving
    stream.cancel()
    reflected = ProtoReflectionDescriptorDatabase(client.channel)
    assert {name for name in SERVICES if name} <= set(reflected.get_services())
    file = reflected.FindFileContainingSymbol("onefold.v1.ProfileService")
    assert file.name == "protos/onefold/v1/profile.proto"


def test_large_requests_and_answers(client: Client, name: str) -> None:
    people = [f"{name}-{number}" for number in range(500)]
    traits = {f"bio{number}": "x" * 1_000 for number in range(6)}
    messages = [{"type": "identify", "userId": each, "traits": traits} for each in people]
    sequence = client.ingest(messages).sequence  # 3 MB
    found = client.batch_get([f"user_id:{each}" for each in people], min_seq=sequence)  # as much again
    assert all(profile is not None and set(profile.attributes) == set(traits) for profile in found)


def test_a_replica_that_is_killed_is_replaced(service: RunningService, client: Client, name: str) -> None:
    client.ingest([{"type": "track", "userId": name, "event": "A"}], wait=True)
    (replica,) = (pid for pid in service.processes() if "ServeRepl" in instance.name(pid))
    os.kill(replica, signal.SIGKILL)
    profile = client.get(f"user_id:{name}")  # within the client's patience
    assert profile is not None and profile.behaviors["A"].count == 1


def test_the_lookup_benchmark(service: RunningService, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for constant in ("_STEP_S", "_SERIAL_S", "_STEADY_S", "_BATCH_S"):
        monkeypatch.setattr(lookup, constant, 0.3)
    monkeypatch.setattr(lookup, "_CLOSE_IN", 1)
    names = [f"bench-{number}" for number in range(50)]
    client.ingest([{"type": "track", "userId": each, "event": "A"} for each in names], wait=True)
    told: list[str] = []
    keys = [f"user_id:{each}" for each in [*names, "nobody"]]
    report = lookup.run(service.grpc_target, service.admin_key, keys, told.append)
    assert report.keys == 50 and told
    assert {step.server for step in report.steps} == {"onefold", "bare"}
    assert report.onefold_rate > 0 and report.bare_rate > 0 and report.batch_profiles_per_s > 0
    assert report.cache_hit_ratio > 0.9
    assert len(lookup.lines(report)) > 10
    with pytest.raises(ValueError, match="keys"):
        lookup.run(service.grpc_target, service.admin_key, ["user_id:nobody"])
