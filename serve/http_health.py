"""/healthz, /readyz and /metrics: for orchestrators and Prometheus, without a key and without personal data.

Everybody may ask, so nobody's asking may become load: answers that need the shards are kept for a second.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from actors.delivery_store import DeliveryStatus
from actors.errors import OnefoldError, Unavailable
from models.scoring.drift import LiveDrift, live_drift
from models.shard.protocol import ShardStatus
from serve import logs
from serve.http_context import authorise, respond
from serve.http_openapi import answers
from serve.http_schemas import Health
from serve.metrics import drift_families, render, shard_families, webhook_families
from serve.readiness import KEEP_S, TIMEOUT_S, AllShards, Readiness
from serve.services import Services

router = APIRouter(tags=["health"], dependencies=[Depends(authorise)])

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}

log = logs.logger("health")


class Probes:
    """What the probes of one replica ask for. `tenants` gives what serves each tenant, by name: at least one."""

    def __init__(self, tenants: Callable[[], Mapping[str, Services]], monotonic_s: Callable[[], float]) -> None:
        self.readiness = Readiness(AllShards(lambda: [each.router for each in tenants().values()]), monotonic_s)
        self._tenants = tenants
        self._monotonic_s = monotonic_s
        self._page = ""
        self._made_s = float("-inf")
        self._making = asyncio.Lock()

    async def metrics_page(self) -> str:
        """Prometheus text: what all replicas counted, what the shards hold, how deliveries go, how people drift."""
        async with self._making:
            if self._monotonic_s() - self._made_s >= KEEP_S:
                tenants = self._tenants()
                counted = next(iter(tenants.values())).metrics.exposition()  # every tenant's are in it
                parts = (counted, self._shards(tenants), self._webhooks(tenants), self._models(tenants))
                self._page = "".join(await asyncio.gather(*parts))
                self._made_s = self._monotonic_s()
            return self._page

    async def _shards(self, tenants: Mapping[str, Services]) -> str:
        statuses = {name: self._status(services) for name, services in tenants.items()}
        answers = dict(zip(statuses, await asyncio.gather(*statuses.values()), strict=True))
        min_count = next(iter(tenants.values())).settings.segments.min_count
        found = {name: answer for name, answer in answers.items() if answer}
        return render(shard_families(found, min_count)) if found else ""

    async def _status(self, services: Services) -> list[ShardStatus]:
        try:
            return await asyncio.wait_for(services.router.status(), TIMEOUT_S)
        except (OnefoldError, TimeoutError):
            log.warning("the metrics page lacks the shards, which did not answer in time")
            return []

    async def _webhooks(self, tenants: Mapping[str, Services]) -> str:
        statuses = {name: self._deliveries(each) for name, each in tenants.items() if each.control.webhooks()}
        answers = dict(zip(statuses, await asyncio.gather(*statuses.values()), strict=True))
        found = {name: answer for name, answer in answers.items() if answer}
        return render(webhook_families(found)) if found else ""

    async def _deliveries(self, services: Services) -> list[DeliveryStatus]:
        try:
            found: list[DeliveryStatus] = await services.deliveries.call(
                0, "statuses", timeout_s=TIMEOUT_S, attempt_s=TIMEOUT_S
            )
            return found
        except OnefoldError:
            log.warning("the metrics page lacks the webhooks: the deliverer did not answer in time")
            return []

    async def _models(self, tenants: Mapping[str, Services]) -> str:
        answers = dict(zip(tenants, await asyncio.gather(*map(self._drift, tenants.values())), strict=True))
        found = {name: answer for name, answer in answers.items() if answer}
        return render(drift_families(found)) if found else ""

    async def _drift(self, services: Services) -> dict[str, LiveDrift]:
        try:
            counts = await asyncio.wait_for(services.router.model_drift(), TIMEOUT_S)
        except (OnefoldError, TimeoutError):
            log.warning("the metrics page lacks the drift of models: the scorers did not answer in time")
            return {}
        if not any(each.models for each in counts):
            return {}
        versions = services.control.current_models().values()
        found = {each.reference: live_drift(each.distributions, each.reference, counts) for each in versions}
        return {reference: each for reference, each in found.items() if each is not None}


@router.get("/healthz", responses=answers(Health), response_class=Response)
async def healthz() -> Response:
    """Whether this process lives. Says nothing of the shards."""
    return respond(Health("ok"))


@router.get("/readyz", responses=answers(Health, 503), response_class=Response)
async def readyz(request: Request) -> Response:
    """Whether every shard of every tenant answers."""
    if not await probes_of(request).readiness.is_ready():
        raise Unavailable("not all shards answer: the service is starting, or a shard is restarting")
    return respond(Health("ok"))


@router.get("/metrics", responses=_TEXT, response_class=Response)
async def metrics(request: Request) -> Response:
    """What all replicas counted (some seconds old, as Ray reports), what the shards hold and how deliveries to webhooks
    go (as of now)."""
    return Response(await probes_of(request).metrics_page(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def probes_of(request: Request) -> Probes:
    """The probes that `build_http_app` gave the app."""
    probes: Probes = request.app.state.probes
    return probes
