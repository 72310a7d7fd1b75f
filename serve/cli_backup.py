"""Commands that make backups, check them, and make data directories of them. They work on files alone."""

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from actors.backup_keys import FILE, BackupKeys
from actors.control import ControlStore
from models.backup.manifest import Manifest
from models.backup.sealing import CannotOpen
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.signed_document import InvalidDocument
from pipelines import backup_create, backup_read, backup_restore
from pipelines.erasure_certificate import read_key
from serve.backup_keys import open_keys
from serve.cli_common import FAILED, USAGE, AsJson, CommandError, ConfigFile, DataDir, emit, settings_of
from serve.command_audit import record_command

backup = typer.Typer(no_args_is_help=True, help="Backups, in which erased people can be read no more.")

Place = Annotated[Path, typer.Argument(help="Directory of the backup.", show_default=False)]


@backup.command("create")
def create(
    place: Annotated[Path, typer.Argument(help="Directory to write, new or empty.", show_default=False)],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a backup, whether the service runs or not. The keys that open it stay in the data directory."""
    settings = settings_of(data_dir, config).settings
    with closing(ControlStore(settings.control_path)) as control:
        shards = control.meta("shards") or 0
    started = time.monotonic()
    with closing(open_keys(settings)) as keys:
        purposes = settings.privacy.purposes
        manifest = backup_create.create(settings.data_path, place, shards, keys, settings.profile, purposes)
    record_command(settings, "backup create", backup_id=manifest.backup_id)
    seconds = time.monotonic() - started
    emit(as_json, manifest, lambda console: _print_made(console, manifest, place, seconds))


@backup.command("verify")
def verify(
    place: Place,
    public_key: Annotated[
        Path,
        typer.Option("--public-key", help="certificate-signing.pub of the data directory.", show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Check that a backup is whole and as it was written, offline. Exit code 1 and the reason if it is not."""
    try:
        key = read_key(public_key)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", USAGE, "usage") from None
    except ValueError as error:
        raise CommandError(str(error), USAGE, "usage") from None
    try:
        manifest = backup_read.verified(place, key)
    except InvalidDocument as error:
        raise CommandError(str(error), FAILED, "invalid_backup") from None
    emit(as_json, manifest, lambda console: _print_manifest(console, manifest))


@backup.command("restore")
def restore(
    place: Place,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Data directory to make.", show_default=False)],
    keys: Annotated[
        Path,
        typer.Option("--keys", help=f"The newest keys: {FILE} of the data directory, or its copy.", show_default=False),
    ],
    consents_as_of_backup: Annotated[
        bool,
        typer.Option("--consents-as-of-backup", help="Go on though what was refused last may not be known."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a data directory of a backup, without people who were erased since; what was refused since holds."""
    with closing(BackupKeys(keys, create=False)) as found:
        if not consents_as_of_backup:
            backup_restore.check_journal(found, time.time_ns() // 1_000_000)
        try:
            restored = backup_restore.restore(place, data_dir, found, _normaliser)
        except (InvalidDocument, CannotOpen) as error:
            raise CommandError(str(error), FAILED, "invalid_backup") from None
    record_command(settings_of(data_dir, None).settings, "backup restore", backup_id=restored.backup_id)
    emit(as_json, restored, lambda console: _print_restored(console, restored, data_dir))


def _normaliser(data_dir: Path) -> IdentifierNormaliser:
    return IdentifierNormaliser(settings_of(data_dir, None).settings.identity)


def _print_made(console: Console, manifest: Manifest, place: Path, seconds: float) -> None:
    _print_manifest(console, manifest)
    if manifest.left_out:
        console.print(f"{manifest.left_out:,} left out, which were erased meanwhile", highlight=False)
    console.print(
        f"in {place}, {seconds:.1f} s; {FILE} in the data directory opens it", highlight=False, soft_wrap=True
    )


def _print_manifest(console: Console, manifest: Manifest) -> None:
    size = sum(chunk.bytes for chunk in manifest.chunks)
    console.print(
        f"backup {manifest.backup_id} of {_time(manifest.made_at)}: {manifest.people:,} people, "
        f"{manifest.rows.get('shard.events', 0):,} events, {size:,} bytes, signed with key {manifest.public_key_id}",
        highlight=False,
        soft_wrap=True,
    )


def _print_restored(console: Console, restored: backup_restore.Restored, data_dir: Path) -> None:
    lines = (
        f"restored backup {restored.backup_id} of {_time(restored.made_at)} to {data_dir}",
        f"{restored.people:,} people; left out: {restored.people_left_out:,} customer ids, "
        f"{restored.letters_left_out:,} dead letters, {restored.requests_left_out:,} requests of data subjects",
        f"what was refused up to {_time(restored.refusals_until)} holds: news to {restored.refusals_told:,} profiles; "
        f"{restored.identifiers_refused:,} identifiers are refused",
    )
    console.print(*lines, sep="\n", highlight=False, soft_wrap=True)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
