"""One task of a scan, as a worker process does it: some files or one Lance table, searched raw and decoded."""

import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa

from models.privacy.needles import Hit, Needle, Search
from models.privacy.scan_report import How
from pipelines.scan_raw import Hits, search_compressed, search_packed, search_raw
from pipelines.scan_tables import TableHits, search_arrow, search_parquet, search_sqlite

BYTES, NAME, PACKED, CONTENT = "bytes", "name", "packed", "content"
_SQLITE = ".sqlite"  # in the names of these files, their logs and journals
WITHHELD = "(a name that holds what was searched for)"
_MAGIC: dict[bytes, "FileKind"] = {
    b"SQLite format 3\0": "sqlite",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
FileKind = Literal["plain", "sqlite", "parquet", "arrow", "gzip", "zstd", "zip"]


class Job(msgspec.Struct, frozen=True):
    """Files of one store, relative to `root`. With `lance`, they are directories of Lance tables."""

    store: str
    root: Path
    files: list[str]
    lance: bool = False


class JobResult(msgspec.Struct):
    """What one file gave. Needles are numbers."""

    file: str  # as it may be shown
    bytes: int = 0
    rows: int = 0
    whole: list[tuple[int, str, How, int]] = []  # needle, place, how, count
    touched: list[tuple[Hit, str, How, int]] = []
    values: list[tuple[int, str, How, int]] = []
    tables: bool = False  # `touched` is of decoded tables too
    problems: list[str] = []
    schema: list[str] = []  # of a SQLite file


def run_job(job: Job, needles: Sequence[Needle]) -> list[JobResult]:
    """Searches the files one after the other. A file that is gone by then is left out."""
    search = Search(needles)
    one = _lance if job.lance else _file
    results = (one(job.root / file, file, search) for file in job.files)
    return [result for result in results if result is not None]


def _file(path: Path, name: str, search: Search) -> JobResult | None:
    named = Counter(search.in_bytes(os.fsencode(name)))
    result = JobResult(_shown(name, named))
    _add_hits(result, named, NAME, "raw")
    try:
        hits, result.bytes = search_raw(path, search)
        _add_hits(result, hits, BYTES, "raw")
        if _SQLITE in path.name:
            _add_hits(result, search_packed(path, search), PACKED, "raw")
        # SQLite's locks go when a file is closed: nothing of it is open here when its tables are read.
        _decode(path, _kind_of(path), search, result)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, sqlite3.Error, pa.ArrowException) as error:
        # What errors say may quote data.
        result.problems.append(f"{result.file} cannot be read ({type(error).__name__})")
    return result


def _shown(name: str, hits: Hits) -> str:
    return WITHHELD if hits else name.encode("utf-8", "backslashreplace").decode()


def _kind_of(path: Path) -> FileKind:
    with path.open("rb") as file:
        head = file.read(16)
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "plain")


def _decode(path: Path, kind: FileKind, search: Search, result: JobResult) -> None:
    if kind == "sqlite":
        result.schema = _schema(path)
        _add_tables(result, search_sqlite(path, search))
    elif kind == "parquet":
        _add_tables(result, search_parquet(path, search))
    elif kind == "arrow":
        _add_tables(result, search_arrow(path, search))
    elif kind != "plain":
        _add_hits(result, search_compressed(path, search, kind), CONTENT, "decoded")


def _lance(path: Path, name: str, search: Search) -> JobResult | None:
    from pipelines.scan_lance import search_lance  # takes seconds to import

    if not path.is_dir():
        return None
    result = JobResult(_shown(name, Counter(search.in_bytes(os.fsencode(name)))))
    try:
        _add_tables(result, search_lance(path, search))
    except ValueError as error:
        result.problems.append(f"{result.file}: {error}")
    return result


def _schema(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return sorted(sql for (sql,) in rows)


def _add_hits(result: JobResult, hits: Hits, place: str, how: How) -> None:
    whole: Counter[int] = Counter()
    for hit, count in hits.items():
        if hit.touched:
            result.touched = [*result.touched, (hit, place, how, count)]
        else:
            whole[hit.needle] += count
    result.whole = [*result.whole, *((number, place, how, count) for number, count in whole.items())]


def _add_tables(result: JobResult, hits: TableHits) -> None:
    result.tables = True
    result.rows = hits.rows
    result.whole = [*result.whole, *((number, place, "decoded", n) for (number, place), n in hits.whole.items())]
    result.touched = [*result.touched, *((hit, place, "decoded", n) for (hit, place), n in hits.touched.items())]
    result.values = [(number, place, "decoded", n) for (number, place), n in hits.values.items()]
    result.problems = [
        f"{result.file}: {count} values of {place.lstrip('.')} cannot be decoded"
        for place, count in hits.undecoded.items()
    ]
