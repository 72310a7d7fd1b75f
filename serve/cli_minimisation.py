"""Commands about what comes in and what stays: findings in free text, values behind tokens, the purge. They call the
service's HTTP API."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console

from pipelines.batch_client import ApiClient
from serve.cli_common import AsJson, CommandError, ConfigFile, DataDir, Key, Url, connect, emit, table

_POLL_S = 0.2

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


@minimisation.command("purge")
def purge(
    timeout_s: Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for it.")] = 3600.0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take out what is past its time now, and show what that was."""
    with connect(data_dir, config, url, api_key) as client:
        run = _finished(client, client.post("/v1/privacy/purge", {})["run"], timeout_s)
    emit(as_json, run, lambda console: _show(console, run))


def _finished(client: ApiClient, number: int, timeout_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while True:
        for run in client.get("/v1/privacy/purges")["data"]:
            if run["run"] == number and run["finished_at"]:
                return dict(run)
        if time.monotonic() > deadline:
            raise CommandError(f"the purge has not finished after {timeout_s:g} s; it goes on by itself")
        time.sleep(_POLL_S)


def _show(console: Console, run: dict[str, Any]) -> None:
    rows = [(each["purpose"], each["section"], str(each["entries"])) for each in run["purged"]]
    table(console, ("PURPOSE", "SECTION", "ENTRIES"), rows, "nothing was past its time")
    counted = {"people changed": "people", "erased": "erased", "dead letters": "dead_letters"}
    counted |= {"given-up deliveries": "deliveries", "results": "results"}
    counted |= {"automated decisions": "decisions"}
    for words, name in counted.items():
        if run[name]:
            console.print(f"{words}: {run[name]}", highlight=False)
