"""How services are registered: what cannot be read as a request is refused like all that is wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from actors.errors import Invalid
from protos.client import event_of
from protos.onefold.v1 import ingest_pb2, profile_pb2
from serve.errors import TooLarge
from serve.grpc_call import Unreadable
from serve.grpc_services import add_services
from tests.unit.serve.grpc_service import GrpcService, Refused

NOT_A_MESSAGE = b"\xff\xff\xff"
NO_MESSAGE = Unreadable(Invalid("request: not a message of this method"))


class Registered:
    """A server that only notes what is registered with it."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        pass

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self.handlers |= {f"{service}/{name}": handler for name, handler in handlers.items()}


@pytest.fixture
def service(tmp_path: Path) -> GrpcService:
    return GrpcService(tmp_path)


def test_every_method_of_the_contract_takes_bytes_that_are_no_message(service: GrpcService) -> None:
    server = Registered()
    add_services(service, cast(Any, server))
    ours = {name: handler for name, handler in server.handlers.items() if name.startswith("onefold.")}
    assert len(ours) == 26
    for handler in ours.values():
        assert isinstance(handler.request_deserializer(NOT_A_MESSAGE), Unreadable)
        assert isinstance(handler.request_deserializer(NOT_A_MESSAGE).error, Invalid)
    sizes = {name: handler.request_deserializer(bytes(1_000_001)) for name, handler in ours.items()}
    unlimited = {name for name, taken in sizes.items() if not isinstance(taken.error, TooLarge)}
    assert unlimited == {"onefold.v1.IngestService/Ingest", "onefold.v1.IngestService/IngestStream"}
    get = ours["onefold.v1.ProfileService/Get"]
    request = profile_pb2.GetRequest(key="user_id:u1")
    assert get.request_deserializer(request.SerializeToString()) == request


@pytest.mark.parametrize("method", ["Get", "Ingest", "ListSegments"])
def test_it_is_refused_to_those_who_may_call(service: GrpcService, method: str) -> None:
    with pytest.raises(Refused, match="not a message of this method") as caught:
        service.call(method, NO_MESSAGE)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    service.http.create_key("read")
    with pytest.raises(Refused) as caught:
        service.call(method, NO_MESSAGE)
    assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED


def test_a_stream_of_replies_refuses_it_too(service: GrpcService) -> None:
    async def watch() -> list[bytes]:
        return [reply async for reply in service.stream("Watch", NO_MESSAGE)]

    with pytest.raises(Refused) as caught:
        asyncio.run(watch())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_stream_of_requests_is_not_answered_as_if_all_of_it_were_taken(service: GrpcService) -> None:
    async def requests() -> AsyncIterator[Any]:
        yield ingest_pb2.IngestRequest(events=[event_of({"type": "identify", "userId": "u1"})])
        yield NO_MESSAGE

    with pytest.raises(Refused) as caught:
        service.call("IngestStream", requests())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert len(service.http.router.log) == 1
