"""Commands about what comes in: findings in free text, values behind tokens. They call the service's HTTP API."""

from typing import Annotated

import typer

from serve.cli_common import AsJson, ConfigFile, DataDir, Key, Url, connect, emit, table

minimisation = typer.Typer(no_args_is_help=True)


@minimisation.command("findings")
def findings(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the fields in whose free text personal data was found: how often and when, never what."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get("/v1/privacy/findings")["data"]
    columns = ("SOURCE", "FIELD", "KIND", "COUNT", "FIRST", "LAST")
    rows = [
        (x["source"], x["field"] or "others", x["kind"], str(x["count"]), x["first_seen"], x["last_seen"])
        for x in found
    ]
    emit(as_json, found, lambda console: table(console, columns, rows, "nothing was found"))


@minimisation.command("reveal")
def reveal(
    token: Annotated[str, typer.Argument(help="The token, as it stands in the field.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show the value behind a token. It goes into the audit log that you have seen one."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.post("/v1/privacy/reveal", {"token": token})
    emit(as_json, found, lambda console: console.print(str(found["value"]), highlight=False, markup=False))
