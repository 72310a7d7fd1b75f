"""The public contract: what it is made of, and that everything that stands on it knows all of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

from protos import generate
from protos.client import Client, event_of
from protos.onefold.v1 import decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2
from serve.grpc_health import SERVICES
from serve.grpc_methods import GrpcMethods
from serve.length_delimited import length_delimited

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = [
    service
    for module in (decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
]
HEALTH: ServiceDescriptor = health_pb2.DESCRIPTOR.services_by_name["Health"]


def test_the_committed_stubs_are_what_the_proto_files_give(tmp_path: Path) -> None:
    made = generate.generate(tmp_path)
    assert len(made) == 3 * len(list((ROOT / generate.SOURCES).glob("*.proto")))
    for path, text in made.items():
        assert (ROOT / path).read_text() == text, f"{path}: run `make protos`"


def test_every_call_has_a_method_and_a_name_of_its_own() -> None:
    """Serve finds methods by their bare name; `Watch` is told apart by its request (serve.grpc_methods)."""
    names = [method.name for service in [*CONTRACT, HEALTH] for method in service.methods]
    assert sorted(names) == sorted([*set(names), "Watch"])
    for name in names:
        assert callable(getattr(GrpcMethods, name))


def test_health_knows_every_service() -> None:
    assert set(SERVICES) == {"", *(service.full_name for service in CONTRACT)}


def test_the_manual_lists_every_call() -> None:
    manual = (ROOT / "docs" / "api-grpc.md").read_text()
    for service in [*CONTRACT, HEALTH]:
        (row,) = (line for line in manual.splitlines() if line.startswith(f"| `{service.full_name}` |"))
        assert [method.name for method in service.methods if f"`{method.name}`" not in row] == []


def test_the_client_has_every_call() -> None:
    calls = {method.name for service in CONTRACT for method in service.methods}
    source = Path(sys.modules[Client.__module__].__file__ or "").read_text()
    assert {name for name in calls if f".{name}" not in source} == set()


def test_the_client_needs_only_grpcio_and_protobuf() -> None:
    code = (
        "import sys, protos.client; "
        "print(*{name.partition('.')[0] for name in sys.modules} & "
        "{'actors', 'bench', 'models', 'msgspec', 'numpy', 'pipelines', 'pydantic', 'ray', 'serve'})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_messages_of_the_tracking_api() -> None:
    event = event_of({"type": "track", "userId": "u", "event": "A", "anonymousId": None, "properties": {"a": 1}})
    assert (event.type, event.user_id, event.event, event.anonymous_id) == ("track", "u", "A", "")
    assert event.properties_json == '{"a": 1}' and len(event.message_id) == 32
    assert event_of({"type": "track", "messageId": "m"}).message_id == "m"
    with pytest.raises(ValueError, match="email: not a field"):
        event_of({"type": "identify", "email": "ann@example.com"})


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 300_000])
def test_length_delimited_fields_are_protobufs_own(length: int) -> None:
    text = "x" * length
    expected = profile_pb2.WatchRequest(keys=[text]).SerializeToString()
    assert length_delimited(profile_pb2.WatchRequest.KEYS_FIELD_NUMBER, text.encode()) == expected
