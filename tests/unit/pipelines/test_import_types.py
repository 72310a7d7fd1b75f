"""Texts to typed values: what is read, what is refused, and that refusals never repeat the value."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from pipelines.import_types import (
    is_number_column,
    parse_boolean,
    parse_integer,
    parse_json,
    parse_number,
    parse_time,
    to_iso,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [("11.77", 11.77), (" 5 ", 5), ("-3", -3), ("1e3", 1000.0), (Decimal("2.50"), 2.5), (Decimal("4.0"), 4), (7, 7)],
)
def test_number(value: Any, number: float) -> None:
    assert parse_number(value) == number
    assert type(parse_number(value)) is type(number)


@pytest.mark.parametrize("value", ["", "12,50", "$5", "nan", "inf", "1 2", True, [1], float("nan"), float("inf")])
def test_not_a_number(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a") as error:
        parse_number(value)
    assert "12,50" not in str(error.value)


def test_integer_boolean_json() -> None:
    assert parse_integer("3.0") == 3
    assert [parse_boolean(text) for text in ("Yes", "0", True)] == [True, False, True]
    assert parse_json('{"a": [1]}') == {"a": [1]}
    with pytest.raises(ValueError, match="nested less deep"):
        parse_json("[" * 100_000)
    for parse, text in ((parse_integer, "3.5"), (parse_boolean, "maybe"), (parse_json, "{"), (parse_json, "NaN")):
        with pytest.raises(ValueError, match="expected"):
            parse(text)


@pytest.mark.parametrize(
    ("value", "pattern", "zone", "iso"),
    [
        ("19970101", "auto", "UTC", "1997-01-01T00:00:00.000Z"),
        ("2026-03-01T12:30:00Z", "auto", "UTC", "2026-03-01T12:30:00.000Z"),
        ("2026-03-01 12:30:00.250", "auto", "UTC", "2026-03-01T12:30:00.250Z"),
        ("2026-03-01T12:30:00+02:00", "iso8601", "UTC", "2026-03-01T10:30:00.000Z"),
        ("2026-07-01 12:00", "auto", "Europe/Berlin", "2026-07-01T10:00:00.000Z"),
        ("01/03/2026", "%d/%m/%Y", "UTC", "2026-03-01T00:00:00.000Z"),
        ("1772368200", "auto", "UTC", "2026-03-01T12:30:00.000Z"),
        ("1772368200123", "auto", "UTC", "2026-03-01T12:30:00.123Z"),
        ("-86400", "unix", "UTC", "1969-12-31T00:00:00.000Z"),
        (date(2026, 3, 1), "auto", "UTC", "2026-03-01T00:00:00.000Z"),
        (datetime(2026, 3, 1, 1, tzinfo=UTC), "auto", "Europe/Berlin", "2026-03-01T01:00:00.000Z"),
    ],
)
def test_time(value: Any, pattern: str, zone: str, iso: str) -> None:
    assert to_iso(parse_time(value, pattern, zone)) == iso


@pytest.mark.parametrize(
    ("value", "pattern"),
    [("01/03/2026", "auto"), ("soon", "auto"), ("123", "auto"), ("then", "unix"), ("31/02/2026", "%d/%m/%Y"),
     ("0001-01-01", "auto"), ("99999999999999", "unix"), ("9999999999", "auto")],
)  # fmt: skip
def test_not_a_time(value: str, pattern: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        parse_time(value, pattern, "UTC")
    assert value not in str(error.value)


def test_unknown_zone() -> None:
    with pytest.raises(ValueError, match="IANA"):
        parse_time("2026-01-01", "auto", "Mars/Olympus")


def test_number_columns_by_sample() -> None:
    assert is_number_column("age", ["31", "", None, "4"])
    assert is_number_column("number_of_cds", ["1", "2"])
    assert not is_number_column("age", ["31", "n/a"])
    assert not is_number_column("postcode", ["10115", "80331"])
    assert not is_number_column("card_number", ["12345"])
    assert not is_number_column("store", ["007", "012"])
    assert not is_number_column("empty", [None, ""])
