"""The audit log's files: what is written holds through crashes and many writers, and tampering is found."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.audit_log import FILE, HEAD_FILE, KEY_FILE, Affected, AuditLog, EntryFilter, Verdict
from actors.errors import Conflict
from models.audit.chain import GENESIS, Point, Record, canonical, link

ROOT = Path(__file__).parents[3]
ALL = EntryFilter()


def record(at: int, actor: str = "key_1", subjects: tuple[int, ...] = (7,), kind: str = "read") -> Record:
    return Record(at, actor, "GET /v1/profiles/{key}", "200", subjects, {"kind": kind})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with closing(AuditLog(tmp_path)) as log:
        yield log


@pytest.fixture
def filled(log: AuditLog, tmp_path: Path) -> Path:
    """A directory with a log of 6 entries, written as three batches."""
    for number in range(3):
        log.append([record(10 * number), record(10 * number + 1, "key_2")])
    return tmp_path


def change(directory: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        assert db.execute(statement, values).rowcount != 0


def verdict(directory: Path) -> Verdict:
    with closing(AuditLog(directory)) as log:
        return log.verify()


def numbers(log: AuditLog, wanted: EntryFilter = ALL, before: int = 1_000, limit: int = 1_000) -> list[int]:
    return [entry.number for entry in log.entries(wanted, before, limit)]


def test_what_is_appended_is_there(log: AuditLog) -> None:
    assert log.verify() == Verdict(0, GENESIS)
    end = log.append([record(1), record(2, "cli:root", (7, 7, 9), "action")])
    assert end.number == 2
    second, first = log.entries(ALL, 100, 10)
    assert (first.number, first.at, first.subjects) == (1, 1, (7,))
    assert (second.actor, second.subjects, second.detail) == ("cli:root", (7, 7, 9), {"kind": "action"})
    assert log.verify() == Verdict(2, end)


def test_only_the_owner_can_read_it(filled: Path) -> None:
    files = {file.name for file in filled.iterdir()}
    assert {FILE, HEAD_FILE, KEY_FILE} <= files
    for file in filled.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_entries_are_found_by_what_they_are_about(log: AuditLog) -> None:
    log.append([record(10), record(20, "key_2", (8, 71)), record(30, "key_2", ()), record(40, "key_1", (8,))])
    assert numbers(log) == [4, 3, 2, 1]
    assert numbers(log, before=4, limit=2) == [3, 2]
    assert numbers(log, EntryFilter(actor="key_2")) == [3, 2]
    assert numbers(log, EntryFilter(action="nothing")) == []
    assert numbers(log, EntryFilter(since=20, until=40)) == [3, 2]
    assert numbers(log, EntryFilter(subject=8)) == [4, 2]
    assert numbers(log, EntryFilter(subject=1)) == []  # 71 is somebody else


def test_all_who_have_entries_about_somebody_are_told_the_latest_first(log: AuditLog) -> None:
    about = [
        record(0, "key_1"),
        record(1, "key_2"),
        record(2, "key_3", (77,)),
        record(3, ""),
        record(4, "key_4", (5, 7)),
    ]
    log.append([*about, record(5, "key_1")])
    assert log.actors(EntryFilter(subject=7)) == ["key_1", "key_4", "key_2"]
    assert log.actors(EntryFilter(subject=8)) == []


def test_who_was_affected_is_told_with_counts_and_times(log: AuditLog) -> None:
    log.append([record(10, subjects=(7, 7, 9)), record(5, subjects=(7,), kind="action"), record(3, "key_2", (1,))])
    log.append([record(50, subjects=(9,)), record(60, subjects=())])
    assert log.affected(EntryFilter(actor="key_1")) == [Affected(7, 2, 1, 5, 10), Affected(9, 2, 0, 10, 50)]
    assert log.affected(EntryFilter(actor="key_1", since=11)) == [Affected(9, 1, 0, 50, 50)]
    assert log.affected(EntryFilter(actor="key_3")) == []


# Tampering


@pytest.mark.parametrize(
    ("statement", "values", "broken"),
    [
        ("UPDATE entries SET actor = 'key_9' WHERE number = 3", (), 3),
        ("UPDATE entries SET subjects = '' WHERE number = 4", (), 4),
        ("UPDATE entries SET subjects = 'x' WHERE number = 4", (), 4),
        ("UPDATE entries SET subjects = 7.5 WHERE number = 4", (), 4),
        ("UPDATE entries SET detail = '{' WHERE number = 2", (), 2),
        ("UPDATE entries SET at = 'soon' WHERE number = 2", (), 2),
        ("UPDATE entries SET action = CAST(x'ff' AS TEXT) WHERE number = 2", (), 2),
        ("UPDATE entries SET hash = ? WHERE number = 5", (bytes(32),), 5),
        ("UPDATE entries SET hash = 'x' WHERE number = 6", (), 6),
        ("UPDATE entries SET outcome = '404' WHERE number = 6", (), 6),
        ("DELETE FROM entries WHERE number = 1", (), 1),
        ("DELETE FROM entries WHERE number = 3", (), 3),
        ("DELETE FROM entries WHERE number = 6", (), 6),
        ("DELETE FROM entries WHERE number > 2", (), 3),
        ("DELETE FROM entries", (), 1),
        (
            "INSERT INTO entries SELECT 7, at, actor, action, outcome, subjects, detail, hash FROM entries LIMIT 1",
            (),
            7,
        ),
        (
            "INSERT INTO entries SELECT 0, at, actor, action, outcome, subjects, detail, hash FROM entries LIMIT 1",
            (),
            1,
        ),
    ],
)
def test_tampering_is_found_and_later_entries_do_not_hide_it(
    filled: Path, statement: str, values: tuple[Any, ...], broken: int
) -> None:
    change(filled, statement, *values)
    assert verdict(filled).broken == broken
    with closing(AuditLog(filled)) as log:
        log.append([record(99)])
        log.append([record(100), record(101)])
        assert log.verify().broken == broken
    assert verdict(filled).broken == broken


def test_entries_that_changed_places_are_found(filled: Path) -> None:
    for number, other in ((2, 100), (4, 2), (100, 4)):
        change(filled, "UPDATE entries SET number = ? WHERE number = ?", other, number)
    assert verdict(filled).broken == 2


def test_a_log_that_was_made_anew_to_its_end_is_found(filled: Path) -> None:
    """With every hash right: the signed head still knows another end."""
    with closing(AuditLog(filled)) as log:
        entries = log.entries(ALL, 100, 100)[::-1]
    last = bytes(32)
    for entry in entries:
        entry = type(entry)(entry.number, entry.at, "key_9", entry.action, entry.outcome, entry.subjects, entry.detail)
        last = link(last, entry)
        change(filled, "UPDATE entries SET actor = 'key_9', hash = ? WHERE number = ?", last, entry.number)
    found = verdict(filled)
    assert (found.broken, found.problem) == (6, "rewritten")


def test_forged_entries_behind_the_end_are_found(filled: Path, log: AuditLog) -> None:
    """With the right number and hash: but nobody announced them in the signed head."""
    (last,) = log.entries(ALL, 100, 1)
    end = log.verify().head
    forged = type(last)(7, 99, "key_9", last.action, "200", (), {})
    row = (7, 99, "key_9", last.action, "200", "", "{}", link(end.hash, forged))
    change(filled, "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row)
    found = log.verify()
    assert (found.broken, found.problem) == (7, "beyond_head")


def _remove(path: Path) -> None:
    path.unlink()


def _forge(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"number":6', b'"number":4'))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("tamper", [_remove, _forge, _empty])
def test_a_head_that_was_removed_or_changed_is_found(filled: Path, tamper: Callable[[Path], None]) -> None:
    tamper(filled / HEAD_FILE)
    change(filled, "DELETE FROM entries WHERE number > 4")
    assert verdict(filled).broken == 5
    with closing(AuditLog(filled)) as log:
        log.append([record(99)])
    assert verdict(filled).broken == 5


def test_an_earlier_head_is_found(filled: Path, log: AuditLog) -> None:
    before = (filled / HEAD_FILE).read_bytes()
    log.append([record(99)])
    (filled / HEAD_FILE).write_bytes(before)
    assert (log.verify().broken, log.verify().problem) == (7, "beyond_head")


def test_another_key_is_found(filled: Path) -> None:
    (filled / KEY_FILE).unlink()
    found = verdict(filled)
    assert (found.broken, found.problem) == (7, "head_forged")


def test_a_removed_file_of_entries_is_found(filled: Path) -> None:
    for file in filled.glob(FILE + "*"):
        file.unlink()
    found = verdict(filled)
    assert (found.broken, found.problem) == (1, "cut_off")


def test_a_damaged_file_is_found(filled: Path, log: AuditLog) -> None:
    log.append([record(number) for number in range(2_000)])
    with closing(sqlite3.connect(filled / FILE)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray((filled / FILE).read_bytes())
    for page in range(20, len(raw) // 4096 - 20):
        raw[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    (filled / FILE).write_bytes(raw)
    assert 1 <= verdict(filled).broken <= 2_006
    (filled / FILE).write_bytes(b"x" * len(raw))
    with pytest.raises(Conflict, match="damaged"):
        AuditLog(filled)


def test_all_files_put_back_to_an_earlier_time_are_found_by_what_was_known(filled: Path) -> None:
    earlier = filled.parent / "earlier"
    shutil.copytree(filled, earlier)
    with closing(AuditLog(filled)) as later:
        known = later.append([record(99)])
        assert later.verify(known).broken == 0
    with closing(AuditLog(earlier)) as put_back:
        assert put_back.verify().broken == 0  # nothing in it shows that
        found = put_back.verify(known)
        assert (found.broken, found.problem) == (7, "other_log")
        assert put_back.verify(Point(6, bytes(32))).broken == 6


# Crashes and other writers


class Killed(BaseException):
    """The process ended there."""


@pytest.mark.parametrize(("step", "kept"), [("announcing", False), ("announced", False), ("committed", True)])
def test_a_crash_at_any_step_is_no_tampering(
    filled: Path, log: AuditLog, monkeypatch: pytest.MonkeyPatch, step: str, kept: bool
) -> None:
    write_head = AuditLog._write_head
    done = []

    def crash(self: AuditLog, head: Any) -> None:
        if step == "announcing":
            raise Killed
        if head.announced is None and step == "committed":
            raise Killed
        write_head(self, head)
        done.append(head)
        if step == "announced":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "_write_head", crash)
        with pytest.raises(Killed):
            log.append([record(98), record(99)])
    assert log.verify().broken == 0
    assert numbers(log)[0] == (8 if kept else 6)
    with closing(AuditLog(filled)) as other:
        assert other.verify().broken == 0
    log.append([record(100)])
    assert log.verify() == Verdict(9 if kept else 7, log.verify().head)


def test_after_a_crash_a_cut_off_end_is_still_found(filled: Path, log: AuditLog) -> None:
    """Once somebody has opened the log again, what the crash left open is settled."""
    kill = (
        "import os, sys; from pathlib import Path; from actors.audit_log import AuditLog\n"
        "from models.audit.chain import Record\n"
        "log = AuditLog(Path(sys.argv[1])); write = AuditLog._write_head\n"
        "def crash(self, head):\n"
        "    if head.announced is None: os._exit(9)\n"
        "    write(self, head)\n"
        "AuditLog._write_head = crash\n"
        "log.append([Record(1, 'key_1', 'a', '200', (), {}), Record(2, 'key_1', 'a', '200', (), {})])\n"
    )
    assert run_python(kill, filled).wait(120) == 9
    found = verdict(filled)
    assert (found.entries, found.broken) == (8, 0)
    change(filled, "DELETE FROM entries WHERE number > 6")
    assert verdict(filled).broken == 7


def test_a_head_that_cannot_be_confirmed_is_confirmed_by_the_next(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_head = AuditLog._write_head

    def full(self: AuditLog, head: Any) -> None:
        if head.announced is None:
            raise OSError("no space left on the device")
        write_head(self, head)

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "_write_head", full)
        log.append([record(1)])
        log.append([record(2)])
    assert log.verify().entries == 2 and log.verify().broken == 0


def test_a_batch_that_fails_leaves_nothing(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: AuditLog, head: Any) -> None:
        raise OSError("no space left on the device")

    log.append([record(1)])
    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "_write_head", full)
        with pytest.raises(OSError):
            log.append([record(2)])
    assert numbers(log) == [1]
    log.append([record(3)])
    assert log.verify().broken == 0


def test_four_processes_and_threads_write_one_chain(tmp_path: Path) -> None:
    """All of them find a directory without a log, and make it."""
    code = (
        "import sys; from pathlib import Path; from actors.audit_log import AuditLog\n"
        "from models.audit.chain import Record\n"
        "log = AuditLog(Path(sys.argv[1]))\n"
        "for n in range(15):\n"
        "    log.append([Record(n, f'key_{sys.argv[2]}', 'a', '200', (n,), {})] * 2)\n"
    )
    others = [run_python(code, tmp_path, str(number)) for number in range(4)]
    with closing(AuditLog(tmp_path)) as log, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda number: log.append([record(number, "key_here")]), range(15)))
        assert [other.wait(120) for other in others] == [0, 0, 0, 0]
        assert log.verify().entries == 4 * 30 + 15
        assert log.verify().broken == 0
        for number in range(4):
            found = log.entries(EntryFilter(actor=f"key_{number}"), 1_000, 1_000)[::-1]
            assert [entry.at for entry in found] == [n for n in range(15) for _ in range(2)]


def test_a_later_schema_is_refused(filled: Path) -> None:
    change(filled, "PRAGMA user_version=99")
    with pytest.raises(Conflict, match="schema 99"):
        AuditLog(filled)


def test_entries_hold_what_was_hashed(filled: Path, log: AuditLog) -> None:
    entry = log.entries(ALL, 2, 1)[0]
    assert canonical(entry) == b'[1,0,"key_1","GET /v1/profiles/{key}","200",[7],{"kind":"read"}]'


def run_python(code: str, *arguments: Path | str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
