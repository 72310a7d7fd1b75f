"""One service for one data directory: who holds the directory, what runs in it, and which processes are its.

Three facts, kept apart because each survives a kill in its own way. The lock is the kernel's: it is gone the moment
its holder is, however that ended. The record says where the service listens; it may be stale, so the lock is asked
first. And every process that the service starts carries its data directory in its environment (`MARK`), so that what
a `kill -9` left behind can be found and ended, by id and by nothing broader. Linux only, like Ray Serve's HAProxy.
"""

import fcntl
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

import msgspec

MARK = "ONEFOLD_INSTANCE"
_LOCK = "service.lock"
_RECORD = "service.json"
_STOPPING = "stopping"
_STREAMS = "streams.lock"
_LOOK_S = 0.02


class Busy(Exception):
    """Another process holds the data directory; `pid` is its id, 0 if it has not said."""

    def __init__(self, pid: int) -> None:
        super().__init__("the data directory is in use")
        self.pid = pid


class Record(msgspec.Struct, frozen=True):
    """What the running service tells of itself."""

    pid: int
    started_at: int  # ms
    version: str
    shards: int
    replicas: int
    http_url: str
    grpc_address: str
    local_http: str  # base URL for commands on this machine
    local_grpc: str
    ready: bool = False


class Claim:
    """Holds the data directory for this process. A context manager; raises Busy if another one has it."""

    def __init__(self, data_dir: Path) -> None:
        self._run = data_dir / "run"
        self._run.mkdir(mode=0o700, exist_ok=True)
        self._descriptor = os.open(self._run / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            record = _read(self._run / _RECORD)
            raise Busy(record.pid if record else 0) from None
        (self._run / _RECORD).unlink(missing_ok=True)
        (self._run / _STOPPING).unlink(missing_ok=True)

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def tell(self, record: Record) -> None:
        """Publishes the record, whole or not at all."""
        draft = self._run / (_RECORD + ".new")
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(self._run / _RECORD)

    def tell_stopping(self) -> None:
        """Says to all processes of this machine that the service stops: what would never end by itself, ends."""
        (self._run / _STOPPING).touch(mode=0o600)

    def wait_for_streams(self, timeout_s: float) -> bool:
        """Waits until nothing is within `streaming` any more; whether something was."""
        descriptor = os.open(self._run / _STREAMS, os.O_RDWR | os.O_CREAT, 0o600)
        deadline, waited = time.monotonic() + timeout_s, False
        try:
            while time.monotonic() < deadline:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                waited = True
                time.sleep(_LOOK_S)
        finally:
            os.close(descriptor)
        return waited

    def release(self) -> None:
        """Takes back the record and lets go of the directory."""
        (self._run / _RECORD).unlink(missing_ok=True)
        os.close(self._descriptor)


def running(data_dir: Path) -> Record | None:
    """The record of the service that holds the directory; None if none does (or it has only just begun)."""
    run = data_dir / "run"
    try:
        descriptor = os.open(run / _LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read(run / _RECORD)
    finally:
        os.close(descriptor)
    return None


def is_stopping(data_dir: Path) -> bool:
    """Whether the service that holds the directory is about to end. Takes microseconds."""
    return (data_dir / "run" / _STOPPING).exists()


@contextmanager
def streaming(data_dir: Path) -> Iterator[None]:
    """Within it is what ends by itself once the service stops, and what the service waits for then."""
    descriptor = os.open(data_dir / "run" / _STREAMS, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def mark(data_dir: Path) -> str:
    """The value of MARK for this directory."""
    return str(data_dir.resolve())


def processes(data_dir: Path) -> list[int]:
    """Ids of all processes that the directory's service started, now or before a kill; not the service itself."""
    entry = f"{MARK}={mark(data_dir)}".encode()
    found = []
    for number in os.listdir("/proc"):
        if number.isdigit() and int(number) != os.getpid():
            with suppress(OSError):  # ended meanwhile, or another user's
                if entry in Path("/proc", number, "environ").read_bytes().split(b"\0"):
                    found.append(int(number))
    return sorted(found)


def name(pid: int) -> str:
    """A process's name as the kernel has it (15 characters); empty if it has ended."""
    try:
        return Path("/proc", str(pid), "comm").read_text().strip()
    except OSError:
        return ""


def end(pids: Iterable[int], grace_s: float) -> list[int]:
    """Asks processes to end, and after `grace_s` makes them. Returns the ids of those that had to be killed."""
    with ExitStack() as stack:
        handles: dict[int, int] = {}
        for pid in pids:
            with suppress(OSError):  # ended already
                # A handle stays with the process: the signal cannot reach another that got the same number.
                handles[pid] = os.pidfd_open(pid)
                stack.callback(os.close, handles[pid])
        left = _signal_and_wait(handles, signal.SIGTERM, grace_s)
        _signal_and_wait(left, signal.SIGKILL, 10.0)
        return sorted(left)


def _signal_and_wait(handles: dict[int, int], number: signal.Signals, timeout_s: float) -> dict[int, int]:
    """Signals each process and waits for all to end. Returns those that have not."""
    for handle in handles.values():
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
    deadline = time.monotonic() + timeout_s
    left = dict(handles)
    while left:
        poll = select.poll()
        for handle in left.values():
            poll.register(handle, select.POLLIN)
        wait_ms = max(0, int((deadline - time.monotonic()) * 1000))
        ended = {handle for handle, _ in poll.poll(wait_ms)}
        left = {pid: handle for pid, handle in left.items() if handle not in ended}
        if not ended:
            break
    return left


def _read(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None
