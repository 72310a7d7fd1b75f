"""The one Ray Serve application: a deployment whose replicas answer HTTP and gRPC.

One, because a gRPC client then needs no metadata to say which application it means, and because both transports
share what a replica holds: its router, its reader, its caches. What makes it fast: docs/decisions/0004-lookup-path.md.
"""

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
from actors.cluster import RayDeliverer
from actors.control import ControlStore
from actors.privacy_store import FILE as PRIVACY_FILE
from actors.privacy_store import PrivacyStore
from actors.reader import CommittedReader
from actors.router import Router
from actors.shard_calls import ShardCalls
from actors.signing_key import load_signer
from serve import logs, metrics
from serve.addresses import processor_of
from serve.auth import Authenticator
from serve.data_dir import suppression_key
from serve.grpc_context import GrpcContext
from serve.grpc_methods import GrpcMethods
from serve.grpc_services import IMPORT_PATH
from serve.http_app import build_http_app
from serve.profile_reads import ProfileReads
from serve.ray_environment import DEREGISTER_S
from serve.services import Services
from serve.settings import Settings

APP_NAME = "onefold"
DEPLOYMENT_NAME = "ingress"
_ONGOING_MAX = 10_000  # requests in one replica, streams among them; beyond, they queue
_REPLICA_CPUS = 0.1  # of Ray's bookkeeping: shards and replicas share the cores
_SHUTDOWN_MARGIN_S = 5.0


class Ingress(GrpcMethods):
    """A replica: HTTP through the app that Serve asks it for, gRPC through its methods."""

    def __init__(self, settings: Settings, shards: int, shards_node: str) -> None:
        """`shards_node`: id of the Ray node where the shards keep their files."""
        # Not sys.stderr: in a replica, Serve has that write to its own log, where nobody would find it.
        logs.configure(settings.log_level, sys.__stderr__)
        # On another node there may be files of the same name, but not these.
        is_local = ray.get_runtime_context().get_node_id() == shards_node
        reader = CommittedReader(settings.data_path, shards) if is_local else None
        self.context = GrpcContext(build_services(settings, shards, reader), reader)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Serve asks for this once, after the constructor."""
        return build_http_app(self.context.services)

    async def __del__(self) -> None:
        """Serve awaits this when it stops the replica, after the last request: what the audit log lacks is written."""
        await self.context.services.audit.flush()


def build_services(settings: Settings, shards: int, reader: CommittedReader | None) -> Services:
    """The collaborators of one replica, with the real clock and real randomness."""
    router = Router(shards, settings.data_path)
    control = ControlStore(settings.control_path)
    audit_log = AuditLog(settings.data_path)
    return Services(
        settings=settings,
        router=router,
        reads=ProfileReads(router, reader),
        deliveries=ShardCalls(1, RayDeliverer()),
        control=control,
        authenticator=Authenticator(control, settings.is_loopback, _now),
        audit=AuditTrail(audit_log, _now),
        audit_log=audit_log,
        privacy=PrivacyStore(settings.data_path / PRIVACY_FILE, suppression_key(settings.data_path)),
        signer=cache(lambda: load_signer(settings.data_path, processor_of(settings).domain, _now)),
        metrics=metrics.for_this_process(),
        now=_now,
        new_id=lambda: secrets.token_hex(16),
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
        ray_actor_options={"num_cpus": _REPLICA_CPUS},
        # Serve's own log: nothing of single requests. The replicas log theirs (serve.logs).
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
    )(ray_serve.ingress()(Ingress))
    return deployment.bind(settings, shards, ray.get_runtime_context().get_node_id())


def http_options(settings: Settings) -> HTTPOptions:
    """Where HTTP is served. The host is gRPC's too."""
    return HTTPOptions(host=settings.http_host, port=settings.http_port)


def grpc_options(settings: Settings) -> gRPCOptions:
    """Where gRPC is served, and what. Reflection is Serve's own, and on."""
    return gRPCOptions(port=settings.grpc_port, grpc_servicer_functions=[IMPORT_PATH])
