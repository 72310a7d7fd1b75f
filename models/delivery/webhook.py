"""Webhooks: who is told of entries to segments and exits from them, what they are sent, and when it is tried again.

Messages follow the Standard Webhooks specification (standardwebhooks.com): three headers, of which the signature is an
HMAC-SHA256 over id, time and body. A message's id is that of the entry or exit, so that a receiver that is told twice
can tell.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from hashlib import blake2b, sha256
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

import idna
import msgspec

from models.identity.customer_id import from_text, shard_of, to_text
from models.shard.protocol import SegmentChange

SECRET_PREFIX = "whsec_"  # nosec B105 # a prefix or a file name
SECRET_BYTES = 32
ROTATION_MS = 24 * 3_600_000  # how long a former secret still signs
FORMER_MAX = 4  # former secrets that still sign
URL_MAX = 2_000
SEGMENTS_MAX = 1_000
CHANGES: tuple[str, ...] = ("entered", "exited")
RETRY_AFTER_S_MAX = 3_600
_FIELDS = ("id", "url", "segments", "changes", "enabled", "purpose", "automated_decision", "region")
_ID = re.compile("[a-z0-9][a-z0-9_-]{0,63}")
_NEVER_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = re.compile("[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)

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


class FormerSecret(msgspec.Struct, frozen=True):
    """A secret that was replaced, and until when it still signs."""

    secret: str
    until: int  # ms


class Webhook(msgspec.Struct, frozen=True):
    """A receiver. With `automated_decision` what it is told of decides about people by itself (GDPR article 22)."""

    id: str
    url: str
    segments: list[str] = []  # ids; all if empty
    changes: list[str] = msgspec.field(default_factory=lambda: list(CHANGES))
    enabled: bool = True
    secret: str = ""
    former: list[FormerSecret] = []
    created_at: int = 0  # ms
    start: dict[int, int] = {}  # shard -> sequence number after which it is told
    disabled_because: str = ""
    purpose: str = ""  # of the registry; if empty that of each segment, else the default one
    region: str = ""  # where the receiver is; "" if that is not known

    automated_decision: bool = False

    def wants(self, change: SegmentChange) -> bool:
        """Whether it is told of an entry or exit. Nobody is told of people in a holdout."""
        if change.held_out or change.change not in self.changes:
            return False
        return not self.segments or change.segment_id in self.segments

    def secrets(self, now: int) -> list[str]:
        """Those that sign at `now` ms."""
        return [self.secret, *(former.secret for former in self.former if now < former.until)]

    def rotated(self, secret: str, now: int) -> "Webhook":
        """With a new secret; the one before it signs for ROTATION_MS more. Raises ValueError if too many do."""
        former = [each for each in self.former if now < each.until]
        if len(former) >= FORMER_MAX:
            raise ValueError(f"{FORMER_MAX} former secrets are still in use: rotate again when the first has ended")
        former.insert(0, FormerSecret(self.secret, now + ROTATION_MS))
        return msgspec.structs.replace(self, secret=secret, former=former)


class _Data(msgspec.Struct):
    customer_id: str = ""
    segment_id: str = ""


class _About(msgspec.Struct):
    data: _Data
    type: str = ""


_about = msgspec.json.Decoder(_About)


class InvalidWebhook(ValueError):
    """A webhook cannot be used; `problems` has (field, what was expected) of each mistake."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))
        self.problems = problems


def parse_webhook(asked: dict[str, Any], is_new: bool = True) -> dict[str, Any]:
    """The fields that operators set: id, url, segments, changes, enabled, purpose, automated_decision, region; checked.


    Raises InvalidWebhook.
    `from_start`, which only a new one takes, is checked and left out.
    """
    problems: list[tuple[str, str]] = []
    known = (*_FIELDS, "from_start") if is_new else _FIELDS
    for key in asked:
        if key == "from_start" and not is_new:
            problems.append((key, "expected of a new webhook only: this one has its place already"))
        elif key not in known:
            problems.append((str(key)[:40], f"unknown field; expected {', '.join(known)}"))
    given_id = asked.get("id")
    if not isinstance(given_id, str) or not _ID.fullmatch(given_id):
        problems.append(("id", "expected 1 to 64 lower-case letters, digits, - or _, beginning with a letter or digit"))
    url = asked.get("url")
    if not isinstance(url, str) or (problem := address_problem(url)):
        problems.append(("url", problem if isinstance(url, str) else "expected an http or https address"))
    segments = asked.get("segments", [])
    if not isinstance(segments, list) or len(segments) > SEGMENTS_MAX or not all(isinstance(s, str) for s in segments):
        problems.append(("segments", f"expected a list of at most {SEGMENTS_MAX} ids of segments; empty for all"))
    changes = asked.get("changes", list(CHANGES))
    if not isinstance(changes, list) or not changes or not all(change in CHANGES for change in changes):
        problems.append(("changes", 'expected a list of "entered", "exited", or both'))
    if not isinstance(asked.get("purpose", ""), str):
        problems.append(("purpose", "expected a purpose of the registry, or nothing for the default one"))
    if not isinstance(asked.get("region", ""), str):
        problems.append(("region", "expected the name of a region, or nothing if it is not known"))
    for key in ("enabled", "from_start", "automated_decision"):
        if not isinstance(asked.get(key, True), bool):
            problems.append((key, "expected true or false"))
    if problems:
        raise InvalidWebhook(problems)
    return {
        "id": given_id,
        "url": url,
        "segments": segments,
        "changes": changes,
        "enabled": asked.get("enabled", True),
        "purpose": asked.get("purpose", ""),
        "automated_decision": asked.get("automated_decision", False),
        "region": asked.get("region", ""),
    }


def address_problem(url: str) -> str:
    """What is wrong with an address; "" if nothing is."""
    usual = f"expected an http or https address of at most {URL_MAX} characters"
    if len(url) > URL_MAX or _NEVER_IN_URL.search(url):
        return usual
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.port == 0:
            return usual
    except ValueError:
        return usual
    if "@" in parts.netloc:
        return "expected an address without a user name and password: messages are signed instead"
    return "" if _is_host(parts.hostname or "") else usual


def _is_host(host: str) -> bool:
    """Whether it is an IP address as it is usually written, or can be a name."""
    try:
        if ":" in host or host.replace(".", "").isdigit():
            ip_address(host)
            return True
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except ValueError:
        return False
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.removesuffix(".").split("."))


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


def customer_of(body: bytes) -> str:
    """The customer id, as text, that the body of an entry or exit is about; "" for other messages."""
    return _about.decode(body).data.customer_id


def entering(body: bytes) -> tuple[int, str] | None:
    """Who (customer id) entered which segment, if the body is of an entry; None for exits and other messages."""
    about = _about.decode(body)
    if about.type != "segment.entered":
        return None
    return from_text(about.data.customer_id), about.data.segment_id


def erasure_id(people: Iterable[int]) -> str:
    """The stable id of the message of an erasure."""
    return "erasure_" + blake2b(b"".join(each.to_bytes(8) for each in sorted(people)), digest_size=12).hexdigest()


def erasure_payload(customer_ids: list[str], time_text: str) -> bytes:
    """The body that tells that a person was erased, by all the ids that were told of them."""
    data = {"customer_ids": customer_ids, "at": time_text}
    return msgspec.json.encode({"type": "customer.erased", "timestamp": time_text, "data": data})


def trial_payload(time_text: str) -> bytes:
    """The body of a message that is only to be seen to arrive."""
    return msgspec.json.encode({"type": "onefold.test", "timestamp": time_text, "data": {}})


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
    come back are not met by all at once. Not before what the receiver asked for: see `retry_after_s`."""
    if failures > len(policy.delays_s):
        return None
    delay = policy.delays_s[failures - 1] * 1000
    spread = blake2b(f"{identifier}/{failures}".encode(), digest_size=2).digest()
    delay += delay * int.from_bytes(spread, "little") // (5 * 65_536)
    return max(delay, retry_after_s * 1000)


def retry_after_s(text: str, now: int) -> int:
    """How long a receiver asks to be left alone, from its Retry-After: seconds or a date; 0 if it says nothing of use.
    At most RETRY_AFTER_S_MAX. `now` in ms."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        seconds = int(text[:9])
    else:
        try:
            seconds = -(-(round(parsedate_to_datetime(text).timestamp() * 1000) - now) // 1000)
        except (ValueError, OverflowError):
            return 0
    return max(0, min(seconds, RETRY_AFTER_S_MAX))
