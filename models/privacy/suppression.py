"""Identifiers that must not come back: known by a keyed hash alone, each with how long its events are refused.

What was erased may not be kept, and must be recognised when a late event, a replay or a restored copy brings it again.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

from models.events.event import Event
from models.identity.identifiers import Normalise

KEY_BYTES = 32
FOREVER = 1 << 62  # ms

Suppress = Literal["all", "earlier"]
"""Which events of an erased person are refused: all until that is lifted, or those from before the erasure."""


def fingerprint(identifier: str, key: bytes) -> str:
    """32 hexadecimal digits that stand for an identifier; without the key nobody can tell for which."""
    return blake2b(identifier.encode(), key=key, digest_size=16).hexdigest()


def refused_until(suppress: Suppress, erased_at: int) -> int:
    """The time (ms) up to which an erased person's events are refused."""
    return FOREVER if suppress == "all" else erased_at


def moment_of(event: Event) -> int:
    """When an event happened, ms. A client's clock cannot put it after its receipt."""
    return min(event.timestamp, event.received_at)


def known_as(identifier: str, normalise: Normalise) -> Iterable[str]:
    """An identifier, and the e-mail address that it is in another namespace: sources that have addresses for user ids
    must not bring back who was erased by the address, nor the other way round."""
    yield identifier
    namespace, _, value = identifier.partition(":")
    if namespace != "email" and "@" in value:
        address = normalise("email", value)
        if address:
            yield address


def carried(event: Event) -> Iterable[str]:
    """All identifiers that an event carries, those that limits kept off its profile too."""
    return (*event.identifiers, *event.demoted)
