"""Commands about requests of data subjects. They call the running service's HTTP API."""

import os
import time
import uuid
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer
from rich.console import Console

from models.privacy.open_dsr_documents import IDENTITY_TYPES, RESULTS_PATH
from pipelines.batch_client import ApiClient
from serve.cli_common import (
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
    table,
)
from serve.cli_data import pages

privacy = typer.Typer(no_args_is_help=True, help="What people ask about their data: access, portability, erasure.")

_POLL_S = 0.5
_TYPE_OF = {namespace: kind for kind, namespace in reversed(IDENTITY_TYPES.items())}


class Kind(StrEnum):
    """What is asked for."""

    access = "access"
    portability = "portability"
    erasure = "erasure"


class Law(StrEnum):
    """Under which regulation."""

    gdpr = "gdpr"
    ccpa = "ccpa"


class RequestState(StrEnum):
    """How far a request is."""

    pending = "pending"
    in_progress = "in_progress"
    completed = "completed"
    cancelled = "cancelled"


RequestId = Annotated[str, typer.Argument(help="The request's id.", show_default=False)]
Person = Annotated[str, typer.Argument(help="namespace:value, such as email:jane@example.com.", show_default=False)]
Regulation = Annotated[Law, typer.Option("--regulation", help="gdpr or ccpa: which deadline counts.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for it.")]


@privacy.command("requests")
def list_requests(
    state: Annotated[RequestState | None, typer.Option("--state", help="Only those in this state.")] = None,
    limit: Limit = 100,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List requests, the oldest first, with their due dates."""
    with connect(data_dir, config, url, api_key) as client:
        found = pages(client, "/v1/privacy/requests" + (f"?state={state.value}" if state else ""), limit)
    columns = ("ID", "KIND", "REGULATION", "STATE", "RECEIVED", "DUE", "")
    rows = [
        (each["id"], each["kind"], each["regulation"], each["state"], each["received_at"], each["due_at"], _told(each))
        for each in found
    ]
    emit(as_json, found, lambda console: table(console, columns, rows, "no requests"))


@privacy.command("status")
def status(
    request_id: RequestId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a request is."""
    with connect(data_dir, config, url, api_key) as client:
        found = client.get(_path(request_id))
        found |= {"waiting": client.get(_entry_path(request_id))["waiting"]}
        found |= {"recipients": client.get(_entry_path(request_id, "recipients"))}
    emit(as_json, found, lambda console: _show(console, found))


@privacy.command("submit")
def submit(
    kind: Annotated[Kind, typer.Option("--kind", help="What is asked for.", show_default=False)],
    identity: Annotated[
        list[str],
        typer.Option("--identity", help="namespace:value of the person; may be repeated.", show_default=False),
    ],
    regulation: Regulation = Law.gdpr,
    callback: Annotated[
        list[str] | None, typer.Option("--callback", help="https URL that is told of changes; may be repeated.")
    ] = None,
    request_id: Annotated[str, typer.Option("--id", help="UUID of version 4. (default: a new one)")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Hand in a request. With the same --id it may be handed in again."""
    body = _body(kind, identity, regulation, callback or [], request_id)
    with connect(data_dir, config, url, api_key) as client:
        taken = client.post("/v2/requests", body)
    due = f"{taken['subject_request_id']}, due {taken['expected_completion_time']}"
    emit(as_json, taken, lambda console: console.print(due, highlight=False))


@privacy.command("cancel")
def cancel(
    request_id: RequestId,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a request that is pending."""
    with connect(data_dir, config, url, api_key) as client:
        done = client.request("DELETE", _path(request_id))
    emit(as_json, done, lambda console: console.print(f"{request_id} is cancelled", highlight=False))


@privacy.command("verify-requester")
def verify_requester(
    request_id: RequestId,
    by: Annotated[str, typer.Option("--by", help="Who found it out.", show_default=False)],
    method: Annotated[str, typer.Option("--method", help="How; never names the person.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Note that the requester is the person, or acts for them."""
    with connect(data_dir, config, url, api_key) as client:
        done = client.post(_entry_path(request_id, "verify"), {"verified_by": by, "method": method})
    emit(as_json, done, lambda console: console.print(f"{request_id} is verified", highlight=False))


@privacy.command("extend")
def extend(
    request_id: RequestId,
    reason: Annotated[str, typer.Option("--reason", help="Why it takes longer.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Move the deadline, once. The requester must be told before the first one is over."""
    with connect(data_dir, config, url, api_key) as client:
        done = client.post(_entry_path(request_id, "extend"), {"reason": reason})
    emit(as_json, done, lambda console: console.print(f"{request_id} is due {done['due_at']}", highlight=False))


@privacy.command("erase")
def erase(
    person: Person,
    regulation: Regulation = Law.gdpr,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is done.")] = False,
    timeout_s: Timeout = 600.0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Have a person erased."""
    with connect(data_dir, config, url, api_key) as client:
        taken = client.post("/v2/requests", _body(Kind.erasure, [person], regulation, []))
        request_id = str(taken["subject_request_id"])
        found = _completed(client, request_id, timeout_s) if wait else client.get(_path(request_id))
    emit(as_json, found, lambda console: _show(console, found))


@privacy.command("export")
def export(
    person: Person,
    out: Annotated[Path, typer.Option("--out", help="File to write, for its owner only.", show_default=False)],
    kind: Annotated[Kind, typer.Option("--kind", help="access, or portability.")] = Kind.access,
    regulation: Regulation = Law.gdpr,
    timeout_s: Timeout = 600.0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that is held about a person to a file."""
    if kind is Kind.erasure:
        raise CommandError("--kind: expected access or portability", USAGE, "usage")
    with connect(data_dir, config, url, api_key) as client:
        taken = client.post("/v2/requests", _body(kind, [person], regulation, []))
        found = _completed(client, str(taken["subject_request_id"]), timeout_s)
        name = urlsplit(found.get("results_url", "")).path.rpartition("/")[2]
        if not name:
            raise CommandError("the request is completed and has no results")
        content = client.data(RESULTS_PATH + name)
    with open(os.open(out, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # of one that was there, too
        file.write(content)
    records = f"{found['results_count']} records in {out}"
    emit(as_json, found | {"file": str(out)}, lambda console: console.print(records, highlight=False))


def _body(kind: Kind, keys: list[str], law: Law, callbacks: list[str], request_id: str = "") -> dict[str, Any]:
    """The OpenDSR request about the person that has these keys. Raises CommandError."""
    return {
        "regulation": law.value,
        "subject_request_id": request_id or str(uuid.uuid4()),
        "subject_request_type": kind.value,
        "submitted_time": datetime.now(UTC).isoformat(timespec="seconds"),
        "subject_identities": [_identity(key) for key in keys],
        "api_version": "2.0",
        "status_callback_urls": callbacks,
    }


def _identity(key: str) -> dict[str, str]:
    """OpenDSR's identity for namespace:value; the namespace may be one of OpenDSR's own types. Raises CommandError."""
    name, colon, value = key.partition(":")
    kind = name if name in IDENTITY_TYPES else _TYPE_OF.get(name, "")
    if not colon or not kind:
        known = ", ".join(dict.fromkeys([*_TYPE_OF, *IDENTITY_TYPES]))
        raise CommandError(f"expected namespace:value with a namespace of {known}", USAGE, "usage")
    return {"identity_type": kind, "identity_value": value, "identity_format": "raw"}


def _completed(client: ApiClient, request_id: str, timeout_s: float) -> dict[str, Any]:
    """The status of a request once it is completed; what it waits for meanwhile is told on standard error. Raises
    CommandError if completion is not to come, or takes too long."""
    deadline = time.monotonic() + timeout_s
    told = ""
    while True:
        entry = client.get(_entry_path(request_id))
        if entry["state"] == "completed":
            found: dict[str, Any] = client.get(_path(request_id))
            return found
        if entry["state"] == "cancelled":
            raise CommandError(f"request {request_id} was cancelled")
        waits = _waits(entry["waiting"])
        if waits and waits != told:
            Console(stderr=True).print(waits, highlight=False, markup=False, soft_wrap=True)
        told = waits
        if time.monotonic() > deadline:
            raise CommandError(
                f"request {request_id} is {entry['state']} after {timeout_s:g} s{waits and f' and {waits}'}; "
                f"`onefold privacy status {request_id}` tells how it goes on"
            )
        time.sleep(_POLL_S)


def _path(request_id: str) -> str:
    """The path of a request as OpenDSR knows it."""
    return f"/v2/requests/{quote(request_id, safe='')}"


def _entry_path(request_id: str, action: str = "") -> str:
    """The path of a request with all that is noted about it, or of what can be done with it."""
    return f"/v1/privacy/requests/{quote(request_id, safe='')}" + (f"/{action}" if action else "")


def _told(entry: dict[str, Any]) -> str:
    """What is to be noticed about a request."""
    due = "overdue" if entry["overdue"] else "due soon" if entry["due_soon"] else ""
    return "; ".join(filter(None, (due, _waits(entry["waiting"]))))


def _waits(waiting: dict[str, Any] | None) -> str:
    """Since when a request waits, and why; empty if it goes on."""
    return "" if waiting is None else f"waits since {waiting['since']} ({waiting['work']}): {waiting['reason']}"


def _show(console: Console, found: dict[str, Any]) -> None:
    for name in ("subject_request_id", "request_status", "expected_completion_time", "results_count", "results_url"):
        if name in found:
            console.print(f"{name:<26}{found[name]}", highlight=False, soft_wrap=True)
    if found.get("waiting"):
        waits = _waits(found["waiting"])
        console.print(f"{'waiting':<26}{waits}", highlight=False, markup=False, soft_wrap=True)
    told = found.get("recipients", {})
    for each in told.get("data", ()):
        webhook_id = each["name"].removeprefix("webhook:")
        way_out = f"; `onefold webhooks replay {webhook_id}` tells it again" if each["state"] == "failed" else ""
        line = f"{'recipient':<26}{each['name']} {each['state']} {each['at'] or ''}".rstrip()
        console.print(line + way_out, highlight=False, soft_wrap=True)
    if told.get("statement"):
        console.print(f"{'statement':<26}{told['statement']}", highlight=False)
