"""What every transport is given: one set of collaborators for each replica, made once in `serve.app`.

HTTP routes and gRPC methods take a `Services` and nothing else, so that tests hand them doubles and neither
transport reaches for globals, the clock or randomness by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.audit_log import AuditLog
from actors.audit_trail import AuditTrail
from actors.control import ControlStore
from actors.privacy_store import PrivacyStore
from actors.shard_calls import ShardCalls
from models.privacy.signing import Signer
from serve.auth import Authenticator
from serve.metrics import Metrics
from serve.profile_reads import ProfileReads
from serve.score_explanations import Hosts
from serve.score_reads import ScoreReads
from serve.settings import Settings

if TYPE_CHECKING:
    # It imports Ray, which unit tests and the command line do without.
    from actors.router import Router


@dataclass(frozen=True)
class Services:
    """The collaborators of one replica."""

    settings: Settings
    router: Router  # everything that shards do
    reads: ProfileReads  # profiles by key: the shard's committed file where it is local, else the router
    deliveries: ShardCalls  # to the deliverer of webhooks
    control: ControlStore  # API keys, sources, segment definitions, attribute policies
    authenticator: Authenticator
    audit: AuditTrail  # who did what, on its way to the log
    audit_log: AuditLog  # for those who read it
    privacy: PrivacyStore  # requests of data subjects
    signer: Callable[[], Signer]  # signs what OpenDSR answers; the first call may make the key
    metrics: Metrics
    now: Callable[[], int]  # wall clock, ms since 1970
    new_id: Callable[[], str]  # a fresh random id (message ids that clients left out, request ids)
    model_hosts: Hosts | None = None  # of models that are plugged in, for explanations
    scores: ScoreReads = field(
        default_factory=ScoreReads
    )  # people's scores: the scorers' files where they are local, else the router
