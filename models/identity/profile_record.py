"""A profile as a record to be matched: its traits and its e-mail and phone identifiers, under roles.

Traits are those of the Segment spec's identify call, whatever their spelling ("firstName", "first_name", "First Name").
A profile that tells less than two kinds of things about a person (a name alone, an e-mail address alone) makes no
record: nothing could be concluded from it that the exact identifiers do not say already.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from models.identity.customer_id import to_text
from models.identity.fields import Field
from models.identity.record import MatchRecord, Role
from models.profile.state import Profile

VALUES_MAX = 5  # of one role: e-mail addresses, phones
CHARS_MAX = 256  # of one value; longer ones are not what their trait's name says

# Names are compared in lower case without "_", "-", "." and spaces.
_TRAITS: dict[str, Role] = {
    "name": "full_name",
    "fullname": "full_name",
    "firstname": "given_name",
    "givenname": "given_name",
    "middlename": "middle_name",
    "lastname": "family_name",
    "surname": "family_name",
    "familyname": "family_name",
    "suffix": "name_suffix",
    "namesuffix": "name_suffix",
    "birthday": "birth_date",
    "birthdate": "birth_date",
    "dateofbirth": "birth_date",
    "dob": "birth_date",
    "birthyear": "birth_year",
    "birthplace": "birth_place",
    "placeofbirth": "birth_place",
    "gender": "gender",
    "sex": "gender",
    "email": "email",
    "emailaddress": "email",
    "phone": "phone",
    "phonenumber": "phone",
    "mobile": "phone",
    "mobilephone": "phone",
    "nationalid": "national_id",
    "ssn": "national_id",
    "employer": "employer",
    "occupation": "occupation",
    "jobtitle": "occupation",
}
# Within `address`, and also on their own.
_ADDRESS: dict[str, Role] = {
    "street": "street_address",
    "streetaddress": "street_address",
    "addressline1": "street_address",
    "line1": "street_address",
    "unit": "unit",
    "addressline2": "unit",
    "line2": "unit",
    "city": "city",
    "state": "region",
    "region": "region",
    "province": "region",
    "postalcode": "postcode",
    "postcode": "postcode",
    "zip": "postcode",
    "zipcode": "postcode",
    "country": "country",
}
_COMPANY: dict[str, Role] = {"name": "employer"}
_FLAT: dict[str, Role] = {**_ADDRESS, **_TRAITS}
_NESTED = {"address": _ADDRESS, "company": _COMPANY}
_WHOLE: dict[str, Role] = {"address": "full_address", "company": "employer"}
_SEPARATORS = str.maketrans("", "", "_-. ")

# What speaks of the same thing: a record needs two of them.
_KINDS: dict[Role, str] = {
    "full_name": "name",
    "given_name": "name",
    "family_name": "name",
    "birth_date": "birth",
    "birth_year": "birth",
    "email": "email",
    "phone": "phone",
    "full_address": "address",
    "street_address": "address",
    "city": "address",
    "postcode": "address",
    "national_id": "national id",
}
_NAME_FIELDS: tuple[Field, ...] = ("given_name", "middle_name", "family_name", "name_suffix")
_PLACE_FIELDS: tuple[Field, ...] = (
    *("street", "street_number", "address_line_2", "unit", "city", "region", "postcode", "country"),
)
# The fields that a role may end up in (`models.identity.fields`), where that is not the one of its own name.
_FIELDS: dict[Role, tuple[Field, ...]] = {
    **dict.fromkeys(("full_name", "given_name", "middle_name", "family_name", "name_suffix"), _NAME_FIELDS),
    **dict.fromkeys(("full_address", "street_address", "unit", "city", "region", "postcode", "country"), _PLACE_FIELDS),
    "birth_date": ("birth_date",),
    "birth_year": ("birth_date",),
}
_ATTRIBUTES = "attributes."
_IDENTIFIERS = ("email:", "phone:")
_encoder = msgspec.msgpack.Encoder(order="deterministic")


def is_matched_by(changed: Iterable[str]) -> bool:
    """Whether any of these changed paths of a profile (see `models.profile.reduce.apply`) is part of its record."""
    for path in changed:
        if path.startswith(_ATTRIBUTES):
            trait = path[len(_ATTRIBUTES) :].translate(_SEPARATORS).lower()
            if trait in _FLAT or trait in _NESTED:
                return True
    return False


def is_matched_identifier(identifier: str) -> bool:
    """Whether an identifier is part of the record of a profile that has it."""
    return identifier.startswith(_IDENTIFIERS)


def profile_record(profile: Profile) -> MatchRecord | None:
    """The profile's record, None if it has too little to match on. The same for the same traits and identifiers."""
    traits = {name: attribute.winner.value for name, attribute in profile.attributes.items()}
    return traits_record(traits, profile.identifiers, to_text(profile.customer_id))


def traits_record(traits: Mapping[str, Any], identifiers: Iterable[str], record_id: str = "") -> MatchRecord | None:
    """The record of traits and normalised identifiers (of which "email:..." and "phone:..." count), None if that is too
    little."""
    found: dict[Role, set[str]] = {}
    for name, value in traits.items():
        _take(found, name.translate(_SEPARATORS).lower(), value)
    for identifier in identifiers:
        namespace, _, value = identifier.partition(":")
        if namespace == "email":
            found.setdefault("email", set()).add(value)
        elif namespace == "phone":
            found.setdefault("phone", set()).add(value)
    if len({_KINDS[role] for role in found if role in _KINDS}) < 2:
        return None
    return MatchRecord(record_id, {role: tuple(sorted(found[role])[:VALUES_MAX]) for role in sorted(found)})


def fields_of_trait(name: str) -> frozenset[str]:
    """The fields of the evidence that a trait of this name may fill; of "name*", all traits that begin so."""
    begins = name.endswith("*")
    wanted = name.removesuffix("*").translate(_SEPARATORS).lower()
    roles: set[Role] = set()
    for table in (_FLAT, _WHOLE):
        roles.update(role for trait, role in table.items() if (trait.startswith(wanted) if begins else trait == wanted))
    for trait, nested in _NESTED.items():
        if trait.startswith(wanted) if begins else trait == wanted:
            roles.update(nested.values())
    return frozenset(field for role in roles for field in _FIELDS.get(role, (role,)))


def record_digest(record: MatchRecord | None) -> int:
    """63 bits that are equal for records of equal values; 0 for none."""
    if record is None:
        return 0
    digest = blake2b(_encoder.encode(record.values), digest_size=8).digest()
    return int.from_bytes(digest) >> 1 or 1


def profile_digest(profile: Profile) -> int:
    """`record_digest` of the profile's record."""
    return record_digest(profile_record(profile))


def _take(found: dict[Role, set[str]], trait: str, value: Any) -> None:
    role: Role | None
    if isinstance(value, dict):
        nested = _NESTED.get(trait, {})
        for name, part in value.items():
            role = nested.get(name.translate(_SEPARATORS).lower())
            if role is not None:
                _add(found, role, part)
    else:
        role = _FLAT.get(trait) or _WHOLE.get(trait)
        if role is not None:
            _add(found, role, value)


def _add(found: dict[Role, set[str]], role: Role, value: Any) -> None:
    if type(value) is int:
        value = str(value)
    if type(value) is not str:
        return
    text = value.strip()
    if role == "birth_date" and text[10:11] in ("T", " "):
        text = text[:10]  # a moment in ISO 8601: the day counts
    if text and len(text) <= CHARS_MAX:
        found.setdefault(role, set()).add(text)
