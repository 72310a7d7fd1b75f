"""The deliverer: follows every shard's entries and exits and tells the webhooks that want to know.

Each webhook goes on by itself, so that one that fails holds up no other. A message that fails waits in the store and
the rest goes on, until too many wait: then the webhook's cursor stays, which is seen in its `late_ms`. Messages about
one person are sent one after the other.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from actors.delivery_store import Dead, DeliveryStatus, DeliveryStore, Waiting
from actors.errors import NotFound, OnefoldError
from actors.webhook_sender import Sender, Sent
from models.delivery.webhook import RetryPolicy, Webhook, delay_ms, headers, message_id, payload, verdict
from models.identity.customer_id import shard_of
from models.shard.protocol import SegmentChange

PAGE = 200  # entries and exits that are read at once
CONCURRENT = 16  # messages under way to one webhook
WAITING_MAX = 10_000  # messages of one webhook; then its cursor waits
IDLE_S = 0.1
ERROR_S = 1.0
REFRESH_S = 0.5

log = logging.getLogger("onefold.deliverer")

Changes = Callable[[dict[int, int], int], Awaitable[list[SegmentChange]]]


class WebhookStore(Protocol):
    """Where webhooks are defined (`actors.control.ControlStore`)."""

    def version(self) -> int: ...
    def webhooks(self) -> dict[str, Webhook]: ...
    def disable_webhook(self, webhook_id: str, reason: str) -> None: ...


class Deliverer:
    """Delivers until it is cancelled. `changes(after, limit)` reads the shards' logs; `now` is in ms."""

    def __init__(
        self,
        control: WebhookStore,
        store: DeliveryStore,
        changes: Changes,
        sender: Sender,
        policy: RetryPolicy,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._control = control
        self._store = store
        self._changes = changes
        self._sender = sender
        self._policy = policy
        self._now = now
        self._webhooks: dict[str, Webhook] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._late: dict[str, int] = {}  # webhook -> ms of the oldest change that it was not told of

    async def run(self) -> None:
        """Follows the definitions; one task for each webhook that is enabled."""
        seen = -1
        try:
            while True:
                version = self._control.version()
                if version != seen:
                    self._follow(self._control.webhooks())
                    seen = version
                await asyncio.sleep(REFRESH_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _follow(self, webhooks: dict[str, Webhook]) -> None:
        for webhook_id in self._store.known() - set(webhooks):
            self._store.forget(webhook_id)
        self._webhooks = webhooks
        for webhook_id in [*self._tasks]:
            if webhook_id not in webhooks or not webhooks[webhook_id].enabled:
                self._tasks.pop(webhook_id).cancel()
                self._late.pop(webhook_id, None)
        for webhook_id, webhook in webhooks.items():
            if webhook.enabled and webhook_id not in self._tasks:
                self._tasks[webhook_id] = asyncio.get_running_loop().create_task(self._deliver(webhook_id))

    async def _deliver(self, webhook_id: str) -> None:
        """Tells one webhook, for ever."""
        while True:
            try:
                busy = await self.step(webhook_id)
                pause = 0.0 if busy else IDLE_S
            except OnefoldError as error:  # a shard is starting
                log.warning("entries and exits cannot be read", extra={"fields": {"reason": error.code}})
                pause = ERROR_S
            await asyncio.sleep(pause)

    async def step(self, webhook_id: str) -> bool:
        """Tries what is due, and the next new messages. Returns whether there was anything."""
        webhook = self._webhooks.get(webhook_id) or self._control.webhooks()[webhook_id]
        due = self._store.due(webhook_id, self._now(), PAGE)
        if due:
            await self._send_all(webhook, [[each] for each in due], None)
        if self._store.waiting(webhook_id) >= WAITING_MAX:
            return bool(due)
        cursor = {**webhook.start, **self._store.cursor(webhook_id)}
        page = await self._changes(cursor, PAGE)
        if not page:
            self._late.pop(webhook_id, None)
            return bool(due)
        self._late[webhook_id] = min(change.at for change in page)
        told = dict(cursor)
        people: dict[int, list[Waiting]] = {}
        for change in page:
            told[shard_of(change.customer_id)] = change.sequence
            if webhook.wants(change):
                at = datetime.fromtimestamp(change.at / 1000, UTC).isoformat(timespec="milliseconds")
                body = payload(change, at.replace("+00:00", "Z"))
                people.setdefault(change.customer_id, []).append(Waiting(message_id(change), 0, 0, "", body))
        await self._send_all(webhook, list(people.values()), told)
        return True

    async def _send_all(self, webhook: Webhook, groups: list[list[Waiting]], cursor: dict[int, int] | None) -> None:
        """Sends the messages of each group in order, the groups side by side, and notes what came of them."""
        lane = asyncio.Semaphore(CONCURRENT)
        outcomes: list[tuple[Waiting, Sent]] = []

        async def send_group(group: list[Waiting]) -> None:
            async with lane:
                for message in group:
                    sent = await self._send(webhook, message.message_id, message.body)
                    outcomes.append((message, sent))

        await asyncio.gather(*map(send_group, groups))
        now = self._now()
        delivered, waiting, dead = [], [], []
        for message, sent in outcomes:
            judged = verdict(sent.status)
            if judged == "delivered":
                delivered.append(message.message_id)
                continue
            failures = message.failures + 1
            delay = delay_ms(self._policy, failures, message.message_id, sent.retry_after_s)
            if judged in ("retry", "gone") and delay is not None:
                waiting.append(Waiting(message.message_id, failures, now + delay, sent.error, message.body))
            else:
                dead.append(Dead(message.message_id, now, sent.error, message.body))
        self._store.note(webhook.id, now, delivered, waiting, dead, cursor)
        if any(sent.status == 410 for _, sent in outcomes):
            log.warning("a webhook is gone", extra={"fields": {"webhook_id": webhook.id}})
            self._control.disable_webhook(webhook.id, "the receiver answered 410 Gone")

    async def _send(self, webhook: Webhook, identifier: str, body: bytes) -> Sent:
        return await self._sender.send(webhook.url, headers(webhook, identifier, body, self._now()), body)

    # Asked by operators

    async def statuses(self) -> list[DeliveryStatus]:
        """How deliveries to each webhook go."""
        now = self._now()
        found = []
        for webhook_id, webhook in self._control.webhooks().items():
            late = max(now - self._late[webhook_id], 0) if webhook_id in self._late else 0
            status = self._store.status(webhook_id)
            found.append(msgspec.structs.replace(status, late_ms=late, disabled_because=webhook.disabled_because))
        return found

    async def test(self, webhook_id: str) -> tuple[int, str]:
        """Sends a message that says it is a test, now: the HTTP status (0 for none) and what went wrong."""
        webhook = self._control.webhooks().get(webhook_id)
        if webhook is None:
            raise NotFound("webhook_id: no such webhook; GET /v1/webhooks lists them")
        sent = await self._send(webhook, f"test_{self._now()}", b'{"type":"onefold.test","data":{}}')
        return sent.status, sent.error

    async def dead_letters(self, webhook_id: str, limit: int, after: str) -> list[Dead]:
        """Messages that were given up, by id."""
        return self._store.dead_letters(webhook_id, limit, after)

    async def replay(self, webhook_id: str, message_ids: list[str] | None) -> int:
        """Tries dead messages (all for None) again; returns how many."""
        return self._store.replay(webhook_id, message_ids, self._now())
