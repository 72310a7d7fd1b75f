"""All gRPC methods in one class, as the Serve deployment carries them.

Ray Serve finds a method by its bare name, whatever its service. So no two calls of the contract have the same name,
but for one: ProfileService and grpc.health.v1.Health both have `Watch`, and their requests tell them apart.
"""

from collections.abc import AsyncIterator

from grpc_health.v1.health_pb2 import HealthCheckRequest

from protos.onefold.v1.profile_pb2 import WatchRequest
from serve.grpc_call import Context, Reply
from serve.grpc_decisions import DecisionMethods
from serve.grpc_health import HealthMethods
from serve.grpc_identity import IdentityMethods
from serve.grpc_ingest import IngestMethods
from serve.grpc_profiles import ProfileMethods
from serve.grpc_segments import SegmentMethods


class GrpcMethods(ProfileMethods, IngestMethods, IdentityMethods, SegmentMethods, DecisionMethods, HealthMethods):
    """The methods of every service. Whoever inherits sets `context` before the first call."""

    async def Watch(self, request: WatchRequest | HealthCheckRequest, grpc_context: Context) -> AsyncIterator[Reply]:
        if isinstance(request, HealthCheckRequest):
            replies = self.watch_health(request)
        else:
            replies = self.WatchProfiles(request, grpc_context)
        async for reply in replies:
            yield reply
