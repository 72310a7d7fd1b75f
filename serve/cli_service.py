"""Commands about the service itself: init, serve, stop, status."""

import time
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from pipelines.batch_client import ApiClient, ApiError
from serve import instance
from serve.cli_common import (
    NOT_RUNNING,
    AsJson,
    CommandError,
    ConfigFile,
    DataDir,
    Key,
    Url,
    connect,
    emit,
    emit_line,
    settings_of,
    stored_key,
    table,
)
from serve.data_dir import Made, create

LogLevel = Literal["debug", "info", "warning", "error"]
Shards = Annotated[
    int | None, typer.Option("--shards", min=1, help="Number of shards; fixed at init. (default: cores)")
]
HttpHost = Annotated[str | None, typer.Option("--http-host", help="Address to listen on. (default: 127.0.0.1)")]
HttpPort = Annotated[int | None, typer.Option("--http-port", help="Port of the HTTP API. (default: 8080)")]
GrpcPort = Annotated[int | None, typer.Option("--grpc-port", help="Port of the gRPC API. (default: 50051)")]
Replicas = Annotated[int | None, typer.Option("--replicas", min=1, help="Processes that answer requests. (default: 1)")]


def init(
    shards: Shards = None,
    http_host: HttpHost = None,
    http_port: HttpPort = None,
    grpc_port: GrpcPort = None,
    replicas: Replicas = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a data directory: settings, control store, and the first keys."""
    flags = {"http_host": http_host, "http_port": http_port, "grpc_port": grpc_port, "replicas": replicas}
    chosen = tuple(name for name, value in flags.items() if value is not None)
    made = create(settings_of(data_dir, config, shards=shards, **flags).settings, chosen)
    emit(as_json, made, lambda console: _show_made(console, made))


def _show_made(console: Console, made: Made) -> None:
    console.print(f"data directory  {made.data_dir} ({made.shards} shards)", highlight=False, soft_wrap=True)
    console.print(f"settings        {made.settings_file}", highlight=False, soft_wrap=True)
    console.print(
        f"admin key       {made.admin_key_file}, which the command line uses", highlight=False, soft_wrap=True
    )
    if made.ingest_key:
        console.print(f"write key       {made.ingest_key}   (shown once)", highlight=False, soft_wrap=True)
    else:
        console.print("keys            as they were: `onefold keys list`", highlight=False)
    console.print("next            onefold serve", highlight=False)


def serve(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Go on in the background once it is ready.")] = False,
    shards: Shards = None,
    http_host: HttpHost = None,
    http_port: HttpPort = None,
    grpc_port: GrpcPort = None,
    replicas: Replicas = None,
    log_level: Annotated[LogLevel | None, typer.Option("--log-level", help="(default: info)")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Run the service until SIGTERM or Ctrl-C. Prints one line when it is ready."""
    from serve import launch

    flags = {
        "shards": shards,
        "http_host": http_host,
        "http_port": http_port,
        "grpc_port": grpc_port,
        "replicas": replicas,
        "log_level": log_level,
    }
    loaded = settings_of(data_dir, config, **flags)

    def ready(record: instance.Record) -> None:
        if as_json:
            emit_line(record)
        else:
            print(ready_line(record, str(loaded.settings.data_path)), flush=True)

    if detach:
        ready(launch.detach(loaded.settings, loaded.file))
    else:
        launch.run(loaded.settings, ready)


def ready_line(record: instance.Record, data_dir: str) -> str:
    """The one line that says that the service is ready, and where."""
    return (
        f"onefold {record.version} is ready: HTTP {record.http_url} (docs at {record.http_url}/docs), "
        f"gRPC {record.grpc_address}, {record.shards} shards, data in {data_dir}"
    )


def stop(
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds until it is ended by force.")] = 60.0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Stop the service and wait until nothing of it runs. Exit code 3 if it did not run."""
    from serve import launch

    settings = settings_of(data_dir, config).settings
    stopped = launch.stop(settings, timeout)
    emit(as_json, stopped, lambda console: console.print(_show_stopped(stopped), highlight=False))
    if not stopped.was_running:
        raise typer.Exit(NOT_RUNNING)


def _show_stopped(stopped: Any) -> str:
    said = f"stopped (pid {stopped.pid})" if stopped.was_running else "not running"
    if stopped.swept:
        said += f"; ended {len(stopped.swept)} leftover processes"
    return said


def status(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show whether the service runs, and what its shards hold. Exit code 3 if it does not run."""
    if url:
        with connect(data_dir, config, url, key) as client:
            counts = client.get("/v1/status")
        emit(as_json, {"running": True, "ready": True, **counts}, lambda console: _show_counts(console, counts))
        return
    settings = settings_of(data_dir, config).settings
    record = instance.running(settings.service_path)
    if record is None:
        emit(as_json, {"running": False}, lambda console: console.print(f"not running on {settings.service_path}"))
        raise typer.Exit(NOT_RUNNING)
    counts = {}
    if record.ready:
        with ApiClient(record.local_http, key or stored_key(settings), timeout_s=10, patience_s=10) as client:
            try:
                counts = client.get("/v1/status")
            except ApiError as error:
                raise CommandError(
                    f"the service runs and does not answer: {error.message}", NOT_RUNNING, error.code
                ) from None

    def human(console: Console) -> None:
        seconds = time.time() - record.started_at / 1000
        state = "ready" if record.ready else "starting"
        console.print(
            f"{state}, pid {record.pid}, up {_duration(seconds)}, HTTP {record.http_url}, gRPC {record.grpc_address}"
        )
        if counts:
            _show_counts(console, counts)

    emit(as_json, {"running": True, "service": record, **counts}, human)


def _show_counts(console: Console, counts: dict[str, Any]) -> None:
    console.print(
        f"{counts['profiles']:,} profiles, {counts['identifiers']:,} identifiers, {counts['events']:,} events, "
        f"{counts['duplicates']:,} duplicates, {counts['dead_letters']:,} dead letters",
        highlight=False,
    )
    rows = [
        (
            shard["shard"],
            f"{shard['profiles']:,}",
            f"{shard['events']:,}",
            f"{shard['in_flight']:,}",
            f"{shard['pending_matches']:,}",
            f"{shard['reviews']:,}",
            f"{shard['resident_bytes'] / 1e6:.0f} MB",
        )
        for shard in counts["shards"]
    ]
    table(console, ("SHARD", "PROFILES", "EVENTS", "IN FLIGHT", "TO MATCH", "REVIEWS", "MEMORY"), rows, "")
    console.print(_matching_line(counts), highlight=False)


def _matching_line(counts: dict[str, Any]) -> str:
    matchers = counts["matchers"]
    waited_s = counts["pending_match_ms"] / 1000
    waiting = f"{counts['pending_matches']:,} profiles wait, the oldest for {waited_s:.1f} s"
    reviews = f"{counts['reviews']:,} open reviews"
    if matchers is None:
        return f"matching: the matchers do not answer; {waiting}; {reviews}"
    if not matchers:
        return "matching is off"
    linked = sum(matcher["linked"] for matcher in matchers)
    ready = sum(matcher["ready"] for matcher in matchers)
    return f"matching: {ready} of {len(matchers)} matchers ready, {linked:,} linked since start; {waiting}; {reviews}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {rest}s"
