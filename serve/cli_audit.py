"""Commands about the audit log. They read the files of the data directory, whether a service runs on it or not."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer
from rich.console import Console

from actors.audit_log import AuditLog, Verdict
from actors.control import ControlStore
from models.audit.chain import Point
from serve.audit_reads import affected_person, audit_entry, entry_filter
from serve.cli_common import FAILED, USAGE, AsJson, CommandError, ConfigFile, DataDir, Limit, emit, settings_of, table
from serve.command_audit import record_command
from serve.settings import Settings

audit = typer.Typer(no_args_is_help=True, help="Who did what: verify the audit log, list it, ask who was affected.")

_NUMBER_MAX = 1 << 62
_PROBLEMS = {
    "chain": "an entry was changed, removed, inserted or moved there",
    "cut_off": "entries were cut off the end",
    "rewritten": "the last entry was not that when the head was signed",
    "beyond_head": "entries were added behind the end that was signed",
    "other_log": "this is not the entry that was expected there",
    "head_missing": "audit.head, which says where the log ends, was removed; up to there the entries hold together",
    "head_forged": "audit.head was not signed with audit.key; up to there the entries hold together",
}

Key = Annotated[str, typer.Option("--key", help='Id or name of a key, or "cli:" and a user.', show_default=False)]
Since = Annotated[str, typer.Option("--from", help="ISO 8601. (default: the start)", show_default=False)]
Until = Annotated[str, typer.Option("--to", help="ISO 8601, exclusive. (default: now)", show_default=False)]


@audit.command("verify")
def verify(
    expect: Annotated[
        str, typer.Option("--expect", help="Where the log ended once, as NUMBER:HASH.", show_default=False)
    ] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check every entry and the signed end of the log. Exit code 1 if anything was tampered with."""
    expected = _point(expect) if expect else None
    with _opened(settings_of(data_dir, config).settings) as (_, log):
        verdict = log.verify(expected)
    data = {
        "entries": verdict.entries,
        "head": {"number": verdict.head.number, "hash": verdict.head.hash.hex()},
        "broken": verdict.broken or None,
        "problem": _PROBLEMS.get(verdict.problem),
    }
    emit(as_json, data, lambda console: console.print(_told(verdict), highlight=False, soft_wrap=True))
    if verdict.broken:
        raise typer.Exit(FAILED)


@audit.command("list")
def list_entries(
    key: Key = "",
    action: Annotated[str, typer.Option("--action", help='Such as "GET /v1/profiles/{key}".', show_default=False)] = "",
    since: Since = "",
    until: Until = "",
    subject: Annotated[str, typer.Option("--subject", help="Customer id of a person.", show_default=False)] = "",
    limit: Limit = 100,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List entries, the latest first."""
    settings = settings_of(data_dir, config).settings
    with _opened(settings) as (control, log):
        wanted = entry_filter(control, key, action, since, until, subject)
        record_command(settings, "audit list")
        entries = [audit_entry(entry) for entry in log.entries(wanted, _NUMBER_MAX, limit)]

    def human(console: Console) -> None:
        rows = [
            (entry.number, entry.at, entry.actor, entry.action, entry.outcome, _people(entry.subjects))
            for entry in entries
        ]
        table(console, ("NUMBER", "AT", "ACTOR", "ACTION", "OUTCOME", "PEOPLE"), rows, "no entries")

    emit(as_json, entries, human)


@audit.command("affected")
def affected(
    key: Annotated[str, typer.Option("--key", help='Id or name of a key, or "cli:" and a user.', show_default=False)],
    since: Since = "",
    until: Until = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List everybody whose data a key has read or changed, with how often and when (GDPR 33 and 34)."""
    settings = settings_of(data_dir, config).settings
    with _opened(settings) as (control, log):
        wanted = entry_filter(control, key, since=since, until=until)
        record_command(settings, "audit affected", key_id=wanted.actor or "")
        people = [affected_person(person) for person in log.affected(wanted)]

    def human(console: Console) -> None:
        rows = [(each.customer_id, each.reads, each.changes, each.first_at, each.last_at) for each in people]
        table(console, ("PERSON", "READS", "CHANGES", "FIRST", "LAST"), rows, "nobody")

    emit(as_json, {"key_id": wanted.actor, "people": len(people), "data": people}, human)


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[ControlStore, AuditLog]]:
    with closing(ControlStore(settings.control_path)) as control, closing(AuditLog(settings.data_path)) as log:
        yield control, log


def _point(text: str) -> Point:
    number, _, kept = text.partition(":")
    try:
        return Point(int(number), bytes.fromhex(kept))
    except ValueError:
        raise CommandError("--expect: give NUMBER:HASH as `onefold audit verify` told it", USAGE, "usage") from None


def _told(verdict: Verdict) -> str:
    if not verdict.broken:
        end = f"{verdict.head.number}:{verdict.head.hash.hex()}"
        return f"{verdict.entries:,} entries, all as they were written; the log ends at {end}"
    return f"broken from entry {verdict.broken} on: {_PROBLEMS[verdict.problem]}"


def _people(subjects: list[str]) -> str:
    shown = list(dict.fromkeys(subjects))
    return " ".join(shown[:3]) + (f" and {len(shown) - 3:,} more" if len(shown) > 3 else "")
