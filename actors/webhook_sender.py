"""Sends one message to a webhook, and only to where it may go.

Without that, whoever may define webhooks could make the service call what only this network can reach. An address is
judged when a connection to it is opened, so a name cannot point elsewhere in between; redirects are not followed; and
of an answer, status and Retry-After are read and nothing else.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from models.delivery.addresses import is_public
from models.delivery.webhook import RetryPolicy, retry_after_s

LOOKUPS = 32  # names that are looked up at once
_KEEP_S = 3.0  # a connection that is not used: less than receivers keep theirs


class Sent(NamedTuple):
    """What came of an attempt."""

    status: int  # HTTP; 0 for no answer
    error: str  # what went wrong; no words of the receiver
    retry_after_s: int = 0


class Sender(Protocol):
    """Sends messages."""

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent: ...


class NotAllowed(OSError):
    """An address that must not be called."""


class WebhookSender:
    """Sends over HTTP. Construct it within a running event loop. `now` is in ms."""

    def __init__(self, policy: RetryPolicy, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._policy = policy
        self._now = now
        # No bound on connections here: the deliverer has one for each webhook, so that none waits for another's.
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_KEEP_S,
            use_dns_cache=False,
            resolver=_Lookups(),
            socket_factory=self._open,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=policy.timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Ends its connections."""
        await self._session.close()

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        """Posts a message; never raises for what the receiver or the network does."""
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                status, after = answer.status, answer.headers.get("retry-after", "")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Sent(0, _reason(error))
        error_text = "" if 200 <= status < 300 else f"HTTP {status}"
        return Sent(status, error_text, retry_after_s(after, self._now()))

    def _open(self, place: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """The socket of a new connection. Every connection begins here."""
        family, kind, protocol, _, address = place
        if not self._policy.allow_private_addresses and not is_public(str(address[0])):
            raise NotAllowed("not an address of the internet")
        return socket.socket(family, kind, protocol)


class _Lookups(AbstractResolver):
    """Looks names up in threads of its own, each name once at a time: one that hangs holds up no other."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, "webhook-lookup")
        self._under_way: dict[tuple[str, int], asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of a name. Raises OSError."""
        key = (host, port)
        found = self._under_way.get(key)
        if found is None:
            found = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port, family)
            self._under_way[key] = found
            found.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(found)

    def _forget(self, key: tuple[str, int], done: asyncio.Future[list[ResolveResult]]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # seen, if nobody waited for it to the end

    async def close(self) -> None:
        """Waits for no look-up."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=str(place[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, place in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    ]


def _reason(error: Exception) -> str:
    """What went wrong, in words of our own."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the host's certificate is not valid for it"
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, NotAllowed):
            return "the address is private: webhooks.allow_private_addresses allows it"
        return "no connection"
    if isinstance(error, aiohttp.InvalidURL):
        return "the address cannot be used"
    return "the connection broke off"
