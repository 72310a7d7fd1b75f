"""Numbers that states give to people (social security, passport, licence), as matching compares them."""

import re

from anyascii import anyascii

_UPPER = bytes(ord(chr(c).upper()) if c < 128 else 0x20 for c in range(256))
_NOT_ALPHANUMERIC = bytes(c for c in range(256) if not (c < 128 and chr(c).isalnum()))
_CHARS_MIN = 4
# Masked numbers show too little to tell people apart.
_MASKED = re.compile(r"\*|\u2022|[xX]{3}")
_RUNS = ("01234567890123456789", "98765432109876543210")
_NOBODY = frozenset(
    (
        *("NONE", "NULL", "UNKNOWN", "MISSING", "NOTAVAILABLE", "NOTPROVIDED", "NOTAPPLICABLE", "NOTKNOWN"),
        *("PENDING", "TEST", "UNDEFINED"),
        # Printed on a card that came with wallets, and used by thousands since (US Social Security Administration).
        "078051120",
    )
)


def fold_id(text: str) -> str:
    """`text` as upper-case letters and digits only; "" if it means nobody.

    Nobody: shorter than 4 characters, one character throughout, digits that count up or down ("123456789"), masked
    numbers ("***-**-1234"), words such as "unknown". A label before a colon ("SSN:...") stays in the result. Where
    all else is digits, the letters O and I are read as 0 and 1.
    """
    if _MASKED.search(text):
        return ""
    folded = _alphanumeric(text)
    value = _alphanumeric(text.rpartition(":")[2]) if ":" in text else folded
    if len(value) < _CHARS_MIN or value.count(value[0]) == len(value) or value in _NOBODY:
        return ""
    if value in _RUNS[0] or value in _RUNS[1]:
        return ""
    return folded


def _alphanumeric(text: str) -> str:
    if not text.isascii():
        text = anyascii(text)
    text = text.replace("|", "1").encode("ascii").translate(_UPPER, _NOT_ALPHANUMERIC).decode("ascii")
    if text.isdigit():
        return text
    restored = text.replace("O", "0").replace("I", "1")
    return restored if restored.isdigit() else text
