"""Tables of files, decoded: SQLite row by row, Parquet, Arrow and Lance by their columns of text.

SQLite is read as any reader does, in short transactions, so that a service that writes goes on and its write-ahead log
does not grow. Nothing may have the same file open in this process: to close it would drop SQLite's locks.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from models.privacy.decoding import Texts, open_bytes, texts
from models.privacy.needles import Hit, Search

_BATCH_ROWS = 200
_BUSY_TIMEOUT_MS = 10_000
# Digests, and what is sealed with a key: bytes that encode nothing that could be read from them.
_OPAQUE = frozenset({"dedupe.message", "keys.digest", "entries.hash", "requests.body"})
_OPAQUE |= {"data_keys.key", "backups.key", "backups.signer"}
_SEPARATOR = b"\0"


class TableHits(msgspec.Struct):
    """What decoding a file gave."""

    rows: int = 0
    whole: Counter[tuple[int, str]] = msgspec.field(default_factory=Counter)  # (needle, table.column) -> rows
    touched: Counter[tuple[Hit, str]] = msgspec.field(default_factory=Counter)  # parts of longer texts -> rows
    values: Counter[tuple[int, str]] = msgspec.field(default_factory=Counter)  # equal values -> rows
    undecoded: Counter[str] = msgspec.field(default_factory=Counter)  # table.column -> values that nothing can read


def search_sqlite(path: Path, search: Search) -> TableHits:
    """Every row of every table. Raises sqlite3.Error if it cannot be read."""
    hits = TableHits()
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({_quoted(table)})")]
            for rows in _pages(db, table):
                hits.rows += len(rows)
                for position, column in enumerate(columns):
                    search_column([row[position] for row in rows], f"{table}.{column}", search, hits)
    return hits


def search_parquet(path: Path, search: Search) -> TableHits:
    """The columns of a Parquet file that can hold text. Raises OSError and pyarrow.ArrowException."""
    hits = TableHits()
    with pq.ParquetFile(path) as file:
        hits.rows = file.metadata.num_rows
        columns = texts_of(file.schema_arrow)
        if columns:
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                search_batch(batch, "", search, hits)
    return hits


def search_arrow(path: Path, search: Search) -> TableHits:
    """An Arrow IPC file. Raises OSError and pyarrow.ArrowException."""
    hits = TableHits()
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            hits.rows += batch.num_rows
            search_batch(batch.select(texts_of(batch.schema)), "", search, hits)
    return hits


def search_batch(batch: pa.RecordBatch, table: str, search: Search, hits: TableHits) -> None:
    """Adds what a batch of columns holds."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            search_column(column.slice(start, _BATCH_ROWS).to_pylist(), f"{table}.{name}", search, hits)


def search_column(values: Sequence[Any], place: str, search: Search, hits: TableHits) -> None:
    """Adds what the values of one column hold, some rows at a time."""
    opened = [_opened(value, place, hits) for value in values if value is not None]
    rows = [each.joined() for each in opened]
    if rows and any(True for _ in search.in_bytes(_SEPARATOR.join(rows))):
        for row in rows:
            found = set(search.in_bytes(row))
            hits.whole.update((number, place) for number in {hit.needle for hit in found if not hit.touched})
            hits.touched.update((hit, place) for hit in found if hit.touched)
    for each in opened:
        for number in search.in_values(each.strings, each.numbers):
            hits.values[number, place] += 1


def _opened(value: Any, place: str, hits: TableHits) -> Texts:
    opened = texts(value)
    if opened.unopened and place not in _OPAQUE and type(value) is bytes and open_bytes(value) is None:
        hits.undecoded[place] += 1
    return opened


def _pages(db: sqlite3.Connection, table: str) -> Iterator[list[tuple[Any, ...]]]:
    """All rows, some at a time and each time anew from behind the last, in the order of the table's own key."""
    quoted = _quoted(table)
    keys = [row for row in db.execute(f"PRAGMA table_info({quoted})") if row[5]]
    try:
        db.execute(f"SELECT rowid FROM {quoted} LIMIT 0")  # nosec B608
        names = ["rowid"]
    except sqlite3.OperationalError:
        names = [_quoted(row[1]) for row in sorted(keys, key=lambda row: row[5])]
    order, marks = ", ".join(names), ", ".join("?" * len(names))
    last: tuple[Any, ...] = ()
    while True:
        where = f"WHERE ({order}) > ({marks})" if last else ""
        statement = f"SELECT {order}, * FROM {quoted} {where} ORDER BY {order} LIMIT {_BATCH_ROWS}"  # nosec B608
        rows = db.execute(statement, last).fetchall()
        if not rows:
            return
        last = rows[-1][: len(names)]
        yield [row[len(names) :] for row in rows]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def texts_of(schema: pa.Schema) -> list[str]:
    """Names of the columns that can hold text: all but those of plain numbers, truths and times, and lists of these."""

    def plain(kind: pa.DataType) -> bool:
        if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return plain(kind.value_type)
        return bool(pa.types.is_primitive(kind) or pa.types.is_null(kind))

    return [field.name for field in schema if not plain(field.type)]
