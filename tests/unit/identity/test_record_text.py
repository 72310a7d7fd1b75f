"""The text of a record that is embedded."""

import pytest

from models.identity.record import MatchRecord, Role
from models.identity.record_text import address_text, name_text, record_text


def record(**values: str | tuple[str, ...]) -> MatchRecord:
    roles: dict[Role, tuple[str, ...]] = {}
    for role, value in values.items():
        roles[role] = (value,) if isinstance(value, str) else value  # type: ignore[index]
    return MatchRecord("r", roles)


def test_a_name_is_the_full_name_and_what_it_lacks() -> None:
    assert name_text(record(given_name=" Ann ", middle_name="B", family_name="Lee", name_suffix="Jr")) == "Ann B Lee Jr"
    assert name_text(record(full_name="Lee, Ann", given_name="ann", family_name="LEE")) == "Lee, Ann"
    assert name_text(record(full_name="Ann", family_name="Lee")) == "Ann Lee"
    assert name_text(record(city="Oslo")) == ""


def test_an_address_goes_from_street_to_postcode() -> None:
    parts = record(
        street_number="12", street_name="Elm St", unit="4", city="Springfield", region="IL", postcode="62701"
    )
    assert address_text(parts) == "12 Elm St 4 Springfield IL 62701"
    whole = record(full_address="12 Elm St, Springfield", city="Springfield", postcode="62701")
    assert address_text(whole) == "12 Elm St, Springfield 62701"


def test_a_whole_record() -> None:
    text = record_text(
        record(
            given_name="Ann",
            family_name="Lee",
            birth_date="1984-07-12",
            city="Oslo",
            birth_place="Bergen",
            email=("ann.lee@example.com", "al@example.org"),
            phone="+47 22 33 44 55",
            national_id="12345678901",
            employer="Fram AS",
            country="NO",
        )
    )
    assert text == "Ann Lee 19840712 Oslo Bergen ann.lee al 4722334455"
    assert record_text(record(national_id="1")) == ""


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"birth_date": "12 July 1984"}, "19840712"),
        ({"birth_date": "1984-07"}, "198407"),
        ({"birth_date": "1984"}, "1984"),
        ({"birth_date": "about Easter"}, "about Easter"),
        ({"birth_year": "1984", "birth_month": "7", "birth_day": "2"}, "19840702"),
        ({"birth_year": "1984"}, "1984"),
    ],
)
def test_dates_are_one_word(values: dict[str, str], text: str) -> None:
    assert record_text(record(**values)) == text


def test_the_order_of_a_date_is_told() -> None:
    assert record_text(record(birth_date="03/04/1970"), "dmy") == "19700403"
    assert record_text(record(birth_date="03/04/1970"), "mdy") == "19700304"
