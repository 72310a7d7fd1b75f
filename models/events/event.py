"""The event as every layer below the door sees it: validated, normalised, immutable.

The wire parser (`models.events.wire`) makes these from Segment-style JSON; the shard stores them as
MessagePack and the profile reduction folds them. Times are integer milliseconds since the Unix epoch, UTC.
"""

from typing import Any

import msgspec

# An identifier in its normal form, "namespace:value" (see models.identity.identifiers).
Identifier = str


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One accepted message.

    `identifiers` are normalised and sorted by priority, highest first; `timestamp` is already corrected
    for the client's clock. `explicit` marks a statement by an operator (a merge, or an `alias`/`merge` call with
    an admin key) that two identifiers are one person: per-namespace limits do not apply to it.
    """

    message_id: str
    # identify | track | page | screen | group | alias | merge; by operators consent | correction; by scorers scored
    type: str
    name: str  # event name of a track, name of a page or screen, else ""
    timestamp: int  # ms
    received_at: int  # ms
    source: str  # id of the source whose key delivered it
    identifiers: tuple[Identifier, ...]
    route: Identifier  # the identifier whose home shard takes the event in and dedupes it
    traits: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    context: dict[str, Any] = {}
    explicit: bool = False
    original_timestamp: int | None = None  # ms, as the client's clock said
    sent_at: int | None = None  # ms, as the client's clock said
    group_id: str = ""
    integrations: dict[str, Any] = {}
    demoted: tuple[Identifier, ...] = ()  # identifiers that came with it, but that limits kept off its profile


def encode_events(events: list[Event]) -> bytes:
    """MessagePack of a list of events, as sent to a shard."""
    return _encoder.encode(events)


def decode_events(data: bytes) -> list[Event]:
    """The inverse of `encode_events`. Raises msgspec.DecodeError on anything else."""
    return _list_decoder.decode(data)


def encode_event(event: Event) -> bytes:
    """MessagePack of one event, as stored."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> Event:
    """The inverse of `encode_event`."""
    return _decoder.decode(data)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)
_list_decoder = msgspec.msgpack.Decoder(list[Event])
