"""Group commit: one transaction for all that waits, and nothing leaves before it is durable."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors.errors import OnefoldError
from actors.group_commit import GroupCommit
from actors.store import Envelopes
from models.shard.commands import Accept, Command, Tick
from models.shard.tables import Effects
from tests.unit.actors.local_shards import track


class Machine:
    """Answers every Accept with the number of commands so far; settles what `hold` does not keep back."""

    def __init__(self) -> None:
        self.handled = 0
        self.replies: list[tuple[int, object]] = []
        self.broken_at = 0

    def handle(self, command: Command, now: int) -> None:
        self.handled += 1
        if self.handled == self.broken_at:
            raise KeyError("broken")
        if isinstance(command, Accept):
            refused = any(event.name == "Refused" for event in command.events)
            self.replies.append((command.call, ValueError("no") if refused else self.handled))

    def drain(self) -> Effects:
        replies, self.replies = self.replies, []
        return Effects(replies=replies, messages={1: b"x"} if replies else {})


class Disk:
    """A store whose commits can be held up or fail."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.acknowledged: list[dict[int, int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self._pending = 0

    def begin(self) -> None:
        self._pending = 0

    def write(self, effects: Effects) -> Envelopes:
        self._pending = len(effects.replies)
        return {1: [(1, b"x")]} if effects.messages else {}

    def acknowledge(self, received: dict[int, int]) -> None:
        self.acknowledged.append(received)

    def commit(self) -> None:
        self.gate.wait(60)
        if self.failure:
            raise self.failure
        self.groups.append(self._pending)


class World:
    def __init__(self) -> None:
        self.machine = Machine()
        self.disk = Disk()
        self.sent: list[Envelopes] = []
        self.settled = 0
        self.commits = GroupCommit(
            self.machine, self.disk, lambda: 1, lambda: self.settled, lambda effects, sent: self.sent.append(sent)
        )
        self.task = asyncio.ensure_future(self.commits.run())

    def accept(self, name: str = "Seen") -> asyncio.Future[Any]:
        event = track("m", "user_id:u", name=name)
        return self.commits.submit(lambda call: Accept(call, [event]))


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()
        await scenario(world)
        world.task.cancel()

    asyncio.run(main())


async def committing(world: World) -> None:
    """Until the group that was begun waits for the disk."""
    while not world.commits._ahead:
        await asyncio.sleep(0)


def test_all_that_waits_shares_a_transaction() -> None:
    async def scenario(world: World) -> None:
        world.disk.gate.clear()
        first = world.accept()
        await committing(world)
        others = [world.accept() for _ in range(20)]
        await asyncio.sleep(0.02)
        assert not first.done()
        assert world.sent == []
        world.disk.gate.set()
        assert await first == 1
        assert await asyncio.gather(*others) == list(range(2, 22))
        assert world.disk.groups == [1, 20]

    run(scenario)


def test_reads_wait_while_memory_is_ahead_and_go_before_the_next_group() -> None:
    async def scenario(world: World) -> None:
        await world.commits.consistent()
        world.disk.gate.clear()
        first = world.accept()
        await committing(world)
        seen: list[int] = []

        async def read() -> None:
            await world.commits.consistent()
            seen.append(world.machine.handled)

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        second = world.accept()
        assert seen == []
        world.disk.gate.set()
        await reading
        assert seen == [1]
        await asyncio.gather(first, second)

    run(scenario)


def test_errors_are_replies_too_and_a_caller_that_left_is_no_trouble() -> None:
    async def scenario(world: World) -> None:
        gone = world.accept()
        gone.cancel()
        with pytest.raises(ValueError, match="no"):
            await world.accept("Refused")

    run(scenario)


def test_waiting_until_settled() -> None:
    async def scenario(world: World) -> None:
        waiting = [asyncio.ensure_future(world.commits.settle(n)) for n in (5, 3)]
        await asyncio.sleep(0)
        world.settled = 4
        world.commits.post(Tick())
        await waiting[1]
        assert not waiting[0].done()
        world.settled = 5
        world.commits.post(Tick())
        await waiting[0]
        assert world.commits.settled == 5

    run(scenario)


def test_acknowledgements_ride_along_or_go_soon_by_themselves() -> None:
    async def scenario(world: World) -> None:
        world.commits.acknowledge(1, 3)
        await world.accept()
        assert world.disk.acknowledged == [{1: 3}]
        world.commits.acknowledge(1, 4)
        world.commits.acknowledge(1, 5)
        async with asyncio.timeout(30):
            while len(world.disk.acknowledged) < 2:
                await asyncio.sleep(0.01)
        assert world.disk.acknowledged == [{1: 3}, {1: 5}]

    run(scenario)


def test_other_writes_share_the_transaction() -> None:
    async def scenario(world: World) -> None:
        written: list[str] = []
        done = world.commits.write(lambda: written.append("letter"))
        replied = world.accept()
        await asyncio.gather(done, replied)
        assert written == ["letter"]
        assert world.disk.groups == [1]

    run(scenario)


def test_a_failed_step_ends_the_loop_and_tells_only_the_one_who_asked_for_it() -> None:
    async def scenario(world: World) -> None:
        before = world.accept()
        world.machine.broken_at = 2
        reply = world.accept()
        with pytest.raises(KeyError):
            await world.task
        with pytest.raises(OnefoldError, match="failed at this request"):
            await reply
        assert not before.done()
        assert world.sent == []
        assert world.disk.groups == []

    run(scenario)


def test_a_failed_commit_ends_the_loop_without_an_answer() -> None:
    async def scenario(world: World) -> None:
        world.disk.failure = OSError("disk full")
        reply = world.accept()
        with pytest.raises(OSError, match="disk full"):
            await world.task
        assert not reply.done()
        assert world.sent == []

    run(scenario)


def test_the_loop_has_let_go_of_the_store_when_it_ends() -> None:
    async def scenario(world: World) -> None:
        world.disk.gate.clear()
        world.accept()
        await committing(world)
        threading.Timer(0.05, world.disk.gate.set).start()
        world.task.cancel()
        await asyncio.wait([world.task])
        assert world.disk.groups == [1]

    run(scenario)
