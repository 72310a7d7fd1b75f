"""The store: what is written comes back, one owner at a time, and nothing starts empty by mistake."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from actors.errors import Conflict, NotFound, Unavailable
from actors.reader import shard_path
from actors.schema import create_shards
from actors.shard_log import ShardLog
from actors.store import Store
from models.identity.evidence import Explanation, FieldEvidence
from models.segments.bulk_moves import BulkMove, pack_ids
from models.shard.core import dedupe_key
from models.shard.protocol import Link, MergeRecord, SegmentChange
from models.shard.tables import Effects, EventRow
from tests.unit.actors.local_shards import NOW, track


class Loaded:
    """Takes in what a store loads."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []

    def load_profile(self, customer_id: int, state: bytes, due: int) -> None:
        self.rows.append(("profile", customer_id, state, due))

    def load_identifier(self, identifier: str, customer_id: int) -> None:
        self.rows.append(("identifier", identifier, customer_id))

    def load_redirect(self, customer_id: int, target: int, last_event: int) -> None:
        self.rows.append(("redirect", customer_id, target, last_event))

    def load_small(self, kind: str, key: str, value: bytes) -> None:
        self.rows.append((kind, key, value))

    def load_move(self, move: BulkMove) -> None:
        self.rows.append(("move", move))

    def load_channel(self, source: int, received: int) -> None:
        self.rows.append(("channel", source, received))

    def load_meta(self, key: str, value: int) -> None:
        if key not in ("shard", "shards"):
            self.rows.append(("meta", key, value))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_shards(tmp_path, 2)
    opened = Store(tmp_path, 0, 2)
    yield opened
    opened.close()


def commit(store: Store, effects: Effects) -> None:
    store.begin()
    store.write(effects)
    store.commit()


def test_moves_of_many_are_kept_until_they_are_folded_and_read_like_single_ones(store: Store, tmp_path: Path) -> None:
    people = [np.array(ids, np.int64) for ids in ([5, 9], [1, 2, 3])]
    move = BulkMove("s", 11, 1_000, "definition", pack_ids(people[0]), pack_ids(people[1]))
    later = SegmentChange(7, "s", "entered", 2_000, "m", 16)
    commit(store, Effects(moves=[move], changes=[later]))
    assert ("move", move) in loaded(store)
    log = ShardLog(tmp_path, 0, 2)
    changes = log.changes(0, 100)
    told = [(change.sequence, change.customer_id, change.change) for change in changes]
    assert told[:3] == [(11, 5, "exited"), (12, 9, "exited"), (13, 1, "entered")]
    assert [sequence for sequence, _, _ in told] == [11, 12, 13, 14, 15, 16]
    assert log.changes(12, 2) == changes[2:4]
    assert log.changes(15, 2) == [later]
    assert log.changes_since("s", 1_000) == [later]
    assert log.changes_since("s", 0) == [later, move]
    assert log.flow("s", [0, 1_000, 2_000, 3_000]) == [(3, 2), (1, 0), (0, 0)]
    commit(store, Effects(moves_folded=[11]))
    assert not [row for row in loaded(store) if row[0] == "move"]
    assert log.changes(0, 100) == changes
    log.close()


def test_a_move_that_only_sets_timers_holds_up_no_reader_and_goes_into_history_without_them(
    store: Store, tmp_path: Path
) -> None:
    ids = pack_ids(np.array([1, 2, 3], np.int64))
    timers = BulkMove("renamed", 10, 1, "definition", b"", b"", ids)
    entries = BulkMove("new", 20, 2, "definition", b"", ids)
    commit(store, Effects(moves=[timers, entries]))
    log = ShardLog(tmp_path, 0, 2)
    assert [change.sequence for change in log.changes(5, 1)] == [20]
    assert [change.sequence for change in log.changes(5, 100)] == [20, 21, 22]
    assert ("move", timers) in loaded(store)
    commit(store, Effects(moves_folded=[10, 20]))
    assert not [row for row in loaded(store) if row[0] == "move"]
    assert [move.timed for move in log.changes_since("renamed", 0) if isinstance(move, BulkMove)] == [b""]
    log.close()


def test_of_the_forgotten_links_go_and_what_caused_their_moves(store: Store, tmp_path: Path) -> None:
    links = [Link(n, "user_id:a", "email:b", "exact", 1.0, "m", "web", 1, sequence=n) for n in (1, 2)]
    changes = [
        SegmentChange(customer_id, "s", "entered", 1_000, cause, sequence)
        for sequence, (customer_id, cause) in enumerate([(1, "message"), (2, "message"), (1, "time")], 3)
    ]
    merges = [("merges", "mrg_0_1", merge_record(1, 9)), ("merges", "mrg_0_2", merge_record(2, 8))]
    commit(store, Effects(links=links, changes=changes, small=merges, dedupe=[("web\0m", 1), ("web\0n", 2)]))
    assert store.merges_of([9, 5]) == ["mrg_0_1"]
    assert store.merges_of([2]) == ["mrg_0_2"]
    again = [("web\0m", 3)]  # taken in and refused in one transaction
    commit(store, Effects(forgotten=[1, 9], dedupe_deleted=["web\0m"]))
    commit(store, Effects(dedupe=again, dedupe_deleted=["web\0m"]))
    log = ShardLog(tmp_path, 0, 2)
    assert log.links([1, 2]) == links[1:]
    assert [change.cause for change in log.changes(0, 10)] == ["", "message", "time"]
    assert store.seen(["web\0m", "web\0n"]) == {"web\0n": 2}
    log.close()


def loaded(store: Store) -> list[tuple[object, ...]]:
    rows = Loaded()
    store.load(rows)
    return sorted(rows.rows, key=repr)


def merge_record(winner: int, loser: int) -> bytes:
    record = MergeRecord(f"mrg_0_{winner}", winner, loser, NOW, 1, "m", "web", "exact", ["user_id:u"], b"w", b"l")
    return msgspec.msgpack.encode(record)


def test_of_the_purged_events_are_what_is_left_and_links_keep_no_values(store: Store, tmp_path: Path) -> None:
    compared = FieldEvidence(field="given_name", level="exact", weight=3.0, left="jane", right="jane")
    evidence = Explanation(
        method="probabilistic", model_version="1", prior=-9.0, fields=(compared,), score=5.0, confidence=0.9
    )
    links = [
        Link(customer, "user_id:1", "user_id:2", "probabilistic", 0.9, "m1", "web", NOW, customer, evidence)
        for customer in (7, 8)
    ]
    commit(store, Effects(events=[EventRow(5, 7, 0, track("m1", "user_id:1", secret="jane"))], links=links))
    left = msgspec.structs.replace(track("m1", "user_id:1"), name="")
    commit(store, Effects(events_changed=[(5, left)], unevidenced=[7]))
    log = ShardLog(tmp_path, 0, 2)
    assert [stored.event for stored in log.tail(0, 10)] == [left]
    assert log.links([7, 8]) == [msgspec.structs.replace(links[0], evidence=None), links[1]]
    log.close()


def test_a_drain_comes_back_at_the_next_start_without_what_was_deleted(store: Store) -> None:
    commit(
        store,
        Effects(
            profiles=[(1, 5, 7, b"one"), (2, 6, 0, b"two")],
            identifiers=[("user_id:u", 1), ("email:e", 2)],
            redirects=[(9, 1, 4), (8, 2, 0)],
            small=[("locks", "k", b"lock"), ("held", "3", b"held"), ("merges", "mrg_0_1", merge_record(1, 9))],
            meta=[("sequence", 6)],
            received={1: 4},
        ),
    )
    commit(
        store,
        Effects(
            profiles=[(1, 7, 0, b"one again")],
            profiles_deleted=[2],
            identifiers_deleted=["email:e"],
            redirects_deleted=[8],
            small_deleted=[("locks", "k")],
            meta=[("sequence", 7)],
            received={1: 5},
        ),
    )
    assert loaded(store) == sorted(
        [
            ("profile", 1, b"one again", 0),
            ("identifier", "user_id:u", 1),
            ("redirect", 9, 1, 4),
            ("held", "3", b"held"),
            ("merges", "mrg_0_1", merge_record(1, 9)),
            ("meta", "sequence", 7),
            ("channel", 1, 5),
        ],
        key=repr,
    )


def test_envelopes_are_numbered_kept_until_acknowledged_and_numbered_on(tmp_path: Path) -> None:
    create_shards(tmp_path, 2)
    store = Store(tmp_path, 0, 2)
    store.begin()
    assert store.write(Effects(messages={1: b"a"})) == {1: [(1, b"a")]}
    store.commit()
    store.begin()
    assert store.write(Effects(messages={1: b"b"}, received={1: 3})) == {1: [(2, b"b")]}
    store.acknowledge({1: 1})
    store.commit()
    assert store.outbox() == {1: [(2, b"b")]}
    store.begin()
    store.acknowledge({1: 2})
    store.commit()
    store.close()
    again = Store(tmp_path, 0, 2)
    assert again.outbox() == {}
    assert ("channel", 1, 3) in loaded(again)
    again.begin()
    assert again.write(Effects(messages={1: b"c"})) == {1: [(3, b"c")]}
    again.commit()
    again.close()


def test_the_history_walks_a_profile_s_chain_and_knows_messages(store: Store) -> None:
    events = [track(f"m{n}", "user_id:u", at=NOW + n) for n in range(1, 6)]
    rows = [EventRow(n, 7 if n != 3 else 8, 0, event) for n, event in enumerate(events, 1)]
    chain = {1: 0, 2: 1, 3: 0, 4: 2, 5: 4}
    commit(
        store,
        Effects(
            events=[EventRow(r.sequence, r.customer_id, chain[r.sequence], r.event) for r in rows],
            dedupe=[(dedupe_key(event), n) for n, event in enumerate(events, 1)],
        ),
    )
    assert [e.sequence for e in store.events_after(7, 5, 1)] == [2, 4, 5]
    assert [e.event.message_id for e in store.events_after(7, 5, 0)] == ["m1", "m2", "m4", "m5"]
    assert store.events_after(7, 0, 0) == []
    commit(store, Effects(events_relinked=[(4, 0), (5, 4)], events_deleted=[2]))
    assert [e.sequence for e in store.events_after(7, 5, 0)] == [4, 5]
    many = [f"web\0x{n}" for n in range(70)]
    assert store.seen([*many, dedupe_key(events[0]), dedupe_key(events[4])]) == {
        dedupe_key(events[0]): 1,
        dedupe_key(events[4]): 5,
    }
    assert store.seen([]) == {}


def test_the_log_pages_what_is_committed(store: Store, tmp_path: Path) -> None:
    link = Link(1, "user_id:u", "email:e", "exact", 1.0, "m1", "web", NOW, 2)
    change = SegmentChange(1, "buyers", "entered", NOW, "m1", 3)
    commit(
        store,
        Effects(
            events=[EventRow(1, 1, 0, track("m1", "user_id:u")), EventRow(4, 1, 1, track("m2", "user_id:u"))],
            links=[link],
            changes=[change],
            small=[("merges", "mrg_0_1", merge_record(1, 9))],
            profiles=[(1, 4, 0, b"")],
        ),
    )
    log = ShardLog(tmp_path, 0, 2)
    try:
        assert [e.sequence for e in log.chain(4, 10)] == [4, 1]
        assert [e.sequence for e in log.chain(4, 1)] == [4]
        assert [e.sequence for e in log.tail(1, 10)] == [4]
        assert log.links([5, 1]) == [link]
        assert [m.merge_id for m in log.merges([9])] == ["mrg_0_1"] == [m.merge_id for m in log.merges([1])]
        assert log.merges([2]) == []
        assert log.changes(0, 10) == [change]
        assert log.changes(3, 10) == []
        assert log.changed_profiles(3) == [1]
        assert log.changed_profiles(4) == []
    finally:
        log.close()


def test_a_file_that_was_made_without_the_index_of_decisions_has_it_from_the_next_start_on(tmp_path: Path) -> None:
    create_shards(tmp_path, 1)
    with closing(sqlite3.connect(shard_path(tmp_path, 0))) as db:
        db.execute("DROP INDEX decisions_at")
    with closing(ShardLog(tmp_path, 0, 1)) as log:
        assert log.decided_before(NOW, (0, ""), 10) == []  # it is read without
    Store(tmp_path, 0, 1).close()
    with closing(sqlite3.connect(shard_path(tmp_path, 0))) as db:
        plan = db.execute("EXPLAIN QUERY PLAN SELECT body FROM decisions WHERE at >= 1 AND at < 2").fetchall()
    assert "USING INDEX decisions_at" in str(plan)


def test_a_file_has_one_owner(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Store(tmp_path, 0, 2)
    other = Store(tmp_path, 1, 2)
    other.close()


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    create_shards(tmp_path, 2)
    create_shards(tmp_path, 2)
    with pytest.raises(NotFound):
        Store(tmp_path / "elsewhere", 0, 2)
    for shards in (1, 3):
        with pytest.raises(Conflict):
            create_shards(tmp_path, shards)
    (tmp_path / "shards" / "shard-001.sqlite").rename(tmp_path / "shards" / "shard-000.sqlite")
    with pytest.raises(Conflict, match="shard 1 of 2"):
        Store(tmp_path, 0, 2)
