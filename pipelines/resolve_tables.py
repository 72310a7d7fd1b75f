"""A CSV or Parquet file of records as one table of texts, kept in Arrow from the file to the matcher.

Every column becomes texts, or lists of texts, with white space trimmed and missing values null. Nothing is
converted to Python objects but a head of the file, a few samples, and list texts that hold escapes.
"""

import ast
import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from models.identity.role_shapes import could_be_email, could_be_phone
from pipelines.import_readers import sniff_delimiter

STRINGS, LISTS = pa.string(), pa.list_(pa.string())
# Written by databases and data frames for no value; other cases are left alone, for Null is a family name.
_NULLS = ("", "NULL", "null", "(null)", "NaN", "nan", "None", "N/A", "n/a", "#N/A", "<NA>", "\\N")
_PARQUET = (".parquet", ".pq")
_HEAD_BYTES = 256 * 1024
_HEAD_ROWS = 200
_BLOCK_BYTES = 8 * 1024 * 1024
_LIST_SAMPLE = 500
_LISTED = 0.9  # share of a column's sample that must be lists for all of it to be read as such
_BRACKETED = re.compile(r"\[.*\]", re.DOTALL)
_PARTS = r"\s*[;|,]\s*"
_BETWEEN_ITEMS = r"""["']?\s*,\s*["']?"""
_ITEM = r"""("[^"'\\,\[\]]+"|'[^"'\\,\[\]]+'|\d+)"""
_PLAIN_LIST = rf"^\[\s*({_ITEM}(\s*,\s*{_ITEM})*)?\s*\]$"
_BAD_ROWS_SHOWN = 5
_EXACT_FLOAT = 2.0**53


class InputError(ValueError):
    """The records cannot be read as asked. The message names the option or file, and the way out; no values."""


@dataclass(frozen=True)
class FileTable:
    """A file's columns: `pa.string()` or `pa.list_(pa.string())`. `left_out` are those that hold neither."""

    path: Path
    table: Any  # pa.Table
    left_out: tuple[str, ...] = ()


def read_table(path: Path) -> FileTable:
    """Reads a file: Parquet by its ending, else CSV, whose delimiter and encoding are found out.

    Parquet structs become columns "struct.field". Raises InputError.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        columns, left_out = _parquet_columns(path) if path.suffix.lower() in _PARQUET else (_csv_columns(path), [])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path.name}: cannot be read: {type(error).__name__}") from None
    names = [name for name, _ in columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f'{path.name}: two columns are called "{repeated[0]}"; give them distinct names')
    table = pa.table({name: _listed(column) for name, column in columns})
    return FileTable(path, table, tuple(left_out))


# CSV


def _csv_columns(path: Path) -> list[tuple[str, Any]]:
    encoding = _encoding(path)
    names, delimiter, skip = _csv_head(path, encoding)
    for candidate in dict.fromkeys((encoding, "cp1252", "latin-1")):
        try:
            batches = list(_csv_batches(path, candidate, names, delimiter, skip))
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            if "UTF8" in str(error) or isinstance(error, UnicodeDecodeError):
                continue  # the head was in that encoding, the rest is not
            raise InputError(_bad_rows(path, candidate, names, delimiter, skip)) from None
        schema = pa.schema([(str(i), STRINGS) for i in range(len(names))])
        table = pa.Table.from_batches(batches, schema)
        return list(zip(names, table.columns, strict=True))
    raise InputError(f"{path.name}: the text is neither UTF-8 nor Latin-1; save it as UTF-8")


def _encoding(path: Path) -> str:
    """By byte order mark, else UTF-8 if the head of the file is valid UTF-8, else Windows-1252."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _csv_head(path: Path, encoding: str) -> tuple[list[str], str, int]:
    """The names of the columns, the delimiter, and how many rows the header takes with blank lines before it."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head).removeprefix("\ufeff")
    lines = text.splitlines()
    blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    rows = [line for line in lines[blank : blank + _HEAD_ROWS] if line.strip()]
    if not rows:
        raise InputError(f"{path.name}: the file is empty: expected a header line and rows")
    delimiter = sniff_delimiter(rows)
    widths = {d: rows[0].count(d) for d in (",", ";", "\t", "|")}
    if not widths.get(delimiter):  # rows that span lines hide the delimiter, and one word a line is no delimiter
        delimiter = max(widths, key=lambda d: widths[d])
    header = next(csv.reader(io.StringIO("\n".join(lines[blank:])), delimiter=delimiter, skipinitialspace=True))
    names = [name.strip() or f"column {i}" for i, name in enumerate(header, 1)]
    if any(re.fullmatch(r"[-+]?[\d.,]+|\S+@\S+", name) for name in names):
        raise InputError(f"{path.name}: the first line is not a header; expected the columns' names there")
    return names, delimiter, blank + 1


def _csv_batches(path: Path, encoding: str, names: list[str], delimiter: str, skip: int) -> Iterator[Any]:
    with _csv_reader(path, encoding, names, delimiter, skip, None) as reader:
        for batch in reader:
            yield pa.RecordBatch.from_arrays([_clean(column) for column in batch.columns], batch.schema.names)


def _csv_reader(path: Path, encoding: str, names: list[str], delimiter: str, skip: int, handler: Any) -> Any:
    numbered = [str(i) for i in range(len(names))]
    return pyarrow.csv.open_csv(
        path,
        pyarrow.csv.ReadOptions(
            column_names=numbered,
            skip_rows_after_names=skip,
            encoding=encoding,
            block_size=_BLOCK_BYTES,
            use_threads=handler is None,
        ),
        pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=handler),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(numbered, STRINGS), strings_can_be_null=False),
    )


def _bad_rows(path: Path, encoding: str, names: list[str], delimiter: str, skip: int) -> str:
    """What to say of rows with too many or too few fields: how many, and where."""
    bad: list[tuple[int, int]] = []

    def note(row: Any) -> str:
        bad.append(((row.number or 0) - skip, row.actual_columns))
        return "skip"

    with _csv_reader(path, encoding, names, delimiter, skip, note) as reader:
        for _ in reader:
            pass
    shown = ", ".join(f"row {number} has {fields}" for number, fields in bad[:_BAD_ROWS_SHOWN])
    more = f" and {len(bad) - _BAD_ROWS_SHOWN} more rows" if len(bad) > _BAD_ROWS_SHOWN else ""
    return (
        f"{path.name}: expected {len(names)} fields a row, as in the header; {shown}{more} (row 1 is the first below "
        "the header); put fields that hold the delimiter in double quotes"
    )


# Parquet


def _parquet_columns(path: Path) -> tuple[list[tuple[str, Any]], list[str]]:
    columns: list[tuple[str, Any]] = []
    left_out: list[str] = []
    with pq.ParquetFile(path) as file:
        for i, field in enumerate(file.schema_arrow):
            # One by one, so that only one column is there twice.
            read = file.read(columns=[field.name])
            if len(read.column_names) != 1:
                raise InputError(f'{path.name}: two columns are called "{field.name}"; give them distinct names')
            while any(pa.types.is_struct(f.type) for f in read.schema):
                read = read.flatten()
            for name, column in zip(read.column_names, read.columns, strict=True):
                texts = _texts(column)
                if texts is None:
                    left_out.append(str(name))
                else:
                    columns.append((str(name) or f"column {i + 1}", texts))
    return columns, left_out


def _texts(column: Any) -> Any:
    """The column as texts or lists of texts; None for maps, lists of structs and bytes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.cast(kind.value_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if pa.types.is_nested(kind.value_type) or pa.types.is_binary(kind.value_type):
            return None
        return pa.chunked_array([_clean_lists(chunk) for chunk in column.cast(LISTS).chunks], LISTS)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    if pa.types.is_floating(kind):
        column = _whole(column)
    elif pa.types.is_timestamp(kind):
        days = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.date32(), safe=False)
        if pc.all(pc.equal(days.cast(kind), column)).as_py() is not False:
            column = days  # a date of birth, kept as a time by a data frame
    return pa.chunked_array([_clean(chunk) for chunk in column.cast(STRINGS).chunks], STRINGS)


def _whole(column: Any) -> Any:
    """Whole numbers that were made floating only to have nulls beside them, as integers; NaN as null."""
    column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _EXACT_FLOAT))
    return column.cast(pa.int64()) if pc.all(whole).as_py() is not False else column


# Texts and lists


def _clean(texts: Any) -> Any:
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(texts, pa.array(_NULLS, STRINGS)), pa.scalar(None, STRINGS), texts)


def _listed(column: Any) -> Any:
    """A column of texts that are lists, such as ['a', 'b'] or a;b of e-mail addresses, as lists."""
    if column.type != STRINGS:
        return column
    sample = [text for chunk in column.chunks for text in _head(chunk)][:_LIST_SAMPLE]
    if not sample:
        return column
    if sum(_is_bracketed(text) for text in sample) >= _LISTED * len(sample):
        return pa.chunked_array([_bracketed_lists(chunk) for chunk in column.chunks], LISTS)
    split = [re.split(_PARTS, text) for text in sample]
    several = [parts for parts in split if len(parts) > 1]
    for could_be in (could_be_email, could_be_phone):
        if several and all(_agree(parts, could_be) for parts in (split, several)):
            lists = [_clean_lists(pc.split_pattern_regex(chunk, _PARTS).cast(LISTS)) for chunk in column.chunks]
            return pa.chunked_array(lists, LISTS)
    return column


def _agree(split: list[list[str]], could_be: Callable[[str], bool]) -> bool:
    return sum(all(map(could_be, parts)) for parts in split) >= _LISTED * len(split)


def _head(chunk: Any) -> list[str]:
    head: list[str] = chunk.drop_null().slice(0, _LIST_SAMPLE).to_pylist()
    return head


def _is_bracketed(text: str) -> bool:
    return _BRACKETED.fullmatch(text) is not None and isinstance(_parsed(text), list)


def _parsed(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _bracketed_lists(chunk: Any) -> Any:
    """Each text's elements. Texts with escapes, commas or quotes inside an element go through a real parser."""
    plain = pc.split_pattern_regex(pc.utf8_trim(chunk, characters="[]\"' "), _BETWEEN_ITEMS)
    hard = pc.fill_null(pc.invert(pc.match_substring_regex(chunk, _PLAIN_LIST)), False)
    positions = np.flatnonzero(hard.to_numpy(zero_copy_only=False))
    if len(positions):
        parsed = pa.array([_elements(text) for text in chunk.take(pa.array(positions)).to_pylist()], LISTS)
        places = np.arange(len(chunk))
        places[positions] = len(chunk) + np.arange(len(positions))
        plain = pa.concat_arrays([plain.cast(LISTS), parsed]).take(pa.array(places))
    return _clean_lists(plain)


def _clean_lists(chunk: Any) -> Any:
    """The lists with trimmed elements; missing elements are dropped, and lists without any are null."""
    elements = _clean(pc.list_flatten(chunk).cast(STRINGS))
    present = elements.is_valid()
    owners = pc.list_parent_indices(chunk).filter(present).to_numpy()
    counts = np.bincount(owners, minlength=len(chunk))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), elements.filter(present), mask=pa.array(counts == 0))


def _elements(text: str) -> list[str]:
    found = _parsed(text)
    if not isinstance(found, list):
        return [text]
    return [str(element) for element in found if element is not None]
