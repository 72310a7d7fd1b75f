"""Webhooks: who is told of entries to segments and exits from them, what they are sent, and when it is tried again.

Messages follow the Standard Webhooks specification (standardwebhooks.com): three headers, of which the signature is an
HMAC-SHA256 over id, time and body. A message's id is that of the entry or exit, so that a receiver that is told twice
can tell.
"""

import hmac
import re
from base64 import b64decode, b64encode
from hashlib import blake2b, sha256
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from models.identity.customer_id import shard_of, to_text
from models.shard.protocol import SegmentChange

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
ROTATION_MS = 24 * 3_600_000  # how long a former secret still signs
URL_MAX = 2_000
SEGMENTS_MAX = 1_000
CHANGES: tuple[str, ...] = ("entered", "exited")
RETRY_AFTER_S_MAX = 3_600
_ID = re.compile("[a-z0-9][a-z0-9_-]{0,63}")

Verdict = Literal["delivered", "retry", "dead", "gone"]


class RetryPolicy(msgspec.Struct, frozen=True):
    """How deliveries are tried."""

    delays_s: tuple[int, ...] = (5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200)  # after each failure; then dead
    timeout_s: float = 10.0
    allow_private_addresses: bool = False  # of this machine and of private networks

    def __post_init__(self) -> None:
        if any(delay < 0 for delay in self.delays_s):
            raise ValueError("webhooks.delays_s must be seconds, 0 or more each")
        if self.timeout_s <= 0:
            raise ValueError("webhooks.timeout_s must be more than 0")


class Webhook(msgspec.Struct, frozen=True):
    """A receiver."""

    id: str
    url: str
    segments: list[str] = []  # ids; all if empty
    changes: list[str] = msgspec.field(default_factory=lambda: list(CHANGES))
    enabled: bool = True
    secret: str = ""
    former_secret: str = ""
    former_until: int = 0  # ms
    created_at: int = 0  # ms
    start: dict[int, int] = {}  # shard -> sequence number after which it is told
    disabled_because: str = ""

    def wants(self, change: SegmentChange) -> bool:
        """Whether it is told of an entry or exit. Nobody is told of people in a holdout."""
        if change.held_out or change.change not in self.changes:
            return False
        return not self.segments or change.segment_id in self.segments

    def secrets(self, now: int) -> list[str]:
        """Those that sign at `now` ms."""
        former = [self.former_secret] if self.former_secret and now < self.former_until else []
        return [self.secret, *former]


class InvalidWebhook(ValueError):
    """A webhook cannot be used; `problems` has (field, what was expected) of each mistake."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))
        self.problems = problems


def parse_webhook(asked: dict[str, Any]) -> dict[str, Any]:
    """The fields that operators set: id, url, segments, changes, enabled; checked. Raises InvalidWebhook."""
    problems: list[tuple[str, str]] = []
    for key in asked:
        if key not in ("id", "url", "segments", "changes", "enabled", "from_start"):
            problems.append((str(key)[:40], "unknown field; expected id, url, segments, changes, enabled, from_start"))
    given_id = asked.get("id")
    if not isinstance(given_id, str) or not _ID.fullmatch(given_id):
        problems.append(("id", "expected 1 to 64 lower-case letters, digits, - or _, beginning with a letter or digit"))
    url = asked.get("url")
    if not isinstance(url, str) or (problem := _problem_of(url)):
        problems.append(("url", problem if isinstance(url, str) else "expected an http or https address"))
    segments = asked.get("segments", [])
    if not isinstance(segments, list) or len(segments) > SEGMENTS_MAX or not all(isinstance(s, str) for s in segments):
        problems.append(("segments", f"expected a list of at most {SEGMENTS_MAX} ids of segments; empty for all"))
    changes = asked.get("changes", list(CHANGES))
    if not isinstance(changes, list) or not changes or not all(change in CHANGES for change in changes):
        problems.append(("changes", 'expected a list of "entered", "exited", or both'))
    for key in ("enabled", "from_start"):
        if not isinstance(asked.get(key, True), bool):
            problems.append((key, "expected true or false"))
    if problems:
        raise InvalidWebhook(problems)
    return {"id": given_id, "url": url, "segments": segments, "changes": changes, "enabled": asked.get("enabled", True)}


def _problem_of(url: str) -> str:
    """What is wrong with an address; "" if nothing is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "expected an http or https address"
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > URL_MAX:
        return f"expected an http or https address of at most {URL_MAX} characters"
    if parts.username or parts.password:
        return "expected an address without a user name and password: messages are signed instead"
    return ""


def make_secret(random_bytes: bytes) -> str:
    """A secret in the specification's form, from SECRET_BYTES of randomness."""
    return SECRET_PREFIX + b64encode(random_bytes).decode()


def message_id(change: SegmentChange) -> str:
    """The stable id of the message of an entry or exit."""
    return f"msg_{shard_of(change.customer_id)}_{change.sequence}"


def payload(change: SegmentChange, time_text: str) -> bytes:
    """The body that is sent. `time_text`: ISO 8601 of the moment of the change."""
    data = {
        "segment_id": change.segment_id,
        "customer_id": to_text(change.customer_id),
        "change": change.change,
        "at": time_text,
        "cause": change.cause,
    }
    return msgspec.json.encode({"type": f"segment.{change.change}", "timestamp": time_text, "data": data})


def headers(webhook: Webhook, identifier: str, body: bytes, now: int) -> dict[str, str]:
    """The headers of a message that is sent at `now` ms."""
    second = now // 1000
    signatures = [sign(secret, identifier, second, body) for secret in webhook.secrets(now)]
    return {
        "content-type": "application/json",
        "user-agent": "Onefold",
        "webhook-id": identifier,
        "webhook-timestamp": str(second),
        "webhook-signature": " ".join(signatures),
    }


def sign(secret: str, identifier: str, second: int, body: bytes) -> str:
    """The signature "v1,..." of a message."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, f"{identifier}.{second}.".encode() + body, sha256).digest()
    return f"v1,{b64encode(digest).decode()}"


def verdict(status: int) -> Verdict:
    """What a receiver's answer means; status 0 for none."""
    if 200 <= status < 300:
        return "delivered"
    if status == 410:
        return "gone"
    if status == 0 or status in (408, 409, 425, 429) or status >= 500:
        return "retry"
    return "dead"


def delay_ms(policy: RetryPolicy, failures: int, identifier: str, retry_after_s: int = 0) -> int | None:
    """How long to wait after so many failures; None for no more. A fifth is spread by the id, so that receivers that
    come back are not met by all at once."""
    if failures > len(policy.delays_s):
        return None
    delay = policy.delays_s[failures - 1] * 1000
    spread = blake2b(f"{identifier}/{failures}".encode(), digest_size=2).digest()
    delay += delay * int.from_bytes(spread, "little") // (5 * 65_536)
    return max(delay, min(retry_after_s, RETRY_AFTER_S_MAX) * 1000)
