"""Whom a row concerns: the subjects whose data keys must all stand for it to be read from a backup.

    p:<customer id>     a person, one subject for each customer id that became them
    l:<letter id>       a dead letter, of which nobody knows for certain whom it names
    r:<request id>      a request of a data subject

A row of nobody has no subjects. Every table is named here: of one that is not, a backup cannot be made, since nobody
could say whom its rows concern.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from models.delivery.webhook import customer_of
from models.identity.customer_id import from_text
from models.shard.protocol import STANDING_CAUSES, Review, SegmentChange

Row = tuple[Any, ...]
Subjects = tuple[str, ...]
NOBODY: Subjects = ()


class Piece(NamedTuple):
    """A row of a table, as it is kept for these subjects."""

    subjects: Subjects
    table: str
    row: Row


class UnknownTable(ValueError):
    """A table that no rule names. The message says which."""


class NotAtRest(ValueError):
    """A row of something that is in progress: it makes sense only beside others of the same moment."""


class People:
    """Who was merged into whom, at all shards: customer ids that are one person share their subjects."""

    def __init__(self, redirects: Mapping[int, int]) -> None:
        """`redirects`: customer id -> the one that it was merged into."""
        self._groups: dict[int, list[int]] = {}
        for customer_id in redirects:
            root = customer_id
            while root in redirects:
                root = redirects[root]
            self._groups.setdefault(root, [root]).append(customer_id)
        self._roots = {each: root for root, group in self._groups.items() for each in group}

    def subjects(self, *customer_ids: int) -> Subjects:
        """The subjects of one or more people, in order."""
        found = {each for c in customer_ids for each in self._groups.get(self._roots.get(c, c), (c,))}
        return tuple(f"p:{each}" for each in sorted(found))


Rule = Callable[[Row, People], Sequence[Piece]]


def _of(table: str, *columns: int) -> Rule:
    """Rows that concern the people whose customer ids are in these columns; none for nobody."""

    def rule(row: Row, people: People) -> list[Piece]:
        return [Piece(people.subjects(*(row[column] for column in columns)) if columns else NOBODY, table, row)]

    return rule


def _of_subject(table: str, kind: str, column: int) -> Rule:
    def rule(row: Row, people: People) -> list[Piece]:
        return [Piece((f"{kind}:{row[column]}",), table, row)]

    return rule


def _left_out(row: Row, people: People) -> list[Piece]:
    return []


_SMALL_IN_PROGRESS = frozenset({"locks", "requests", "held", "workflows", "settling", "unsettled"})
_SMALL_OF_NOBODY = frozenset({"segments", "uncounted", "counted", "erased", "suppressed"})
_review = msgspec.msgpack.Decoder(Review)
_change = msgspec.msgpack.Decoder(SegmentChange)
_encode = msgspec.msgpack.Encoder().encode


def _small(row: Row, people: People) -> list[Piece]:
    kind, key, value = row
    if kind in _SMALL_IN_PROGRESS:
        raise NotAtRest(f"{kind}: something is in progress")
    if kind in _SMALL_OF_NOBODY:
        return [Piece(NOBODY, "small", row)]
    if kind == "pending":
        return [Piece(people.subjects(int(key)), "small", row)]
    if kind == "reviews":
        review = _review.decode(value)
        return [Piece(people.subjects(review.left, review.right), "small", row)]
    raise UnknownTable(f"small, kind {kind}")


def _segment_change(row: Row, people: People) -> list[Piece]:
    """An entry or exit is counted in every history: it stays as an erasure leaves it, without what caused it. With its
    cause it is the person's."""
    change = _change.decode(row[-1])
    if change.cause in STANDING_CAUSES or not change.cause:
        return [Piece(NOBODY, "segment_changes", row)]
    blank = (*row[:-1], _encode(msgspec.structs.replace(change, cause="")))
    return [Piece(NOBODY, "segment_changes", blank), Piece(people.subjects(row[1]), "segment_changes", row)]


def _message(table: str) -> Rule:
    """A message to a webhook: about a person, or one that an erasure leaves."""

    def rule(row: Row, people: People) -> list[Piece]:
        customer_id = customer_of(row[-1])
        return [Piece(people.subjects(from_text(customer_id)) if customer_id else NOBODY, table, row)]

    return rule


SHARD: dict[str, Rule] = {
    "meta": _of("meta"),
    "profiles": _of("profiles", 0),
    "identifiers": _of("identifiers", 1),
    "redirects": _of("redirects", 0),
    "events": _of("events", 1),
    "dedupe": _of("dedupe"),  # digests, which name nobody
    "small": _small,
    "links": _of("links", 1),
    "merges": _of("merges", 1, 2),
    "consents": _of("consents", 1),
    "decisions": _of("decisions", 1),
    "segment_changes": _segment_change,
    "segment_moves": _of("segment_moves"),  # customer ids alone
    "outbox": _left_out,  # at rest all of it has arrived
    "channels": _of("channels"),
    "dead_letters": _of_subject("dead_letters", "l", 1),
}
DELIVERIES: dict[str, Rule] = {
    "cursors": _of("cursors"),
    "waiting": _message("waiting"),
    "dead": _message("dead"),
    "counters": _of("counters"),
    "recipients": _of("recipients"),  # digests of opaque ids
}
REQUESTS: dict[str, Rule] = {
    "requests": _of_subject("requests", "r", 0),
    "callbacks": _of_subject("callbacks", "r", 1),
}
AUDIT: dict[str, Rule] = {"entries": _of("entries")}  # opaque customer ids, which an erasure leaves


def rule_of(rules: Mapping[str, Rule], table: str) -> Rule:
    """The rule for a table. Raises UnknownTable."""
    rule = rules.get(table)
    if rule is None:
        raise UnknownTable(f"{table}: it is not said whom its rows concern, so they cannot be in a backup")
    return rule
