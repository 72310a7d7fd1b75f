"""The sending end of a channel: order, repetition, and what a receiver's answer means."""

import asyncio
from collections.abc import Awaitable, Callable

from actors.channel import BATCH_ENVELOPES_MAX, Channel
from actors.errors import Unavailable


class Receiver:
    """Takes envelopes as a shard does: the next number only."""

    def __init__(self) -> None:
        self.latest = 0
        self.taken: list[bytes] = []
        self.calls: list[tuple[int, int]] = []  # first number, how many
        self.lost_answers = 0
        self.down = False

    async def send(self, first: int, envelopes: list[bytes]) -> int:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("down")
        self.calls.append((first, len(envelopes)))
        for number, envelope in enumerate(envelopes, first):
            if number == self.latest + 1:
                self.latest = number
                self.taken.append(envelope)
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unavailable("the answer was lost")
        return self.latest


def numbered(first: int, count: int) -> list[tuple[int, bytes]]:
    return [(n, b"%d" % n) for n in range(first, first + count)]


def run(scenario: Callable[[Receiver, Channel, list[int]], Awaitable[None]]) -> None:
    async def main() -> None:
        receiver = Receiver()
        received: list[int] = []
        channel = Channel(1, receiver.send, received.append)
        task = asyncio.ensure_future(channel.run())
        await scenario(receiver, channel, received)
        task.cancel()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def test_envelopes_arrive_in_order_a_batch_at_a_time() -> None:
    async def scenario(receiver: Receiver, channel: Channel, received: list[int]) -> None:
        channel.post(numbered(1, 1))
        await asyncio.sleep(0)
        channel.post(numbered(2, BATCH_ENVELOPES_MAX + 5))
        await until(lambda: channel.waiting == 0)
        assert receiver.taken == [b"%d" % n for n in range(1, BATCH_ENVELOPES_MAX + 7)]
        assert len(receiver.calls) <= 3
        assert received[-1] == BATCH_ENVELOPES_MAX + 6

    run(scenario)


def test_lost_answers_and_a_restart_are_mended_by_sending_again() -> None:
    async def scenario(receiver: Receiver, channel: Channel, received: list[int]) -> None:
        receiver.lost_answers = 2
        channel.post(numbered(1, 3))
        await until(lambda: channel.waiting == 0)
        receiver.down = True
        channel.post(numbered(4, 2))
        await asyncio.sleep(0.05)
        assert channel.waiting == 2
        receiver.down = False
        await until(lambda: channel.waiting == 0)
        assert receiver.taken == [b"1", b"2", b"3", b"4", b"5"]
        assert received == [3, 5]

    run(scenario)


def test_after_a_restart_of_the_sender_what_had_arrived_is_dropped_at_once() -> None:
    async def scenario(receiver: Receiver, channel: Channel, received: list[int]) -> None:
        receiver.latest = 7
        channel.post(numbered(5, 4))
        await until(lambda: channel.waiting == 0)
        assert receiver.taken == [b"8"]
        assert received == [8]

    run(scenario)


def test_a_receiver_that_has_lost_envelopes_gets_none_of_the_later_ones() -> None:
    async def scenario(receiver: Receiver, channel: Channel, received: list[int]) -> None:
        receiver.latest = 2
        channel.post(numbered(9, 1))
        await asyncio.sleep(0.05)
        assert channel.waiting == 1
        assert receiver.taken == []
        assert received == []

    run(scenario)
