"""Postal addresses in parts, each in one short form: "12 North Main Street" and "12 N Main St." are alike.

Rules are those of the US first, then of the Commonwealth; the usual European order (street before number, postcode
before city) is read as well. Nothing is looked up: whether a street exists is not known here.
"""

import re
from typing import NamedTuple

from anyascii import anyascii

from models.identity.address_words import (
    CITY_WORDS,
    DIRECTIONS,
    MAIN_STREET_TYPES,
    NUMBERED_ROADS,
    SPLIT_DIRECTIONS,
    STREET_TYPES,
    STREET_WORDS,
    UNIT_DEFAULTS,
    UNITS,
    UNITS_ALONE,
)
from models.identity.fold import fold
from models.identity.place_codes import CITY_NAMES, COUNTRY_CODES, STATE_CODES


class Address(NamedTuple):
    """An address in one line. Parts are folded, "" where it has no such part."""

    number: str  # house number: "12", "12a", "12-14"; the number of a post-office box
    street: str  # as `fold_street` gives it; "po box" for a post-office box
    unit: str  # as `fold_unit` gives it; a building's name too
    city: str
    region: str
    postcode: str
    country: str = ""  # ISO 3166-1 alpha-2, where the line ends with it


_NO_ADDRESS = Address("", "", "", "", "", "")
_NOWHERE = frozenset(
    (
        *("unknown", "none", "null", "na", "n a", "nan", "tbd", "xxx", "undefined", "not known", "not available"),
        *("not provided", "not applicable", "no address", "address unknown", "no fixed abode", "no fixed address"),
    )
)
_MISREAD_ZIP = re.compile(r"(?=.*\d)[\dOI]{5}", re.ASCII)  # no other code is made of these
_NO_POSTCODE = frozenset(("UNKNOWN", "NONE", "NULL", "NA", "NAN", "XXXXX", "99999", "TBD", "UNDEFINED"))

# For one-line addresses: separators to commas; "-", "/" and "#" are part of house and flat numbers.
_LINE = bytes(
    0x2C if chr(c) in ",;|\n\r" else ord(chr(c).lower()) if c < 128 and (chr(c).isalnum() or chr(c) in "-/#") else 0x20
    for c in range(256)
)
_NUMBER = re.compile(r"\d+[a-z]?(?:[-/]\d+[a-z]?)?|[nsew]\d+[nsew]\d+", re.ASCII)
_UNIT_NUMBER = re.compile(r"#?(?:[a-z]|[a-z]?-?\d+(?:-?[a-z])?(?:-\d+)?)", re.ASCII)
_POSTCODE_1 = re.compile(r"\d{5}(?:-\d{4})?|\d{6}|[a-z]{1,2}\d[a-z\d]?\d[a-z]{2}|[a-z]\d[a-z]\d[a-z]\d", re.ASCII)
_POSTCODE_2 = re.compile(r"[a-z]{1,2}\d[a-z\d]? \d[a-z]{2}|[a-z]\d[a-z] \d[a-z]\d", re.ASCII)
_POSTCODE_FIRST = re.compile(r"(?:[a-z]{1,3}-)?\d{4,6}", re.ASCII)
_DECIMAL = re.compile(r"\s*(\d+)\.0+\s*", re.ASCII)
_ZIP_4_DIGITS = 9
_POSTCODE_COUNTRY = re.compile(r"\s*[A-Za-z]{1,3}-(?=\d{4,5}\s*\Z)", re.ASCII)
_NUMBER_LETTER = re.compile(r"\b(?:(\d+) ([a-z])|([a-z]) (\d+))\b", re.ASCII)
_NTH_FLOOR = re.compile(r"\A(\d+)(?:st|nd|rd|th)? fl\b", re.ASCII)


def fold_street(text: str) -> str:
    """The name of a street with types, directions and ordinals in their short forms: "first avenue" is "1st ave"."""
    return _street(fold(text).split())


def fold_unit(text: str) -> str:
    """A flat, suite or the like. Words that only say that it is one go: "Apt #4 B" is "4b", "2nd floor" "fl 2"."""
    words = [UNITS.get(word, word) for word in fold(text).split()]
    unit = " ".join([word for word in words if word not in UNIT_DEFAULTS])
    if unit in _NOWHERE:
        return ""
    if " " not in unit:
        return unit
    return _NUMBER_LETTER.sub(r"\1\2\3\4", _NTH_FLOOR.sub(r"fl \1", unit))


def fold_postcode(text: str) -> str:
    """A postcode in upper case without spaces and hyphens; "" for zeros, nines and words that mean none.

    In five-digit codes the letters O and I are read as 0 and 1.

    Of a US ZIP+4 code the five digits are taken: the other four change with the delivery route.
    """
    if "." in text and (found := _DECIMAL.fullmatch(text)):  # read as a number on its way here
        text = found[1]
    elif "-" in text:
        text = _POSTCODE_COUNTRY.sub("", text)
    code = fold(text).replace(" ", "").upper()
    if len(code) == _ZIP_4_DIGITS and code.isdigit():
        code = code[:5]
    elif len(code) == 5 and _MISREAD_ZIP.fullmatch(code):
        code = code.replace("O", "0").replace("I", "1")
    return "" if code in _NO_POSTCODE or not code.strip("0") else code


def fold_region(text: str) -> str:
    """The lower-case code of a state or province of the USA, Canada or Australia; other regions folded."""
    region = fold(text)
    if region in _NOWHERE and region != "na":
        return ""
    return STATE_CODES.get(region, region)


def fold_country(text: str) -> str:
    """The ISO 3166-1 alpha-2 code, in upper case, of a country's name or code; unknown names folded."""
    country = fold(text)
    code = COUNTRY_CODES.get(country)
    if code is not None:
        return code
    return "" if country in _NOWHERE else country


def fold_city(text: str) -> str:
    """A city's name: "St. Louis" is "saint louis", "N Las Vegas" "north las vegas", "NYC" "new york"."""
    return _city(fold(text).split())


def parse_address(text: str) -> Address:
    """The parts of the address `text`. What is not recognised stays with the street.

    Between street and city, further places (a village, a district) are left out. In addresses without commas the
    city is found only behind a street type ("street", "road") and before a region or postcode.
    """
    if not text.isascii():
        text = anyascii(text)
    line = text.encode("ascii").translate(_LINE, b"'`").decode("ascii")
    parts = [words for part in line.split(",") if (words := part.split())]
    if not parts or " ".join(parts[0]) in _NOWHERE:
        return _NO_ADDRESS
    if len(parts) == 1 and parts[0][-1] in STREET_TYPES and STREET_TYPES.keys().isdisjoint(parts[0][:-1]):
        # A street and nothing behind it, as in most columns of streets.
        number, street, unit = _split_street(parts[0])
        return Address(number.lstrip("0"), _street(street), fold_unit(unit) if unit else "", "", "", "")
    if len(parts) > 1 and len(parts[0]) == 1 and _NUMBER.fullmatch(parts[0][0]):
        parts[:2] = [parts[0] + parts[1]]
    postcode, region, country, city = _take_place(parts)
    at = _street_part(parts)
    units = [" ".join(part) for part in parts[:at]]
    after = []
    for part in parts[at + 1 :]:
        if part[0] in UNITS or part[0][0] == "#" or part[-1] in UNITS_ALONE or UNITS.get(part[-1]) == "ste":
            # "appt. 71 Smolensk": the city follows.
            size = 2 if len(part) > 2 and _UNIT_NUMBER.fullmatch(part[1]) and part[2] not in UNITS else len(part)
            units.append(" ".join(part[:size]))
            if size < len(part):
                after.append(part[size:])
        else:
            after.append(part)
    number, street, unit = _split_street(parts[at] if parts else [])
    if unit:
        units.append(unit)
    if after and not number and len(after[0]) == 1 and _NUMBER.fullmatch(after[0][0]):
        number = after.pop(0)[0]
    if not city and after:
        city = after.pop()
        if after and not region:
            region = " ".join(city)
            city = after.pop()
    elif not city and (region or postcode):
        street, city = _split_city(street)
    return Address(
        number.lstrip("0"),
        _street(street),
        fold_unit(" ".join(units)) if units else "",
        _city(city),
        fold_region(region) if region else "",
        fold_postcode(postcode) if postcode else "",
        country,
    )


def _street(words: list[str]) -> str:
    street = " ".join([STREET_WORDS.get(word, word) for word in words])
    if street in _NOWHERE:
        return ""
    if "strasse" in street:
        street = " ".join([STREET_WORDS.get(word, word) for word in street.replace("strasse", "str").split()])
    if any(pair in street for pair in SPLIT_DIRECTIONS):
        words = street.split(" ")
        for at in range(len(words) - 1, 0, -1):
            if f"{words[at - 1]} {words[at]}" in SPLIT_DIRECTIONS:
                words[at - 1 : at + 1] = [words[at - 1] + words[at]]
        street = " ".join(words)
    if "-" in street or "#" in street or "/" in street:
        street = " ".join(street.replace("-", " ").replace("#", " ").replace("/", " ").split())
    return street


def _city(words: list[str]) -> str:
    city = " ".join(words)
    if city in _NOWHERE:
        return ""
    if city in CITY_NAMES:
        return CITY_NAMES[city]
    if len(words) > 1 and words[0] in CITY_WORDS:
        city = " ".join([CITY_WORDS[words[0]], *words[1:]])
    return " ".join(city.replace("-", " ").replace("#", " ").replace("/", " ").split())


def _take_place(parts: list[list[str]]) -> tuple[str, str, str, list[str]]:
    """Takes what stands at the end of `parts`: (postcode, region, country, a city found on the way)."""
    postcode = _take_postcode(parts)
    country = _take_country(parts)
    if country and not postcode:
        postcode = _take_postcode(parts)
    city: list[str] = []
    if not postcode and len(parts) > 1:
        # The European order: "66879 Steinwenden", "FL-2198 Triesen", "1012 AB Amsterdam".
        last = parts[-1]
        if len(last) > 1 and _POSTCODE_FIRST.fullmatch(last[0]) and last[-1] not in STREET_TYPES:
            taken = 2 if len(last) > 2 and len(last[0]) == 4 and len(last[1]) == 2 else 1
            postcode = " ".join(last[:taken])
            city = last[taken:]
            parts.pop()
    region = "" if city else _take_region(parts)
    return postcode, region, country, city


def _take_postcode(parts: list[list[str]]) -> str:
    last = parts[-1]
    if (len(parts) > 1 or len(last) > 2) and last[-2:-1] != ["box"]:
        taken = 0
        if _POSTCODE_1.fullmatch(last[-1]):
            taken = 1
        elif len(last) > 1 and _POSTCODE_2.fullmatch(f"{last[-2]} {last[-1]}"):
            taken = 2
        elif last[-1].isdigit() and len(last[-1]) == 4 and (len(last) == 1 or last[-2] in STATE_CODES):
            taken = 1
        if taken:
            postcode = " ".join(last[-taken:])
            if taken == len(last):
                parts.pop()
            else:
                parts[-1] = last[:-taken]
            return postcode
    return ""


def _take_country(parts: list[list[str]]) -> str:
    last = parts[-1]
    if len(parts) > 1:
        name = " ".join(last)
        code = COUNTRY_CODES.get(name, "")
        # DE is Delaware and Germany: the postcode before a city's name decides.
        if code and (name not in STATE_CODES or (len(parts[-2]) > 1 and _POSTCODE_FIRST.fullmatch(parts[-2][0]))):
            parts.pop()
            return code
    if len(last) > 2 or (len(parts) > 1 and len(last) > 1):
        word = last[-1]
        if word in COUNTRY_CODES and word not in STATE_CODES and len(word) > 2:
            parts[-1] = last[:-1]
            return COUNTRY_CODES[word]
    return ""


def _take_region(parts: list[list[str]]) -> str:
    last = parts[-1]
    if len(parts) == 1:
        # CT is Connecticut and Court: a region has a street type and a city before it.
        for size in (1, 2):
            region = " ".join(last[-size:])
            if len(last) > size + 2 and region in STATE_CODES and _split_city(last[:-size])[1]:
                parts[-1] = last[:-size]
                return region
        return ""
    whole = " ".join(last)
    if whole in STATE_CODES and (len(whole) <= 3 or len(parts) > 2):
        parts.pop()
        return whole
    for size in (1, 2):
        region = " ".join(last[-size:])
        if len(last) > size and region in STATE_CODES and whole not in STATE_CODES:
            parts[-1] = last[:-size]
            return region
    return ""


def _street_part(parts: list[list[str]]) -> int:
    """The position of the part that names the street; parts before it are flats and buildings."""
    for at, part in enumerate(parts):
        if len(part) > 1 and _NUMBER.fullmatch(part[0]):
            return at
    named = [at for at, part in enumerate(parts) if part[0] not in UNITS and part[0][0] != "#"]
    for at in named:
        if len(parts[at]) > 1 and (parts[at][-1] in STREET_TYPES or _NUMBER.fullmatch(parts[at][-1])):
            return at
    return named[0] if named else 0


def _split_street(words: list[str]) -> tuple[str, list[str], str]:
    """(house number, street, unit) of the part with the street."""
    if "box" in words or "pobox" in words:
        at = words.index("box") if "box" in words else words.index("pobox")
        if at == 0 or " ".join(words[:at]) in ("po", "p o", "post office"):
            return "".join(words[at + 1 : at + 2]), ["po", "box", *words[at + 2 :]], ""
    number, unit = "", ""
    if len(words) > 3 and words[0] in UNITS and _UNIT_NUMBER.fullmatch(words[1]) and _NUMBER.fullmatch(words[2]):
        unit = " ".join(words[:2])
        words = words[2:]
    if len(words) > 1 and _NUMBER.fullmatch(words[0]):
        number = words[0]
        words = words[1:]
        if "/" in number:
            unit, _, number = number.partition("/")
        if len(words) > 1 and words[0] == "1/2":
            number += " 1/2"
            words = words[1:]
    for at in range(1, len(words)):
        word = words[at]
        following = words[at + 1] if at + 1 < len(words) else ""
        if (
            word[0] == "#"
            or (word in UNITS and following and _UNIT_NUMBER.fullmatch(following))
            or (word in UNITS_ALONE and not following)
            or (following and UNITS.get(following) == "fl" and word in STREET_WORDS)
        ):
            unit = f"{unit} {' '.join(words[at:])}"
            words = words[:at]
            break
    if number or len(words) < 2:
        return number, words, unit
    if len(words) > 3 and words[-1] in STREET_TYPES:
        # "Skyline Apartments 638 Downey St": a building before the number.
        for at in range(1, len(words) - 2):
            if words[at].isdigit() and words[at - 1] not in NUMBERED_ROADS:
                return words[at], words[at + 1 :], f"{' '.join(words[:at])} {unit}"
    if words[-2] not in NUMBERED_ROADS and (len(words) > 2 or words[0] not in STREET_TYPES):
        if _NUMBER.fullmatch(words[-1]):
            number = words[-1]
            words = words[:-1]
        elif len(words) > 2 and len(words[-1]) == 1 and words[-2].isdigit():
            number = words[-2] + words[-1]
            words = words[:-2]
    return number, words, unit


def _split_city(words: list[str]) -> tuple[list[str], list[str]]:
    """(street, city) of words without a comma between them; no city if no street type parts them."""
    if not words or words[-1] in MAIN_STREET_TYPES:
        return words, []
    for types in (MAIN_STREET_TYPES, STREET_TYPES):
        for at in range(1, len(words) - 1):
            if words[at] in types:
                end = at + 1
                if len(words) > end + 1 and len(words[end]) < 3 and words[end] in DIRECTIONS:
                    end += 1
                return words[:end], words[end:]
    return words, []
