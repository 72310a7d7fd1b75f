"""`onefold privacy correct`: what is held of a person and was wrong."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
from rich.console import Console

from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, Key, Url, connect, emit, table

corrections_app = typer.Typer(no_args_is_help=True)

Person = Annotated[str, typer.Argument(help="namespace:value, or a customer id.", show_default=False)]


@corrections_app.command("correct")
def correct(
    person: Person,
    traits: Annotated[
        list[str] | None,
        typer.Argument(help="name=text, or name:=value with the value as JSON.", show_default=False),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", help="A trait that is wrong, without a right value; may be repeated."),
    ] = None,
    lift: Annotated[
        list[str] | None, typer.Option("--lift", help="A trait whose correction is taken back; may be repeated.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; never names the person.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Correct what is held of a person: it holds against every event, until it is corrected again or lifted.

    Without traits, list what is corrected."""
    values = dict(map(_parse, traits or [])) | dict.fromkeys(remove or [])
    path = f"/v1/profiles/{quote(person, safe='')}/corrections"
    with connect(data_dir, config, url, api_key) as client:
        if values or lift:
            found = client.post(path, {"traits": values, "lift": lift or [], "reason": reason})
        else:
            found = client.get(path)
    emit(as_json, found, lambda console: _show(console, found))


def _parse(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name.removesuffix(":"):
        raise CommandError("expected name=text, or name:=value", USAGE, "usage")
    if not name.endswith(":"):
        return name, value
    try:
        return name.removesuffix(":"), msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise CommandError(f"{name.removesuffix(':')}: expected JSON behind :=", USAGE, "usage") from None


def _show(console: Console, found: dict[str, Any]) -> None:
    rows = [(each["trait"], _text(each["value"]), each["stated_at"], _text(each["told"])) for each in found["data"]]
    table(console, ("TRAIT", "CORRECTED TO", "AT", "EVENTS TELL"), rows, "nothing is corrected")
    for name in found["withheld"]:
        console.print(f"not kept, for want of a basis: {name}", highlight=False)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
