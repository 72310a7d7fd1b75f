"""Commands about API keys. They work on the control store of the data directory; a running service follows at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, cast

import msgspec
import typer
from rich.console import Console

from actors.api_keys import SCOPES, Scope
from actors.control import ControlStore
from serve.cli_common import AsJson, ConfigFile, DataDir, emit, settings_of, table
from serve.command_audit import record_command
from serve.http_schemas import RotatedKey
from serve.key_entries import (
    OVERLAP,
    key_entry,
    key_facts,
    parse_key_purpose,
    parse_lifetime,
    parse_overlap,
    parse_region,
)
from serve.settings import Settings

keys = typer.Typer(no_args_is_help=True, help="Make, list, rotate and revoke API keys.")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, such as web or crm.", show_default=False)],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help=f"{', '.join(SCOPES)}; may be repeated. (default: ingest)")
    ] = None,
    source: Annotated[str, typer.Option("--source", help="Source that it writes as. (default: the name)")] = "",
    expires: Annotated[str, typer.Option("--expires", help="How long it is valid, such as 90d. (default: ever)")] = "",
    purpose: Annotated[
        str, typer.Option("--purpose", help="Purpose of the registry that it reads for, and no other. (default: any)")
    ] = "",
    region: Annotated[str, typer.Option("--region", help="Region in which it is used. (default: the service's)")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print its secret, which is not kept and cannot be shown again."""
    settings = settings_of(data_dir, config).settings
    with _control(settings) as control:
        lifetime_ms = parse_lifetime(expires)
        reads_for = parse_key_purpose(purpose, settings.privacy.purposes)
        used_in = parse_region(region, settings.residency)
        scopes = cast(list[Scope], scope or ["ingest"])
        key, secret = control.create_key(name, scopes, source, lifetime_ms, reads_for, used_in)
    record_command(settings, "keys create", **key_facts(key))

    def human(console: Console) -> None:
        console.print(f"key {key.key_id} with scope {' and '.join(key.scopes)}, writes as source {key.source_id}")
        if key.purpose:
            console.print(f"it reads for the purpose {key.purpose} only")
        if key.region:
            console.print(f"it is used in the region {key.region}")
        console.print("the secret, shown once:", style="dim")
        print(secret)

    emit(as_json, msgspec.to_builtins(key_entry(key)) | {"secret": secret}, human)


@keys.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="Keys that have ended, too.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List keys, without their secrets."""
    with _control(settings_of(data_dir, config).settings) as control:
        found = control.keys()
    if not everything:
        now = time.time_ns() // 1_000_000
        found = [key for key in found if key.is_valid(now)]
    ends, bound = any(key.expires_at for key in found), any(key.purpose for key in found)
    rows = [
        (key.key_id, key.name, f"{key.hint}...", " ".join(key.scopes), key.source_id, _time(key.created_at))
        + ((key.purpose,) if bound else ())
        + ((_time(key.expires_at),) if ends else ())
        + ((_time(key.revoked_at),) if everything else ())
        for key in found
    ]
    columns = ["ID", "NAME", "SECRET", "SCOPES", "SOURCE", "CREATED"]
    columns += ["PURPOSE"] * bound + ["ENDS"] * ends + ["REVOKED"] * everything
    emit(as_json, [key_entry(key) for key in found], lambda console: table(console, columns, rows, "no keys"))


@keys.command("rotate")
def rotate(
    key: Annotated[str, typer.Argument(help="The key's id, or its name if only one has it.", show_default=False)],
    overlap: Annotated[
        str, typer.Option("--overlap", help="How long the former secret stays valid, such as 1h; 0 for not at all.")
    ] = OVERLAP,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a new secret, under an id of its own, for the same name and rights; the former one ends soon."""
    settings = settings_of(data_dir, config).settings
    with _control(settings) as control:
        made, replaced, secret = control.rotate_key(key, parse_overlap(overlap))
    record_command(settings, "keys rotate", **key_facts(made), replaced=replaced.key_id)

    def human(console: Console) -> None:
        console.print(
            f"key {made.key_id} takes the place of {replaced.key_id}, which ends {_time(replaced.expires_at)}"
        )
        console.print("the secret, shown once:", style="dim")
        print(secret)

    emit(as_json, RotatedKey(key_entry(made), secret, key_entry(replaced)), human)


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, or its name if only one has it.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key. It is refused within a second."""
    settings = settings_of(data_dir, config).settings
    with _control(settings) as control:
        revoked = control.revoke_key(key)
    record_command(settings, "keys revoke", key_id=revoked.key_id)
    emit(as_json, key_entry(revoked), lambda console: console.print(f"{revoked.key_id} is revoked", highlight=False))


@contextmanager
def _control(settings: Settings) -> Iterator[ControlStore]:
    control = ControlStore(settings.control_path)
    try:
        yield control
    finally:
        control.close()


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds") if ms else ""
