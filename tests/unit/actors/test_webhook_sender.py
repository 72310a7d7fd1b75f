"""Sending: where it may go, how long it may take, and what is made of answers."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from actors.webhook_sender import Sent, WebhookSender
from models.delivery.webhook import RetryPolicy

NOW = 1_760_000_000_000  # 2025-10-09 08:53:20 UTC
PRIVATE = Sent(0, "the address is private: webhooks.allow_private_addresses allows it")

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiving(answer: Answer, taken: list[bytes]) -> AsyncIterator[int]:
    """A receiver on loopback; its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                taken.append(await reader.readuntil(b"{}"))
                await answer(writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def sending(allowed: bool = True, timeout_s: float = 5.0) -> AsyncIterator[WebhookSender]:
    sender = WebhookSender(RetryPolicy(timeout_s=timeout_s, allow_private_addresses=allowed), lambda: NOW)
    try:
        yield sender
    finally:
        await sender.close()


def says(head: str, body: str = "") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    return answer


def test_a_message_arrives_as_it_was_given() -> None:
    async def scenario() -> None:
        taken: list[bytes] = []
        async with receiving(says("204 No Content"), taken) as port, sending() as sender:
            url = f"http://localhost:{port}/hook/a%20b?c=1#part"
            assert await sender.send(url, {"webhook-id": "m", "content-type": "application/json"}, b"{}") == Sent(
                204, ""
            )
        (told,) = taken
        assert told.startswith(b"POST /hook/a%20b?c=1 HTTP/1.1\r\n")
        assert f"host: localhost:{port}\r\n".encode() in told.lower()
        assert b"webhook-id: m\r\n" in told
        assert told.lower().count(b"content-type") == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1"])
def test_nothing_of_this_network_is_called(host: str) -> None:
    async def scenario() -> None:
        taken: list[bytes] = []
        async with receiving(says("200 OK"), taken) as port, sending(allowed=False) as sender:
            sent = await sender.send(f"http://{host}:{port}/", {}, b"{}")
            assert sent in (PRIVATE, Sent(0, "the address cannot be used"))
        assert taken == []

    asyncio.run(scenario())


def test_a_name_is_judged_by_where_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        taken: list[bytes] = []
        async with receiving(says("200 OK"), taken) as port:
            place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [place])
            async with sending(allowed=False) as sender:
                assert await sender.send(f"http://name.example:{port}/", {}, b"{}") == PRIVATE
        assert taken == []

    asyncio.run(scenario())


def test_redirects_are_not_followed() -> None:
    async def scenario() -> None:
        taken: list[bytes] = []
        async with receiving(says("302 Found\r\nLocation: /other"), taken) as port, sending() as sender:
            assert await sender.send(f"http://127.0.0.1:{port}/", {}, b"{}") == Sent(302, "HTTP 302")
        assert len(taken) == 1

    asyncio.run(scenario())


def test_retry_after_is_told() -> None:
    async def scenario() -> None:
        for head, seconds in (
            ("429 Slow\r\nRetry-After: 7", 7),
            ("503 X\r\nRetry-After: Thu, 09 Oct 2025 08:54:20 GMT", 60),
        ):
            async with receiving(says(head), []) as port, sending() as sender:
                assert (await sender.send(f"http://127.0.0.1:{port}/", {}, b"{}")).retry_after_s == seconds

    asyncio.run(scenario())


def test_an_answer_that_does_not_end_is_not_read() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        async with receiving(endless, []) as port, sending() as sender:
            assert await sender.send(f"http://127.0.0.1:{port}/", {}, b"{}") == Sent(200, "")

    asyncio.run(scenario())


def test_the_time_is_for_all_of_it() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 100:
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async def scenario() -> None:
        async with receiving(drip, []) as port, sending(timeout_s=0.3) as sender:
            started = time.monotonic()
            assert await sender.send(f"http://127.0.0.1:{port}/", {}, b"{}") == Sent(0, "no answer in time")
            assert time.monotonic() - started < 5  # the answer takes 6 s

    asyncio.run(scenario())


def test_a_name_that_hangs_is_looked_up_once_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    answered = threading.Event()
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *more: int) -> object:
        looked_up.append(host)
        if host == "hangs.example":
            answered.wait(60)
            raise socket.gaierror
        return real(host, *more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def ask(sender: WebhookSender) -> "list[asyncio.Task[Sent]]":
        return [asyncio.create_task(sender.send("http://hangs.example/", {}, b"{}")) for _ in range(50)]

    async def scenario() -> None:
        async with receiving(says("200 OK"), []) as port, sending(timeout_s=60) as sender:
            hanging = ask(sender)
            assert await sender.send(f"http://localhost:{port}/", {}, b"{}") == Sent(200, "")
            assert not any(each.done() for each in hanging)
            async with sending(timeout_s=0.2) as impatient:
                assert set(await asyncio.gather(*ask(impatient))) == {Sent(0, "no answer in time")}
            answered.set()
            assert set(await asyncio.gather(*hanging)) == {Sent(0, "the host's name is not known")}

    asyncio.run(scenario())
    assert sorted(looked_up) == ["hangs.example", "hangs.example", "localhost"]  # once for each sender


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/", "no connection"),
        ("http://127.0.0.1:PORT/", "the connection broke off"),
        ("http://127.0.0.1:PORT/a\x01", "the connection broke off"),
    ],
)
def test_what_went_wrong_is_said_in_our_words(url: str, error: str) -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def scenario() -> None:
        async with receiving(hang_up, []) as port, sending() as sender:
            assert await sender.send(url.replace("PORT", str(port)), {}, b"{}") == Sent(0, error)

    asyncio.run(scenario())


def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def scenario() -> None:
        async with sending() as sender:
            monkeypatch.setattr(socket, "getaddrinfo", unknown)
            assert await sender.send("http://x.example/", {}, b"{}") == Sent(0, "the host's name is not known")

    asyncio.run(scenario())
