"""Hosts: each version of a model that is plugged in runs in a process of its own, which may do anything but harm.

A host that does not answer in time is ended from within, by a clock that no code of the model can hold up. One that
takes too much memory is refused it. When a host is lost it is started again, after a pause that grows as long as it is
lost again. Whatever happens, callers get scores that fit the signature or `ModelFailed`, whose reason names the kind of
error and never its text: that may be about people. For the same reason nothing that a model prints or logs is kept.

A host is the detached Ray actor "model-NAME-VERSION" in its tenant's namespace, shared by all who ask for the version.
"""

import asyncio
import contextlib
import faulthandler
import logging
import os
import re
import resource
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.errors import OnefoldError
from actors.model_loading import load
from actors.namespaces import NAMESPACE
from models.scoring.contract import VALUE, Explaining, OneRow, Refused, ScoringModel, checked
from models.scoring.hosting import HostSettings, ModelFailed, pause_s, told_error
from models.scoring.registry import ModelVersion
from models.scoring.trial import one_row

_PREFIX = "model-"
_WAITING = 4  # so many times its limit a call may take: those of others come first
GRACE_S = 5.0
_UNIT_MAX = 100  # characters

log = logging.getLogger("onefold.models")


class Failure(msgspec.Struct, frozen=True):
    """Why a host has no answer, and whether it is of no use any more."""

    reason: str
    lost: bool = False


class ModelHost:
    """The actor: one version, loaded once. Everything that is wrong with the model is an answer, never an error."""

    def __init__(self, model: ModelVersion, models_dir: str, memory_bytes: int) -> None:
        self._version = model
        self._models_dir = Path(models_dir)
        self._model: ScoringModel | None = None
        nowhere = os.open(os.devnull, os.O_RDWR)
        self._nowhere = os.fdopen(nowhere, "w")
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        # What a process may write to: neither shared memory nor code counts. Not to be raised again.
        limit = _data_bytes() + memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def start(self, limit_s: float) -> Failure | None:
        """Loads the model, unless it is."""
        if self._model is None:
            with self._clock(limit_s):
                try:
                    self._model = load(self._version, self._models_dir)
                except OnefoldError as error:  # of ours: their messages name nobody
                    return Failure(error.message, lost=True)
                except ModelFailed as error:
                    return Failure(error.reason, lost=True)
                except BaseException as error:
                    return Failure(f"it cannot be loaded: {told_error(error)}", lost=True)
        return None

    def score(self, features: pa.RecordBatch, limit_s: float) -> pa.RecordBatch | Failure:
        """Scores as the signature wants them, null where there is none. `start` must have been called."""
        model = self._model
        assert model is not None
        with self._clock(limit_s):
            try:
                if features.num_rows == 1 and isinstance(model, OneRow):
                    return cleaned(model, one_row(model, features), 1)
                return cleaned(model, model.score(features), features.num_rows)
            except Refused as error:
                return Failure(str(error))
            except MemoryError:
                return Failure("it needs more memory than a host may have (scoring.hosts.memory_mb)", lost=True)
            except BaseException as error:
                return Failure(told_error(error))

    def explain(self, features: pa.RecordBatch, limit_s: float) -> tuple[str, pa.RecordBatch] | Failure | None:
        """What each feature adds to the scores of people, and the unit of that; None if it is not loaded or does not
        tell."""
        model = self._model
        if not isinstance(model, Explaining):
            return None
        with self._clock(limit_s):
            try:
                return str(model.explained_in)[:_UNIT_MAX], model.explain(features)
            except BaseException as error:
                return Failure(told_error(error))

    def process_id(self) -> int:
        """The host's process."""
        return os.getpid()

    @contextlib.contextmanager
    def _clock(self, limit_s: float) -> Iterator[None]:
        """Ends the process when the time is over, also while native code runs."""
        faulthandler.dump_traceback_later(limit_s, exit=True, file=self._nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def cleaned(model: ScoringModel, scores: object, people: int) -> pa.RecordBatch:
    """What a model gave, checked: the contract's columns alone, null where a score is none. Raises Refused, also if
    there were scores and not one is valid."""
    columns = checked(model.signature, scores, people)
    given = scores.column(VALUE).null_count if isinstance(scores, pa.RecordBatch | pa.Table) else people
    if given < people and not any(value is not None for value in columns[VALUE]):
        raise Refused(f"{VALUE}: not one of its scores is valid: they are not finite, out of range, or no such label")
    kind = pa.string() if model.signature.output.kind == "label" else pa.float64()
    return pa.RecordBatch.from_pydict({name: pa.array(column, kind) for name, column in columns.items()})


class _Host:
    """What one who asks knows of a host."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.failures = 0  # in a row
        self.paused_until = 0.0
        self.reason = ""


class ModelHosts:
    """Asks hosts, and starts them when they are needed. One for each event loop; Ray must have been initialised."""

    def __init__(self, models_dir: Path, settings: HostSettings, namespace: str = NAMESPACE) -> None:
        self._models_dir = models_dir
        self._settings = settings
        self._namespace = namespace
        self._hosts: dict[str, _Host] = {}

    async def score(
        self, model: ModelVersion, features: pa.RecordBatch, timeout_s: float | None = None
    ) -> pa.RecordBatch:
        """A version's scores of people: the contract's columns, null where there is none. Raises ModelFailed.

        `timeout_s` is the model's time, by default that of the settings; those of other callers come on top of it.
        """
        limit_s = self._settings.timeout_s if timeout_s is None else timeout_s
        host = self._hosts.setdefault(model.reference, _Host())
        if time.monotonic() < host.paused_until:
            raise ModelFailed(host.reason)
        if host.handle is None:
            start_s = self._settings.start_timeout_s
            host.handle = await asyncio.to_thread(self._create, model)
            await self._call(model, host, host.handle.start.remote(start_s), start_s, "was loaded")
        answer = await self._call(model, host, host.handle.score.remote(features, limit_s), limit_s, "scored")
        host.failures = 0
        found: pa.RecordBatch = answer
        return found

    async def keep(self, models: Iterable[ModelVersion]) -> None:
        """Ends the hosts of all versions but these."""
        names = {host_name(model) for model in models}
        for reference in [each for each in self._hosts if _PREFIX + each.replace("@", "-") not in names]:
            del self._hosts[reference]
        await asyncio.to_thread(stop_hosts, self._namespace, names)

    async def _call(self, model: ModelVersion, host: _Host, answer: Any, limit_s: float, doing: str) -> Any:
        """What a call of a host came to. Raises ModelFailed, after which a host that is of no use has been ended."""
        began = time.monotonic()
        try:
            found = await asyncio.wait_for(answer, limit_s * _WAITING + GRACE_S)
        except TimeoutError:
            found = Failure(_late(limit_s), lost=True)
        except RayError:
            late = time.monotonic() - began >= limit_s
            found = Failure(_late(limit_s) if late else f"its process ended while it {doing}", lost=True)
        if not isinstance(found, Failure):
            return found
        if found.lost:
            handle, host.handle = host.handle, None
            host.failures += 1
            host.reason = found.reason
            host.paused_until = time.monotonic() + pause_s(host.failures)
            if handle is not None:
                await asyncio.to_thread(_end, handle)
            fields = {"model": model.reference, "reason": found.reason, "failures": host.failures}
            log.error("the host of a model was lost", extra={"fields": fields})
        raise ModelFailed(found.reason)

    def _create(self, model: ModelVersion) -> Any:
        """The host's actor, which is there or is made."""
        placement = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        return (
            ray.remote(ModelHost)
            .options(
                name=host_name(model),
                namespace=self._namespace,
                lifetime="detached",
                get_if_exists=True,
                # Ray would start a host that ended at once; here there is a pause first.
                max_restarts=0,
                num_cpus=0,
                scheduling_strategy=placement,
            )
            .remote(model, str(self._models_dir), self._settings.memory_mb << 20)
        )


def stop_hosts(namespace: str, but: Iterable[str] = ()) -> None:
    """Ends the hosts in a namespace, but those of these names."""
    for actor in ray.util.list_named_actors(all_namespaces=True):
        name = actor["name"]
        if actor["namespace"] == namespace and name.startswith(_PREFIX) and name not in but:
            with contextlib.suppress(ValueError):  # it has ended
                _end(ray.get_actor(name, namespace=namespace))


def host_name(model: ModelVersion) -> str:
    """Of its actor."""
    return f"{_PREFIX}{model.name}-{model.version}"


def _end(handle: Any) -> None:
    with contextlib.suppress(RayError):
        ray.kill(handle, no_restart=True)


def _late(limit_s: float) -> str:
    return f"it did not answer in {limit_s:g} s"


def _data_bytes() -> int:
    """What the process may write to now."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmData:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
