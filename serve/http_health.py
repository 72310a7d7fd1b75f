"""/healthz, /readyz and /metrics: for orchestrators and Prometheus, without a key and without personal data."""

import asyncio

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from actors.errors import OnefoldError, Unavailable
from models.shard.protocol import ShardStatus
from serve import logs
from serve.http_context import Context, respond
from serve.http_openapi import answers
from serve.http_schemas import Health
from serve.metrics import render, shard_families
from serve.request_context import RequestContext

router = APIRouter(tags=["health"])

READY_TIMEOUT_S = 2.0
_TEXT = {200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}}

log = logs.logger("health")


@router.get("/healthz", responses=answers(Health), response_class=Response)
async def healthz() -> Response:
    """Whether this process lives. Says nothing of the shards."""
    return respond(Health("ok"))


@router.get("/readyz", responses=answers(Health, 503), response_class=Response)
async def readyz(request: Request, context: Context) -> Response:
    """Whether every shard answers. 503 while one does not, and while the replica is going away."""
    if getattr(request.app.state, "draining", False):
        raise Unavailable("this replica is stopping: another one takes its requests")
    await shards_within(context, READY_TIMEOUT_S)
    return respond(Health("ok"))


@router.get("/metrics", responses=_TEXT, response_class=Response)
async def metrics(context: Context) -> Response:
    """What all replicas counted (some seconds old, as Ray reports) and what the shards hold (as of now)."""
    counted = await context.services.metrics.exposition()
    try:
        held = render(shard_families(await shards_within(context, READY_TIMEOUT_S)))
    except OnefoldError:
        log.warning("metrics are given without the shards, which do not answer")
        held = ""
    return Response(counted + held, media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def shards_within(context: RequestContext, timeout_s: float) -> list[ShardStatus]:
    """The status of every shard. Raises Unavailable if one does not answer in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await context.services.router.status()
    except TimeoutError:
        raise Unavailable(
            f"not all shards answered within {timeout_s:g} s: they are starting, or one was lost"
        ) from None
