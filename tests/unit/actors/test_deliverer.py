"""Deliveries: nothing lost over a crash, the same ids again, one that fails holds up no other, and bounds."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
import pytest

from actors import deliverer as deliverer_module
from actors.basis_check import FRESH_MS, Entry
from actors.control import ControlStore
from actors.deliverer import Deliverer
from actors.delivery_store import DeliveryStatus, DeliveryStore
from actors.errors import Unavailable
from actors.webhook_sender import Sent
from models.delivery.webhook import RetryPolicy, Webhook, make_secret
from models.identity.customer_id import mint, shard_of, to_text
from models.shard.protocol import SegmentChange

NOW = 1_760_000_000_000
POLICY = RetryPolicy(delays_s=(1, 10))
PEOPLE = [mint(0, NOW + n, n % 2) for n in range(10)]


class Crash(Exception):
    """The process ends."""


class World:
    """Changes, a receiver and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.control = ControlStore(folder / "control.sqlite", create=True, clock=lambda: self.now)
        self.store = DeliveryStore(folder / "deliveries.sqlite")
        self.log: list[SegmentChange] = []
        self.taken: list[tuple[str, str]] = []  # url, message id
        self.statuses: dict[str, int] = {}  # url -> answer
        self.retry_after_s = 0
        self.down = False  # the shards do not answer
        self.on_send: Callable[[str], object] = lambda url: None
        self.crash_after = -1
        self.deliverer = self.boot()

    def boot(self) -> Deliverer:
        return Deliverer(self.control, self.store, self.changes, self, POLICY, lambda: self.now)

    def add(self, webhook_id: str = "w", url: str = "https://a.example", **fields: object) -> None:
        secret = make_secret(bytes(32))
        self.control.create_webhook(Webhook(webhook_id, url, secret=secret, **fields))  # type: ignore[arg-type]

    def change(self, *people: int) -> None:
        for number in people:
            sequence = len(self.log) + 1
            self.log.append(SegmentChange(PEOPLE[number], "vip", "entered", self.now, "m", sequence))

    async def changes(self, after: dict[int, int], limit: int) -> list[SegmentChange]:
        if self.down:
            raise Unavailable("the shards are away")
        return [c for c in self.log if c.sequence > after.get(shard_of(c.customer_id), 0)][:limit]

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        self.on_send(url)
        if self.crash_after == 0:
            raise Crash
        self.crash_after -= 1
        self.taken.append((url, headers["webhook-id"]))
        status = self.statuses.get(url, 200)
        return Sent(status, "" if status == 200 else f"HTTP {status}", 0 if status == 200 else self.retry_after_s)

    def step(self, webhook_id: str = "w") -> int:
        """Tries what is due and tells what is new; how much that was."""

        async def both() -> int:
            self.deliverer.follow(self.control.webhooks())
            tried = await self.deliverer.try_again(webhook_id)
            return tried + (await self.deliverer.tell(webhook_id) or 0)

        return asyncio.run(both())

    def status(self, webhook_id: str = "w") -> DeliveryStatus:
        (status,) = asyncio.run(self.deliverer.statuses(webhook_id))
        return status

    def run_until(self, *parts: Callable[[], object]) -> None:
        """Runs the deliverer until each of these holds, one after the other."""

        async def scenario() -> None:
            running = asyncio.get_running_loop().create_task(self.deliverer.run())
            for part in parts:
                for _ in range(3_000):
                    await asyncio.sleep(0.02)
                    if part():
                        break
                else:
                    raise AssertionError("it has not come to be")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(scenario())

    def ids(self) -> list[str]:
        return [identifier for _, identifier in self.taken]


def after(action: Callable[[], object]) -> Callable[[], bool]:
    """True, after the action."""

    def done() -> bool:
        action()
        return True

    return done


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()
    made.control.close()


def test_each_change_is_told_once_and_in_order_for_each_person(world: World) -> None:
    world.add()
    world.change(0, 1, 0, 2, 0)
    assert world.step()
    assert set(world.ids()) == {f"msg_{shard_of(c.customer_id)}_{c.sequence}" for c in world.log}
    assert len(world.taken) == 5
    first = shard_of(PEOPLE[0])
    own = [identifier for identifier in world.ids() if identifier in {f"msg_{first}_{n}" for n in (1, 3, 5)}]
    assert own == [f"msg_{first}_{n}" for n in (1, 3, 5)]
    assert not world.step()
    world.change(3)
    world.step()
    assert len(world.taken) == 6


def test_after_a_crash_the_same_ids_are_sent_again(world: World) -> None:
    world.add()
    world.change(0, 1, 2)
    world.crash_after = 2
    with pytest.raises(Crash):
        world.step()
    assert len(world.taken) == 2
    world.crash_after = -1
    world.deliverer = world.boot()
    world.step()
    assert len(world.taken) == 5
    assert len(set(world.ids())) == 3


def test_what_fails_waits_and_the_rest_goes_on(world: World) -> None:
    world.add()
    world.statuses["https://a.example"] = 503
    world.change(0)
    world.step()
    world.statuses.clear()
    world.change(1)
    world.step()
    assert world.store.status("w").delivered == 1
    assert (world.store.status("w").waiting, world.store.status("w").last_error) == (1, "HTTP 503")
    world.now += 2_000
    world.step()
    assert world.store.status("w").waiting == 0
    assert world.ids().count("msg_0_1") == 2


def test_what_fails_for_ever_is_kept_and_can_be_tried_again(world: World) -> None:
    world.add()
    world.statuses["https://a.example"] = 500
    world.change(0)
    for _ in range(3):
        world.step()
        world.now += 60_000
    (dead,) = world.store.dead_letters("w", 10)
    assert (dead.message_id, dead.error) == ("msg_0_1", "HTTP 500")
    assert not world.step()
    world.statuses.clear()
    assert asyncio.run(world.deliverer.replay("w", None)) == 1
    world.step()
    assert world.store.dead_letters("w", 10) == []
    assert world.store.status("w").delivered == 1


def test_a_refusal_is_not_tried_again(world: World) -> None:
    world.add()
    world.statuses["https://a.example"] = 401
    world.change(0)
    world.step()
    assert [dead.error for dead in world.store.dead_letters("w", 10)] == ["HTTP 401"]


def test_gone_ends_deliveries_and_says_so(world: World) -> None:
    world.add()
    world.statuses["https://a.example"] = 410
    world.change(*range(10), *range(10), *range(10))
    world.step()
    assert len(world.taken) <= 2 * deliverer_module.CONCURRENT  # nothing more was begun
    webhook = world.control.webhook("w")
    assert not webhook.enabled
    assert "410" in webhook.disabled_because
    status = world.status()
    assert (status.waiting, status.disabled_because) == (30, webhook.disabled_because)
    world.statuses.clear()
    world.control.update_webhook("w", lambda webhook: msgspec.structs.replace(webhook, enabled=True))
    world.now += 10_000
    world.step()
    assert set(world.ids()) == {f"msg_{shard_of(c.customer_id)}_{c.sequence}" for c in world.log}
    assert world.status().waiting == 0


def test_a_receiver_that_asks_to_be_left_alone_is(world: World) -> None:
    world.add()
    world.add("other", "https://b.example")
    world.statuses["https://a.example"] = 429
    world.retry_after_s = 60
    world.change(0, 0, 0)
    world.step()
    assert len(world.taken) == 1
    assert world.status().waiting == 3
    world.statuses.clear()
    world.change(1)
    world.now += 59_000
    assert not world.step()
    assert world.status().behind == 1
    assert world.step("other") == 4
    world.now += 2_000
    world.step()
    assert [url for url, _ in world.taken].count("https://a.example") == 5
    status = world.status()
    assert (status.waiting, status.delivered, status.failed, status.retried) == (0, 4, 1, 1)


def test_too_many_that_wait_hold_the_cursor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer_module, "WAITING_MAX", 3)
    monkeypatch.setattr(deliverer_module, "PAGE", 2)
    world.add()
    world.statuses["https://a.example"] = 503
    world.change(*range(10))
    for _ in range(5):
        world.step()
    assert (world.status().waiting, world.status().behind) == (4, 6)
    world.now += 5_000
    world.deliverer = world.boot()  # seen after a restart, too
    assert (world.status().behind, world.status().late_ms) == (6, 5_000)
    world.statuses.clear()
    for _ in range(20):
        world.now += 60_000
        world.step()
    assert len(set(world.ids())) == 10
    status = world.status()
    assert (status.delivered, status.behind, status.late_ms) == (10, 0, 0)


def test_while_shards_are_away_counters_are_told(world: World) -> None:
    world.add()
    world.change(0)
    world.step()
    world.down = True
    status = world.status()
    assert (status.delivered, status.behind, status.late_ms) == (1, None, None)


def test_one_webhook_that_fails_holds_up_no_other_and_deleted_ones_are_forgotten(world: World) -> None:
    world.add("bad", "https://bad.example")
    world.add("good", "https://good.example")
    world.statuses["https://bad.example"] = 0
    world.change(0, 1)
    world.run_until(
        lambda: world.store.status("good").delivered == 2 and world.store.status("bad").waiting == 2,
        after(lambda: world.control.delete_webhook("bad")),
        lambda: "bad" not in world.store.known(),
    )
    assert world.store.status("good").delivered == 2
    assert world.store.known() == {"good"}


def test_a_webhook_that_cannot_be_told_goes_on_when_it_can(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer_module, "ERROR_S", 0.01)
    world.add()
    world.add("other", "https://b.example")
    world.change(0)
    failures = iter([RuntimeError, RuntimeError])

    def fail(url: str) -> None:
        if url == "https://a.example" and (kind := next(failures, None)):
            raise kind

    world.on_send = fail
    world.run_until(lambda: world.store.status("w").delivered == world.store.status("other").delivered == 1)


def test_those_that_have_been_told_all_do_not_ask(world: World) -> None:
    for number in range(20):
        world.add(f"w{number}", f"https://{number}.example")
    asked: list[int] = []

    async def changes(after: dict[int, int], limit: int) -> list[SegmentChange]:
        asked.append(limit)
        return await world.changes(after, limit)

    world.deliverer = Deliverer(world.control, world.store, changes, world, POLICY, lambda: world.now)
    world.change(0)
    ticks = iter(range(50))
    world.run_until(
        lambda: len(world.taken) == 20,
        after(asked.clear),
        lambda: next(ticks, None) is None,  # a second passes
        after(lambda: world.change(1)),
        lambda: len(world.taken) == 40,
    )
    assert len(asked) < 100  # 20 that ask ten times a second would be 200


def test_another_webhook_with_the_same_id_begins_anew(world: World) -> None:
    world.add(created_at=1)
    world.statuses["https://a.example"] = 503
    world.change(0, 1)
    world.step()
    world.control.delete_webhook("w")
    world.add(url="https://b.example", created_at=2, start={0: 3, 1: 3})
    world.change(2, 3, 4)
    world.now += 60_000
    world.step()
    assert [url for url, _ in world.taken].count("https://b.example") == 2
    status = world.status()
    assert (status.delivered, status.failed, status.waiting) == (2, 0, 0)


def test_a_webhook_that_was_off_goes_on_where_it_was(world: World) -> None:
    world.add()
    world.change(0)
    world.step()
    world.control.update_webhook("w", lambda webhook: msgspec.structs.replace(webhook, enabled=False))
    world.change(1)
    ticks = iter(range(10))
    world.run_until(lambda: next(ticks, None) is None)
    assert len(world.taken) == 1
    assert world.status().behind == 1
    world.control.update_webhook("w", lambda webhook: msgspec.structs.replace(webhook, enabled=True))
    world.run_until(lambda: len(world.taken) == 2)


def test_what_a_webhook_that_was_deleted_meanwhile_answered_is_not_kept(world: World) -> None:
    world.add(created_at=1)
    world.change(0)

    def delete(url: str) -> None:
        world.control.delete_webhook("w")
        world.deliverer.follow(world.control.webhooks())

    world.on_send = delete
    world.statuses["https://a.example"] = 503
    world.step()
    assert world.store.known() == set()
    assert world.store.waiting("w") == 0


def test_of_an_erased_person_nothing_waits_and_every_webhook_is_told(world: World) -> None:
    world.add()
    world.add("off", "https://b.example", enabled=False)
    world.statuses["https://a.example"] = 503
    world.change(0, 1)
    world.step()
    world.statuses["https://a.example"] = 400
    world.change(0)
    world.step()
    assert (world.status().waiting, world.status().dead) == (2, 1)
    assert asyncio.run(world.deliverer.erase([[PEOPLE[0], PEOPLE[2]]])) == ["off", "w"]
    assert asyncio.run(world.deliverer.erase([[PEOPLE[2], PEOPLE[0]]])) == ["off", "w"]
    assert (world.status().waiting, world.status().dead, world.status("off").waiting) == (2, 0, 1)
    (message,) = [m for m in world.store.due("w", world.now, 10) if m.message_id.startswith("erasure_")]
    told = msgspec.json.decode(message.body)
    assert told["type"] == "customer.erased"
    assert told["data"]["customer_ids"] == sorted(to_text(PEOPLE[n]) for n in (0, 2))
    world.statuses.clear()
    world.now += 2_000
    world.step()
    assert message.message_id in world.ids()
    assert world.status().waiting == 0


def test_entries_are_told_of_those_for_whom_the_purpose_has_a_basis_and_exits_of_all(world: World) -> None:
    allowed: dict[str, set[int]] = {"ads": {0, 1}}

    async def may_tell(entries: Collection[Entry], purpose: str) -> set[Entry]:
        return {entry for entry in entries if entry[0] in [PEOPLE[n] for n in allowed[purpose]]}

    world.deliverer = Deliverer(
        world.control, world.store, world.changes, world, POLICY, lambda: world.now, may_tell=may_tell
    )
    world.add(purpose="ads")
    world.change(0, 2, 1)
    world.log.append(SegmentChange(PEOPLE[2], "vip", "exited", world.now, "m", 4))
    world.statuses["https://a.example"] = 503
    world.step()
    assert {identifier.rpartition("_")[2] for identifier in world.ids()} == {"1", "3", "4"}
    allowed["ads"] = {1}  # one withdraws while the message waits to be tried again
    world.now += 2_000
    world.statuses.clear()
    world.taken.clear()
    world.step()
    assert {identifier.rpartition("_")[2] for identifier in world.ids()} == {"3", "4"}
    assert world.store.status("w").waiting == 0


def test_an_entry_is_not_told_after_a_withdrawal_while_its_page_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = {0, 1, 2}
    monkeypatch.setattr(deliverer_module, "CONCURRENT", 1)

    async def may_tell(entries: Collection[Entry], purpose: str) -> set[Entry]:
        return {entry for entry in entries if entry[0] in [PEOPLE[n] for n in allowed]}

    def slow(url: str) -> None:
        allowed.discard(2)
        world.now += FRESH_MS

    world.deliverer = Deliverer(
        world.control, world.store, world.changes, world, POLICY, lambda: world.now, may_tell=may_tell
    )
    world.add()
    world.change(0, 1, 2)
    world.on_send = slow
    world.step()
    assert {identifier.rpartition("_")[2] for identifier in world.ids()} == {"1", "2"}
    assert (world.store.status("w").waiting, world.store.cursor("w")) == (0, {0: 3, 1: 2})


def test_what_decides_by_itself_is_told_of_those_who_may_be_decided_about(world: World) -> None:
    asked: list[tuple[str, str, int, str]] = []

    async def may_decide(kind: str, subject: str, customer_id: int, cause: str, purpose: str) -> bool:
        asked.append((kind, subject, customer_id, cause))
        return customer_id != PEOPLE[2]

    world.deliverer = Deliverer(
        world.control, world.store, world.changes, world, POLICY, lambda: world.now, may_decide=may_decide
    )
    world.add(automated_decision=True)
    world.change(0, 2, 1)
    world.log.append(SegmentChange(PEOPLE[2], "vip", "exited", world.now, "m", 4))
    world.statuses["https://a.example"] = 503
    world.step()
    first = list(asked)
    assert {customer_id for _, _, customer_id, _ in first} == {PEOPLE[0], PEOPLE[1], PEOPLE[2]}
    assert all((kind, subject) == ("webhook", "w") for kind, subject, *_ in first)
    world.now += 2_000
    world.statuses.clear()
    world.taken.clear()
    world.step()
    assert {identifier.rpartition("_")[2] for identifier in world.ids()} == {"1", "3", "4"}
    assert set(asked) == set(first)  # tried again, it is the same decision: its cause is the message
    world.deliverer = Deliverer(world.control, world.store, world.changes, world, POLICY, lambda: world.now)
    world.taken.clear()
    world.change(0)
    world.step()
    assert world.ids() == []
