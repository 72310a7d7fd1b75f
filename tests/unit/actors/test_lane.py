"""Lanes: few calls for many callers, in order, bounded, repeated while anybody waits."""

import asyncio
from collections.abc import Sequence

import pytest

from actors.errors import Invalid, Unavailable
from actors.lane import Lane, LaneLimits


class Server:
    """Doubles numbers, when it is let."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failures: list[Exception] = []

    async def call(self, items: list[int], timeout_s: float) -> Sequence[int]:
        self.calls.append(items)
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [item * 2 for item in items]


def test_what_comes_during_a_call_goes_with_the_next() -> None:
    async def scenario() -> None:
        server = Server()
        server.open.clear()
        lane = Lane(server.call, LaneLimits(items_max=4, size_max=100, queued_max=100))
        asks = [asyncio.ensure_future(lane.ask([n, n + 10], 5)) for n in range(4)]
        await asyncio.sleep(0)
        server.open.set()
        assert await asyncio.gather(*asks) == [[2 * n, 2 * n + 20] for n in range(4)]
        assert server.calls == [[0, 10], [1, 11, 2, 12], [3, 13]]
        assert await lane.ask([], 5) == []

    asyncio.run(scenario())


def test_calls_keep_to_their_size_but_a_large_item_goes_alone() -> None:
    async def scenario() -> None:
        server = Server()
        lane = Lane(server.call, LaneLimits(items_max=10, size_max=10, queued_max=100), size=lambda item: item)
        assert await lane.ask([4, 5, 6, 50, 1], 5) == [8, 10, 12, 100, 2]
        assert server.calls == [[4, 5], [6], [50], [1]]

    asyncio.run(scenario())


def test_a_call_without_an_answer_is_made_again() -> None:
    async def scenario() -> None:
        server = Server()
        server.failures = [Unavailable("restarting"), Unavailable("restarting")]
        lane = Lane(server.call, LaneLimits(10, 10, 100))
        assert await lane.ask([1], 5) == [2]
        assert server.calls == [[1], [1], [1]]

    asyncio.run(scenario())


def test_a_caller_gives_up_in_time_and_its_items_are_not_sent_after() -> None:
    async def scenario() -> None:
        server = Server()
        server.open.clear()
        lane = Lane(server.call, LaneLimits(10, 10, 100))
        first = asyncio.ensure_future(lane.ask([1], 5))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await lane.ask([2], 0.01)
        third = asyncio.ensure_future(lane.ask([3], 5))
        await asyncio.sleep(0)
        server.open.set()
        assert list(await asyncio.gather(first, third)) == [[2], [6]]
        assert server.calls == [[1], [3]]

    asyncio.run(scenario())


def test_more_than_may_wait_is_refused() -> None:
    async def scenario() -> None:
        server = Server()
        server.open.clear()
        lane = Lane(server.call, LaneLimits(items_max=1, size_max=10, queued_max=3))
        asks = [asyncio.ensure_future(lane.ask([n], 5)) for n in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="waiting"):
            await lane.ask([9], 5)
        server.open.set()
        assert await asyncio.gather(*asks) == [[0], [2], [4], [6]]

    asyncio.run(scenario())


def test_an_error_that_is_not_unavailability_is_the_callers() -> None:
    async def scenario() -> None:
        server = Server()
        server.failures = [Invalid("no")]
        lane = Lane(server.call, LaneLimits(10, 10, 100))
        with pytest.raises(Invalid):
            await lane.ask([1], 5)
        assert await lane.ask([2], 5) == [4]

    asyncio.run(scenario())


def test_calls_may_overlap_where_that_is_allowed() -> None:
    async def scenario() -> None:
        server = Server()
        server.open.clear()
        lane = Lane(server.call, LaneLimits(items_max=1, size_max=10, queued_max=100, calls_max=2))
        asks = [asyncio.ensure_future(lane.ask([n], 5)) for n in range(3)]
        while len(server.calls) < 2:
            await asyncio.sleep(0)
        for _ in range(10):  # time enough for a third
            await asyncio.sleep(0)
        assert len(server.calls) == 2
        server.open.set()
        assert await asyncio.gather(*asks) == [[0], [2], [4]]

    asyncio.run(scenario())
