"""The positive control of a scan: canaries in copies of each kind of store, which the scan must find.

A copy of a SQLite store has its tables, a row in each, and the canary in each column that can hold text, so that a
table that the scan does not understand shows up here.
"""

import gzip
import secrets
import shutil
import sqlite3
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from models.privacy.needles import Needle
from models.privacy.scan_report import Planted
from models.profile.packing import pack
from pipelines.scan_job import PACKED, Job, JobResult, run_job
from pipelines.task_runner import Runner

_TABLE = "planted"
_PACKED_COLUMN = "state"  # a BLOB of that name holds packed profiles
_HOLD_TEXT = frozenset({"TEXT", "BLOB", ""})


class Plant(msgspec.Struct, frozen=True):
    """A canary in files of the scratch directory, and how it must be seen there."""

    kind: str
    files: list[str]
    raw: bool
    decoded: bool
    places: list[str] = []  # table.column, each of which must be told
    lance: list[str] = []  # directories of Lance tables


def check(scratch: Path, schemas: Mapping[tuple[str, ...], str], lance: bool, runner: Runner) -> list[Planted]:
    """Plants a random canary in each kind of store and scans for it. `schemas`: SQLite tables -> a file with them."""
    canary = secrets.token_hex(20)
    named = [(file, list(schema)) for schema, file in schemas.items()]
    ((_, plants),) = runner.run(plant, [("", (scratch, canary, named, lance))])
    needles = [Needle(canary, "", "canary")]
    jobs = [(each.kind, Job(each.kind, scratch, each.files)) for each in plants]
    jobs += [(each.kind, Job(each.kind, scratch, each.lance, lance=True)) for each in plants if each.lance]
    results: dict[str, list[JobResult]] = {}
    for kind, found in runner.run(run_job, [(kind, (job, needles)) for kind, job in jobs]):
        results.setdefault(kind, []).extend(found)
    return [_judged(each, results[each.kind]) for each in plants]


def plant(scratch: Path, canary: str, schemas: list[tuple[str, list[str]]], lance: bool) -> list[Plant]:
    """Makes the copies, in a worker process."""
    plants = [_database(scratch, f"copy-{number}.sqlite", canary, *named) for number, named in enumerate(schemas)]
    plants = [each for each in plants if each.places]
    plants.append(_write_ahead_log(scratch, canary))
    plants += _files(scratch, canary)
    if lance:
        plants.append(_lance(scratch, canary))
    return plants


def _judged(planted: Plant, results: list[JobResult]) -> Planted:
    seen = {(place, how) for result in results for _, place, how, _ in result.whole}
    told = {place for place, _ in seen}
    return Planted(
        planted.kind,
        any(how == "raw" for _, how in seen) if planted.raw else None,
        any(how == "decoded" for _, how in seen) if planted.decoded else None,
        [place for place in planted.places if place not in told],
    )


def _database(scratch: Path, name: str, canary: str, file: str, schema: list[str]) -> Plant:
    """A SQLite file with the tables of another, and the canary in each column that can hold text."""
    places = []
    with closing(sqlite3.connect(scratch / name, isolation_level=None)) as db:
        for statement in schema:
            db.execute(statement)
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table.startswith("sqlite_"):
                continue
            columns = [(row[1], row[2].upper()) for row in db.execute(f'PRAGMA table_info("{table}")')]
            values = [_value(column, kind, canary) for column, kind in columns]
            db.execute(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(values))})', values)  # nosec B608
            places += [f"{table}.{column}" for column, kind in columns if kind in _HOLD_TEXT]
            if (_PACKED_COLUMN, "BLOB") in columns:
                places.append(PACKED)
    return Plant(f"SQLite {file}", [name], True, True, places)


def _value(column: str, kind: str, canary: str) -> int | str | bytes:
    if kind not in _HOLD_TEXT:
        return 1
    if kind != "BLOB":
        return canary
    if column == _PACKED_COLUMN:  # an array as long as a profile's
        return pack(msgspec.msgpack.encode([17, {"of": [canary]}, *range(20)]))
    return msgspec.msgpack.encode({"of": [canary]})


def _write_ahead_log(scratch: Path, canary: str) -> Plant:
    """A row that is in the log alone, and not yet in the file."""
    with closing(sqlite3.connect(scratch / "open", isolation_level=None)) as db:
        db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE {_TABLE} (held TEXT);")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute(f"INSERT INTO {_TABLE} VALUES (?)", (canary,))  # nosec B608
        for side in ("", "-wal"):
            shutil.copy(scratch / f"open{side}", scratch / f"log{side}")
    for left in scratch.glob("open*"):
        left.unlink()
    return Plant("SQLite write-ahead log", ["log-wal", "log"], True, True, [f"{_TABLE}.held"])


def _files(scratch: Path, canary: str) -> list[Plant]:
    line = f"something of {canary}\n".encode()
    table = pa.table({"held": [canary]})
    (scratch / "text").write_bytes(line)
    with gzip.open(scratch / "gzip", "wb") as packed:
        packed.write(line)
    with pa.OSFile(str(scratch / "zstd"), "wb") as sink, pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(line)
    with zipfile.ZipFile(scratch / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("held.txt", line)
    pq.write_table(table, scratch / "parquet", compression="zstd")
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(scratch / "arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table)
    packed_kinds = ("gzip", "zstd", "zip", "parquet", "arrow")
    return [Plant("text", ["text"], True, False), *(Plant(kind, [kind], False, True) for kind in packed_kinds)]


def _lance(scratch: Path, canary: str) -> Plant:
    """A Lance table with a row that was deleted, by a predicate that names it."""
    import lancedb  # takes seconds

    table = lancedb.connect(scratch / "vectors").create_table(_TABLE, pa.table({"held": [canary, "another"]}))
    table.delete(f"held = '{canary}'")
    files = [str(path.relative_to(scratch)) for path in (scratch / "vectors").rglob("*") if path.is_file()]
    return Plant("Lance", sorted(files), True, True, [f"{_TABLE}.held"], [f"vectors/{_TABLE}.lance"])
