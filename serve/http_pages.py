"""Pages of lists: where one ends and the next begins.

A list that a handler has whole is paged by a key of its entries, so that entries that come or go between two pages
move no other. Logs of several shards go on from a position in each: "0:15,1:22".
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from actors.errors import Invalid
from actors.reader import parse_sequence
from serve.http_schemas import Cursor

T = TypeVar("T")


def page(entries: Iterable[T], key: Callable[[T], str], limit: int, cursor: str) -> tuple[list[T], Cursor]:
    """The entries after `cursor` in the order of `key` (unique and stable), at most `limit`. Raises Invalid."""
    after = _decode(cursor)
    rest = sorted((entry for entry in entries if key(entry) > after), key=key)
    found = rest[:limit]
    has_more = len(rest) > limit
    return found, Cursor(_encode(key(found[-1])) if has_more else "", has_more, limit)


def cursor_of(following: str, limit: int) -> Cursor:
    """The cursor of a page that somebody else cut; `following` is empty at the end."""
    return Cursor(following, bool(following), limit)


def parse_positions(text: str) -> dict[int, int]:
    """Shard -> sequence number, from the cursor of a log. Raises Invalid."""
    try:
        return parse_sequence(text)
    except ValueError:
        raise Invalid("after: expected `cursor.next` of an earlier answer, as it was given") from None


def positions_text(positions: Mapping[int, int]) -> str:
    """The inverse of `parse_positions`."""
    return ",".join(f"{shard}:{sequence}" for shard, sequence in sorted(positions.items()))


def _encode(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        return b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        raise Invalid("cursor: expected `cursor.next` of the page before, as it was given") from None
