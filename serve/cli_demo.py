"""`onefold demo`: a data directory, a service, a shop full of data, and what the platform makes of it."""

from typing import Annotated

import typer
from rich.console import Console

from pipelines.batch_client import ApiClient
from serve import instance
from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, emit, settings_of, stored_key
from serve.cli_service import GrpcPort, HttpPort, Shards, ready_line
from serve.data_dir import ADMIN_KEY_FILE, create
from serve.settings import Settings


def demo(
    people: Annotated[int, typer.Option("--people", min=100, help="People in the shop.")] = 12_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same shop.")] = 7,
    stop_after: Annotated[bool, typer.Option("--stop", help="Stop the service afterwards.")] = False,
    shards: Shards = None,
    http_port: HttpPort = None,
    grpc_port: GrpcPort = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Start the service, load a demo shop through the public API, and show what came of it."""
    from pipelines.demo_run import print_demo, run_demo
    from serve import launch

    progress = Console(stderr=True)
    settings = settings_of(data_dir, config, shards=shards, http_port=http_port, grpc_port=grpc_port).settings
    record = instance.running(settings.service_path)
    if record is None or not record.ready:
        record = _start(settings, progress)
    key = stored_key(settings)
    try:
        _refuse_to_mix(record, key, settings)
        report = run_demo(record.local_http, record.grpc_address, key, people, seed, progress)
    finally:
        if stop_after:
            launch.stop(settings, timeout_s=60)
    emit(as_json, report.as_json(), lambda console: print_demo(report, console))
    if not (stop_after or as_json):
        key_file = settings.data_path / ADMIN_KEY_FILE
        progress.print(
            f'\nTry it:  curl -u "$(cat {key_file}):" {report.urls["profile"]}\n'
            f"The service goes on in the background; `onefold stop --data-dir {settings.service_path}` ends it.",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )


def _start(settings: Settings, progress: Console) -> instance.Record:
    from serve import launch

    create(settings)
    with progress.status("starting Ray, the shards and the transports"):
        record = launch.detach(settings, None)
    progress.print(ready_line(record, settings.data_dir), highlight=False, soft_wrap=True)
    return record


def _refuse_to_mix(record: instance.Record, key: str, settings: Settings) -> None:
    """The demo's figures are about its own people: it does not load them into anybody else's data."""
    with ApiClient(record.local_http, key, patience_s=30) as client:
        if client.get("/v1/status")["events"]:
            raise CommandError(
                f"{settings.data_path} holds events already: remove it (after `onefold stop`) for a fresh demo, "
                "or give another --data-dir, --http-port and --grpc-port",
                USAGE,
                "not_empty",
            )
