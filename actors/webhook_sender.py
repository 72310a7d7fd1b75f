"""Sends one message to a webhook. Only to where it may go: the address is looked up once, judged, and then used.

Without that, whoever may define webhooks could make the service call what only this network can reach. Redirects are
not followed, for the same reason.
"""

import asyncio
import ipaddress
import socket
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit, urlunsplit

import httpx

from models.delivery.webhook import RetryPolicy

_ERROR_MAX = 200


class Sent(NamedTuple):
    """What came of an attempt."""

    status: int  # HTTP; 0 for no answer
    error: str  # what went wrong; no words of the receiver
    retry_after_s: int = 0


class Sender(Protocol):
    """Sends messages."""

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent: ...


class WebhookSender:
    """Sends over HTTP. Construct it within a running event loop."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        self._client = httpx.AsyncClient(
            timeout=policy.timeout_s, follow_redirects=False, limits=limits, trust_env=False
        )

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        """Posts a message; never raises for what the receiver or the network does."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            address = await self._address(host, parts.port or (443 if parts.scheme == "https" else 80))
            if not address:
                return Sent(0, "the address is private: allow it with webhooks.allow_private_addresses")
            port = f":{parts.port}" if parts.port else ""
            literal = f"[{address}]" if ":" in address else address
            pinned = urlunsplit((parts.scheme, literal + port, parts.path or "/", parts.query, ""))
            asked = {**headers, "host": host + port}
            answer = await self._client.post(
                pinned, content=body, headers=asked, extensions={"sni_hostname": host.encode().decode("ascii")}
            )
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            return Sent(0, type(error).__name__[:_ERROR_MAX])
        after = answer.headers.get("retry-after", "")
        retry_after_s = int(after) if after.isascii() and after.isdecimal() and len(after) < 8 else 0
        return Sent(answer.status_code, "" if answer.is_success else f"HTTP {answer.status_code}", retry_after_s)

    async def _address(self, host: str, port: int) -> str:
        """The address to connect to; "" if it is one that must not be called."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for _, _, _, _, place in found:
            address = str(place[0])
            if self._policy.allow_private_addresses or is_public(address):
                return address
        return ""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: not of this machine, a private network, or anything reserved."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast
