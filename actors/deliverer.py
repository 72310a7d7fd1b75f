"""The deliverer: follows every shard's entries and exits and tells the webhooks that want to know.

Each webhook goes on by itself, so that one that fails holds up no other. A message that fails waits in the store and
the rest goes on, until too many wait: then the webhook's cursor stays, which is seen in how far it is behind. Messages
about one person are sent one after the other.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from actors.basis_check import Entry, FreshCheck, MayTell
from actors.change_feed import ChangeFeed, Changes
from actors.delivery_store import Dead, DeliveryStatus, DeliveryStore, Waiting
from actors.errors import NotFound, OnefoldError
from actors.webhook_sender import Sender, Sent
from models.delivery.webhook import (
    RetryPolicy,
    Webhook,
    customer_of,
    delay_ms,
    entering,
    erasure_id,
    erasure_payload,
    headers,
    message_id,
    payload,
    trial_payload,
    verdict,
)
from models.identity.customer_id import shard_of, to_text
from models.privacy.decisions import Kind
from models.privacy.recipients import Recipient

PAGE = 200  # entries and exits that are read at once
CONCURRENT = 16  # messages under way to one webhook
WAITING_MAX = 10_000  # messages of one webhook; then its cursor waits
BEHIND_MAX = 1_000  # entries and exits that are counted
HELD_S = 0.1
ERROR_S = 1.0
REFRESH_S = 0.5

log = logging.getLogger("onefold.deliverer")

Made = tuple[str, int]
"""A webhook's id and when it was made (ms): another one may be made under the same id."""


MayDecide = Callable[[Kind, str, int, str, str], Awaitable[bool]]
"""Whether a decision may be taken: see `actors.automated_decisions.AutomatedDecisions.may_decide`."""


class WebhookStore(Protocol):
    """Where webhooks are defined (`actors.control.ControlStore`)."""

    def version(self) -> int: ...
    def webhooks(self) -> dict[str, Webhook]: ...
    def disable_webhook(self, webhook_id: str, created_at: int, reason: str) -> None: ...


class Deliverer:
    """Delivers until it is cancelled. `changes(after, limit)` reads the shards' logs; `now` is in ms; without
    `may_tell` every entry may be told, and without `may_decide` none to a webhook that decides by itself."""

    def __init__(
        self,
        control: WebhookStore,
        store: DeliveryStore,
        changes: Changes,
        sender: Sender,
        policy: RetryPolicy,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        may_tell: MayTell | None = None,
        may_decide: MayDecide | None = None,
    ) -> None:
        self._control = control
        self._store = store
        self._feed = ChangeFeed(changes)
        self._sender = sender
        self._policy = policy
        self._may_tell = may_tell or _tell_all
        self._may_decide = may_decide
        self._now = now
        self._webhooks: dict[str, Webhook] = {}
        self._tasks: dict[Made, asyncio.Task[None]] = {}
        self._erased: set[str] = set()  # customer ids, as text: of them nothing that is under way is kept
        self._quiet_until: dict[str, int] = {}  # webhook -> ms: its receiver has asked to be left alone

    async def run(self) -> None:
        """Follows the definitions; one task for each webhook that is enabled."""
        feed = asyncio.get_running_loop().create_task(self._feed.run())
        seen = -1
        try:
            while not feed.done():
                version = self._control.version()
                if version != seen:
                    self.follow(self._control.webhooks())
                    self._start_and_end()
                    seen = version
                await asyncio.sleep(REFRESH_S)
            feed.result()
        finally:
            tasks = [feed, *self._tasks.values()]
            self._tasks.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, webhooks: dict[str, Webhook]) -> None:
        """From now on these are the webhooks. Of those that were deleted nothing is kept."""
        for webhook_id in self._store.known() - set(webhooks):
            self._store.forget(webhook_id, self._now())
        for webhook_id, webhook in webhooks.items():
            self._store.adopt(webhook_id, webhook.created_at)
        self._webhooks = webhooks

    def _start_and_end(self) -> None:
        wanted = {(webhook.id, webhook.created_at) for webhook in self._webhooks.values() if webhook.enabled}
        for made in self._tasks.keys() - wanted:
            self._tasks.pop(made).cancel()
        for made in wanted - self._tasks.keys():
            self._quiet_until.pop(made[0], None)
            self._tasks[made] = asyncio.get_running_loop().create_task(self._deliver(made))

    async def _deliver(self, made: Made) -> None:
        """Tells one webhook, until it is no more followed."""
        webhook_id, _ = made
        told = -1  # generation of the feed at which it had been told all
        # Not only until it is cancelled: in Python 3.11 `wait_for` forgets a cancellation that comes with its answer.
        while self._tasks.get(made) is asyncio.current_task():
            generation = self._feed.generation
            try:
                tried = await self.try_again(webhook_id)
                found = 0 if generation == told else await self.tell(webhook_id)
            except OnefoldError as error:  # a shard is starting
                log.warning("entries and exits cannot be read", extra={"fields": {"reason": error.code}})
                await asyncio.sleep(ERROR_S)
            except Exception as error:
                # It would fail again at once. The others go on, and this one's lag says that it does not.
                log.error("a webhook cannot be told", exc_info=error, extra={"fields": {"webhook_id": webhook_id}})
                await asyncio.sleep(ERROR_S)
            else:
                if found is None:
                    await asyncio.sleep(HELD_S)
                elif not tried and not found:
                    told = generation
                    await self._feed.news(generation, REFRESH_S)
                else:
                    await asyncio.sleep(0)

    async def try_again(self, webhook_id: str) -> int:
        """Sends what has waited long enough; how many that was."""
        if self._is_quiet(webhook_id):
            return 0
        due = self._store.due(webhook_id, self._now(), PAGE)
        if due:
            await self._send_all(self._webhooks[webhook_id], [[each] for each in due], None)
        return len(due)

    async def tell(self, webhook_id: str) -> int | None:
        """Sends the next new messages; how many entries and exits were read for that. None: it must wait."""
        if self._is_quiet(webhook_id) or self._store.waiting(webhook_id) >= WAITING_MAX:
            return None
        webhook = self._webhooks[webhook_id]
        cursor = self._cursor(webhook)
        page = await self._feed.after(cursor, PAGE)
        messages: list[Waiting] = []
        for change in page:
            cursor[shard_of(change.customer_id)] = change.sequence
            if webhook.wants(change):
                messages.append(Waiting(message_id(change), 0, 0, "", payload(change, _time_text(change.at))))
        if page:
            people: dict[str, list[Waiting]] = {}
            for message in messages:
                people.setdefault(customer_of(message.body), []).append(message)
            await self._send_all(webhook, list(people.values()), cursor)
        return len(page)

    def _cursor(self, webhook: Webhook) -> dict[int, int]:
        return {**webhook.start, **self._store.cursor(webhook.id)}

    def _is_quiet(self, webhook_id: str) -> bool:
        return self._now() < self._quiet_until.get(webhook_id, 0)

    async def _send_all(self, webhook: Webhook, groups: list[list[Waiting]], cursor: dict[int, int] | None) -> None:
        """Sends the messages of each group in order, the groups side by side, and notes what came of them.

        Entries of people for whom there is no basis at that moment are dropped. Exits are sent: the receiver is to
        leave these people out.
        """
        lane = asyncio.Semaphore(CONCURRENT)
        entries = [entry for group in groups for each in group if (entry := entering(each.body)) is not None]
        check = FreshCheck(self._may_tell, entries, webhook.purpose, self._now)
        await check.ask()
        withheld: list[str] = []
        outcomes: list[tuple[Waiting, Sent]] = []
        unsent: list[Waiting] = []
        is_gone = False

        async def send_group(group: list[Waiting]) -> None:
            nonlocal is_gone
            async with lane:
                for place, message in enumerate(group):
                    if is_gone or self._is_quiet(webhook.id):
                        unsent.append(message)
                        continue
                    entry = entering(message.body)
                    try:
                        may_send = entry is None or (
                            await check.allows(entry) and await self._decides(webhook, message.message_id, entry)
                        )
                    except OnefoldError:  # a shard is starting
                        unsent.extend(group[place:])
                        break
                    if not may_send:
                        withheld.append(message.message_id)
                        continue
                    sent = await self._send(webhook, message.message_id, message.body)
                    judged = verdict(sent.status)
                    if judged == "gone":
                        is_gone = True
                    elif judged == "retry" and sent.retry_after_s:
                        self._quiet_until[webhook.id] = self._now() + sent.retry_after_s * 1000
                    outcomes.append((message, sent))

        await asyncio.gather(*map(send_group, groups))
        current = self._webhooks.get(webhook.id)
        if current is None or current.created_at != webhook.created_at:
            return  # it was deleted meanwhile
        self._store.withhold(webhook.id, withheld)
        now = self._now()
        quiet_until = self._quiet_until.get(webhook.id, now)
        delivered, waiting, dead = [], [message._replace(due=quiet_until) for message in unsent], []
        if self._erased:
            outcomes = [(message, sent) for message, sent in outcomes if customer_of(message.body) not in self._erased]
            waiting = [message for message in waiting if customer_of(message.body) not in self._erased]
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
        errors = [sent.error for _, sent in outcomes if sent.error]
        self._store.note(
            webhook.id,
            now,
            delivered,
            waiting,
            dead,
            cursor,
            retried=sum(message.failures > 0 for message, _ in outcomes),
            failed=len(errors),
            last_error=errors[-1] if errors else "",
        )
        if is_gone:
            log.warning("a webhook is gone", extra={"fields": {"webhook_id": webhook.id}})
            self._control.disable_webhook(webhook.id, webhook.created_at, "the receiver answered 410 Gone")

    async def _decides(self, webhook: Webhook, identifier: str, entry: Entry) -> bool:
        """Whether an entry may be told to a webhook that decides by itself; it is logged before it is told."""
        if not webhook.automated_decision or self._may_decide is None:
            return not webhook.automated_decision
        return await self._may_decide("webhook", webhook.id, entry[0], identifier, webhook.purpose)

    async def _send(self, webhook: Webhook, identifier: str, body: bytes) -> Sent:
        return await self._sender.send(webhook.url, headers(webhook, identifier, body, self._now()), body)

    # Asked by operators

    async def statuses(self, webhook_id: str = "") -> list[DeliveryStatus]:
        """How deliveries to each webhook go, or to one."""
        webhooks = [each for each in self._control.webhooks().values() if webhook_id in ("", each.id)]
        return list(await asyncio.gather(*map(self._status, webhooks)))

    async def _status(self, webhook: Webhook) -> DeliveryStatus:
        status = self._store.status(webhook.id)
        behind, late_ms = None, None
        try:
            page = await self._feed.after(self._cursor(webhook), BEHIND_MAX)
        except OnefoldError:
            log.warning("how far webhooks are behind cannot be told")
        else:
            behind = len(page)
            late_ms = max(self._now() - min(change.at for change in page), 0) if page else 0
        return msgspec.structs.replace(
            status, behind=behind, late_ms=late_ms, disabled_because=webhook.disabled_because
        )

    async def test(self, webhook_id: str) -> tuple[int, str]:
        """Sends a message that says it is a test, now: the HTTP status (0 for none) and what went wrong."""
        webhook = self._control.webhooks().get(webhook_id)
        if webhook is None:
            raise NotFound("webhook_id: no such webhook; GET /v1/webhooks lists them")
        now = self._now()
        sent = await self._send(webhook, f"test_{now}", trial_payload(_time_text(now)))
        return sent.status, sent.error

    async def dead_letters(self, webhook_id: str, limit: int, after: str) -> list[Dead]:
        """Messages that were given up, by id."""
        return self._store.dead_letters(webhook_id, limit, after)

    async def erase(self, people: list[list[int]]) -> list[str]:
        """Drops what waits to be told of these people, each given by all their customer ids, and tells every webhook,
        enabled or not, that they were erased: a message like any other, tried until it is taken. Returns the ids of
        those webhooks."""
        self._erased |= {to_text(customer_id) for each in people for customer_id in each}
        self._store.take_out([key for key, body in self._store.kept() if customer_of(body) in self._erased])
        now = self._now()
        messages = [
            Waiting(erasure_id(each), 0, 0, "", erasure_payload(sorted(map(to_text, each)), _time_text(now)))
            for each in people
        ]
        webhooks = list(self._control.webhooks())
        self._store.announce(webhooks, messages)
        self._store.scrub()
        return webhooks

    async def recipients(self, people: list[list[int]]) -> list[list[Recipient]]:
        """What came of telling each webhook of the erasure of each of these people, given by all their customer ids."""
        return [self._store.recipients(erasure_id(each)) for each in people]

    async def purge(self, before: int) -> int:
        """Deletes messages that were given up before a time (ms); returns how many."""
        deleted = self._store.delete_dead(before)
        if deleted:
            self._store.scrub()
        return deleted

    async def replay(self, webhook_id: str, message_ids: list[str] | None) -> int:
        """Tries dead messages (all for None) again; returns how many."""
        return self._store.replay(webhook_id, message_ids, self._now())


def _time_text(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _tell_all(entries: Collection[Entry], purpose: str) -> Collection[Entry]:
    return entries
