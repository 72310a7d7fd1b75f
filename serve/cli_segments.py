"""Commands about segments: definitions, members, counts. They call the running service's HTTP API."""

import json
import sys
from typing import Annotated, Any
from urllib.parse import quote

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
    body |= ({"id": segment_id} if segment_id else {}) | ({"name": name} if name else {})
    if not body.get("name"):
        raise CommandError("name: give --name, or a name in the definition", USAGE, "usage")
    with connect(data_dir, config, url, api_key) as client:
        made = client.post("/v1/segments", body)
    emit(as_json, made, lambda console: console.print(f"{made['id']}: {_members(made)} members"))


@segments.command("list")
def list_segments(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List segments with their sizes."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get("/v1/segments")["segments"]
    rows = [(segment["id"], segment["name"], _members(segment), segment["created_at"]) for segment in found]
    columns = ("ID", "NAME", "MEMBERS", "CREATED")
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
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List who is in a segment."""
    with connect(data_dir, config, url, api_key) as client:
        found = pages(client, f"/v1/segments/{quote(segment_id, safe='')}/members", limit)
    rows = [(member["customer_id"], member["entered_at"]) for member in found]
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
    emit(as_json, answer, lambda console: console.print(f"{answer['members']} members"))


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
