"""The store of deliveries: its file, what it counts, and files of other versions."""

import sqlite3
from pathlib import Path

import pytest

from actors.delivery_store import Dead, DeliveryStore, Waiting
from actors.errors import Conflict


def test_the_file_is_for_its_owner_and_what_is_noted_stays(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.sqlite"
    store = DeliveryStore(path)
    assert path.stat().st_mode & 0o777 == 0o600
    waits, dead = Waiting("msg_0_2", 1, 500, "HTTP 503", b"{}"), Dead("msg_0_3", 9, "HTTP 400", b"{}")
    store.note("w", 9, ["msg_0_1"], [waits], [dead], {0: 3}, retried=1, failed=2, last_error="HTTP 400")
    store.close()
    store = DeliveryStore(path)
    assert store.cursor("w") == {0: 3}
    assert store.due("w", 499, 10) == []
    assert store.due("w", 500, 10) == [waits]
    assert store.dead_letters("w", 10) == [dead]
    status = store.status("w")
    assert (status.delivered, status.failed, status.retried, status.dead_lettered) == (1, 2, 1, 1)
    assert (status.last_error, status.last_error_at, status.last_success) == ("HTTP 400", 9, 9)
    assert store.replay("w", ["msg_0_3", "gone"], 10) == 1
    assert (store.status("w").waiting, store.status("w").dead, store.status("w").dead_lettered) == (2, 0, 1)
    store.forget("w", 7)
    assert store.known() == set()
    assert store.cursor("w") == {}
    store.close()


def test_a_failed_note_leaves_nothing(tmp_path: Path) -> None:
    store = DeliveryStore(tmp_path / "deliveries.sqlite")
    with pytest.raises(sqlite3.Error):
        store.note("w", 1, ["msg_0_1"], cursor={0: object()})  # type: ignore[dict-item]
    assert store.known() == set()
    store.note("w", 1, ["msg_0_1"])
    store.close()


def test_a_file_of_the_first_schema_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE cursors (webhook_id TEXT, shard INTEGER, sequence INTEGER NOT NULL,"
            " PRIMARY KEY (webhook_id, shard)) WITHOUT ROWID;"
            "CREATE TABLE counters (webhook_id TEXT PRIMARY KEY, delivered INTEGER NOT NULL, failed INTEGER NOT NULL,"
            " last_success INTEGER NOT NULL, last_error TEXT NOT NULL, last_error_at INTEGER NOT NULL) WITHOUT ROWID;"
            "INSERT INTO cursors VALUES ('w', 0, 7); INSERT INTO counters VALUES ('w', 5, 1, 9, '', 0);"
            "PRAGMA user_version=1;"
        )
    db.close()
    for _ in range(2):
        store = DeliveryStore(path)
        store.adopt("w", 100)
        assert store.cursor("w") == {0: 7}
        assert store.status("w").delivered == 5
        store.close()
    store = DeliveryStore(path)
    store.adopt("w", 200)
    assert store.cursor("w") == {}
    store.close()


def test_a_file_of_a_later_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(Conflict, match="schema 99"):
        DeliveryStore(path)
