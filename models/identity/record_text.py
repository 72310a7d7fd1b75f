"""What of a record is embedded: one short line of text, the same in a bulk job, in the live path and in training.

Only what describes a person is in it: names, date of birth, address, the local part of e-mails, phone numbers.
Identity numbers are for exact rules, a domain or a country says little, and an employer is shared by many.
"""

import re

from models.identity.normalise_date import DEFAULT_DATE_ORDER, DateOrder, parse_date
from models.identity.record import MatchRecord, Role

_NAME_PARTS: tuple[Role, ...] = ("given_name", "middle_name", "family_name", "name_suffix")
_STREET: tuple[Role, ...] = ("street_address", "street_number", "street_name", "unit")
_PLACE: tuple[Role, ...] = ("city", "region", "postcode")
_BIRTH_PARTS: tuple[tuple[Role, int], ...] = (("birth_year", 4), ("birth_month", 2), ("birth_day", 2))
_NUMBERS = re.compile(r"\d+")


def name_text(record: MatchRecord) -> str:
    """The name: the full name, and those parts that are not in it. "" if the record has none."""
    return _joined(record, ("full_name",), _NAME_PARTS)


def address_text(record: MatchRecord) -> str:
    """The address: the full address, and those parts that are not in it. "" if the record has none."""
    return _joined(record, ("full_address",), (*_STREET, *_PLACE))


def record_text(record: MatchRecord, date_order: DateOrder = DEFAULT_DATE_ORDER) -> str:
    """Name, date of birth, address, place of birth, e-mails and phones, as far as the record has them.

    A date is one word, yyyymmdd, whatever it was written like; `date_order` says how 3/4/1970 is read. One that
    cannot be read stays as it is.
    """
    values = record.values
    mailboxes = [email.rpartition("@")[0] or email for email in values.get("email", ())]
    phones = ["".join(_NUMBERS.findall(phone)) for phone in values.get("phone", ())]
    parts = [name_text(record), *_birth(record, date_order), address_text(record), *values.get("birth_place", ())]
    return " ".join(part for part in (*parts, *mailboxes, *phones) if part)


def _birth(record: MatchRecord, date_order: DateOrder) -> list[str]:
    dates = [_date(text, date_order) for text in record.values.get("birth_date", ())]
    if dates:
        return dates
    parts = [value.strip().zfill(width) for role, width in _BIRTH_PARTS for value in record.values.get(role, ())]
    return ["".join(parts)]  # as many as are known: "1984", "198407"


def _date(text: str, date_order: DateOrder) -> str:
    packed = parse_date(text, date_order)
    if not packed:
        return text.strip()
    year_month, day = divmod(packed, 100)
    return str(packed) if day else str(year_month) if year_month % 100 else str(year_month // 100)


def _joined(record: MatchRecord, whole: tuple[Role, ...], roles: tuple[Role, ...]) -> str:
    texts = [value.strip() for role in whole for value in record.values.get(role, ())]
    said = " ".join(texts).casefold()
    for role in roles:
        texts += [value.strip() for value in record.values.get(role, ()) if value.strip().casefold() not in said]
    return " ".join(text for text in texts if text)
