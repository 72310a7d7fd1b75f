"""Packs a profile's MessagePack to about half its size: deflate with a dictionary of what profiles are made of.

A shard keeps a million profiles in memory, so their bytes matter more than the 15 us that packing takes. The
first byte names the dictionary. Packed profiles are stored: a dictionary never changes, a new one gets a new number.
"""

import re
import zlib
from collections.abc import Iterator

import msgspec

_NUMBER = b"\x01"
_LEVEL = 1  # higher levels take longer and gain 1%
# Of 9: more makes each packer allocate (and the system clear) a quarter of a megabyte, for twice the time and no gain.
_MEMORY = 5
# Rarest first: what stands last is the cheapest to refer to.
_WORDS = (
    *("manufacturer", "version", "region", "country", "city", "latitude", "longitude", "content", "term"),
    *("Linux", "iPadOS", "tablet", "macOS", "desktop", "Windows", "iOS", "Android", "mobile", "model", "type", "os"),
    *("marketing_opt_in", "newsletter_opt_in", "push_opt_in", "sms_opt_in", "email_opt_in", "language"),
    *("functional", "marketing", "advertising", "analytics"),
    *("delivered", "bounced", "unsubscribed", "clicked", "opened", "ordered", "viewed"),
    *("Email Delivered", "Email Opened", "Email Link Clicked", "Email Unsubscribed"),
    *("Application Opened", "Signed Up", "Products Searched", "Product List Viewed", "Checkout Started"),
    *("Order Refunded", "Order Completed", "Cart Viewed", "Product Added", "Product Viewed", "Screen Viewed"),
    *("Page Viewed", "Page Viewed: Home", "sms", "push", "ads", "support", "store", "email", "web"),
    *("date_of_birth", "birthday", "gender", "loyalty_tier", "state", "street", "postal_code", "postcode", "address"),
    *("first_name", "last_name", "firstName", "lastName", "name", "createdAt", "plan", "phone"),
    *("campaign", "source", "medium", "location", "app", "screen", "device", "timezone", "Europe/London"),
    *("America/New_York", "locale", "en-US", "page", "title", "url", "https://www."),
    *("device_id:", "customer_id:", "loyalty_id:", "crm_id:", "user_id:", "phone:+", "@gmail.com"),
    *("email:", "anonymous_id:"),
)
# Last of all how 64-bit times begin: ms of 2024 to 2027.
_DICTIONARY = b"".join(
    [
        *(msgspec.msgpack.encode(word) for word in _WORDS),
        *(b"\xcf\x00\x00\x01" + bytes([high]) for high in range(0x8C, 0xA9)),
    ]
)


# How packed data begins: the number, and a block of deflate that is coded.
_BEGINNING = re.compile(
    _NUMBER + b"(?=[" + b"".join(re.escape(bytes([x])) for x in range(256) if x & 6 in (2, 4)) + b"])"
)
_LARGE_ARRAY = b"\xdc\x00"  # how a profile begins: a MessagePack array of more than 15 and less than 256
_PIECE = 256


def pack(data: bytes) -> bytes:
    """Packed form of `data`."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, _MEMORY, zdict=_DICTIONARY)
    return _NUMBER + packer.compress(data) + packer.flush()


def unpack(data: bytes) -> bytes:
    """Inverse of `pack`. Raises ValueError for bytes that no version has packed."""
    if data[:1] != _NUMBER:
        raise ValueError("not a packed profile, or one of a later version of Onefold")
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS, _DICTIONARY).decompress(memoryview(data)[1:])
    except zlib.error as error:
        raise ValueError(f"damaged packed profile: {error}") from None


def packed_within(data: bytes, until: int) -> Iterator[bytes]:
    """What each packed profile that begins before byte `until` of `data` holds, as far as it can be read.

    For bytes in which profiles lie unordered and perhaps in parts, such as free pages and logs.
    """
    for beginning in _BEGINNING.finditer(data, 0, min(len(data), until + 1)):
        at = beginning.end()
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS, _DICTIONARY)
        try:
            held = unpacker.decompress(data[at : at + _PIECE], len(_LARGE_ARRAY))
        except zlib.error:
            continue
        if held != _LARGE_ARRAY:
            continue
        try:
            held += unpacker.decompress(unpacker.unconsumed_tail)
            while not unpacker.eof and at + _PIECE < len(data):
                at += _PIECE
                held += unpacker.decompress(data[at : at + _PIECE])
        except zlib.error:
            pass  # the rest was written over, or is elsewhere
        yield held
