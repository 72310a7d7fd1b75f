"""Starting and stopping the service: everything in order, one line when it is ready, nothing left when it ends.

Start: the data directory is checked and claimed, what a kill left behind is ended, the ports are tried; then Ray, the
shards (which recover from their files), the Serve application, and only then what works beside the shards; then both
transports are asked until they answer.
Stop, by SIGTERM or Ctrl-C: the application drains, Ray ends, and whatever still carries the service's mark is ended
by id. Nothing here is needed for durability: an acknowledged event is in its shard's file already.
"""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import msgspec

from actors.errors import OnefoldError
from pipelines.batch_client import ApiClient, ApiError
from serve import data_dir, instance, logs, ray_node
from serve.addresses import grpc_address, http_url, local_grpc, local_http, port_problem
from serve.cli_common import FAILED, USAGE, CommandError
from serve.log_relay import LogRelay
from serve.settings import Settings, flatten

_LEFTOVER_GRACE_S = 3.0
_STREAMS_END_S_MAX = 10.0
_LAST_WORDS_S = 0.5  # from the end of a stream to when its client has all of it
_POLL_S = 0.1
_WATCH_S = 0.5
_IRREPLACEABLE = ("raylet", "gcs_server")  # everything else is started again by these
_STARTS = "ONEFOLD_START_NUMBER"
_STARTS_MAX = 20
_PROBE_S = 3.0
_LOG_LINES = 15

log = logs.logger("launch")


class NodeLost(Exception):
    """The Ray node under the service is gone; only starting over helps."""


class Stopped(msgspec.Struct, frozen=True):
    """What `stop` found and did."""

    was_running: bool
    pid: int = 0
    forced: bool = False  # it did not end in time and was killed
    swept: list[int] = []  # ids of leftover processes that were ended


def run(settings: Settings, ready: Callable[[instance.Record], None]) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` once. Raises CommandError or DirectoryError if it cannot start."""
    if settings.tenant:
        raise CommandError("tenant: a service serves all of its tenants; leave this setting out", USAGE, "usage")
    shards = data_dir.check(settings)
    logs.configure(settings.log_level)
    output = sys.stdout
    with _claim(settings) as claim, _stop_signal() as stopping, _quiet():
        instance.end(instance.processes(settings.service_path), 0)  # what a kill left behind: nothing waits for it
        _check_ports(settings)
        record = instance.Record(
            pid=os.getpid(),
            started_at=time.time_ns() // 1_000_000,
            version=version("onefold"),
            shards=shards,
            replicas=settings.replicas,
            http_url=http_url(settings),
            grpc_address=grpc_address(settings),
            local_http=local_http(settings),
            local_grpc=local_grpc(settings),
        )
        claim.tell(record)
        before = dict(os.environ)
        os.environ.pop("RAY_ADDRESS", None)
        os.environ.update(ray_node.prepare(settings))
        relay, lost, cells = LogRelay(ray_node.ray_dir(settings)), False, ExitStack()
        try:
            relay.start()
            _start_or_explain(settings, shards, cells)
            stopping.arm()  # Ray has put its own handlers in place
            _wait_ready(settings, stopping)
            if not stopping.is_set():
                record = msgspec.structs.replace(record, ready=True)
                claim.tell(record)
                with redirect_stdout(output):
                    ready(record)
                _watch(settings, stopping)
        except NodeLost:
            lost = True
        finally:
            claim.tell_stopping()
            _stop_serving(claim, cells, gently=not lost)
            relay.stop()
            _sweep(settings)
    if lost:
        _start_over(before)


def detach(settings: Settings, file: Path | None) -> instance.Record:
    """Starts the service in the background and waits until it is ready. Raises CommandError with what it said."""
    data_dir.check(settings)
    log_file = settings.service_path / "logs" / "serve.log"
    log_file.parent.mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, "-P", "-m", "serve", "serve", *([] if file is None else ["--config", str(file)])]
    with open(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        child = subprocess.Popen(
            command,
            env=os.environ | _variables(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while child.poll() is None:
        record = instance.running(settings.service_path)
        if record is not None and record.pid == child.pid and record.ready:
            return record
        time.sleep(_POLL_S)
    said = log_file.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    told = [line.removeprefix("onefold: ") for line in said if line.startswith("onefold: ")]
    raise CommandError(
        told[-1] if told else "it ended before it was ready; the log says:\n" + "\n".join(said),
        child.returncode if child.returncode > 0 else 1,
        "not_started",
    )


def stop(settings: Settings, timeout_s: float) -> Stopped:
    """Asks the running service to stop, waits until nothing of it runs, and forces what is left."""
    record = instance.running(settings.service_path)
    forced = bool(record and instance.end([record.pid], timeout_s))
    swept = instance.processes(settings.service_path)
    instance.end(swept, 0)
    if swept or forced:
        ray_node.sweep(settings)
    return Stopped(record is not None, record.pid if record else 0, forced, swept)


def _start_or_explain(settings: Settings, shards: int, cells: ExitStack) -> None:
    """`_start`, with what Ray raises turned into CommandError, or NodeLost if it worked before."""
    try:
        _start(settings, shards, cells)
    except OnefoldError:
        raise
    except Exception as error:  # Ray's many kinds
        # Nothing of a customer's is known yet, so the error's own words may be logged.
        reason = str(error).strip().rpartition("\n")[2]
        log.error("the service could not start", exc_info=error, extra=logs.fields(reason=reason))
        if _start_number() > 1:
            raise NodeLost from error
        raise CommandError(f"the service could not start: {type(error).__name__}: {reason}") from error


def _start(settings: Settings, shards: int, cells: ExitStack) -> None:
    """Ray, then the shards of all tenants, then the application, then what works beside the shards; `cells` ends all.

    Ray and Serve are imported here: they read the environment then."""
    ray_node.start(settings)
    from ray import serve as ray_serve

    from serve import app
    from serve.tenant_cells import Cells

    logging.getLogger("ray.serve").setLevel(logging.WARNING)

    # Serve's controller and proxies take seconds to start, and so may the shards to recover: side by side.
    with ThreadPoolExecutor(1, thread_name_prefix="serve-start") as pool:
        serving = pool.submit(
            ray_serve.start,
            http_options=app.http_options(settings),
            grpc_options=app.grpc_options(settings),
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )
        tenants = Cells(settings)
        cells.callback(tenants.stop)
        tenants.start_shards()
        serving.result()
    target = ray_serve.RunTarget(app.build_app(settings, shards), name=app.APP_NAME, route_prefix="/")
    ray_serve.run_many([target], wait_for_applications_running=False)  # Serve would look once a second
    while not app.is_running():
        time.sleep(_POLL_S)
    tenants.start_others()  # only now: Ray starts processes in turn, and nobody waits for these


def _wait_ready(settings: Settings, stopping: "_Stopping") -> None:
    """Asks both transports until they answer. Raises CommandError when start_timeout_s is over."""
    deadline = time.monotonic() + settings.start_timeout_s
    missing = [_http_ready, _grpc_ready]
    while missing and not stopping.is_set():
        missing = [is_ready for is_ready in missing if not is_ready(settings)]
        if missing and time.monotonic() > deadline:
            raise CommandError(
                f"start_timeout_s: not ready after {settings.start_timeout_s:g} s; `onefold doctor` may tell why",
                FAILED,
                "not_ready",
            )
        if missing:
            stopping.wait(_POLL_S)


def _http_ready(settings: Settings) -> bool:
    try:
        with ApiClient(local_http(settings), timeout_s=_PROBE_S, patience_s=0) as client:
            client.data("/readyz")
    except ApiError:
        return False
    return True


def _grpc_ready(settings: Settings) -> bool:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(local_grpc(settings)) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_PROBE_S)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _watch(settings: Settings, stopping: "_Stopping") -> None:
    """Returns at the signal to stop. Raises NodeLost as soon as a process ends that Ray cannot replace."""
    with ExitStack() as stack:
        poll = select.poll()
        for pid in instance.processes(settings.service_path):
            if instance.name(pid) in _IRREPLACEABLE:
                handle = os.pidfd_open(pid)
                stack.callback(os.close, handle)
                poll.register(handle, select.POLLIN)
        while not stopping.wait(_WATCH_S):
            if poll.poll(0):
                log.error("the Ray node is gone: starting over")
                raise NodeLost


def _start_number() -> int:
    """1, or more if this process has started over."""
    return int(os.environ.get(_STARTS, "1"))


def _start_over(environment: dict[str, str]) -> None:
    """Runs the same command again in this process, which keeps its id. Raises CommandError if that does not help."""
    starts = _start_number()
    if starts >= _STARTS_MAX:
        raise CommandError(f"the Ray node was lost {starts} times: see the log", FAILED, "node_lost")
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment | {_STARTS: str(starts + 1)})  # nosec B606


def _stop_serving(claim: instance.Claim, cells: ExitStack, gently: bool) -> None:
    """Drains the application, then ends the shards (`cells`) and Ray; not `gently`, all of that is left to `_sweep`."""
    if "ray" not in sys.modules or not gently:
        return
    import ray

    if ray.is_initialized():
        from ray import serve as ray_serve

        # Serve ends the proxy at once, and with it what still goes through it.
        if claim.wait_for_streams(_STREAMS_END_S_MAX):
            time.sleep(_LAST_WORDS_S)
        with suppress(Exception):  # the node may be half gone: what is left is swept
            ray_serve.shutdown()
        with suppress(Exception):
            cells.close()
        with suppress(Exception):
            ray.shutdown()


def _sweep(settings: Settings) -> None:
    """Ends what did not end by itself, and empties the directories."""
    if killed := instance.end(instance.processes(settings.service_path), _LEFTOVER_GRACE_S):
        log.warning("processes did not end when asked", extra=logs.fields(count=len(killed)))
    ray_node.sweep(settings)


class _Stopping:
    """Set by the first SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def arm(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        return self._event.wait(timeout_s)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._event.set()


@contextmanager
def _stop_signal() -> Iterator[_Stopping]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stopping = _Stopping()
    stopping.arm()
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Drops what Ray prints on standard output: news of workers, in their own words, which may quote anything."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


def _claim(settings: Settings) -> instance.Claim:
    try:
        return instance.Claim(settings.service_path)
    except instance.Busy as busy:
        who = f"pid {busy.pid}" if busy.pid else "another process"
        raise CommandError(
            f"{who} serves {settings.service_path} already: `onefold stop` ends it", USAGE, "already_running"
        ) from None


def _check_ports(settings: Settings) -> None:
    for name, port in (("http_port", settings.http_port), ("grpc_port", settings.grpc_port)):
        if problem := port_problem(settings.http_host, port):
            raise CommandError(f"{name}: {problem}", USAGE, "port_in_use")


def _variables(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, so that a child has the very same, whatever set them."""
    return {
        "ONEFOLD_" + name.upper().replace(".", "__"): value if isinstance(value, str) else _json(value)
        for name, value in flatten(settings).items()
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
