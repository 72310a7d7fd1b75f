"""Commands about data: profiles, events, dead letters, imports. They call the running service's HTTP API."""

import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
import typer
from rich.console import Console

from pipelines.batch_client import ApiClient
from serve.cli_common import (
    PARTLY,
    USAGE,
    AsJson,
    CommandError,
    ConfigFile,
    DataDir,
    Key,
    Limit,
    Url,
    connect,
    emit,
    emit_line,
    locate,
    table,
)

_POLL_S = 0.5
_PAGE = 200

events = typer.Typer(no_args_is_help=True, help="Look at the stream of events.")
deadletter = typer.Typer(no_args_is_help=True, help="Messages that could not be taken: why, and trying them again.")


def profile(
    key: Annotated[str, typer.Argument(help="namespace:value, such as email:jane@example.com", show_default=False)],
    min_seq: Annotated[str, typer.Option("--min-seq", help="Token of an acknowledgement that must be included.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show one person's profile."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get(f"/v1/profiles/{quote(key, safe=':')}" + (f"?min_seq={quote(min_seq)}" if min_seq else ""))
    emit(as_json, found, lambda console: console.print_json(data=found))


@events.command("tail")
def tail(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Events to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones until interrupted.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Print the latest events; with --json one object a line."""
    console = Console()
    with connect(data_dir, config, url, api_key) as client:
        page = client.get(f"/v1/events?limit={limit}")
        while True:
            for event in page["data"]:
                _print_event(console, event, as_json)
            if not follow:
                return
            if not page["cursor"]["has_more"]:
                time.sleep(_POLL_S)
            page = client.get(f"/v1/events?{urlencode({'limit': _PAGE, 'after': page['cursor']['next']})}")


def _print_event(console: Console, event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_line(event)
        return
    name = f" {event['name']}" if event["name"] else ""
    console.print(
        f"{event['timestamp']}  {event['type']}{name}  {event['customer_id']}  from {event['source']}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@deadletter.command("list")
def list_letters(
    limit: Limit = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the messages that were refused, with their reasons."""
    with connect(data_dir, config, url, api_key) as client:
        letters = pages(client, "/v1/deadletters", limit)
    rows = [
        (
            letter["id"],
            letter["received_at"],
            letter["source"],
            letter["type"],
            "; ".join(f"{reason.get('field', '')}: {reason.get('message', '')}" for reason in letter["reasons"]),
            letter["replayed_at"] or "",
        )
        for letter in letters
    ]
    columns = ("ID", "RECEIVED", "SOURCE", "TYPE", "REASONS", "REPLAYED")
    emit(as_json, letters, lambda console: table(console, columns, rows, "no dead letters"))


@deadletter.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids from `deadletter list`.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Try all of them.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Try refused messages again, for example after a schema was corrected."""
    if bool(ids) == everything:
        raise CommandError("give the ids of dead letters, or --all", USAGE, "usage")
    with connect(data_dir, config, url, api_key) as client:
        body: dict[str, Any] = {"all": True} if everything else {"ids": ids}
        answer = page = client.post("/v1/deadletters/replay", body)
        while page["cursor"]["has_more"]:
            page = client.post("/v1/deadletters/replay", {**body, "after": page["cursor"]["next"]})
            answer["replayed"] += page["replayed"]
            answer["rejected"] += page["rejected"]

    def human(console: Console) -> None:
        console.print(f"replayed {answer['replayed']}, refused again {len(answer['rejected'])}")
        for entry in answer["rejected"]:
            reasons = "; ".join(str(reason.get("message", "")) for reason in entry["reasons"])
            console.print(f"  {entry['id']}  {reasons}", markup=False)

    emit(as_json, {"replayed": answer["replayed"], "rejected": answer["rejected"]}, human)
    if answer["rejected"]:
        raise typer.Exit(PARTLY)


@deadletter.command("delete")
def delete(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids from `deadletter list`.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all of them, replayed ones too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Delete refused messages for good."""
    if bool(ids) == everything:
        raise CommandError("give the ids of dead letters, or --all", USAGE, "usage")
    with connect(data_dir, config, url, api_key) as client:
        if not yes:
            typer.confirm(
                "Delete all dead letters?" if everything else "Delete these dead letters?", abort=True, err=True
            )
        body = msgspec.json.encode({"all": True} if everything else {"ids": ids})
        answer = client.request("DELETE", "/v1/deadletters", body)
    emit(as_json, answer, lambda console: console.print(f"deleted {answer['deleted']}"))


def import_path(
    path: Annotated[Path, typer.Argument(help="CSV, JSON Lines or Parquet file.", show_default=False)],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="TOML file that says what the columns are (docs/import.md).")
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="Name of the file in message ids. (default: the file's name)")
    ] = "",
    errors: Annotated[Path | None, typer.Option("--errors", help="Write every refused line here, as JSON.")] = None,
    connections: Annotated[int, typer.Option("--connections", min=1, max=64, help="Batches under way at once.")] = 4,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Import a file. Importing it again changes nothing. Exit code 6 if some lines were refused."""
    from pipelines.import_files import import_file, load_mapping, print_report

    base_url, key = locate(data_dir, config, url, api_key)
    report = import_file(
        path,
        base_url,
        key,
        mapping=load_mapping(mapping),
        source=source,
        connections=connections,
        error_file=errors,
    )
    emit(as_json, report.as_json(), lambda console: print_report(report, console))
    if report.bad:
        raise typer.Exit(PARTLY)


def pages(client: ApiClient, path: str, limit: int) -> list[Any]:
    """Up to `limit` entries of a paged list."""
    found: list[Any] = []
    cursor = ""
    while len(found) < limit:
        query = urlencode({"limit": min(_PAGE, limit - len(found))} | ({"cursor": cursor} if cursor else {}))
        page = client.get(f"{path}{'&' if '?' in path else '?'}{query}")
        found += page["data"]
        cursor = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            break
    return found
