"""grpc.health.v1.Health: whether this service, and each service of the contract, can do its work now.

The protocol is that of https://github.com/grpc/grpc/blob/master/doc/health-checking.md. It needs no key.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc
from grpc_health.v1 import health_pb2 as pb

from serve import grpc_decisions, grpc_identity, grpc_ingest, grpc_profiles, grpc_segments
from serve.grpc_call import Context, Encoded, Methods, Reply

SERVICES = (
    "",  # the whole
    grpc_profiles.SERVICE,
    grpc_ingest.SERVICE,
    grpc_identity.SERVICE,
    grpc_segments.SERVICE,
    grpc_decisions.SERVICE,
)
LOOK_S = 2.0  # between two looks of a stream
_NOTHING = Encoded(b"")


class HealthMethods(Methods):
    """Methods of Health. Their names are those of the calls, but for the one that ProfileService has too."""

    async def Check(self, request: pb.HealthCheckRequest, grpc_context: Context) -> Reply:
        if request.service not in SERVICES:
            grpc_context.set_code(grpc.StatusCode.NOT_FOUND)
            grpc_context.set_details("service: there is no such service; reflection lists them")
            return _NOTHING
        reply: Reply = pb.HealthCheckResponse(status=await self._status())
        return reply

    async def List(self, request: pb.HealthListRequest, grpc_context: Context) -> Reply:
        status = pb.HealthCheckResponse(status=await self._status())
        reply: Reply = pb.HealthListResponse(statuses=dict.fromkeys(SERVICES, status))
        return reply

    async def watch_health(self, request: pb.HealthCheckRequest) -> AsyncIterator[Reply]:
        """Health's `Watch`: the status now, and again whenever it is another one."""
        last = None
        while True:
            status = pb.HealthCheckResponse.SERVICE_UNKNOWN
            if request.service in SERVICES:
                status = await self._status()
            if status != last:
                last = status
                yield pb.HealthCheckResponse(status=status)
            await asyncio.sleep(LOOK_S)

    async def _status(self) -> pb.HealthCheckResponse.ServingStatus:
        ready = await self.context.readiness.is_ready()
        return pb.HealthCheckResponse.SERVING if ready else pb.HealthCheckResponse.NOT_SERVING
