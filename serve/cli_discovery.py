"""`onefold segments discover`: groups of people whose outcome differs, drafted as segments, from the shards' files."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from models.profile.state import DAY_MS
from serve.cli_common import USAGE, AsJson, CommandError, ConfigFile, DataDir, emit, table
from serve.cli_training import instant_of, local_settings, people_as_of, read_spec
from serve.command_audit import record_command
from serve.http_schemas import time_text

if TYPE_CHECKING:  # with them come SciPy and PyArrow, for which no other command should wait
    from pipelines.discover_segments import Discovery, Interval, Question

REPORT_FILE = "discovery.json"


def discover(
    spec: Annotated[
        Path | None,
        typer.Argument(help="TOML or JSON: features, outcome, horizon_days (docs/insights.md).", show_default=False),
    ] = None,
    outcome: Annotated[
        str, typer.Option("--outcome", help="Without a file: bought, revenue, revenue EUR, event NAME, left SEGMENT.")
    ] = "",
    horizon: Annotated[int, typer.Option("--horizon", min=1, max=3650, help="Days for which --outcome counts.")] = 90,
    as_of: Annotated[
        str, typer.Option("--as-of", help="ISO 8601: people as they were known then. (default: one horizon ago)")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", help="Directory to make, for the drafts.", show_default=False)
    ] = None,
    holdout: Annotated[float, typer.Option("--holdout", min=0, max=99, help="Percent held out, of the drafts.")] = 0.0,
    people: Annotated[int, typer.Option("--people", min=1, help="Most people to read, a sample by id.")] = 200_000,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Find groups of people whose outcome differs from that of the others, each with a segment to create."""
    from pipelines.discover_segments import discover_segments

    if (spec is None) == (not outcome):
        raise CommandError("give a file with an outcome, or --outcome, one of them", USAGE, "usage")
    if output is not None and output.exists():
        raise CommandError(f"--output: {output} is there already: name a new directory", USAGE, "usage")
    settings, now = local_settings(data_dir, config), time.time_ns() // 1_000_000
    question = msgspec.structs.replace(
        _asked(spec, outcome, horizon), holdout=holdout, people_min=settings.segments.min_count
    )
    days = question.horizon_days
    at = now - days * DAY_MS if not as_of else instant_of(as_of)
    try:
        found = discover_segments(
            question,
            lambda: people_as_of(settings, at, days, now, people),
            settings.lifecycle,
            settings.privacy.purposes,
        )
        if output is not None:
            _write(output, found)
    except ValueError as error:
        raise CommandError(str(error), USAGE, "usage") from None
    record_command(settings, "segments discover", outcome=found.outcome)
    emit(as_json, found, lambda console: _print(console, found, output))


def _asked(spec: Path | None, outcome: str, horizon: int) -> "Question":
    from models.scoring.outcomes import parse_outcome
    from pipelines.discover_segments import Question

    if spec is not None:
        read = read_spec(spec)
        return Question(outcome=read.outcome, horizon_days=read.horizon_days, features=read.features)
    try:
        wanted, negated = parse_outcome(outcome)
    except ValueError as error:
        raise CommandError(f"--{error}", USAGE, "usage") from None
    return Question(outcome=wanted, negated=negated, horizon_days=horizon)


def _write(output: Path, found: "Discovery") -> None:
    """The report and a file for each draft, for their owner only."""
    from pipelines.table_sinks import new_folder

    files = {REPORT_FILE: msgspec.json.encode(found)}
    files |= {f"{each.segment['id']}.json": msgspec.json.encode(each.segment) for each in found.groups}
    with new_folder(output):
        for name, content in files.items():
            path = output / name
            path.touch(mode=0o600)
            path.write_bytes(msgspec.json.format(content) + b"\n")


def _print(console: Console, found: "Discovery", output: Path | None) -> None:
    unit = "%" if found.is_yes_or_no else ""
    scale = 100 if found.is_yes_or_no else 1

    def figure(interval: "Interval", sign: str = "") -> str:
        value, low, high = (f"{scale * each:{sign}.4g}" for each in (interval.value, interval.low, interval.high))
        return f"{value}{unit} ({low} to {high})"

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    say(f"{found.outcome}, {time_text(found.as_of)} to {time_text(found.until)}: {found.people} people")
    if found.withheld:
        say(f"{found.withheld} people without a basis for scores left out")
    say(f"everybody {figure(found.everybody)}, {len(found.features)} features looked at")
    rows = []
    for each in found.groups:
        rows.append(
            (
                each.segment["id"].removeprefix("group-").partition("-")[0],
                f"{each.people} ({each.share:.1%})",
                figure(each.outcome),
                figure(each.difference, "+"),
                each.verdict,
                "; ".join(each.conditions),
            )
        )
    columns = ("GROUP", "PEOPLE", "OUTCOME (95%)", "FROM THE OTHERS (95%)", "VERDICT", "WHO")
    table(console, columns, rows, "no group differs from the others by more than chance makes")
    if found.is_yes_or_no and found.everybody.value in (0.0, 1.0):
        say("the same came of all who were looked at: choose another outcome, or --as-of")
    if rows:
        say(f"each draft holds for its group and nobody else, of {found.checked} people asked about")
    if output is not None:
        say(f"drafts in {output}: onefold segments create {output}/ID.json")
