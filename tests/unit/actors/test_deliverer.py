"""Deliveries: nothing lost over a crash, the same ids again, one that fails holds up no other, and bounds."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import deliverer as deliverer_module
from actors.control import ControlStore
from actors.deliverer import Deliverer
from actors.delivery_store import DeliveryStore
from actors.webhook_sender import Sent, WebhookSender, is_public
from models.delivery.webhook import RetryPolicy, Webhook, make_secret
from models.identity.customer_id import mint, shard_of
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
        self.crash_after = -1
        self.deliverer = self.boot()

    def boot(self) -> Deliverer:
        return Deliverer(self.control, self.store, self.changes, self, POLICY, lambda: self.now)

    def add(self, webhook_id: str = "w", url: str = "https://a.example", **fields: object) -> None:
        secret = make_secret(bytes(32))
        self.control.put_webhook(Webhook(webhook_id, url, secret=secret, **fields))  # type: ignore[arg-type]

    def change(self, *people: int) -> None:
        for number in people:
            sequence = len(self.log) + 1
            self.log.append(SegmentChange(PEOPLE[number], "vip", "entered", self.now, "m", sequence))

    async def changes(self, after: dict[int, int], limit: int) -> list[SegmentChange]:
        return [c for c in self.log if c.sequence > after.get(shard_of(c.customer_id), 0)][:limit]

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        if self.crash_after == 0:
            raise Crash
        self.crash_after -= 1
        self.taken.append((url, headers["webhook-id"]))
        status = self.statuses.get(url, 200)
        return Sent(status, "" if status == 200 else f"HTTP {status}")

    def step(self, webhook_id: str = "w") -> bool:
        return asyncio.run(self.deliverer.step(webhook_id))

    def ids(self) -> list[str]:
        return [identifier for _, identifier in self.taken]


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
    world.change(0)
    world.step()
    webhook = world.control.webhook("w")
    assert not webhook.enabled
    assert "410" in webhook.disabled_because
    (status,) = asyncio.run(world.deliverer.statuses())
    assert (status.waiting, status.disabled_because) == (1, webhook.disabled_because)


def test_too_many_that_wait_hold_the_cursor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer_module, "WAITING_MAX", 3)
    monkeypatch.setattr(deliverer_module, "PAGE", 2)
    world.add()
    world.statuses["https://a.example"] = 503
    world.change(*range(10))
    for _ in range(5):
        world.step()
    assert world.store.status("w").waiting == 4
    (status,) = asyncio.run(world.deliverer.statuses())
    world.now += 5_000
    assert asyncio.run(world.deliverer.statuses())[0].late_ms >= 5_000 > status.late_ms
    world.statuses.clear()
    for _ in range(20):
        world.now += 60_000
        world.step()
    assert len(set(world.ids())) == 10
    assert world.store.status("w").delivered == 10


def test_one_webhook_that_fails_holds_up_no_other_and_deleted_ones_are_forgotten(world: World) -> None:
    world.add("bad", "https://bad.example")
    world.add("good", "https://good.example")
    world.statuses["https://bad.example"] = 0
    world.change(0, 1)

    async def scenario() -> None:
        running = asyncio.get_running_loop().create_task(world.deliverer.run())
        for _ in range(100):
            await asyncio.sleep(0.02)
            if world.store.status("good").delivered == 2 and world.store.status("bad").waiting == 2:
                break
        world.control.delete_webhook("bad")
        for _ in range(100):
            await asyncio.sleep(0.02)
            if "bad" not in world.store.known():
                break
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
    assert world.store.status("good").delivered == 2
    assert world.store.known() == {"good"}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
    ],
)
def test_which_addresses_may_be_called(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_private_addresses_are_refused_and_allowed_if_set() -> None:
    async def scenario() -> None:
        received: list[bytes] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.readuntil(b"{}"))
            writer.write(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://localhost:{server.sockets[0].getsockname()[1]}/hook?a=1"
        refused = await WebhookSender(RetryPolicy()).send(url, {}, b"{}")
        assert refused.status == 0
        assert "private" in refused.error
        allowed = WebhookSender(RetryPolicy(allow_private_addresses=True))
        assert await allowed.send(url, {"webhook-id": "m"}, b"{}") == Sent(429, "HTTP 429", 7)
        assert received[0].startswith(b"POST /hook?a=1 HTTP/1.1")
        assert b"host: localhost:" in received[0].lower()
        await allowed.close()
        server.close()
        nobody = await WebhookSender(RetryPolicy(allow_private_addresses=True, timeout_s=1)).send(url, {}, b"{}")
        assert nobody == Sent(0, "ConnectError")

    asyncio.run(scenario())
