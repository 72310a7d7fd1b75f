"""Rows of CSV, JSON Lines and Parquet files, streamed; a line that cannot be read is told, not fatal.

A `Line` is a row with its number in the file (for Parquet the row's number, from 1), or the reason why there
is none. Only one batch of a file is in memory at a time.
"""

import csv
import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.import_mapping import FileOptions, MappingError

_FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".dat": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_FORMATS |= {".json": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
_DELIMITERS = (",", ";", "\t", "|")
_SNIFF_BYTES = 64 * 1024
_SNIFF_ROWS = 200
_AGREEMENT = 0.8  # share of the sniffed lines that must have the same number of fields
_LINE_BYTES_MAX = 1024 * 1024
_RECORD_LINES_MAX = 1000  # a quoted field that runs on for longer is an unclosed quote
_PARQUET_ROWS = 4096
TOO_DEEP = "objects and arrays are nested too deep"
_UNCLOSED = "a quoted field is never closed"


class Line(NamedTuple):
    """One row of a file: `row` (column -> value, None for missing), or `problem` with the reason."""

    number: int  # line in the file, from 1; for Parquet the row's number
    row: dict[str, Any]
    problem: str = ""
    position: int = 0  # bytes of the file read so far (rows for Parquet), for progress


class SourceFile:
    """A file to import: its columns and its first rows at once, all its lines by `lines()`.

    `size` is what `Line.position` ends at. Raises MappingError if the file cannot be read as a table.
    """

    def __init__(self, path: Path, options: FileOptions) -> None:
        self.path, self.options = path, options
        self.format = options.format or _FORMATS.get(path.suffix.lower(), "")
        if not self.format:
            raise MappingError(
                f'file.format: the ending "{path.suffix}" says nothing; expected csv, jsonl or parquet in the mapping'
            )
        self._nulls = frozenset(options.nulls)
        self._dialect = ""
        if self.format == "parquet":
            self.size, self.columns = _parquet_shape(path)
        else:
            self.size = path.stat().st_size
            self.columns = self._csv_columns() if self.format == "csv" else self._json_columns()
        self.sample = [line.row for line in _first(self.lines(), _SNIFF_ROWS) if not line.problem]

    def lines(self) -> Iterator[Line]:
        """Every row from the start of the file; blank lines are skipped."""
        if self.format == "parquet":
            yield from self._parquet_lines()
            return
        with self.path.open("rb") as stream:
            yield from self._csv_lines(stream) if self.format == "csv" else self._json_lines(stream)

    # CSV

    def _csv_columns(self) -> list[str]:
        with self.path.open("rb") as stream:
            head = stream.read(_SNIFF_BYTES)
        text = head.decode(self.options.encoding, "ignore")
        rows = [row for row in text.splitlines()[: _SNIFF_ROWS + 1] if row.strip()]
        if not rows:
            raise MappingError("the file is empty: expected a header line and rows")
        self._dialect = {"tab": "\t", "whitespace": " "}.get(self.options.delimiter, self.options.delimiter)
        self._dialect = self._dialect or sniff_delimiter(rows)
        if self.options.columns:
            columns = list(self.options.columns)
        else:
            columns = [name.strip() for name in split_record(rows[0], self._dialect)]
            if not all(columns) or any(_is_number(name) for name in columns):
                raise MappingError(
                    "file.columns: the first line is not a header; give the columns' names in the mapping"
                )
        if len(set(columns)) != len(columns):
            raise MappingError("file.columns: two columns have the same name; give distinct names in the mapping")
        return columns

    def _csv_lines(self, stream: BinaryIO) -> Iterator[Line]:
        records = _records(stream, self._dialect, self.options.encoding, len(self.columns))
        if not self.options.columns:
            next(records, None)
        for record in records:
            row = {}
            if not record.problem:
                row = {name: self._null(text) for name, text in zip(self.columns, record.fields, strict=True)}
            yield Line(record.number, row, record.problem, record.position)

    def _null(self, text: str) -> str | None:
        return None if text.strip() in self._nulls else text

    # JSON Lines

    def _json_columns(self) -> list[str]:
        names: dict[str, None] = {}
        with self.path.open("rb") as stream:
            for line in _first(self._json_lines(stream), _SNIFF_ROWS):
                names.update(dict.fromkeys(line.row))
        if not names:
            raise MappingError("no line of the file is a JSON object: expected one object a line")
        return list(names)

    def _json_lines(self, stream: BinaryIO) -> Iterator[Line]:
        for number, data, position in _physical_lines(stream):
            if len(data) >= _LINE_BYTES_MAX:
                yield Line(number, {}, f"the line is longer than {_LINE_BYTES_MAX} bytes", position)
                continue
            if not data.strip():
                continue
            try:
                row = json.loads(data.decode(self.options.encoding), parse_constant=_not_finite)
            except UnicodeDecodeError:
                yield Line(number, {}, f"not {self.options.encoding} text", position)
            except ValueError:
                yield Line(number, {}, "not valid JSON", position)
            except RecursionError:
                yield Line(number, {}, TOO_DEEP, position)
            else:
                if isinstance(row, dict):
                    yield Line(number, {k: self._json_null(v) for k, v in row.items()}, "", position)
                else:
                    yield Line(number, {}, "expected a JSON object", position)

    def _json_null(self, value: Any) -> Any:
        return self._null(value) if isinstance(value, str) else value

    # Parquet

    def _parquet_lines(self) -> Iterator[Line]:
        number = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield Line(number, {name: self._finite(value) for name, value in row.items()}, "", number)

    def _finite(self, value: Any) -> Any:
        if isinstance(value, float) and value != value:
            return None
        return self._null(value) if isinstance(value, str) else value


def sniff_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that gives most lines the same number of fields, at least two: , ; tab | or " " (white space).

    White space is the last choice, since texts hold spaces. A file of one column gives ",".
    """
    best, best_width = "", 1
    for delimiter in _DELIMITERS:
        width = _width(lines, delimiter)
        if width > best_width:
            best, best_width = delimiter, width
    return best or (" " if _width(lines, " ") > 1 else ",")


def _width(lines: Sequence[str], delimiter: str) -> int:
    """Number of fields that at least `_AGREEMENT` of the lines have, 0 if they disagree."""
    widths = [_fields(line, delimiter) for line in lines]
    width = statistics.mode(widths)
    return width if widths.count(width) >= _AGREEMENT * len(widths) else 0


def _fields(line: str, delimiter: str) -> int:
    try:
        return len(split_record(line, delimiter))
    except csv.Error:
        return 0


def split_record(text: str, delimiter: str) -> list[str]:
    """Fields of one record; quotes are double quotes, doubled inside. A space stands for any white space.

    Raises csv.Error for quotes that do not pair.
    """
    if delimiter == " ":
        text = " ".join(text.split())
    lines = text.rstrip("\r\n").splitlines(keepends=True) if "\n" in text else [text.rstrip("\r\n")]
    return next(csv.reader(lines, delimiter=delimiter, strict=True), [])


class _Record(NamedTuple):
    number: int  # of its first line
    position: int
    fields: list[str]
    problem: str


def _records(stream: BinaryIO, delimiter: str, encoding: str, width: int) -> Iterator[_Record]:
    """Each record with `width` fields, or what is wrong with it; a quoted field may span lines.

    A stray quote would swallow good lines up to the next one: when the lines that it holds together do not
    make a record of `width` fields, only the first is given up and reading goes on at the second.
    """
    waiting: list[tuple[int, bytes, int]] = []  # lines read ahead and given back
    source = _physical_lines(stream)

    def following() -> tuple[int, bytes, int] | None:
        return waiting.pop(0) if waiting else next(source, None)

    while (line := following()) is not None:
        if not line[1].strip():
            continue
        held = [line]
        fields, problem = _parse(held, delimiter, encoding, width)
        while problem == _UNCLOSED and len(held) < _RECORD_LINES_MAX and (more := following()) is not None:
            held.append(more)
            if b'"' in more[1]:
                fields, problem = _parse(held, delimiter, encoding, width)
        if problem and len(held) > 1:
            problem = _UNCLOSED
            waiting[:0] = held[1:]
            held = held[:1]
        yield _Record(held[0][0], held[-1][2], fields, problem)


def _parse(held: list[tuple[int, bytes, int]], delimiter: str, encoding: str, width: int) -> tuple[list[str], str]:
    if any(len(data) >= _LINE_BYTES_MAX for _, data, _ in held):
        return [], f"the line is longer than {_LINE_BYTES_MAX} bytes"
    try:
        fields = split_record(b"".join(data for _, data, _ in held).decode(encoding), delimiter)
    except UnicodeDecodeError:
        return [], f"not {encoding} text"
    except csv.Error as error:
        return [], _UNCLOSED if "unexpected end" in str(error) else "quotes that do not pair, or a field too long"
    return fields, "" if len(fields) == width else f"expected {width} fields, found {len(fields)}"


def _physical_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """(number, bytes, position after it) of each line; one that is too long is cut, so that memory stays bounded."""
    number, position = 0, 0
    while data := stream.readline(_LINE_BYTES_MAX):
        number += 1
        position += len(data)
        rest = data
        while len(rest) == _LINE_BYTES_MAX and not rest.endswith(b"\n") and (rest := stream.readline(_LINE_BYTES_MAX)):
            position += len(rest)
        yield number, data, position


def _parquet_shape(path: Path) -> tuple[int, list[str]]:
    try:
        with pq.ParquetFile(path) as file:
            return file.metadata.num_rows, [str(name) for name in file.schema_arrow.names]
    except (pa.ArrowInvalid, OSError) as error:
        raise MappingError(f"not a Parquet file: {type(error).__name__}") from None


def _not_finite(_: str) -> Any:
    raise ValueError("not finite")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first(lines: Iterator[Line], count: int) -> Iterator[Line]:
    for _, line in zip(range(count), lines, strict=False):
        yield line
