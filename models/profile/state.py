"""A profile's state: what is kept of a person's events, in a form where order does not matter.

Every part is a commutative monoid (a join of registers, sums and sets), so that applying events in any
order, or merging two profiles, gives the same state. Values that compete are ordered by their stamp
(timestamp ms, tie), where the tie is a hash of the message id. Held in memory and stored as MessagePack
arrays: see docs/profile.md for its parts and the bytes they take. Money is in integer micro-units (1e-6).

The structs are left out of garbage collection (`gc=False`): values are JSON, so there are no cycles.
"""

from typing import Any
from zlib import crc32

import msgspec

from models.profile.packing import pack, unpack

RECENT_MAX = 256  # exact times kept for each event name; older ones are counted by day
DAY_MS = 86_400_000
MICRO = 1_000_000


class Observation(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One value as one event told it. The value is never changed in place."""

    timestamp: int  # ms
    tie: int
    value: Any
    source: str = ""


class Attribute(msgspec.Struct, array_like=True, gc=False):
    """A trait: the observation that wins under the attribute's merge policy, and counts where it needs them."""

    winner: Observation
    # most_frequent only: canonical JSON of a value -> (count, latest timestamp, tie, source)
    counts: dict[str, tuple[int, int, int, str]] | None = None


class Correction(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an operator has stated of a trait, over all that events tell (`models.profile.corrections`)."""

    stated: Observation  # its value is None for what is wrong and has no right value here
    lifted: bool = False  # it was taken back: events tell again
    beneath: Attribute | None = None  # while it stands: what events tell, if anything


class EventStats(msgspec.Struct, array_like=True, gc=False):
    """Occurrences of one event name: exact times of the latest RECENT_MAX, day counts of the older ones."""

    count: int
    first: int  # ms
    last: int  # ms
    recent: list[int]  # ms, ascending, at most RECENT_MAX
    older: dict[int, int] = {}  # day number (timestamp // DAY_MS) -> count
    # Properties of each of `recent` (see models.profile.properties), b"" for none; [] if none has any.
    details: list[bytes] = []
    undetailed: int = 0  # ms; up to then properties may have been dropped for want of room


class Order(msgspec.Struct, array_like=True, gc=False):
    """One order, keyed by its order id: the earliest completion counts, refunds add up, a cancellation wins.

    An order without an id is keyed "message:" and the id of the message that completed it.
    """

    timestamp: int = 0  # ms of the winning completion; 0 while only a refund or cancellation is known
    tie: int = 0
    revenue: int = 0  # micro-units
    currency: str = ""
    products: list[tuple[str, int, int]] = []  # product id, quantity in thousandths, revenue in micro-units
    refunded: int = 0  # micro-units
    refunded_in_full: bool = False
    cancelled: bool = False
    categories: list[str] = []  # of each of `products`, "" for none; [] if none has one


class Totals(msgspec.Struct, array_like=True, gc=False):
    """Sums over orders of one currency that are not kept in detail any more."""

    count: int = 0
    revenue: int = 0  # micro-units
    refunded: int = 0  # micro-units


class Folded(msgspec.Struct, array_like=True, gc=False):
    """Orders beyond the limit, the oldest ones: their sums."""

    first: int = 0  # ms, of the sales; 0 for none
    last: int = 0  # ms
    cancelled: int = 0
    totals: dict[str, Totals] = {}  # by currency


class ChannelStats(msgspec.Struct, array_like=True, gc=False):
    """Engagement on one channel."""

    count: int
    first: int  # ms
    last: int  # ms
    actions: dict[str, int] = {}  # delivered, opened, clicked, visited, ... -> count


class IdentifierInfo(msgspec.Struct, array_like=True, gc=False):
    """What is known of one of the profile's identifiers."""

    first: int  # ms
    last: int  # ms
    count: int
    source: str  # source of the first sighting (ties by text)


class Profile(msgspec.Struct, array_like=True, gc=False):
    """All that a shard keeps in memory of one person.

    The shard machine owns `customer_id`, `sequence`, `absorbed`, `apart`, `memberships`, `last_event` and
    `due`; the reduction owns the rest.
    """

    customer_id: int
    created_at: int  # ms, when the profile was born here
    sequence: int = 0  # the shard's sequence number of the latest change
    first_seen: int = 0  # ms, timestamp of the earliest event; 0 for none
    last_seen: int = 0  # ms
    identifiers: dict[str, IdentifierInfo] = {}
    attributes: dict[str, Attribute] = {}
    events: dict[str, EventStats] = {}
    orders: dict[str, Order] = {}
    channels: dict[str, ChannelStats] = {}
    preferences: dict[str, Observation] = {}  # language, timezone, channel, email_opt_in, ...
    consents: dict[str, Observation] = {}  # category -> bool
    groups: dict[str, Observation] = {}  # group id -> traits
    context: dict[str, Observation] = {}  # last page, screen, device, campaign, location, app, locale, timezone
    active_minutes: list[int] = []  # minute numbers (ms // 60,000) of the 24 h up to the latest activity, ascending
    absorbed: list[int] = []  # customer ids merged into this one, in order
    apart: list[int] = []  # customer ids that must never be merged with this one (after an unmerge)
    memberships: dict[str, int] = {}  # segment id -> ms of entry
    last_event: int = 0  # the shard's sequence number of the latest stored event, head of a chain; 0 for none
    due: int = 0  # ms at which time alone may change a membership; 0 for never
    beyond_limits: dict[str, int] = {}  # section of the document -> observations that its limits left out
    folded: Folded | None = None  # orders that `orders` has no place for
    corrections: dict[str, Correction] = {}  # by trait; `attributes` have the corrected values


def tie_of(message_id: str) -> int:
    """Tie-breaker between observations of the same millisecond: a stable 16-bit hash of the message id.

    16 bits are 2 bytes less in every observation than 32; equal ties are broken by the values themselves.
    """
    return crc32(message_id.encode()) & 0xFFFF


def encode_profile(profile: Profile) -> bytes:
    """Packed form of a profile, in memory and in the store. It depends on the order of the dicts; see `canonical`."""
    return pack(_encoder.encode(profile))


def decode_profile(data: bytes) -> Profile:
    """Inverse of `encode_profile`. Raises ValueError (msgspec.DecodeError is one) for anything else."""
    return _decoder.decode(unpack(data))


def copy_of(profile: Profile) -> Profile:
    """A copy that shares nothing that can be changed."""
    return _decoder.decode(_encoder.encode(profile))


def canonical(profile: Profile) -> bytes:
    """An encoding that is equal for equal profiles, whatever the order of their dicts. Slower than `encode_profile`."""
    return _sorted_encoder.encode(msgspec.to_builtins(profile, str_keys=True))


_encoder = msgspec.msgpack.Encoder()
_sorted_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Profile)
