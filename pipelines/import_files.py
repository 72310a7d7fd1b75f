"""Bulk import of a CSV, JSON Lines or Parquet file through the ingestion API: `onefold import`.

The file is streamed: rows become messages (`pipelines.import_messages`), messages go out in batches over
several connections, and every row that makes no message or is refused is reported by its line. Message ids
come from the content, so an import that stopped halfway is finished by running it again.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from actors.reader import parse_sequence
from pipelines.batch_client import BATCH_EVENTS_MAX, EVENT_BYTES_MAX, ApiClient, batches, send_all
from pipelines.import_mapping import (
    FileOptions,
    Mapping,
    MappingError,
    check_columns,
    default_mapping,
    parse_mapping,
)
from pipelines.import_messages import BadRow, MessageBuilder, OccurrenceCounter, Problem
from pipelines.import_readers import TOO_DEEP, Line, SourceFile

ERRORS_SHOWN = 20
ERRORS_KEPT = 1000


@dataclass(frozen=True)
class LineError:
    """Why one line was not imported, or what was left out of it (a warning). Never holds the line's values."""

    line: int  # in the file, from 1; for Parquet the row's number
    field: str  # of the message; empty if the line could not be read at all
    reason: str
    warning: bool = False


@dataclass
class ImportReport:
    """What an import did. `errors` and `warnings` hold ERRORS_KEPT each; the error file has them all."""

    path: str
    type: str
    rows: int = 0
    imported: int = 0  # acknowledged, so durable
    duplicates: int = 0  # of these, rows that an earlier import had brought
    bad: int = 0
    seconds: float = 0.0
    rows_per_second: float = 0.0
    sequence: str = ""  # token for reads that must see the import (`min_seq`)
    errors: list[LineError] = field(default_factory=list)
    warnings: list[LineError] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def load_mapping(path: Path | None) -> Mapping | None:
    """The mapping in that TOML file, None if no path is given. Raises MappingError."""
    if path is None:
        return None
    try:
        return parse_mapping(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"the mapping file cannot be read: {type(error).__name__}") from None


def import_file(
    path: Path,
    base_url: str,
    key: str = "",
    *,
    mapping: Mapping | None = None,
    source: str = "",
    connections: int = 4,
    batch_events: int = BATCH_EVENTS_MAX,
    error_file: Path | None = None,
    console: Console | None = None,
) -> ImportReport:
    """Imports a file and reports. `key` needs the ingest scope; `source` names the file in message ids.

    Without a mapping the columns' names decide (`default_mapping`). Each line error is appended to
    `error_file` as JSON. Raises MappingError if the file and the mapping do not fit, batch_client.ApiError if
    the service refuses the key or stays away; run the same import again to finish it.
    """
    if not path.is_file():
        raise MappingError("path: there is no such file")
    file = SourceFile(path, mapping.file if mapping else FileOptions())
    if mapping is None:
        mapping = default_mapping(file.columns, file.sample)
    check_columns(mapping, file.columns)
    builder = MessageBuilder(mapping, file.columns, file.sample, source or mapping.source or path.name)
    report = ImportReport(path=str(path), type=mapping.type)
    with ExitStack() as stack:
        errors = stack.enter_context(error_file.open("w", encoding="utf-8")) if error_file else None
        client = stack.enter_context(ApiClient(base_url, key))
        bar = stack.enter_context(_progress(console or Console(stderr=True)))
        run = _Run(builder, report, errors, bar, bar.add_task(path.name, total=file.size, rows="0"))
        run.send(client, file.lines(), connections, batch_events)
    for found in (report.errors, report.warnings):
        found.sort(key=lambda error: error.line)
    return report


class _Run:
    """One import under way: counts, errors, progress."""

    def __init__(
        self, builder: MessageBuilder, report: ImportReport, errors: TextIO | None, bar: Progress, task: TaskID
    ) -> None:
        self.builder, self.report, self.errors = builder, report, errors
        self.bar, self.task = bar, task
        self.counter = OccurrenceCounter()

    def send(self, client: ApiClient, lines: Iterable[Line], connections: int, batch_events: int) -> None:
        started = time.monotonic()
        work = ((client.send_batch, batch) for batch in batches(self.messages(lines), batch_events))
        for batch, answer in send_all(work, connections):
            for notice in answer.rejected:
                self.problem(batch.tags[notice.event][0], notice.field, notice.text)
            for notice in answer.warnings:
                if notice.event >= 0:  # else about the batch, which is ours
                    self.problem(batch.tags[notice.event][0], notice.field, notice.text, warning=True)
            refused = {notice.event for notice in answer.rejected}
            self.report.bad += len(refused)
            self.report.duplicates += answer.duplicates
            self.report.imported += len(batch.messages) - len(refused)
            self.report.sequence = _later(self.report.sequence, answer.sequence)
            self.bar.update(self.task, completed=batch.tags[-1][1], rows=f"{self.report.imported:,}")
        self.report.seconds = time.monotonic() - started
        self.report.rows_per_second = self.report.imported / max(self.report.seconds, 1e-9)
        self.bar.update(self.task, completed=self.bar.tasks[self.task].total, rows=f"{self.report.imported:,}")

    def messages(self, lines: Iterable[Line]) -> Iterator[tuple[bytes, tuple[int, int]]]:
        """(encoded message, (line, position)) of every good row; bad ones are reported."""
        for line in lines:
            self.report.rows += 1
            if line.problem:
                self.bad_row(line.number, [Problem("", line.problem)])
                continue
            try:
                digest = self.builder.digest(line.row)
                message = self.builder.build(line.row, digest, self.counter.next(digest))
                body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
            except BadRow as error:
                self.bad_row(line.number, error.problems)
                continue
            except RecursionError:  # a value that could just be read
                self.bad_row(line.number, [Problem("", TOO_DEEP)])
                continue
            if len(body) > EVENT_BYTES_MAX:
                self.bad_row(line.number, [Problem("", f"the message is larger than {EVENT_BYTES_MAX} bytes")])
                continue
            yield body, (line.number, line.position)

    def bad_row(self, line: int, problems: list[Problem]) -> None:
        self.report.bad += 1
        for problem in problems:
            self.problem(line, problem.field, problem.reason)

    def problem(self, line: int, path: str, reason: str, warning: bool = False) -> None:
        error = LineError(line, path, reason, warning)
        kept = self.report.warnings if warning else self.report.errors
        if len(kept) < ERRORS_KEPT:
            kept.append(error)
        if self.errors:
            self.errors.write(json.dumps(asdict(error)) + "\n")


def _later(left: str, right: str) -> str:
    """The token that stands for what two acknowledgements stand for; either may be empty."""
    if not (left and right):
        return left or right
    sequences = parse_sequence(left)
    for shard, sequence in parse_sequence(right).items():
        sequences[shard] = max(sequence, sequences.get(shard, 0))
    return ",".join(f"{shard}:{sequence}" for shard, sequence in sorted(sequences.items()))


def print_report(report: ImportReport, console: Console) -> None:
    """The report for people: counts, speed, and the first errors and warnings by line."""
    console.print(
        f"{report.rows:,} rows read, {report.imported:,} imported as {report.type} ({report.duplicates:,} of them "
        f"were there before), {report.bad:,} bad ({report.seconds:.1f} s, {report.rows_per_second:,.0f} rows/s)"
    )
    for title, found in (("line", report.errors), ("warning, line", report.warnings)):
        for error in found[:ERRORS_SHOWN]:
            where = f"{error.field}: " if error.field else ""
            console.print(f"  {title} {error.line}: {where}{error.reason}", markup=False, highlight=False)
        if len(found) > ERRORS_SHOWN:
            console.print(f"  ... {len(found) - ERRORS_SHOWN:,} or more; --errors FILE writes them all")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeRemainingColumn(),
        console=console,
        transient=not console.is_terminal,
    )
