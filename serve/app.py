"""The one Ray Serve application: a deployment whose replicas answer HTTP and gRPC.

One, because a gRPC client then needs no metadata to say which application it means, and because both transports
share what a replica holds: its router, its reader, its caches. What makes it fast: docs/decisions/0004-lookup-path.md.
"""

import asyncio
import secrets
import sys
import time
from functools import cache

import ray
from ray import serve as ray_serve
from ray.serve import Application
from ray.serve.config import HTTPOptions, gRPCOptions
from ray.serve.schema import LoggingConfig
from starlette.types import ASGIApp

from actors.audit_log import AuditLog
from actors.audit_trail import AuditTrail
from actors.cluster import RayDeliverer, RayScorers
from actors.control import ControlStore
from actors.model_explaining import HostExplanations
from actors.privacy_store import FILE as PRIVACY_FILE
from actors.privacy_store import PrivacyStore
from actors.reader import CommittedReader
from actors.router import Router
from actors.score_reader import ScoreReader
from actors.shard_calls import ShardCalls
from actors.signing_key import load_signer
from actors.tenants import DEFAULT
from serve import data_dir, logs, metrics, ray_node
from serve.addresses import processor_of
from serve.auth import Authenticator
from serve.data_dir import suppression_key
from serve.grpc_call import Context, Methods, credential_in
from serve.grpc_context import GrpcContext
from serve.grpc_methods import GrpcMethods
from serve.grpc_services import IMPORT_PATH
from serve.http_app import build_http_app
from serve.http_health import Probes
from serve.http_tenants import TenantRouting
from serve.metrics import Metrics
from serve.profile_reads import ProfileReads
from serve.ray_environment import DEREGISTER_S
from serve.readiness import AllShards, Readiness
from serve.score_reads import ScoreReads
from serve.services import Services
from serve.settings import Settings
from serve.tenants import Tenants

APP_NAME = "onefold"
DEPLOYMENT_NAME = "ingress"
_ONGOING_MAX = 10_000  # requests in one replica, streams among them; beyond, they queue
_REPLICA_CPUS = 0.1  # of Ray's bookkeeping: shards and replicas share the cores
_SHUTDOWN_MARGIN_S = 5.0


class Ingress(GrpcMethods):
    """A replica: HTTP through the app that Serve asks it for, gRPC through its methods.

    It serves all tenants, each with collaborators of its own."""

    def __init__(self, settings: Settings, shards: int, shards_node: str) -> None:
        """`shards_node`: id of the Ray node where the shards keep their files."""
        # Not sys.stderr: in a replica, Serve has that write to its own log, where nobody would find it.
        logs.configure(settings.log_level, sys.__stderr__)
        # On another node there may be files of the same name, but not these.
        is_local = ray.get_runtime_context().get_node_id() == shards_node
        counts = metrics.for_this_process()
        readiness = Readiness(AllShards(lambda: [each.router for each in self._services().values()]), time.monotonic)
        probes = Probes(self._services, time.monotonic)

        def serve(own: Settings, shards: int) -> TenantMethods:
            reader = CommittedReader(own.data_path, shards) if is_local else None
            services = build_services(own, shards, reader, counts.of_tenant(own.tenant or DEFAULT))
            return TenantMethods(GrpcContext(services, reader, readiness), probes)

        def serve_other(name: str) -> TenantMethods:
            own = settings.of_tenant(name)
            return serve(own, data_dir.check(own))

        default = serve(settings, shards)
        self.context = default.context
        self._tenants = Tenants(default.context.services.control, default, serve_other)

    def of(self, grpc_context: Context) -> Methods:
        return self if self._tenants.is_alone else self._tenants.of(credential_in(grpc_context))

    @property
    def is_alone(self) -> bool:
        return self._tenants.is_alone

    def app_of(self, credential: str | None) -> ASGIApp:
        """The HTTP app of the tenant whose key this is. Raises Unauthenticated."""
        return self._tenants.of(credential).app

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Serve asks for this once, after the constructor."""
        return TenantRouting(self, self.context.intake.parser.limits)

    async def __del__(self) -> None:
        """Serve awaits this when it stops the replica, after the last request: what the audit logs lack is written."""
        await asyncio.gather(*(each.audit.flush() for each in self._services().values()))

    def _services(self) -> dict[str, Services]:
        return {name: served.context.services for name, served in self._tenants.served().items()}


class TenantMethods(GrpcMethods):
    """What serves one tenant in a replica."""

    def __init__(self, context: GrpcContext, probes: Probes) -> None:
        self.context = context
        self.app = build_http_app(context.services, probes)
        self._ending: asyncio.Task[None] | None = None

    @property
    def authenticator(self) -> Authenticator:
        return self.context.services.authenticator

    def end(self) -> None:
        """The tenant is being deleted: what its audit log lacks is written, and no more. Needs a running event loop."""
        self._ending = asyncio.get_running_loop().create_task(self.context.services.audit.end())


def build_services(settings: Settings, shards: int, reader: CommittedReader | None, counts: Metrics) -> Services:
    """The collaborators of one tenant in a replica, with the real clock and real randomness."""
    scorers = RayScorers(settings.namespace) if settings.scoring.enabled else None
    router = Router(shards, settings.data_path, namespace=settings.namespace, scorers=scorers)
    is_local = reader is not None and scorers is not None
    scores = ScoreReader(settings.data_path, shards) if is_local else None
    control = ControlStore(settings.control_path)
    audit_log = AuditLog(settings.data_path)
    return Services(
        settings=settings,
        router=router,
        reads=ProfileReads(router, reader),
        deliveries=ShardCalls(1, RayDeliverer(settings.namespace)),
        control=control,
        authenticator=Authenticator(control, settings.is_loopback and not settings.tenant, _now),
        audit=AuditTrail(audit_log, _now),
        audit_log=audit_log,
        privacy=PrivacyStore(settings.data_path / PRIVACY_FILE, suppression_key(settings.data_path)),
        signer=cache(lambda: load_signer(settings.data_path, processor_of(settings).domain, _now)),
        metrics=counts,
        now=_now,
        new_id=lambda: secrets.token_hex(16),
        model_hosts=None if scorers is None else HostExplanations(settings.scoring.hosts, settings.namespace),
        scores=ScoreReads(scores, None if scorers is None else router.scores),
    )


def _now() -> int:
    return time.time_ns() // 1_000_000


def build_app(settings: Settings, shards: int) -> Application:
    """The application for `ray_serve.run(app, name=APP_NAME, route_prefix="/")`.

    Ray must have been initialised, in the process that started the shards: their files are on its node.
    """
    deployment = ray_serve.deployment(
        name=DEPLOYMENT_NAME,
        num_replicas=settings.replicas,
        max_ongoing_requests=_ONGOING_MAX,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=DEREGISTER_S + settings.drain_s + _SHUTDOWN_MARGIN_S,
        ray_actor_options={"num_cpus": _REPLICA_CPUS, "label_selector": ray_node.region_labels(settings)},
        # Serve's own log: nothing of single requests. The replicas log theirs (serve.logs).
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
    )(ray_serve.ingress()(Ingress))
    return deployment.bind(settings, shards, ray.get_runtime_context().get_node_id())


def is_running() -> bool:
    """Whether the application runs. Raises RuntimeError if it never will."""
    told = ray_serve.status().applications[APP_NAME]
    if told.status == "DEPLOY_FAILED":
        raise RuntimeError(f"its replicas do not start: {told.message}")
    return told.status == "RUNNING"


def http_options(settings: Settings) -> HTTPOptions:
    """Where HTTP is served. The host is gRPC's too."""
    return HTTPOptions(host=settings.http_host, port=settings.http_port)


def grpc_options(settings: Settings) -> gRPCOptions:
    """Where gRPC is served, and what. Reflection is Serve's own, and on."""
    return gRPCOptions(port=settings.grpc_port, grpc_servicer_functions=[IMPORT_PATH])
