"""`onefold privacy decisions` and `review`: what was decided about a person by itself."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from serve.cli_common import AsJson, ConfigFile, DataDir, Key, Limit, Url, connect, emit, table
from serve.cli_corrections import Person
from serve.cli_data import pages

decisions_app = typer.Typer(no_args_is_help=True)


class Outcome(StrEnum):
    """What a human makes of a decision."""

    upheld = "upheld"
    overturned = "overturned"


@decisions_app.command("decisions")
def list_decisions(
    person: Person,
    limit: Limit = 100,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List what was decided about a person by itself, oldest first."""
    with connect(data_dir, config, url, api_key) as client:
        found = pages(client, f"/v1/profiles/{quote(person, safe='')}/decisions", limit)
    shown = ("id", "at", "kind", "subject", "decided", "action")
    rows = [(*map(each.get, shown), (each["review"] or {}).get("outcome", "")) for each in found]
    columns = ("ID", "AT", "BY", "SUBJECT", "DECIDED", "ACTION", "REVIEW")
    emit(as_json, found, lambda console: table(console, columns, rows, "no decisions"))


@decisions_app.command("review")
def review(
    person: Person,
    decision_id: Annotated[str, typer.Argument(help="The decision's id.", show_default=False)],
    outcome: Annotated[Outcome, typer.Option("--outcome", help="upheld or overturned.", show_default=False)],
    by: Annotated[str, typer.Option("--by", help="Who reviewed it.", show_default=False)],
    note: Annotated[str, typer.Option("--note", help="Never names the person.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Note what a human has made of a decision."""
    path = f"/v1/profiles/{quote(person, safe='')}/decisions/{quote(decision_id, safe='')}/review"
    with connect(data_dir, config, url, api_key) as client:
        done = client.post(path, {"outcome": outcome.value, "by": by, "note": note})
    emit(as_json, done, lambda console: console.print(f"{decision_id} is {outcome.value}", highlight=False))
