"""Tells the callbacks of requests what became of them: signed, in order, tried again for a day, and only where messages
may go (`actors.webhook_sender`)."""

import asyncio
import logging
from contextlib import suppress

from actors.errors import NotFound
from actors.privacy_store import Callback, PrivacyStore
from actors.webhook_sender import Sender, Sent
from models.privacy.open_dsr_documents import addressed
from models.privacy.requests import SubjectRequest, advanced
from models.privacy.signing import Signer

PAGE = 100
CONCURRENT = 16  # callbacks under way
FIRST_DELAY_MS = 30_000  # after the first failure; twice that after the next, and so on
GIVEN_UP_MS = 24 * 3_600_000  # after the first failure

log = logging.getLogger("onefold.privacy")


def retry_delay_ms(failures: int) -> int | None:
    """How long to wait after so many failures; None for no more. The last wait ends when the day does."""
    delay = FIRST_DELAY_MS << min(failures - 1, 32)
    left = GIVEN_UP_MS - (delay - FIRST_DELAY_MS)  # all waits before this one were as long as this one less the first
    return min(delay, left) if left > 0 else None


class CallbackSender:
    """Sends what the store says is due, in the name of `domain`."""

    def __init__(self, store: PrivacyStore, sender: Sender, signer: Signer, domain: str) -> None:
        self._store = store
        self._sender = sender
        self._signer = signer
        self._domain = domain

    async def send_due(self, now: int) -> int:
        """Sends callbacks that are due at `now` ms; how many were tried. Those that fail are due later."""
        due = await asyncio.to_thread(self._store.due_callbacks, now, PAGE)
        slots = asyncio.Semaphore(CONCURRENT)

        async def send(callback: Callback) -> None:
            async with slots:
                await self._send(callback, now)

        await asyncio.gather(*(send(callback) for callback in due))
        return len(due)

    async def _send(self, callback: Callback, now: int) -> None:
        body = addressed(callback.body, callback.url)
        headers = {"content-type": "application/json", "user-agent": "Onefold"}
        headers |= await asyncio.to_thread(self._signer.headers, self._domain, body)
        sent = await self._sender.send(callback.url, headers, body)
        await asyncio.to_thread(self._note, callback, sent, now)

    def _note(self, callback: Callback, sent: Sent, now: int) -> None:
        if 200 <= sent.status < 300:
            self._store.drop_callback(callback.number)
            return
        delay = retry_delay_ms(callback.failures + 1)
        if delay is not None:
            self._store.put_off(callback.number, now + max(delay, sent.retry_after_s * 1000))
            return

        def given_up(request: SubjectRequest) -> SubjectRequest:
            return advanced(request, request.state, now, f"a callback was given up: {sent.error}")

        with suppress(NotFound):
            self._store.change(callback.request_id, given_up)
        self._store.drop_callback(callback.number)
        fields = {"subject_request_id": callback.request_id, "reason": sent.error}
        log.warning("a callback was given up", extra={"fields": fields})
