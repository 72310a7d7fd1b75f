"""The fields that records are compared by, in one normal form each, from whatever roles tell of them.

A given name may come from a column of its own or from a full name, a street number from a one-line address: here they
become the same fields, so that every source can be compared with every other. How a record is read never depends on
what other records have: a record is the same in bulk and by itself.
"""

import re
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Literal, get_args

import msgspec

from models.identity import normalise_address as address
from models.identity.columns import (
    Column,
    RoleColumns,
    coalesced,
    combined,
    mapped,
    only_beside,
    only_without,
    split,
    together,
)
from models.identity.fold import fold
from models.identity.normalise_date import DateOrder, guess_date_order, is_placeholder_date, parse_date
from models.identity.normalise_email import normalise_email
from models.identity.normalise_gender import fold_gender
from models.identity.normalise_name import fold_name, fold_suffix, parse_name
from models.identity.normalise_national_id import fold_id
from models.identity.record import Role

Field = Literal[
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "birth_date",
    "gender",
    "email",
    "phone",
    "street",
    "street_number",
    "address_line_2",
    "unit",
    "city",
    "region",
    "postcode",
    "country",
    "birth_place",
    "national_id",
    "other_id",
    "employer",
    "occupation",
]
FIELDS: tuple[Field, ...] = get_args(Field)

PHONE_DIGITS = 9  # the last ones, which are the same with and without country code and trunk prefix
_COMPANY_FORM = re.compile(r"( (inc|ltd|llc|llp|plc|co|corp|company|limited|gmbh|ag|sa|sarl|bv|pty))+$")
_SCHEME = re.compile(r"^[A-Za-z _]{2,20}:")
_DATE_PARTS: tuple[Role, ...] = ("birth_year", "birth_month", "birth_day")
_PARTICLES = frozenset({"of", "de", "and", "the", "la", "von", "van"})

Fields = Mapping[Field, Column]


class Reading(msgspec.Struct, frozen=True):
    """What must be known to read a set of records, and is guessed from them once."""

    date_order: DateOrder = "mdy"


def guess_reading(roles: RoleColumns) -> Reading:
    """Guesses the reading from the records themselves."""
    dates = [value for column in roles.get("birth_date", ()) for value in column.values[:20_000]]
    return Reading(guess_date_order(dates).order) if dates else Reading()


def normalised_fields(roles: RoleColumns, reading: Reading) -> dict[Field, Column]:
    """The fields of records given by role, those only that some record has."""
    found: dict[Field, Column | None] = {**_names(roles), **_places(roles)}
    found["birth_date"] = coalesced(_birth_dates(roles, reading))
    found["gender"] = coalesced(_all(roles, "gender", fold_gender))
    found["email"] = together(_all(roles, "email", _email))
    found["phone"] = together(_all(roles, "phone", _phone))
    found["national_id"] = together(_all(roles, "national_id", _id))
    found["other_id"] = together(_all(roles, "other_id", str.strip))
    found["employer"] = coalesced(_all(roles, "employer", lambda text: _COMPANY_FORM.sub("", fold(text))))
    found["occupation"] = coalesced(_all(roles, "occupation", fold))
    return {field: column for field in FIELDS if (column := found.get(field)) is not None and column.values}


def _all(roles: RoleColumns, role: Role, convert: Callable[[str], str]) -> list[Column]:
    return [mapped(column, convert) for column in roles.get(role, ())]


def _names(roles: RoleColumns) -> dict[Field, Column | None]:
    """Given and family names are those of their own columns; a full name is read for records that have neither."""
    given = [split(column, fold_name, 2) for column in roles.get("given_name", ())]
    family = [split(column, fold_name, 2) for column in roles.get("family_name", ())]
    middle = _all(roles, "middle_name", lambda text: fold_name(text).name)
    whole = [split(column, parse_name, 4) for column in roles.get("full_name", ())]
    own = [column for column in (coalesced([c[0] for c in given]), coalesced([c[0] for c in family])) if column]
    names = coalesced(roles.get("full_name", ()))
    if own and names:  # what the full name holds beyond both
        middle.append(combined([names, *own], _other_names))
    read = [[only_without(part, own) for part in parts] for parts in whole]
    return {
        "given_name": coalesced([c[0] for c in (*given, *read)]),
        "middle_name": coalesced([*middle, *(c[1] for c in read)]),
        "family_name": coalesced([c[0] for c in family] + [c[2] for c in read]),
        "name_suffix": coalesced(_all(roles, "name_suffix", fold_suffix) + [c[-1] for c in (*given, *family, *whole)]),
    }


def _other_names(whole: str | None, *known: str | None) -> str:
    if whole is None or not any(known):
        return ""
    parts = parse_name(whole)
    taken = _PARTICLES.union(*(name.split() for name in known if name))
    return " ".join(w for w in f"{parts.given} {parts.middle} {parts.family}".split() if w not in taken)


def _places(roles: RoleColumns) -> dict[Field, Column | None]:
    lines = [
        split(column, address.parse_address, 7)
        for role in ("full_address", "street_address")
        for column in roles.get(role, ())
    ]
    named = _all(roles, "street_name", address.fold_street)
    numbers = _all(roles, "street_number", fold)
    # A street address beside columns of its parts, or beside another, is the address's second line.
    streets = [*named, *(line[1] for line in lines)]
    extra = [only_beside(streets[at], streets[:at]) for at in range(len(named), len(streets))]
    return {
        "street_number": coalesced(numbers + [line[0] for line in lines]),
        "street": coalesced(streets),
        "address_line_2": coalesced(extra),
        "unit": coalesced(_all(roles, "unit", address.fold_unit) + [line[2] for line in lines]),
        "city": coalesced(_all(roles, "city", address.fold_city) + [line[3] for line in lines]),
        "region": coalesced(_all(roles, "region", address.fold_region) + [line[4] for line in lines]),
        "postcode": coalesced(_all(roles, "postcode", address.fold_postcode) + [line[5] for line in lines]),
        "country": coalesced(_all(roles, "country", address.fold_country) + [line[6] for line in lines]),
        "birth_place": coalesced(_all(roles, "birth_place", fold)),
    }


def _birth_dates(roles: RoleColumns, reading: Reading) -> list[Column]:
    dates = _all(roles, "birth_date", lambda text: _date(text, reading.date_order))
    parts: list[Column] = []
    for role in _DATE_PARTS:
        column = coalesced(roles.get(role, ()))
        if column is None:
            break
        parts.append(column)
    if parts:  # up to the first that a record lacks: a day without its month says nothing
        dates.append(combined(parts, lambda *texts: _date("-".join(takewhile(bool, texts)), "ymd")))
    return dates


def _date(text: str, order: DateOrder) -> str:
    """yyyymmdd, 00 for what is not known."""
    packed = parse_date(text, order, keep_impossible=True)
    return "" if is_placeholder_date(packed) else f"{packed:08d}"


def _email(text: str) -> str:
    """Addresses that are not valid are compared too: a typo made them so. Of `Ann Lee <ann@lee.org>` (RFC 5322, 3.4)
    the address counts."""
    if text.rstrip().endswith(">"):
        text = text.rstrip()[:-1].rpartition("<")[2]
    return normalise_email(text) or (text.strip().lower() if "@" in text else "")


def _phone(text: str) -> str:
    digits = "".join(c for c in text if c.isdigit()).lstrip("0")[-PHONE_DIGITS:]
    return digits if len(digits) >= 6 and len(set(digits)) > 1 else ""


def _id(text: str) -> str:
    """Without the scheme's name ("SSN:"), which not every source writes."""
    return fold_id(_SCHEME.sub("", text.strip()))
