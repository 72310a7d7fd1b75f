"""The head: where the log ends, signed, and kept apart from the log, so that a cut-off end is seen.

A batch is announced in the head before it is committed to the log, and confirmed after it (`announce`, `confirm`). So
whatever a crash leaves, the log ends at one of two places that the signed head names: `settle` tells which. Only a
batch whose writer was never told that it is durable may be missing without being missed.

If the log ends anywhere else it was tampered with. Writing goes on, since a log that refuses to be written would stop
the service, and the first number that cannot be vouched for stays in the head for good (`broken`).
"""

import hmac
from typing import Literal

import msgspec

from models.audit.chain import GENESIS, Point

KEY_BYTES = 32

Problem = Literal["", "head_missing", "head_forged", "cut_off", "beyond_head", "rewritten"]


class Head(msgspec.Struct, frozen=True):
    """`announced` is where the log ends if the batch in progress was committed; `broken` is 0 while all is well."""

    last: Point = GENESIS
    announced: Point | None = None
    broken: int = 0
    problem: Problem = ""

    def announce(self, point: Point) -> "Head":
        """The head while a batch that ends at `point` is committed."""
        return msgspec.structs.replace(self, announced=point)

    def confirm(self) -> "Head":
        """The head when the announced batch is committed."""
        return msgspec.structs.replace(self, last=self.announced or self.last, announced=None)


class _Signed(msgspec.Struct, frozen=True):
    number: int
    hash: str
    announced_number: int
    announced_hash: str
    broken: int
    problem: Problem
    signature: str = ""


def encode_head(head: Head, key: bytes) -> bytes:
    """The head as JSON, signed: HMAC-SHA256 with `key` over the same JSON with an empty signature."""
    number, announced_hash = (0, "") if head.announced is None else (head.announced.number, head.announced.hash.hex())
    unsigned = _Signed(head.last.number, head.last.hash.hex(), number, announced_hash, head.broken, head.problem)
    return msgspec.json.encode(msgspec.structs.replace(unsigned, signature=_signature(unsigned, key))) + b"\n"


def decode_head(data: bytes, key: bytes) -> Head | None:
    """The inverse of `encode_head`; None if it was not signed with `key`, or not as it is now."""
    try:
        signed = msgspec.json.decode(data, type=_Signed)
        last = Point(signed.number, bytes.fromhex(signed.hash))
        announced = Point(signed.announced_number, bytes.fromhex(signed.announced_hash))
    except (msgspec.DecodeError, ValueError):
        return None
    expected = _signature(msgspec.structs.replace(signed, signature=""), key)
    if not hmac.compare_digest(expected.encode(), signed.signature.encode()):
        return None
    return Head(last, announced if signed.announced_hash else None, signed.broken, signed.problem)


def settle(head: Head | None, tail: Point, missing: Problem = "head_missing") -> Head:
    """Where to go on, and whether the log's last entry (`tail`) is where the head says.

    `head` is None if there is none (or none to be trusted, as `missing` says). What goes on after a cut-off end goes on
    from the head, so that the numbers that are missing stay missing.
    """
    if head is None:
        return Head(tail, None, tail.number + 1, missing)
    if tail == head.announced:
        return head.confirm()
    found = Head(head.last, None, head.broken, head.problem)
    if tail == head.last:
        return found
    if tail.number < head.last.number:
        return _broken(found, tail.number + 1, "cut_off")
    if tail.number == head.last.number:
        return _broken(found, tail.number, "rewritten")
    return _broken(msgspec.structs.replace(found, last=tail), head.last.number + 1, "beyond_head")


def _broken(head: Head, number: int, problem: Problem) -> Head:
    """The first finding stays: later ones follow from it."""
    if head.broken and head.broken <= number:
        return head
    return msgspec.structs.replace(head, broken=number, problem=problem)


def _signature(unsigned: _Signed, key: bytes) -> str:
    return hmac.digest(key, msgspec.json.encode(unsigned), "sha256").hex()
