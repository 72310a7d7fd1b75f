"""Customer ids: 63-bit integers, ordered by age, that say which shard the profile lives on.

Layout, high to low: 42 bits of milliseconds since 2020-01-01 UTC, 10 bits of shard number, 11 bits of
counter. Older profiles have smaller ids, which gives merges their total order (the older one survives).
The text form is "cus_" and 13 characters of Crockford base32.
"""

EPOCH_MS = 1_577_836_800_000
SHARD_BITS = 10
COUNTER_BITS = 11
SHARDS_MAX = 1 << SHARD_BITS
PREFIX = "cus_"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = {c: i for i, c in enumerate(_ALPHABET)}
_LENGTH = 13


def mint(last: int, now: int, shard: int) -> int:
    """The next customer id of `shard`: greater than `last` (its latest, 0 for none), at or after `now` ms."""
    step = 1 << (SHARD_BITS + COUNTER_BITS)
    base = max(now - EPOCH_MS, 0) * step + (shard << COUNTER_BITS)
    if last < base:
        return base
    if (last + 1) & ((1 << COUNTER_BITS) - 1):
        return last + 1
    # The counter of this millisecond is used up: go on in the next one.
    return (last // step + 1) * step + (shard << COUNTER_BITS)


def shard_of(customer_id: int) -> int:
    """Number of the shard that holds the profile."""
    return (customer_id >> COUNTER_BITS) & (SHARDS_MAX - 1)


def created_ms(customer_id: int) -> int:
    """When the id was minted, ms since the Unix epoch."""
    return (customer_id >> (SHARD_BITS + COUNTER_BITS)) + EPOCH_MS


def to_text(customer_id: int) -> str:
    """Public form, e.g. "cus_0d3k5w2m8r000"."""
    digits = []
    for _ in range(_LENGTH):
        customer_id, digit = divmod(customer_id, 32)
        digits.append(_ALPHABET[digit])
    return PREFIX + "".join(reversed(digits))


def from_text(text: str) -> int:
    """Inverse of `to_text`. Raises ValueError if `text` is not a customer id."""
    body = text.removeprefix(PREFIX)
    if len(body) != _LENGTH or any(c not in _DIGITS for c in body):
        raise ValueError(f"not a customer id: expected {PREFIX} and {_LENGTH} base32 characters")
    value = 0
    for c in body:
        value = value * 32 + _DIGITS[c]
    if value >= 1 << 63:
        raise ValueError("not a customer id: out of range")
    return value
