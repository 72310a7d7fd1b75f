"""Shards and matchers as Ray actors: started once for a data directory, found by name, every failure made plain.

Each is a detached actor "shard-N" in its tenant's namespace (`actors.namespaces`) that Ray restarts for ever.
Placement: on the node that started the service, because that is where the files are. A shard that Ray puts elsewhere
finds no file there and ends again: it never starts empty. Two incarnations of a shard cannot both live: the second
waits for the file's lock.

Matchers are "matcher-N", beside the shards. They keep nothing but what they can read again from the shards. Scorers are
"scorer-N", one a shard: their files are made again from the shards' too.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray.exceptions import ActorDiedError, GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.automated_decisions import AutomatedDecisions
from actors.basis_check import BasisCheck
from actors.control import ControlStore
from actors.deliverer import Deliverer
from actors.delivery_store import Dead, DeliveryStatus, DeliveryStore
from actors.errors import Invalid, NotFound, OnefoldError, Unavailable
from actors.matcher import Matcher, Vectors
from actors.namespaces import NAMESPACE, REGION_LABEL
from actors.privacy_calls import PrivacyCalls
from actors.router import Router
from actors.schema import create_shards
from actors.segment_calls import SegmentCalls
from actors.shard import Shard
from actors.shard_calls import ShardCalls
from actors.special_segments import SpecialSegments
from actors.webhook_residency import PermittedWebhooks
from actors.webhook_sender import WebhookSender
from models.delivery.webhook import RetryPolicy
from models.identity.online import MatchingSettings, PairMatcher
from models.privacy.purposes import Purposes
from models.privacy.recipients import Recipient
from models.privacy.residency import NO_RESIDENCY, Residency
from models.scoring.settings import ScoringSettings
from models.shard.state import MachineSettings

DELIVERER = "deliverer"
DESK = "privacy-desk"
START_TIMEOUT_S = 120.0
_CALLS_MAX = 10_000  # in one shard; the router's bounds come first
_LOCK_TIMEOUT_S = 30.0
_MISPLACED_PAUSE_S = 2.0
_PEER_TIMEOUT_S = 10.0
_REGION_TIMEOUT_S = 30.0

WorkOnRequests = Callable[[PrivacyCalls], Coroutine[Any, Any, None]]
"""Works on the requests of data subjects until it is cancelled."""

log = logging.getLogger("onefold.cluster")


def actor_name(shard: int) -> str:
    """The name under which Ray knows a shard's actor."""
    return f"shard-{shard}"


def matcher_name(number: int) -> str:
    """The name under which Ray knows a matcher's actor."""
    return f"matcher-{number}"


def scorer_name(shard: int) -> str:
    """The name under which Ray knows the actor that scores a shard's people."""
    return f"scorer-{shard}"


def matchers_of(settings: MatchingSettings, shards: int) -> int:
    """How many matchers there are to be: as many as are set, by default one a shard, on two cores one."""
    if not settings.enabled:
        return 0
    return min(shards, settings.matchers or (shards if (os.cpu_count() or 1) > 2 else 1))


def start(
    data_dir: Path,
    shards: int,
    settings: MachineSettings,
    configure: Callable[[], None] | None = None,
    timeout_s: float = START_TIMEOUT_S,
    load_matcher: Callable[[str | None], PairMatcher] | None = None,
    webhooks: RetryPolicy | None = None,
    work_on_requests: WorkOnRequests | None = None,
    namespace: str = NAMESPACE,
    residency: Residency = NO_RESIDENCY,
    scoring: ScoringSettings | None = None,
    shards_alone: bool = False,
) -> None:
    """Starts those of the `shards` actors that do not run yet, and returns when all have recovered; then the matchers,
    and all others, unless only the `shards_alone` are wanted.

    Makes the shards' files if there are none. `configure` runs first in each actor's process (logging, say);
    `load_matcher` in each matcher's, with the path `matching.model` or None. `work_on_requests` works on the requests
    of data subjects, in a process of its own. All of them are in `namespace`, and
    with `residency` on nodes of its region alone, where the files are. Ray must have been initialised.

    Raises Conflict if the data directory was made for another number of shards, Unavailable if a shard does not come
    up, and Invalid if matching is on and nothing says how.
    """
    if settings.matching.enabled and load_matcher is None:
        raise Invalid("matching.enabled: there is no matcher to match with; set it to false")
    matchers = matchers_of(settings.matching, shards)
    matching = msgspec.structs.replace(settings.matching, matchers=matchers)
    settings = msgspec.structs.replace(settings, matching=matching)
    placement = _placement(residency.region)
    _there(create_shards, data_dir, shards, residency, placement)
    options = {
        "namespace": namespace,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        # The router repeats calls itself, within the time that its caller has.
        "max_task_retries": 0,
        "max_concurrency": _CALLS_MAX,
        # Shards and replicas share the cores; Ray's bookkeeping must not keep one from starting.
        "num_cpus": 0,
        **placement,
    }
    actor = ray.remote(ShardActor)
    handles = [
        actor.options(name=actor_name(shard), **options).remote(
            shard, shards, str(data_dir), settings, configure, namespace
        )
        for shard in range(shards)
    ]
    deadline = time.monotonic() + timeout_s
    for shard, handle in enumerate(handles):
        _wait_for(shard, handle, deadline)
    if shards_alone:
        return
    # Nobody waits for the matchers: what they have to do waits for them.
    matcher = ray.remote(MatcherActor)
    for number in range(matchers):
        matcher.options(name=matcher_name(number), **options).remote(
            number, matchers, shards, str(data_dir), settings, load_matcher, configure, namespace
        )
    scorers = shards if scoring is not None and scoring.enabled else 0
    if scorers:
        from actors.scorer_actor import ScorerActor  # which needs this module

        scorer = ray.remote(ScorerActor)
        for shard in range(scorers):
            scorer.options(name=scorer_name(shard), **options).remote(
                shard, shards, str(data_dir), settings, scoring, configure, namespace
            )
    elif scoring is not None:
        from actors.score_store import remove_all_scores  # NumPy comes with it

        _there(remove_all_scores, data_dir, shards, residency, placement)
    ray.remote(DelivererActor).options(name=DELIVERER, **options).remote(
        shards, str(data_dir), webhooks or RetryPolicy(), settings.purposes, configure, namespace, residency
    )
    if work_on_requests is not None:
        ray.remote(DeskActor).options(name=DESK, **options).remote(
            shards, matchers, scorers, str(data_dir), work_on_requests, configure, namespace
        )


def _placement(region: str) -> dict[str, Any]:
    """Options of an actor or task that keep it where the files are: on nodes of a region, else on this one."""
    if region:
        return {"label_selector": {REGION_LABEL: region}}
    node = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True)}


def _there(
    work: Callable[[Path, int], None], data_dir: Path, shards: int, residency: Residency, placement: dict[str, Any]
) -> None:
    """Works on the shards' files where they are: here, or on a node of the region. Raises what that does, and
    Unavailable if there is no such node."""
    if not residency.is_on:
        work(data_dir, shards)
        return
    done = ray.remote(work).options(num_cpus=0, **placement).remote(data_dir, shards)
    try:
        ray.get(done, timeout=_REGION_TIMEOUT_S)
    except RayTaskError as error:
        raise error.cause from None
    except GetTimeoutError:
        raise Unavailable(f"residency.region: no node of the cluster has its label {REGION_LABEL}") from None


def stop(shards: int, namespace: str = NAMESPACE) -> None:
    """Ends the actors, so that Ray does not restart them. What was acknowledged is on disk before and after."""
    from actors.model_host import stop_hosts  # SciPy comes with it

    names = (matcher_name, scorer_name, actor_name)
    for name in [DESK, DELIVERER, *(name(number) for name in names for number in range(shards))]:
        try:
            ray.kill(ray.get_actor(name, namespace=namespace), no_restart=True)
        except ValueError:
            continue  # it does not run
    stop_hosts(namespace)


def _wait_for(shard: int, handle: Any, deadline: float) -> None:
    while True:
        try:
            ray.get(handle.process_id.remote(), timeout=max(deadline - time.monotonic(), 0.001))
            return
        except ActorDiedError as error:
            reason = getattr(error, "cause", None)
            raise Unavailable(f"shard {shard} did not start; `onefold doctor` may tell why") from reason
        except GetTimeoutError:
            raise Unavailable(f"shard {shard} has not recovered in time") from None
        except RayError:
            # It ended while it started, and is being started again.
            if time.monotonic() >= deadline:
                raise Unavailable(f"shard {shard} does not come up") from None
            time.sleep(0.1)


class ShardActor(Shard):
    """The actor: a shard in a process of its own, which ends when the shard cannot go on."""

    def __init__(
        self,
        shard: int,
        shards: int,
        data_dir: str,
        settings: MachineSettings,
        configure: Callable[[], None] | None,
        namespace: str,
    ) -> None:
        if configure is not None:
            configure()
        try:
            super().__init__(shard, shards, Path(data_dir), settings, RayShards(namespace), die, _LOCK_TIMEOUT_S)
        except NotFound as error:
            log.error("a shard was started on a node that does not have its file", extra={"fields": {"shard": shard}})
            time.sleep(_MISPLACED_PAUSE_S)
            die(error)
        except Unavailable as error:
            die(error)


class MatcherActor(Matcher):
    """The actor: a matcher in a process of its own, which ends when the matcher cannot go on."""

    def __init__(
        self,
        number: int,
        matchers: int,
        shards: int,
        data_dir: str,
        settings: MachineSettings,
        load_matcher: Callable[[str | None], PairMatcher],
        configure: Callable[[], None] | None,
        namespace: str,
    ) -> None:
        if configure is not None:
            configure()
        matching = settings.matching
        super().__init__(
            number,
            matchers,
            ShardCalls(shards, RayShards(namespace)),
            RayMatchers(namespace),
            load_matcher(matching.model or None),
            matching,
            settings.identity,
            die,
            _vectors(Path(data_dir) / "vectors" / matcher_name(number)) if matching.embeddings else None,
        )


class DelivererActor:
    """The actor: tells webhooks, in a process of its own, which ends when it cannot go on.

    Starts again where its store stands.
    """

    def __init__(
        self,
        shards: int,
        data_dir: str,
        policy: RetryPolicy,
        purposes: Purposes,
        configure: Callable[[], None] | None,
        namespace: str,
        residency: Residency,
    ) -> None:
        if configure is not None:
            configure()
        try:
            calls = SegmentCalls(ShardCalls(shards, RayShards(namespace)), _PEER_TIMEOUT_S)
            control = ControlStore(Path(data_dir) / "control.sqlite")
            store = DeliveryStore(Path(data_dir) / "deliveries.sqlite")
            router = Router(shards, Path(data_dir), namespace=namespace)
            special = SpecialSegments(control, purposes)
            basis = BasisCheck(router.profiles, control.segments, purposes, may_tell=special.may_tell)
            webhooks = PermittedWebhooks(control, residency)
            self._deliverer = Deliverer(
                webhooks,
                store,
                calls.segment_changes,
                WebhookSender(policy),
                policy,
                may_tell=basis.entries,
                may_decide=AutomatedDecisions(router).may_decide,
            )
        except Exception as error:  # Ray would not start it again after an error of its constructor
            log.error("the deliverer cannot start", exc_info=error)
            time.sleep(_MISPLACED_PAUSE_S)
            die(error)
        self._task = asyncio.get_running_loop().create_task(self._deliverer.run())
        self._task.add_done_callback(end_if_failed)

    async def statuses(self, webhook_id: str = "") -> list[DeliveryStatus]:
        return await self._deliverer.statuses(webhook_id)

    async def test(self, webhook_id: str) -> tuple[int, str]:
        return await self._deliverer.test(webhook_id)

    async def dead_letters(self, webhook_id: str, limit: int, after: str) -> list[Dead]:
        return await self._deliverer.dead_letters(webhook_id, limit, after)

    async def erase(self, people: list[list[int]]) -> list[str]:
        return await self._deliverer.erase(people)

    async def recipients(self, people: list[list[int]]) -> list[list[Recipient]]:
        return await self._deliverer.recipients(people)

    async def purge(self, before: int) -> int:
        return await self._deliverer.purge(before)

    async def replay(self, webhook_id: str, message_ids: list[str] | None) -> int:
        return await self._deliverer.replay(webhook_id, message_ids)

    async def process_id(self) -> int:
        return os.getpid()


class DeskActor:
    """The actor: works on the requests of data subjects, in a process of its own, which ends when it cannot go on.

    Starts again where the queue stands.
    """

    def __init__(
        self,
        shards: int,
        matchers: int,
        scorers: int,
        data_dir: str,
        work_on_requests: WorkOnRequests,
        configure: Callable[[], None] | None,
        namespace: str,
    ) -> None:
        if configure is not None:
            configure()
        calls = PrivacyCalls(
            Router(shards, Path(data_dir), namespace=namespace),
            ShardCalls(shards, RayShards(namespace)),
            ShardCalls(matchers, RayMatchers(namespace)) if matchers else None,
            ShardCalls(1, RayDeliverer(namespace)),
            ShardCalls(scorers, RayScorers(namespace)) if scorers else None,
        )
        self._task = asyncio.get_running_loop().create_task(work_on_requests(calls))
        self._task.add_done_callback(end_if_failed)

    async def process_id(self) -> int:
        return os.getpid()


def end_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        die(error)


def _vectors(path: Path) -> Vectors:
    """Candidates by the shipped embedder. LanceDB is imported here: it takes a second and memory."""
    from actors.vector_index import VectorCandidates, VectorIndex
    from models.identity.embedding import NgramEmbedder
    from models.identity.record_text import record_text

    embedder = NgramEmbedder.shipped()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return VectorCandidates(VectorIndex(path, embedder.dimensions), record_text, embedder.embed)


def die(error: BaseException) -> None:
    """Ends the process at once: Ray starts another, which recovers from the files."""
    if not isinstance(error, OnefoldError):
        log.critical("the process cannot go on: its memory and the files may differ", exc_info=error)
    logging.shutdown()
    os._exit(1)


class RayActors:
    """Calls to numbered actors. One for each event loop; Ray must have been initialised in this process."""

    def __init__(self, name: Callable[[int], str], namespace: str) -> None:
        """`name` gives the name of an actor by its number, in `namespace`."""
        self._name = name
        self._namespace = namespace
        self._handles: dict[int, Any] = {}

    async def call(self, number: int, method: str, *arguments: object, timeout_s: float) -> Any:
        """Calls a method of an actor, once.

        Raises what the method raises of `actors.errors`, and Unavailable if there was no answer in `timeout_s`: then
        the call may or may not have been carried out.
        """
        try:
            handle = self._handles.get(number)
            if handle is None:
                # Asks Ray's control service, and waits for it: not in the event loop's thread.
                handle = await asyncio.to_thread(ray.get_actor, self._name(number), self._namespace)
                self._handles[number] = handle
            return await asyncio.wait_for(getattr(handle, method).remote(*arguments), timeout_s)
        except TimeoutError:
            raise Unavailable(f"{self._name(number)} did not answer in {timeout_s:.1f} s") from None
        except RayTaskError as error:
            if isinstance(error.cause, OnefoldError):
                raise error.cause from None
            log.error("an actor's method failed", extra={"fields": {"actor": self._name(number), "method": method}})
            raise OnefoldError(f"{self._name(number)} failed at {method}; its log tells more") from None
        except (RayError, ValueError):
            self._handles.pop(number, None)
            raise Unavailable(f"{self._name(number)} is not available; it recovers by itself") from None


class RayShards(RayActors):
    """Calls to shards."""

    def __init__(self, namespace: str = NAMESPACE) -> None:
        super().__init__(actor_name, namespace)

    async def receive(self, destination: int, source: int, first: int, envelopes: list[bytes]) -> int:
        """Hands envelopes to another shard (see `actors.shard.Peers`)."""
        received = await self.call(destination, "receive", source, first, envelopes, timeout_s=_PEER_TIMEOUT_S)
        return int(received)


class RayScorers(RayActors):
    """Calls to scorers, by their shard."""

    def __init__(self, namespace: str = NAMESPACE) -> None:
        super().__init__(scorer_name, namespace)


class RayDeliverer(RayActors):
    """Calls to the deliverer, which is number 0."""

    def __init__(self, namespace: str = NAMESPACE) -> None:
        super().__init__(lambda number: DELIVERER, namespace)


class RayMatchers(RayActors):
    """Calls to matchers."""

    def __init__(self, namespace: str = NAMESPACE) -> None:
        super().__init__(matcher_name, namespace)
