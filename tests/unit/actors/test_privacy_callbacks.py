"""Callbacks: signed, tried again for a day, then given up and noted; never to where they may not go."""

import asyncio
import json
from pathlib import Path

import pytest

from actors.privacy_callbacks import GIVEN_UP_MS, CallbackSender, retry_delay_ms
from actors.privacy_store import FILE, PrivacyStore
from actors.webhook_sender import Sent, WebhookSender
from models.delivery.webhook import RetryPolicy
from models.privacy import open_dsr_documents as documents
from models.privacy.requests import SubjectIdentity, SubjectRequest, advanced
from models.privacy.signing import DOMAIN_HEADER, SIGNATURE_HEADER
from tests.strategies.signing import DOMAIN, one_signer

NOW = 1_772_368_200_000  # 2026-03-01T12:30:00Z
PROCESSOR = documents.Processor("shop", DOMAIN, "http://127.0.0.1:8080")
GOOD, BAD = "https://good.example/", "https://bad.example/?token=canary"


class Network:
    """Takes what is sent to GOOD, and nothing else."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.tried = 0
        self.retry_after_s = 0

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        self.tried += 1
        if url != GOOD:
            return Sent(503, "HTTP 503", self.retry_after_s)
        self.taken.append((url, headers, body))
        return Sent(204, "")


@pytest.fixture
def store(tmp_path: Path) -> PrivacyStore:
    return PrivacyStore(tmp_path / FILE, b"k" * 32)


def tell(request: SubjectRequest) -> bytes:
    return documents.callback(request, PROCESSOR)


def add(store: PrivacyStore, *urls: str) -> SubjectRequest:
    request = SubjectRequest(
        request_id="a7551968-d5d6-44b2-9831-815ac9017798",
        kind="erasure",
        regulation="gdpr",
        submitted_at=NOW,
        received_at=NOW,
        due_at=NOW + 1,
        identities=[SubjectIdentity("email", "jane@example.com")],
        callbacks=list(urls),
    )
    return store.add(request, tell)


def send(store: PrivacyStore, network: Network, now: int) -> int:
    return asyncio.run(CallbackSender(store, network, one_signer(), DOMAIN).send_due(now))


def test_callbacks_are_signed_and_say_where_they_go(store: PrivacyStore) -> None:
    network, request = Network(), add(store, GOOD)
    store.change(request.request_id, lambda found: advanced(found, "in_progress", NOW), tell)
    assert [send(store, network, NOW) for _ in range(3)] == [1, 1, 0]
    assert [json.loads(body)["request_status"] for _, _, body in network.taken] == ["pending", "in_progress"]
    for url, headers, body in network.taken:
        assert json.loads(body)["status_callback_url"] == url == GOOD
        assert headers[DOMAIN_HEADER] == DOMAIN
        assert headers[SIGNATURE_HEADER] == one_signer().sign(body)
        assert b"jane" not in body


def test_what_fails_is_tried_for_a_day_then_noted(store: PrivacyStore) -> None:
    network, request = Network(), add(store, BAD, GOOD)
    assert send(store, network, NOW) == 2
    now = NOW
    waits: list[int] = []
    while delay := retry_delay_ms(len(waits) + 1):
        assert send(store, network, now + delay - 1) == 0
        now += delay
        waits.append(delay)
        assert send(store, network, now) == 1
    assert now - NOW == GIVEN_UP_MS
    assert waits[:3] == [30_000, 60_000, 120_000] and len(waits) == 12
    assert send(store, network, now + 10 * GIVEN_UP_MS) == 0
    (step,) = store.request(request.request_id).steps
    assert (step.at, step.state, step.note) == (now, "pending", "a callback was given up: HTTP 503")
    assert len(network.taken) == 1


def test_receivers_may_ask_for_more_time(store: PrivacyStore) -> None:
    network = Network()
    network.retry_after_s = 600
    add(store, BAD)
    send(store, network, NOW)
    assert (send(store, network, NOW + 599_999), send(store, network, NOW + 600_000)) == (0, 1)


def test_no_delay_overflows() -> None:
    assert retry_delay_ms(10_000) is None


def test_private_addresses_are_not_called(store: PrivacyStore) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(lambda *_: reached.append(1), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        add(store, f"https://127.0.0.1:{port}/")
        sender = WebhookSender(RetryPolicy(timeout_s=5))
        assert await CallbackSender(store, sender, one_signer(), DOMAIN).send_due(NOW) == 1
        await sender.close()
        server.close()

    reached: list[int] = []
    asyncio.run(scenario())
    assert reached == []
    assert store.due_callbacks(NOW, 10) == []
    assert store.due_callbacks(NOW + 30_000, 10)[0].failures == 1
