"""The gRPC services, as Ray Serve registers them where its proxies and replicas run: by the path of `add_services`."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from protos.onefold.v1 import identity_pb2_grpc, ingest_pb2_grpc, profile_pb2_grpc, segment_pb2_grpc

IMPORT_PATH = "serve.grpc_services.add_services"


def add_services(servicer: Any, server: grpc.aio.Server) -> None:
    """Adds the methods of every service to `server`. `servicer` is Serve's stand-in for the deployment."""
    profile_pb2_grpc.add_ProfileServiceServicer_to_server(servicer, server)
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(servicer, server)
    identity_pb2_grpc.add_IdentityServiceServicer_to_server(servicer, server)
    segment_pb2_grpc.add_SegmentServiceServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
