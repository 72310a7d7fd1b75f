"""The way to the audit log: what is gathered, what is waited for, and that nothing is dropped."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from actors import audit_trail
from actors.audit_trail import AuditTrail
from actors.errors import Unavailable
from models.audit.chain import GENESIS, Point, Record


class Memory:
    """A log that keeps batches, or refuses them when it is to `fail`."""

    def __init__(self) -> None:
        self.batches: list[list[Record]] = []
        self.fail = False

    def append(self, records: Sequence[Record]) -> Point:
        if self.fail:
            raise OSError("no space left on the device")
        self.batches.append(list(records))
        return GENESIS

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def log() -> Memory:
    return Memory()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(log: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AuditTrail:
    monkeypatch.setattr(audit_trail, "FLUSH_S", 0.02)
    return AuditTrail(log, clock)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.005)


def test_reads_of_the_same_kind_are_one_entry_that_names_everybody(trail: AuditTrail, log: Memory) -> None:
    async def read() -> None:
        trail.read("key_1", "Get", "OK", [7])
        trail.read("key_1", "Get", "OK", [8, 7])
        trail.read("key_1", "Get", "NOT_FOUND", [])
        trail.read("key_2", "Get", "OK", [7], (("segment_id", "vip"),))
        assert log.batches == []
        await until(lambda: log.batches)

    asyncio.run(read())
    assert [(r.actor, r.outcome, r.subjects, r.detail) for r in log.records] == [
        ("key_1", "OK", (7, 8, 7), {"kind": "read", "requests": 2}),
        ("key_1", "NOT_FOUND", (), {"kind": "read", "requests": 1}),
        ("key_2", "OK", (7,), {"kind": "read", "segment_id": "vip", "requests": 1}),
    ]
    assert {record.at for record in log.records} == {1_000}


def test_an_action_is_written_before_it_is_done(trail: AuditTrail, log: Memory) -> None:
    async def act() -> None:
        await trail.action("key_1", "POST /v1/x", "200", [7], (("key_id", "key_2"),))
        assert log.records == [
            Record(1_000, "key_1", "POST /v1/x", "200", (7,), {"kind": "action", "key_id": "key_2"}),
        ]

    asyncio.run(act())


def test_actions_at_the_same_time_share_a_write(trail: AuditTrail, log: Memory) -> None:
    async def act() -> None:
        await asyncio.gather(*(trail.action("key_1", "x", "200", [number], ()) for number in range(50)))

    asyncio.run(act())
    assert len(log.records) == 50 and len(log.batches) < 5


def test_an_action_for_which_nobody_waits_is_written(trail: AuditTrail, log: Memory) -> None:
    async def act() -> None:
        trail.action("key_1", "x", "499", [], ())
        await until(lambda: log.batches)

    asyncio.run(act())


def test_refusals_of_the_same_kind_are_counted_and_not_listed(trail: AuditTrail, log: Memory, clock: Clock) -> None:
    async def refuse() -> None:
        for _ in range(1_000):
            trail.refusal("", "GET /v1/status", "401")
        trail.refusal("key_1", "GET /v1/status", "403")
        await asyncio.sleep(0.06)
        assert log.batches == []  # not before the second is over
        clock.now += 1_000
        await until(lambda: log.batches)
        trail.refusal("", "GET /v1/status", "401")
        clock.now += 1_000
        await until(lambda: len(log.batches) == 2)

    asyncio.run(refuse())
    assert [(r.at, r.actor, r.outcome, r.detail["requests"]) for r in log.records] == [
        (1_000, "", "401", 1_000),
        (1_000, "key_1", "403", 1),
        (2_000, "", "401", 1),
    ]


def test_very_many_people_are_several_entries(trail: AuditTrail, log: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "SUBJECTS_MAX", 3)

    async def read() -> None:
        trail.read("key_1", "Get", "OK", list(range(1, 8)))
        await trail.flush()

    asyncio.run(read())
    assert [record.subjects for record in log.records] == [(1, 2, 3), (4, 5, 6), (7,)]
    assert sum(int(record.detail["requests"]) for record in log.records) == 1


def test_flush_writes_all_that_waits(trail: AuditTrail, log: Memory) -> None:
    async def stop() -> None:
        trail.read("key_1", "Get", "OK", [7])
        trail.refusal("", "x", "401")
        await trail.flush()
        assert len(log.records) == 2
        await trail.flush()
        assert len(log.batches) == 1

    asyncio.run(stop())


def test_a_flush_that_nobody_waits_for_any_more_takes_nothing_along(trail: AuditTrail, log: Memory) -> None:
    """The request that asked for it may be cancelled while actions of others are being written."""

    async def cancel() -> None:
        action = trail.action("key_1", "x", "200", [], ())
        flush = asyncio.ensure_future(trail.flush())
        await asyncio.sleep(0)
        flush.cancel()
        async with asyncio.timeout(60):
            await action

    asyncio.run(cancel())
    assert len(log.records) == 1


def test_beyond_the_bound_answers_wait_and_nothing_is_dropped(
    trail: AuditTrail, log: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "PENDING_MAX", 100)
    monkeypatch.setattr(audit_trail, "FLUSH_S", 60.0)  # only the lack of room makes it write

    async def lookups(reader: int) -> None:
        for number in range(100):
            trail.read(f"key_{reader}", "Get", "OK", [number + 1])
            if trail.is_full:
                await trail.room()
                assert not trail.is_full
            await asyncio.sleep(0)

    async def read() -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*(lookups(reader) for reader in range(5)))
        await trail.flush()

    asyncio.run(read())
    assert sum(len(record.subjects) for record in log.records) == 500
    assert max(sum(len(record.subjects) for record in batch) for batch in log.batches) <= 110


def test_what_cannot_be_written_is_said_kept_and_written_later(
    trail: AuditTrail, log: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "PENDING_MAX", 3)
    monkeypatch.setattr(audit_trail, "ROOM_S", 0.05)

    async def fail() -> None:
        log.fail = True
        with pytest.raises(Unavailable, match="audit log cannot be written"):
            await trail.action("key_1", "x", "200", [7], ())
        with pytest.raises(Unavailable):
            await trail.flush()
        trail.read("key_1", "Get", "OK", [8, 9])
        with pytest.raises(Unavailable):
            await trail.room()
        log.fail = False
        await until(lambda: log.batches)
        await trail.room()

    asyncio.run(fail())
    assert [record.subjects for record in log.records] == [(7,), (8, 9)]


def test_it_goes_on_in_another_event_loop(trail: AuditTrail, log: Memory) -> None:
    async def read() -> None:
        trail.read("key_1", "Get", "OK", [7])
        await trail.action("key_1", "x", "200", [], ())
        trail.read("key_1", "Get", "OK", [8])

    asyncio.run(read())
    asyncio.run(read())
    asyncio.run(trail.flush())
    assert sorted(subject for record in log.records for subject in record.subjects) == [7, 7, 8, 8]
