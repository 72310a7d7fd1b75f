"""Commands about webhooks. They call the running service's HTTP API."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from serve.cli_common import AsJson, ConfigFile, DataDir, Key, Limit, Url, connect, emit, table
from serve.cli_data import pages

webhooks = typer.Typer(no_args_is_help=True, help="Tell other systems of entries to segments and exits from them.")


class Change(StrEnum):
    """What happens to a person."""

    entered = "entered"
    exited = "exited"


WebhookId = Annotated[str, typer.Argument(help="The webhook's id.", show_default=False)]


@webhooks.command("list")
def list_webhooks(
    data_dir: DataDir = None, config: ConfigFile = None, url: Url = None, api_key: Key = None, as_json: AsJson = False
) -> None:
    """List webhooks, and how deliveries to them go."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get("/v1/webhooks")["webhooks"]
    columns = ("ID", "URL", "DELIVERED", "WAITING", "DEAD", "BEHIND", "LATE MS", "LAST ERROR")
    rows = [
        (
            webhook["id"] + ("" if webhook["enabled"] else " (off)"),
            webhook["url"],
            webhook["delivered"],
            webhook["waiting"],
            webhook["dead"],
            "?" if webhook["behind"] is None else webhook["behind"],
            "?" if webhook["late_ms"] is None else webhook["late_ms"],
            webhook["disabled_because"] or webhook["last_error"],
        )
        for webhook in found
    ]
    emit(as_json, found, lambda console: table(console, columns, rows, "no webhooks"))


@webhooks.command("create")
def create(
    webhook_id: WebhookId,
    address: Annotated[str, typer.Argument(help="Where messages are sent.", show_default=False)],
    segment: Annotated[
        list[str] | None, typer.Option("--segment", help="Only of this segment; may be repeated.")
    ] = None,
    change: Annotated[
        list[Change] | None, typer.Option("--change", help="Only entries, or only exits; both if left out.")
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Tell of all that has happened.")] = False,
    region: Annotated[str, typer.Option("--region", help="Region of the receiver. (default: not known)")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Create a webhook; its secret is shown once."""
    body = {"id": webhook_id, "url": address, "segments": segment or [], "from_start": from_start}
    if region:
        body["region"] = region
    if change:
        body["changes"] = [each.value for each in change]
    with connect(data_dir, config, url, api_key) as client:
        made = client.post("/v1/webhooks", body)
    emit(as_json, made, lambda console: console.print(f"secret  {made['secret']}   (shown once)", highlight=False))


@webhooks.command("test")
def test(
    webhook_id: WebhookId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message now, and tell what came of it."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.post(f"/v1/webhooks/{quote(webhook_id, safe='')}/test", {})
    emit(as_json, found, lambda console: console.print(found["error"] or f"HTTP {found['status']}", highlight=False))


@webhooks.command("dead-letters")
def dead_letters(
    webhook_id: WebhookId,
    limit: Limit = 100,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List messages that were given up."""
    with connect(data_dir, config, url, api_key) as client:
        found = pages(client, f"/v1/webhooks/{quote(webhook_id, safe='')}/dead-letters", limit)
    rows = [(letter["id"], letter["at"], letter["error"]) for letter in found]
    emit(as_json, found, lambda console: table(console, ("ID", "AT", "ERROR"), rows, "none"))


@webhooks.command("replay")
def replay(
    webhook_id: WebhookId,
    message: Annotated[list[str] | None, typer.Option("--message", help="Only this message; may be repeated.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Try messages that were given up again."""
    path = f"/v1/webhooks/{quote(webhook_id, safe='')}/dead-letters/replay"
    with connect(data_dir, config, url, api_key) as client:
        found = client.post(path, {"ids": message})
    emit(as_json, found, lambda console: console.print(f"{found['replayed']} messages will be tried again"))


@webhooks.command("delete")
def delete(
    webhook_id: WebhookId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Delete a webhook, with what waits for it."""
    with connect(data_dir, config, url, api_key) as client:
        client.request("DELETE", f"/v1/webhooks/{quote(webhook_id, safe='')}")
    emit(as_json, {"id": webhook_id, "deleted": True}, lambda console: console.print(f"{webhook_id} is deleted"))
