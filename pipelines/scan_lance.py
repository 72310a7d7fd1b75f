"""Lance tables, decoded: every version that is on disk, with the rows that were deleted and not yet compacted.

A deletion leaves the row in its data file, perhaps compressed, and only notes its number. So the table is read through
a scratch directory that shows the same files with nothing deleted.
"""

import tempfile
from contextlib import suppress
from pathlib import Path

import lancedb
import pyarrow as pa
import pyroaring

from models.privacy.needles import Search
from pipelines.scan_tables import TableHits, search_batch, texts_of

SUFFIX = ".lance"
_BATCH_ROWS = 5_000
_TRIES = 3


def search_lance(path: Path, search: Search) -> TableHits:
    """All versions of the table in a directory. Raises ValueError if part of it cannot be read."""
    for _ in range(_TRIES - 1):  # its owner may compact it meanwhile, and then files go
        with suppress(ValueError):
            return _search_once(path, search)
    return _search_once(path, search)


def _search_once(path: Path, search: Search) -> TableHits:
    try:
        with tempfile.TemporaryDirectory(prefix="onefold-scan-") as scratch:
            _undeleted(path, Path(scratch) / path.name)
            return _search(Path(scratch), path.name.removesuffix(SUFFIX), search)
    except (OSError, RuntimeError, pa.ArrowException) as error:
        raise ValueError("a Lance table that cannot be read; if it was being compacted, scan again") from error


def _search(database: Path, name: str, search: Search) -> TableHits:
    hits = TableHits()
    table = lancedb.connect(database).open_table(name)
    for version in table.list_versions():
        table.checkout(version["version"])
        columns = texts_of(table.schema)
        hits.rows += table.count_rows()
        if columns:
            for batch in table.search().select(columns).to_batches(_BATCH_ROWS):
                search_batch(batch, name, search, hits)
        if any(set(index.columns) & set(columns) for index in table.list_indices()):
            raise ValueError(
                "a Lance index over text, which cannot be decoded: drop it, or make it anew and scan again"
            )
    return hits


def _undeleted(path: Path, copy: Path) -> None:
    """A copy by links, in which the lists of deleted rows are empty."""
    for file in path.rglob("*"):
        if not file.is_file():
            continue
        shown = copy / file.relative_to(path)
        shown.parent.mkdir(parents=True, exist_ok=True)
        if file.parent.name != "_deletions":
            shown.symlink_to(file.resolve())
        elif file.suffix == ".arrow":
            schema = pa.schema([pa.field("row_id", pa.uint32(), nullable=False)])
            with pa.OSFile(str(shown), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                writer.write_batch(pa.RecordBatch.from_pylist([], schema=schema))
        else:
            shown.write_bytes(pyroaring.BitMap().serialize())
