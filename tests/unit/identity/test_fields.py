"""Fields: the same in one form, whatever roles a source has."""

from typing import Any

import pytest

from models.identity.columns import ABSENT, role_columns
from models.identity.fields import Reading, guess_reading, normalised_fields
from models.identity.record import MatchRecord


def read(*values: Any, reading: Any = None) -> Any:
    records = [MatchRecord(str(i), {role: (v,) if isinstance(v, str) else v for role, v in record.items()})
               for i, record in enumerate(values)]  # fmt: skip
    fields = normalised_fields(role_columns(records), reading or Reading())
    return [
        {
            field: [column.values[c] for c in column.codes[row].tolist() if c != ABSENT]
            for field, column in fields.items()
        }
        for row in range(len(records))
    ]


def test_a_full_name_serves_where_its_parts_are_missing() -> None:
    parts, whole = read({"given_name": "Robert", "family_name": "Smith"}, {"full_name": "Smith, Robert J."})
    assert (parts["given_name"], parts["family_name"]) == (whole["given_name"], whole["family_name"])
    assert whole["middle_name"] == ["j"]


def test_a_full_name_beside_its_parts_tells_only_what_they_do_not() -> None:
    (record,) = read({"full_name": "Augustus Jules Bouvier", "given_name": "Augustus", "family_name": "Bouvier"})
    assert record["given_name"] == ["augustus"] and record["middle_name"] == ["jules"]


def test_generational_suffixes_are_found_in_every_kind_of_name() -> None:
    records = read({"full_name": "John Hill Sr."}, {"family_name": "Hill Jr"}, {"name_suffix": "III"})
    assert [record["name_suffix"] for record in records] == [["sr"], ["jr"], ["iii"]]


@pytest.mark.parametrize(
    "values",
    [
        {"street_address": "12 Main Street"},
        {"street_number": "12", "street_name": "main st"},
        {"full_address": "12 Main St, Springfield IL 62701"},
    ],
)
def test_addresses_have_the_same_street_and_number(values: Any) -> None:
    (record,) = read(values)
    assert (record["street_number"], record["street"]) == (["12"], ["main st"])


def test_a_street_address_beside_columns_of_its_parts_is_the_second_line() -> None:
    (record,) = read({"street_number": "12", "street_name": "main st", "street_address": "Rose Cottage"})
    assert record["street"] == ["main st"] and record["address_line_2"] == ["rose cottage"]


@pytest.mark.parametrize("values", [
    {"birth_date": "1980-04-09"}, {"birth_date": "04/09/1980"}, {"birth_date": "19800409"},
    {"birth_year": "1980", "birth_month": "4", "birth_day": "9"},
])  # fmt: skip
def test_dates_are_eight_digits(values: Any) -> None:
    assert read(values)[0]["birth_date"] == ["19800409"]


def test_the_order_of_dates_is_guessed_from_all_of_them() -> None:
    records = [MatchRecord(str(day), {"birth_date": (f"{day}/04/1980",)}) for day in (3, 25, 31)]
    assert guess_reading(role_columns(records)).date_order == "dmy"


@pytest.mark.parametrize("text", ["+44 3814 250533", "03814 250533", "0044 3814-250533"])
def test_phones_are_the_same_with_and_without_country_code(text: str) -> None:
    assert read({"phone": text})[0]["phone"] == ["814250533"]


def test_an_identity_number_is_the_same_with_and_without_its_scheme() -> None:
    one, other = read({"national_id": "SSN:154-57-6521"}, {"national_id": "154576521"})
    assert one["national_id"] == other["national_id"]


def test_a_misspelt_address_is_still_compared() -> None:
    assert read({"email": "Jo@exa mple..com"})[0]["email"] == ["jo@exa mple..com"]


@pytest.mark.parametrize("text", ["Jo Lee <jo@lee.org>", '"Lee, Jo" <Jo@Lee.org> ', "<jo@lee.org>", "jo@lee.org"])
def test_of_an_address_with_a_name_the_address_counts(text: str) -> None:
    assert read({"email": text})[0]["email"] == ["jo@lee.org"]


def test_several_emails_of_a_record_are_all_read() -> None:
    assert read({"email": ("a@x.com", "b@x.com", "A@x.com")})[0]["email"] == ["a@x.com", "b@x.com"]


def test_what_nobody_has_is_no_field() -> None:
    assert set(read({"city": "Leeds", "phone": "n/a"})[0]) == {"city"}


def test_a_record_is_read_the_same_whatever_others_have() -> None:
    """Else it would have other keys and other scores in a batch than by itself."""
    records: Any = [
        {"full_name": "Ann Marie Lee", "given_name": "Ann", "family_name": "Lee"},
        {"given_name": "Bob", "middle_name": "J", "family_name": "Ray"},
        {"street_address": "12 Main Street"},
        {"street_number": "7", "street_name": "Oak Ave"},
        {"full_address": "9 Elm Road, Leeds"},
        {"full_address": "9 Elm Road, Leeds", "street_address": "Rose Cottage"},
        {"birth_year": "1980", "birth_day": "5"},
        {"birth_year": "1980", "birth_month": "4", "birth_day": "5"},
        {"birth_date": "1980-04-05"},
        {"full_name": "Carla Dee"},
        {"family_name": "Dee"},
    ]
    for alone, beside_others in zip((read(record)[0] for record in records), read(*records), strict=True):
        assert {f: v for f, v in alone.items() if v} == {f: v for f, v in beside_others.items() if v}


def test_a_street_address_is_a_street_though_another_source_has_columns_of_its_parts() -> None:
    parts, line = read({"street_number": "12", "street_name": "main st"}, {"street_address": "12 Main Street"})
    assert parts["street"] == line["street"] == ["main st"]
    assert parts["street_number"] == line["street_number"] == ["12"]


def test_a_day_without_its_month_is_no_month() -> None:
    assert read({"birth_year": "1980", "birth_day": "5"})[0]["birth_date"] == ["19800000"]
    assert "birth_date" not in read({"birth_month": "5", "birth_day": "5", "city": "Leeds"})[0]
