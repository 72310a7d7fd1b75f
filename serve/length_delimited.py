"""Length-delimited fields of the protobuf wire format: how a message goes into another one without being parsed.

Source: https://protobuf.dev/programming-guides/encoding/
"""

_LENGTH_DELIMITED = 2  # wire type


def length_delimited(field: int, data: bytes) -> bytes:
    """Field number `field` (1 to 15) holding a message, bytes or text."""
    length = len(data)
    head = bytearray((field << 3 | _LENGTH_DELIMITED,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + data
