"""Commands about API keys. They work on the control store of the data directory; a running service follows at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.console import Console

from actors.control import SCOPES, ApiKey, ControlStore, Scope
from serve.cli_common import AsJson, ConfigFile, DataDir, emit, settings_of, table

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, such as web or crm.", show_default=False)],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help=f"{', '.join(SCOPES)}; may be repeated. (default: ingest)")
    ] = None,
    source: Annotated[str, typer.Option("--source", help="Source that it writes as. (default: the name)")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print its secret, which is not kept and cannot be shown again."""
    with _control(data_dir, config) as control:
        key, secret = control.create_key(name, cast(list[Scope], scope or ["ingest"]), source)

    def human(console: Console) -> None:
        console.print(f"key {key.key_id} with scope {' and '.join(key.scopes)}, writes as source {key.source_id}")
        console.print("the secret, shown once:", style="dim")
        print(secret)

    emit(as_json, _entry(key) | {"secret": secret}, human)


@keys.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="Revoked keys too.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List keys, without their secrets."""
    with _control(data_dir, config) as control:
        found = control.keys()
    if not everything:
        found = [key for key in found if not key.revoked_at]
    rows = [
        (key.key_id, key.name, f"{key.hint}...", " ".join(key.scopes), key.source_id, _time(key.created_at))
        + ((_time(key.revoked_at),) if everything else ())
        for key in found
    ]
    columns = ("ID", "NAME", "SECRET", "SCOPES", "SOURCE", "CREATED") + (("REVOKED",) if everything else ())
    emit(as_json, [_entry(key) for key in found], lambda console: table(console, columns, rows, "no keys"))


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, or its name if only one has it.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key. It is refused within a second."""
    with _control(data_dir, config) as control:
        revoked = control.revoke_key(key)
    emit(as_json, _entry(revoked), lambda console: console.print(f"{revoked.key_id} is revoked", highlight=False))


@contextmanager
def _control(data_dir: DataDir, config: ConfigFile) -> Iterator[ControlStore]:
    control = ControlStore(settings_of(data_dir, config).settings.control_path)
    try:
        yield control
    finally:
        control.close()


def _entry(key: ApiKey) -> dict[str, Any]:
    """A key as the HTTP API shows it."""
    entry = msgspec.structs.asdict(key)
    entry["id"] = entry.pop("key_id")
    return entry | {"created_at": _time(key.created_at), "revoked_at": _time(key.revoked_at) or None}


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds") if ms else ""
