"""A record to be matched: what is known of a person in one place, as raw text under roles.

A role says what a value means, whatever its column or trait is called. Matching reads nothing else of a record.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

Role = Literal[
    "full_name",
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "birth_date",
    "birth_year",
    "birth_month",
    "birth_day",
    "gender",
    "email",
    "phone",
    "full_address",
    "street_address",
    "street_number",
    "street_name",
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

ROLES: tuple[Role, ...] = get_args(Role)


class MatchRecord(msgspec.Struct, frozen=True):
    """One record. `values` holds raw text by role; most roles have one value, e-mails and phones may have several."""

    record_id: str
    values: Mapping[Role, tuple[str, ...]]
    source: str = ""
