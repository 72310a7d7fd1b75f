"""A log in which nothing can be changed unseen: each entry's hash covers the entry and the hash before it.

    hash = SHA-256(previous hash || canonical encoding of the entry)

The canonical encoding is the JSON array [number, at, actor, action, outcome, [subjects], {detail}] without spaces, the
keys of detail in order, in UTF-8; before the first entry the hash is 32 zero bytes. So any language can check a log.
The end of the log is known from elsewhere (`models.audit.head`): a chain alone does not tell that its end is missing.

Entries name people by customer ids and nothing else: no identifiers, names, paths or queries.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

HASH_BYTES = 32

Kind = Literal["read", "action", "refusal"]
Detail = dict[str, str | int]

_encode = msgspec.json.Encoder(order="deterministic").encode


class Record(NamedTuple):
    """What was done, before it has its place in the log.

    `actor`: id of an API key, "" for a caller without one, "cli:<user of the operating system>" for a command.
    `action`: "GET /v1/profiles/{key}" (the route's template), a gRPC method's full name, or "onefold keys create".
    `outcome`: an HTTP status, the name of a gRPC status, or "done". `subjects`: customer ids of those whose data was
    answered or changed, as they were at that time; one is repeated if that happened several times.
    """

    at: int  # ms
    actor: str
    action: str
    outcome: str
    subjects: tuple[int, ...]
    detail: Detail  # `kind`, and facts that are of nobody: the id of a segment, key or request, a count


class Entry(msgspec.Struct, frozen=True):
    """A record with its place in the log: `number` is 1 for the first."""

    number: int
    at: int
    actor: str
    action: str
    outcome: str
    subjects: tuple[int, ...]
    detail: Detail


class Point(NamedTuple):
    """A place in the chain: the number of the entry there, and the hash that covers all up to it."""

    number: int
    hash: bytes


class Linked(NamedTuple):
    """An entry and the hash that is kept with it."""

    entry: Entry
    hash: bytes


GENESIS = Point(0, bytes(HASH_BYTES))


def canonical(entry: Entry) -> bytes:
    """The bytes that are hashed."""
    return _encode(
        (entry.number, entry.at, entry.actor, entry.action, entry.outcome, entry.subjects, entry.detail),
    )


def link(previous: bytes, entry: Entry) -> bytes:
    """The hash of an entry that follows `previous`, a hash of 32 bytes."""
    return hashlib.sha256(previous + canonical(entry)).digest()


def extend(last: Point, records: Sequence[Record]) -> list[Linked]:
    """The entries that continue the chain after `last`."""
    linked = []
    for record in records:
        entry = Entry(last.number + 1, *record)
        last = Point(entry.number, link(last.hash, entry))
        linked.append(Linked(entry, last.hash))
    return linked


def verify(entries: Iterable[Linked], head: Point) -> int | None:
    """The first number that is broken, of a log that must end at `head`; None if all is as it was written.

    An entry that was edited, removed, inserted or moved breaks the chain there, or at the next one if its own hash was
    made anew; a removed end breaks it at the first number that is missing. A chain that was made anew to its end
    breaks at the head alone: which entry was changed cannot be told.
    """
    last = GENESIS
    for entry, kept in entries:
        if entry.number != last.number + 1 or entry.number > head.number or link(last.hash, entry) != kept:
            return last.number + 1
        last = Point(entry.number, kept)
    if last.number < head.number:
        return last.number + 1
    return None if last == head else head.number
