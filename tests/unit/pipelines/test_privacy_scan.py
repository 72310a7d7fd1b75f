"""A canary is found in every store in which it can be, raw or decoded; a scan that cannot see says so."""

import gzip
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.audit_log import AuditLog
from actors.control import ControlStore
from actors.delivery_store import DeliveryStore
from actors.privacy_store import PrivacyStore
from actors.schema import create_shards
from models.privacy.needles import Needle, needles_of
from models.privacy.scan_report import Found, ScanReport
from models.profile.packing import pack
from models.profile.state import Profile, encode_profile
from pipelines import scan_job
from pipelines.privacy_scan import scan
from pipelines.scan_raw import BLOCK_BYTES
from pipelines.scan_tables import TableHits
from pipelines.task_runner import Processes
from tests.strategies.filled import Filler
from tests.unit.pipelines.in_process import InProcess

KEY = b"k" * 32
CANARY = "canary-5f0c2a77"
NEEDLES = needles_of([], [CANARY], KEY)
JANE = needles_of(["email:jane@example.com"], [], KEY)


def scanned(data_dir: Path, needles: list[Needle] = NEEDLES, control: list[Needle] | None = None) -> ScanReport:
    return scan(data_dir, needles, control or [], runner=InProcess())


def found(data_dir: Path, needles: list[Needle] = NEEDLES) -> set[tuple[str, str]]:
    """Place and how of all that counts."""
    report = scanned(data_dir, needles)
    assert report.failures == []
    return {(each.place, each.how) for each in report.found}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "any.sqlite", isolation_level=None)) as opened:
        opened.execute("CREATE TABLE people (key INTEGER PRIMARY KEY, name TEXT, state BLOB)")
        yield opened


# Every table and column


def shard(data_dir: Path) -> None:
    create_shards(data_dir, 1)


def control(data_dir: Path) -> None:
    ControlStore(data_dir / "control.sqlite", create=True).close()


def deliveries(data_dir: Path) -> None:
    DeliveryStore(data_dir / "deliveries.sqlite").close()


def privacy(data_dir: Path) -> None:
    PrivacyStore(data_dir / "privacy.sqlite", b"k" * 32).close()


def audit(data_dir: Path) -> None:
    AuditLog(data_dir).close()


@pytest.mark.parametrize("make", [shard, control, deliveries, privacy, audit])
def test_every_column_of_every_table_that_can_hold_text(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)
    (path,) = tmp_path.rglob("*.sqlite")
    planted: dict[str, Needle] = {}
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        for (table,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table == "sqlite_sequence":
                continue
            values: list[object] = []
            for _, column, kind, *_ in opened.execute(f"PRAGMA table_info({table})"):
                text = f"canary-{len(planted):04d}-of-{table}"
                if kind == "INTEGER":
                    values.append(999)
                    continue
                (planted[f"{table}.{column}"],) = needles_of([], [text], KEY)
                encoded = msgspec.msgpack.encode({"held": [text]})
                values.append(text if kind == "TEXT" else pack(encoded) if column == "state" else encoded)
            opened.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    report = scanned(tmp_path, list(planted.values()))
    assert report.failures == []
    seen = {(each.needle, each.place) for each in report.found if each.how == "decoded"}
    assert seen == {(needle.fingerprint, place) for place, needle in planted.items()}
    assert len(planted) >= 5


def test_texts_in_all_records_of_a_shard(tmp_path: Path) -> None:
    create_shards(tmp_path, 1)
    filler = Filler()
    state = encode_profile(filler.of(Profile))
    with closing(sqlite3.connect(tmp_path / "shards" / "shard-000.sqlite", isolation_level=None)) as opened:
        opened.execute("INSERT INTO profiles VALUES (1, 1, 0, ?)", (state,))
    needles = needles_of([], filler.texts, KEY)
    report = scanned(tmp_path, needles)
    assert {each.needle for each in report.found if each.place == "profiles.state"} == {n.fingerprint for n in needles}


def test_more_rows_than_are_read_at_once(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.executescript("CREATE TABLE pairs (a TEXT, b INTEGER, held TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID; BEGIN")
    for number in range(1_001):
        held = CANARY if number % 100 == 0 else "nothing"
        db.execute("INSERT INTO pairs VALUES (?, ?, ?)", (f"a{number // 10}", number % 10, held))
        db.execute("INSERT INTO people VALUES (?, ?, NULL)", (number * 7, held))
    db.execute("COMMIT")
    report = scanned(tmp_path)
    assert report.stores[0].rows == 2_002
    assert {each.place: each.count for each in report.found if each.how == "decoded"} == {
        "pairs.held": 11,
        "people.name": 11,
    }


# What tables have let go of


def test_a_row_that_is_in_the_write_ahead_log_alone(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA wal_checkpoint(TRUNCATE);")
    db.execute("INSERT INTO people VALUES (1, ?, NULL)", (CANARY,))
    report = scanned(tmp_path)
    assert CANARY.encode() not in (tmp_path / "any.sqlite").read_bytes()
    assert {(each.file, each.place) for each in report.found} == {
        ("any.sqlite-wal", "bytes"),
        ("any.sqlite", "people.name"),
    }


def test_an_earlier_state_in_the_write_ahead_log(db: sqlite3.Connection, tmp_path: Path) -> None:
    """It is packed, so that bytes do not show it, and it is no row any more."""
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=ON;")
    state = pack(msgspec.msgpack.encode([CANARY, *range(20)]))
    db.execute("INSERT INTO people VALUES (1, '', ?)", (state,))
    db.execute("DELETE FROM people")
    assert ("packed", "raw") in found(tmp_path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert found(tmp_path) == set()


@pytest.mark.parametrize(("secure", "left"), [("OFF", {("bytes", "raw"), ("packed", "raw")}), ("ON", set())])
def test_freed_pages(db: sqlite3.Connection, tmp_path: Path, secure: str, left: set[tuple[str, str]]) -> None:
    db.execute(f"PRAGMA secure_delete={secure}")
    state = pack(msgspec.msgpack.encode([CANARY, *range(20)]))
    db.execute("BEGIN")
    for number in range(500):
        db.execute("INSERT INTO people VALUES (?, ?, ?)", (number, f"<{CANARY}> {'x' * 50}", state))
    db.execute("COMMIT")
    assert ("people.name", "decoded") in found(tmp_path)
    db.execute("DELETE FROM people")
    assert found(tmp_path) == left


# Files of other kinds


def test_parquet_hides_from_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "resolve.work"
    folder.mkdir()
    # Statistics in the file's end quote the least and the greatest value.
    names = [CANARY if n == 4_321 else f"{'az'[n % 2]}nary-{n * 7919:x}" for n in range(5_000)]
    people = [{"email": f"{name}@example.com", "n": n} for n, name in enumerate(names)]
    pq.write_table(pa.Table.from_pylist(people), folder / "people.parquet", compression="zstd")
    report = scanned(tmp_path)
    assert [(each.place, each.how, each.count) for each in report.found] == [("email", "decoded", 1)]
    assert report.stores[0].rows == 5_000


def test_compressed_files(tmp_path: Path) -> None:
    text = b"nothing to see here " * 1_000 + CANARY.encode() + b" nothing to see here" * 1_000
    with gzip.open(tmp_path / "a.gz", "wb") as packed:
        packed.write(text)
    with pa.OSFile(str(tmp_path / "b.zst"), "wb") as sink, pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", text)
    report = scanned(tmp_path)
    assert {each.file for each in report.found if each.how == "decoded"} == {"a.gz", "b.zst", "c.zip"}


def test_text_across_blocks_and_in_names(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "spill").mkdir()
    for cut in range(len(CANARY) + 1):
        before = b"." * (BLOCK_BYTES - cut)
        (tmp_path / "logs" / f"{cut}.log").write_bytes(before + CANARY.encode())
    (tmp_path / "spill" / f"{CANARY}.bin").write_bytes(b"x")
    (tmp_path / "logs" / "\udcff").write_bytes(b"a name that is not UTF-8")
    report = scanned(tmp_path)
    logs, spill = report.stores
    assert [(each.count, each.place) for each in logs.found] == [(1, "bytes")] * (len(CANARY) + 1)
    assert [(each.place, each.file) for each in spill.found] == [("name", scan_job.WITHHELD)]
    assert CANARY not in msgspec.json.encode(report).decode()


def test_links_are_followed_and_directories_beside_are_read(tmp_path: Path) -> None:
    data, other, beside = tmp_path / "data", tmp_path / "other", tmp_path / "ray"
    for folder in (data, other, beside):
        folder.mkdir()
        (folder / "log").write_text(CANARY if folder != data else "")
    (data / "run").symlink_to(other)
    (other / "back").symlink_to(data)
    report = scan(data, NEEDLES, beside=[beside], runner=InProcess())
    assert {store.store: len(store.found) for store in report.stores} == {"run": 1, "beside": 1, "other": 0}


# Longer texts of others


def test_a_longer_text_of_somebody_else_does_not_count(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.execute("INSERT INTO people VALUES (1, 'mary.jane@example.com', NULL)")
    (tmp_path / "people.csv").write_text("email\nmary.jane@example.com\n")
    report = scanned(tmp_path, JANE)
    assert report.clean
    assert {(each.place, each.certain) for each in report.stores[0].found} == {("people.name", False), ("bytes", False)}


def test_a_longer_text_that_nothing_explains_counts(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email\nmary.jane@example.com\n")
    assert found(tmp_path, JANE) == {("bytes", "raw")}


def test_short_values_are_told_and_do_not_count(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.execute("INSERT INTO people VALUES (1, 'joe', ?)", (msgspec.msgpack.encode({"id": "17", "at": 1234567}),))
    report = scanned(tmp_path, needles_of(["user_id:joe", "user_id:17", "user_id:1234567"], [], KEY))
    assert report.clean
    assert {each.place for each in report.stores[0].found} == {"people.name", "people.state"}
    assert len({each.needle for each in report.stores[0].found}) == 3


# A scan that does not see


def test_a_clean_scan(db: sqlite3.Connection, tmp_path: Path) -> None:
    report = scanned(tmp_path)
    assert report.clean
    assert all(each.holds for each in report.planted)
    assert {each.kind for each in report.planted} >= {"SQLite any.sqlite", "SQLite write-ahead log", "parquet", "text"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.sqlite", b"SQLite format 3\0" + b"\1" * 5_000),
        ("a.parquet", b"PAR1 and nothing more"),
        ("a.arrow", b"ARROW1 and nothing more"),
        ("a.gz", gzip.compress(os.urandom(100))[:-20]),
        ("a.zst", b"\x28\xb5\x2f\xfd and nothing more"),
        ("a.zip", b"PK\x03\x04 and nothing more"),
    ],
)
def test_what_cannot_be_read_fails_the_scan(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    report = scanned(tmp_path)
    assert report.found == []
    assert not report.clean
    assert name in report.failures[0]


def test_a_damaged_value_fails_the_scan(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.execute("INSERT INTO people VALUES (1, '', ?)", (b"\x01 damaged",))
    assert scanned(tmp_path).failures == ["other: any.sqlite: 1 values of people.state cannot be decoded"]


def test_links_to_nowhere_and_missing_directories_fail_the_scan(tmp_path: Path) -> None:
    assert scanned(tmp_path / "nowhere").failures
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert scanned(tmp_path).failures


def test_control_canaries_that_are_not_found_fail_the_scan(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("control-here")
    here, missing = needles_of([], ["control-here", "control-gone"], KEY)
    report = scanned(tmp_path, NEEDLES, [here])
    assert report.clean
    assert report.stores[0].control_found == 1
    report = scanned(tmp_path, NEEDLES, [here, missing])
    assert not report.clean
    assert report.control_missing == [missing.fingerprint]


def test_a_scan_that_is_blind_for_tables_fails(
    db: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_job, "search_sqlite", lambda path, search: TableHits())
    report = scanned(tmp_path)
    assert report.found == []
    assert "control: a canary in a copy of SQLite any.sqlite was not found" in report.failures


def test_one_scan_may_look_for_many_people(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("<jane@example.com>")
    joe = needles_of(["email:joe@example.com"], [], KEY)
    report = scanned(tmp_path, [*JANE, *joe])
    assert not report.about({JANE[0].fingerprint}).clean
    assert report.about({joe[0].fingerprint}).clean


def test_in_processes_of_its_own(db: sqlite3.Connection, tmp_path: Path) -> None:
    """A writer goes on meanwhile."""
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO people VALUES (1, ?, NULL)", (CANARY,))
    db.execute("COMMIT")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE people SET name = ''")
    with Processes() as processes:
        report = scan(tmp_path, NEEDLES, runner=processes)
    db.execute("COMMIT")
    assert Found(NEEDLES[0].fingerprint, "any.sqlite", "people.name", "decoded", 1) in report.found
    assert report.failures == []
