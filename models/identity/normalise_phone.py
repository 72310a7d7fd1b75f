"""The normal form of a telephone number: E.164, e.g. "+442071838750".

By default a number must have a possible length for its country; `strict` also wants it to lie in a range
that the country's numbering plan has assigned, which refuses made-up numbers, and new ranges too until the
`phonenumbers` package knows them. A number with an extension is nobody's own (it is a switchboard's), so it
is no identifier.
"""

import re

import phonenumbers

_CHARS_MAX = 40
_SHAPE = re.compile(r"\+?[\d\s().\-/\u2010-\u2015\u00a0]+")


def normalise_phone(text: str, region: str = "", strict: bool = False) -> str | None:
    """`text` as E.164, or None if it is not a telephone number of one subscriber.

    `region`: ISO 3166 code of the country that numbers without "+" or "00" belong to; "" takes none of those.
    """
    text = text.strip()
    if text[:4].lower() == "tel:":
        text = text[4:].strip()
    if text.startswith("00"):
        text = "+" + text[2:]
    elif text.startswith("\uff0b"):  # full-width plus
        text = "+" + text[1:]
    if len(text) > _CHARS_MAX or not _SHAPE.fullmatch(text):
        return None
    number = _parse(text, region)
    if number is None:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    if strict and not phonenumbers.is_valid_number(number):
        return None
    e164: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if e164 != text:
        # Some malformed numbers shrink each time they are read (a trunk prefix after the country code).
        again = _parse(e164, region)
        if again is None or phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164) != e164:
            return None
    return e164


def _parse(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException:
        return None


def is_region(region: str) -> bool:
    """Whether `region` is an ISO 3166 code that phone numbers can belong to."""
    return region in phonenumbers.SUPPORTED_REGIONS
