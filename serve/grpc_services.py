"""The gRPC services, as Ray Serve registers them where its proxies and replicas run: by the path of `add_services`.

A request that is too large, or no message of its method's, becomes an `Unreadable`, which the method refuses, like all
that is wrong. gRPC itself would answer UNKNOWN, in the words of its own code; and of a stream of requests Serve would
make one that ends there, as if all of it had been taken.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2_grpc

from actors.errors import Invalid
from protos.onefold.v1 import decision_pb2_grpc, identity_pb2_grpc, ingest_pb2_grpc, profile_pb2_grpc, segment_pb2_grpc
from serve.errors import TooLarge
from serve.grpc_call import Unreadable
from serve.grpc_ingest import SERVICE as INGEST
from serve.http_body import CONTROL_BYTES_MAX

IMPORT_PATH = "serve.grpc_services.add_services"


def add_services(servicer: Any, server: grpc.aio.Server) -> None:
    """Adds the methods of every service to `server`. `servicer` is Serve's stand-in for the deployment."""
    lenient: Any = _LenientServer(server)
    profile_pb2_grpc.add_ProfileServiceServicer_to_server(servicer, lenient)
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(servicer, lenient)
    identity_pb2_grpc.add_IdentityServiceServicer_to_server(servicer, lenient)
    segment_pb2_grpc.add_SegmentServiceServicer_to_server(servicer, lenient)
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(servicer, lenient)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)


class _LenientServer:
    """What generated code registers a service with; the server then reads its requests without raising."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Generated code says the same again, by method: that is what is used."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        # Events have a limit of their own, which is a setting.
        bytes_max = None if service == INGEST else CONTROL_BYTES_MAX
        lenient = {
            name: handler._replace(request_deserializer=_lenient(handler.request_deserializer, bytes_max))
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, lenient),))
        self._server.add_registered_method_handlers(service, lenient)  # type: ignore[attr-defined]


def _lenient(parse: Callable[[bytes], Any], bytes_max: int | None) -> Callable[[bytes], Any]:
    def request(data: bytes) -> Any:
        if bytes_max is not None and len(data) > bytes_max:
            return Unreadable(TooLarge(f"request: larger than {bytes_max // 1000} KB; send it in smaller parts"))
        try:
            return parse(data)
        except DecodeError:
            return Unreadable(
                Invalid("request: it is not a message of this method, as its .proto file has it: send one")
            )

    return request
