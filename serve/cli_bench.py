"""`onefold bench`: load on the running service, and scoring models on public sets. The work is done in bench/."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console

from pipelines.batch_client import ApiClient
from serve import instance
from serve.cli_common import (
    FAILED,
    AsJson,
    CommandError,
    ConfigFile,
    DataDir,
    Key,
    Url,
    emit,
    locate,
    settings_of,
)

_LOOKUP_KEYS_MAX = 5_000
_PAGE = 1_000

bench = typer.Typer(no_args_is_help=True, help="Measure the running service, and the scoring models.")


@bench.command("lookup")
def lookup(
    grpc: Annotated[
        str, typer.Option("--grpc", help="host:port of the gRPC API. (default: the service's running here)")
    ] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Profile lookups over gRPC at rising rates, beside a bare gRPC server that answers the same bytes."""
    from bench import lookup as work

    base_url, api_key = locate(data_dir, config, url, key)
    if not grpc:
        record = instance.running(settings_of(data_dir, config).settings.service_path)
        if record is None:
            raise CommandError("--grpc: give the address of the gRPC API of the service at --url")
        grpc = record.local_grpc
    progress = Console(stderr=True)
    with ApiClient(base_url, api_key, patience_s=5) as client:
        keys = _keys(client)
    try:
        report = work.run(grpc, api_key, keys, lambda line: progress.print(line, style="dim", highlight=False))
    except ValueError as error:
        raise CommandError(str(error)) from None
    emit(as_json, report, lambda console: console.print("\n".join(work.lines(report)), highlight=False))
    if not all(bar.met for bar in report.bars):
        raise typer.Exit(FAILED)


def _keys(client: ApiClient) -> list[str]:
    """Identifiers of people in the service, from its oldest events."""
    shards = client.get("/v1/status")["shards"]
    after = ",".join(f"{shard['shard']}:0" for shard in shards)
    found: dict[str, None] = {}
    while len(found) < _LOOKUP_KEYS_MAX:
        page = client.get(f"/v1/events?{urlencode({'limit': _PAGE, 'after': after})}")
        for event in page["data"]:
            found.update(dict.fromkeys(event["identifiers"]))
        after = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            break
    return list(found)


@bench.command("ingest")
def ingest(
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long.")] = 60.0,
    connections: Annotated[int, typer.Option("--connections", min=1, max=256, help="Batches under way at once.")] = 8,
    batch: Annotated[int, typer.Option("--batch", min=1, max=2_500, help="Events in a batch.")] = 100,
    new_share: Annotated[float, typer.Option("--new-share", min=0, max=1, help="Share of events of new people.")] = 0.2,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Events a second; 0: as many as it takes.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same people.")] = 1,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Durable events per second through /v1/batch. It leaves its made-up people in the service: use one for tests."""
    from bench.ingest import bench_ingest, print_ingest

    base_url, api_key = locate(data_dir, config, url, key)
    path = settings_of(data_dir, config).settings.service_path
    report = bench_ingest(
        base_url,
        api_key,
        seconds=seconds,
        connections=connections,
        batch_events=batch,
        new_share=new_share,
        rate=rate,
        seed=seed,
        pids=lambda: [pid for pid in instance.processes(path) if pid != os.getpid()],
        console=Console(stderr=True),
    )
    emit(as_json, report.as_json(), lambda console: print_ingest(report, console))
    if report.failed:
        raise typer.Exit(FAILED)


@bench.command("models")
def models(
    data: Annotated[
        Path | None,
        typer.Option("--data", exists=True, file_okay=False, help="Folder with public sets; some come in packages."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Decides what is drawn.")] = 1,
    as_json: AsJson = False,
) -> None:
    """The built-in scoring models on public sets, each beside its simplest rival. It needs no service."""
    from bench.models import bench_models, lines

    progress = Console(stderr=True)
    report = bench_models(data, seed, lambda line: progress.print(line, style="dim", highlight=False))
    emit(as_json, report, lambda console: console.print("\n".join(lines(report)), highlight=False))
    if not report.met:
        raise typer.Exit(FAILED)
