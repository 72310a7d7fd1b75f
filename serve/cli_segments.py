"""Commands about segments: definitions, members, counts. They call the running service's HTTP API."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.console import Console

from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, Key, Limit, Url, connect, emit, table
from serve.cli_data import pages

segments = typer.Typer(no_args_is_help=True, help="Define segments, count them, list who is in them.")

Definition = Annotated[
    str, typer.Argument(help="A JSON file, - for standard input, or JSON (docs/segments.md).", show_default=False)
]
SegmentId = Annotated[str, typer.Argument(help="The segment's id.", show_default=False)]


@segments.command("create")
def create(
    definition: Definition,
    segment_id: Annotated[str, typer.Option("--id", help="Id, unless the definition has one.")] = "",
    name: Annotated[str, typer.Option("--name", help="Name, unless the definition has one.")] = "",
    refresh: Annotated[str, typer.Option("--refresh", help="Evaluate it so often (15m, 1d), not in real time.")] = "",
    holdout: Annotated[float, typer.Option("--holdout", help="Percent kept back from activation.")] = 0.0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Create or replace a segment: {"id", "name", "criteria"}, or only the criteria with --name."""
    body = _read(definition)
    if "criteria" not in body:
        body = {"criteria": body}
    given = {"id": segment_id, "name": name, "refresh": refresh, "holdout": holdout}
    body |= {key: value for key, value in given.items() if value}
    if not body.get("name"):
        raise CommandError("name: give --name, or a name in the definition", USAGE, "usage")
    with connect(data_dir, config, url, api_key) as client:
        made = client.post("/v1/segments", body)
    for note in made["notes"]:
        Console(stderr=True).print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    emit(as_json, made, lambda console: console.print(f"{made['id']}: {_members(made)} members"))


@segments.command("list")
def list_segments(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List segments with their sizes, and whether each is up to date."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get("/v1/segments")["segments"]
    rows = [
        (
            each["id"],
            each["name"],
            _members(each),
            each["state"] + (f": {each['error']}" if each["error"] else ""),
            each["refresh"],
            each["late_ms"],
            each["created_at"],
        )
        for each in found
    ]
    columns = ("ID", "NAME", "MEMBERS", "STATE", "REFRESH", "LATE MS", "CREATED")
    emit(as_json, found, lambda console: table(console, columns, rows, "no segments"))


@segments.command("show")
def show(
    segment_id: SegmentId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a segment's definition and size."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get(f"/v1/segments/{quote(segment_id, safe='')}")
    emit(as_json, found, lambda console: console.print_json(data=found))


@segments.command("members")
def members(
    segment_id: SegmentId,
    limit: Limit = 100,
    at: Annotated[str, typer.Option("--at", help="Who was in it at this past time (ISO 8601).")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List who is in a segment."""
    with connect(data_dir, config, url, api_key) as client:
        query = f"?at={quote(at, safe='')}" if at else ""
        found = pages(client, f"/v1/segments/{quote(segment_id, safe='')}/members{query}", limit)
    rows = [(member["customer_id"], member["entered_at"] or "") for member in found]
    emit(as_json, found, lambda console: table(console, ("CUSTOMER ID", "ENTERED"), rows, "nobody"))


@segments.command("preview")
def preview(
    definition: Definition,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Count who would be in a segment, without making it."""
    body = _read(definition)
    with connect(data_dir, config, url, api_key) as client:
        answer = client.post("/v1/segments/preview", {"criteria": body.get("criteria", body)})
    emit(as_json, answer, lambda console: console.print(f"{_members(answer)} members of {answer['people']} people"))


@segments.command("backtest")
def backtest(
    definition: Definition,
    days: Annotated[int, typer.Option("--days", help="How many past days.", min=1, max=400)] = 30,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Count who would have been in a segment on each of the past days."""
    body = _read(definition)
    with connect(data_dir, config, url, api_key) as client:
        asked = {"criteria": body.get("criteria", body), "days": days}
        answer = client.post("/v1/segments/backtest", asked)["data"]
    rows = [(day["at"][:10], _members(day)) for day in answer]
    emit(as_json, answer, lambda console: table(console, ("DAY", "MEMBERS"), rows, "no days"))


@segments.command("history")
def history(
    segment_id: SegmentId,
    since: Annotated[str, typer.Option("--from", help="ISO 8601. (default: 30 days ago)")] = "",
    step: Annotated[str, typer.Option("--step", help="1d, 1h, ...")] = "1d",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show how a segment grew."""
    query = urlencode({"from": since, "step": step})
    with connect(data_dir, config, url, api_key) as client:
        answer = client.get(f"/v1/segments/{quote(segment_id, safe='')}/history?{query}")
    rows = [(each["at"], _members(each), each["entered"], each["left"]) for each in answer["data"]]
    emit(as_json, answer, lambda console: table(console, ("AT", "MEMBERS", "ENTERED", "LEFT"), rows, "nothing"))


@segments.command("analytics")
def analytics(
    segment_id: SegmentId,
    conversion: Annotated[str, typer.Option("--conversion", help="Event that is a conversion.")] = "",
    within: Annotated[str, typer.Option("--within", help="How long after entering it counts.")] = "7d",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show what a segment's members are like: growth, traits, behaviors, value, engagement, conversion."""
    query = urlencode({"conversion": conversion, "within": within})
    with connect(data_dir, config, url, api_key) as client:
        answer = client.get(f"/v1/segments/{quote(segment_id, safe='')}/analytics?{query}")
    emit(as_json, answer, lambda console: console.print_json(data=answer))


@segments.command("overlap")
def overlap(
    segment_ids: Annotated[list[str], typer.Argument(help="Ids of segments.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Count who is in both of each two segments."""
    query = urlencode({"segments": ",".join(segment_ids)})
    with connect(data_dir, config, url, api_key) as client:
        answer = client.get(f"/v1/segments/overlap?{query}")
    rows = [(each, *row) for each, row in zip(answer["segments"], answer["members"], strict=True)]
    emit(as_json, answer, lambda console: table(console, ("", *answer["segments"]), rows, "nothing"))


@segments.command("why")
def why(
    segment_id: SegmentId,
    key: Annotated[str, typer.Argument(help="namespace:value, or a customer id.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show why somebody is in a segment, or is not: each clause with what was found and the events behind it."""
    with connect(data_dir, config, url, api_key) as client:
        answer = client.get(f"/v1/segments/{quote(segment_id, safe='')}/why?{urlencode({'key': key})}")
    emit(as_json, answer, lambda console: console.print_json(data=answer))


@segments.command("export")
def export(
    segment_id: SegmentId,
    output: Annotated[Path, typer.Argument(help="A .csv, .parquet, .arrow or .lance file.", show_default=False)],
    traits: Annotated[str, typer.Option("--traits", help="Names of traits, with commas between them.")] = "",
    purpose: Annotated[
        str, typer.Option("--purpose", help="What they are for. (default: that of the key, else of the segment)")
    ] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Write a segment's members to a file, or to a LanceDB table."""
    from pipelines.export_members import export_members  # pyarrow takes a moment to import

    names = [name for name in traits.split(",") if name]
    with connect(data_dir, config, url, api_key) as client:
        try:
            count = export_members(client, segment_id, names, output, purpose)
        except ValueError as error:
            raise CommandError(str(error), USAGE, "usage") from None
    answer = {"segment_id": segment_id, "members": count, "output": str(output)}
    emit(as_json, answer, lambda console: _said(console, f"{count} members in {output}"))


@segments.command("delete")
def delete(
    segment_id: SegmentId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Delete a segment and its memberships."""
    if not (yes or as_json):
        typer.confirm(f"Delete the segment {segment_id} and its memberships?", abort=True)
    with connect(data_dir, config, url, api_key) as client:
        client.request("DELETE", f"/v1/segments/{quote(segment_id, safe='')}")
    answer = {"id": segment_id, "deleted": True}
    emit(as_json, answer, lambda console: _said(console, f"{segment_id} is deleted"))


def _said(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)


def _members(segment: dict[str, Any]) -> object:
    """The size; not known while the shards still count."""
    return "?" if segment["members"] is None else segment["members"]


def _read(definition: str) -> dict[str, Any]:
    """The JSON object in a file, on standard input or in the argument itself."""
    try:
        if definition == "-":
            text = sys.stdin.read()
        elif definition.lstrip().startswith("{"):
            text = definition
        else:
            with open(definition, encoding="utf-8") as file:
                text = file.read()
    except OSError as error:
        raise CommandError(f"definition: {definition} cannot be read: {error.strerror}", USAGE, "usage") from None
    try:
        body = json.loads(text)
    except ValueError as error:
        raise CommandError(f"definition: not JSON: {error}", USAGE, "usage") from None
    except RecursionError:
        raise CommandError("definition: objects and arrays are nested too deep", USAGE, "usage") from None
    if not isinstance(body, dict):
        raise CommandError("definition: expected a JSON object", USAGE, "usage")
    return body
