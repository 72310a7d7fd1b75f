"""Commands by which people's processing is restricted or objected to, and erased people may come back."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from serve.cli_common import AsJson, ConfigFile, DataDir, Key, Url, connect, emit
from serve.cli_corrections import Person

restrictions_app = typer.Typer(no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why; never names the person.", show_default=False)]


@restrictions_app.command("restrict")
def restrict(
    person: Person,
    reason: Reason,
    lift: Annotated[bool, typer.Option("--lift", help="Take the restriction back.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Restrict the processing of a person's data: it is kept, and used for nothing but what the law demands."""
    decisions = {"!restricted": not lift}
    found = _state((data_dir, config, url, api_key), person, decisions, reason)
    said = "is not restricted any more" if lift else "is restricted"
    emit(as_json, found, lambda console: _show(console, found, said))


@restrictions_app.command("object")
def object_to(
    person: Person,
    purpose: Annotated[
        str,
        typer.Argument(help="A purpose of the registry, or automated-decisions.", show_default=False),
    ],
    reason: Reason = "",
    lift: Annotated[bool, typer.Option("--lift", help="Take the objection back.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Note that a person objects to a purpose, or to automated decisions."""
    decisions = {"!no_automated_decisions": not lift} if purpose == "automated-decisions" else {purpose: lift}
    found = _state((data_dir, config, url, api_key), person, decisions, reason)
    said = "does not object any more" if lift else "objects"
    emit(as_json, found, lambda console: _show(console, found, said))


@restrictions_app.command("unsuppress")
def unsuppress(
    identifiers: Annotated[
        list[str], typer.Argument(help="namespace:value of an erased person; may be repeated.", show_default=False)
    ],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take events with an erased person's identifiers again. What was erased stays erased."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.post("/v1/privacy/suppressions/lift", {"identifiers": identifiers})
    emit(as_json, found, lambda console: console.print(f"{found['lifted']} identifiers are taken again"))


def _state(service: tuple[Any, ...], person: str, decisions: dict[str, bool], reason: str) -> dict[str, Any]:
    with connect(*service) as client:
        path = f"/v1/profiles/{quote(person, safe='')}/consents"
        answer: dict[str, Any] = client.post(path, {"decisions": decisions, "reason": reason})
        return answer


def _show(console: Console, found: dict[str, Any], said: str) -> None:
    receipts = ", ".join(each["receipt_id"] for each in found["data"])
    console.print(f"the person {said}: {receipts or 'as before'}", highlight=False)
