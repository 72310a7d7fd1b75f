"""Scrubbing the unused space of pages: what was moved about and then deleted is gone, and all else is as before."""

import os
import random
import sqlite3
from pathlib import Path

import pytest

from actors.page_scrub import PageScrubber, blank, scrub_pages

CANARY = b"canary-of-the-deleted"


def filled(path: Path, seed: int) -> dict[str, bytes]:
    """A file in which rows with the canary were put, moved about and deleted; the rows that are left."""
    rng = random.Random(seed)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA secure_delete=ON")
    db.execute("CREATE TABLE kept (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
    db.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    left: dict[str, bytes] = {}
    for number in range(600):
        key = f"{rng.randrange(1 << 40):x}"
        gone = number % 3 == 0
        body = (CANARY if gone else b"kept") * rng.randrange(1, 30)
        db.execute("INSERT INTO kept VALUES (?, ?)", (f"{'gone' if gone else 'kept'}{key}", body))
        db.execute("INSERT INTO rows VALUES (?, ?)", (rng.randrange(1 << 60), body))
        if not gone:
            left[f"kept{key}"] = body
    db.execute("DELETE FROM kept WHERE key LIKE 'gone%'")
    db.execute("DELETE FROM rows WHERE instr(body, ?)", (CANARY,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return left


@pytest.mark.parametrize("seed", [0, 4, 7, 8])  # with which rows were moved
def test_what_was_moved_and_deleted_is_gone(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "file.sqlite"
    left = filled(path, seed)
    assert CANARY in path.read_bytes(), "nothing to scrub: the test shows nothing"
    with PageScrubber(path) as scrubber:
        scrubbed = scrubber.scrub(0)
        assert scrubbed.next == -1
        assert scrubbed.pages > 0
        assert scrubber.scrub(0).pages == 0
    assert CANARY not in path.read_bytes()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert dict(db.execute("SELECT key, body FROM kept")) == left
    assert db.execute("SELECT count(*) FROM rows").fetchone() == (len(left),)
    db.close()


def test_pages_of_other_kinds_stay_as_they_are() -> None:
    for first in (0, 1, 3, 7, 255):
        page = bytearray([first, *[7] * 511])
        assert not blank(page)
        assert page == bytearray([first, *[7] * 511])
    broken = bytearray(b"\x0d\0\0\x7f\xff\x01\0" + b"x" * 505)  # says that it has more cells than there is room for
    assert not blank(broken)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"no database" * 100)
    descriptor = os.open(path, os.O_RDWR)
    with pytest.raises(ValueError, match="SQLite"):
        scrub_pages(descriptor, 0)
    os.close(descriptor)
    with PageScrubber(path) as scrubber, pytest.raises(OSError, match="failed"):
        scrubber.scrub(0)
