"""Dates of birth: formats, orders, unknown parts, dates that cannot be, and dates nobody chose."""

import pytest

from models.identity.normalise_date import DateOrder, guess_date_order, is_placeholder_date, parse_date


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("1984-07-03", "mdy", 19840703),
        ("1984/7/3", "dmy", 19840703),
        ("1984-07", "mdy", 19840700),
        ("1984-07-00", "mdy", 19840700),
        ("1984", "mdy", 19840000),
        ("1984-00-00", "mdy", 19840000),
        ("1984.0", "mdy", 19840000),
        ("07/1984", "dmy", 19840700),
        ("1990-01-02T10:22:33Z", "mdy", 19900102),
        ("1/2/1990 10:30", "mdy", 19900102),
        ("12/11/1978", "mdy", 19781211),
        ("12/11/1978", "dmy", 19781112),
        ("25/12/1978", "mdy", 19781225),
        ("12/25/1978", "dmy", 19781225),
        ("31.12.1999", "dmy", 19991231),
        ("31. 12. 1999", "dmy", 19991231),
        ("3/1/70", "mdy", 19700301),
        ("3/1/25", "mdy", 20250301),
        ("3/1/26", "mdy", 19260301),
        ("70/3/1", "ymd", 19700301),
        # Digits only.
        ("19560409", "dmy", 19560409),
        ("02042018", "mdy", 20180204),
        ("02042018", "dmy", 20180402),
        ("2042018", "mdy", 20180204),
        ("20121985", "dmy", 19851220),
        ("20101912", "dmy", 19121020),
        ("20101912", "mdy", 20101219),
        ("20102311", "dmy", 20101123),
        ("199307", "mdy", 19930700),
        ("070393", "dmy", 19930307),
        ("20200101123000", "mdy", 20200101),
        ("19461702", "mdy", 19460217),
        ("1978-25-12", "mdy", 19781225),
        # Misread digits.
        ("0G/|7/1964", "mdy", 19640617),
        ("l98O-01-02", "mdy", 19800102),
        # Words.
        ("14 Sep 1993", "mdy", 19930914),
        ("September 14th, 1993", "mdy", 19930914),
        ("Sep 1993", "mdy", 19930900),
        ("19-Feb-91", "mdy", 19910219),
        ("1993-Sep-14", "mdy", 19930914),
        ("Mon, 14 Sep 1993 10:00:00 +0200", "mdy", 19930914),
        ("Sat Jun 01 10:00:00 1985", "mdy", 19850601),
        ("14. März 1993", "mdy", 19930314),
        ("14 août 1993", "mdy", 19930814),
        # Other scripts.
        ("1984年7月3日", "mdy", 19840703),
        ("1984년 7월 3일", "mdy", 19840703),
        ("\uff11\uff19\uff18\uff14-07-03", "mdy", 19840703),
        # No dates.
        ("", "mdy", 0),
        ("hello", "mdy", 0),
        ("Sep 14", "mdy", 0),
        ("0000-00-00", "mdy", 0),
        ("0990-01-01", "mdy", 0),
        ("1984-13-13", "mdy", 0),
        ("1984-12-32", "mdy", 0),
        ("1993-02-29", "mdy", 0),
        ("1900-02-29", "mdy", 0),
        ("2000-02-29", "mdy", 20000229),
        ("31/31/1999", "mdy", 0),
        ("1-2-3-4", "mdy", 0),
        ("123", "mdy", 0),
    ],
)
def test_dates(text: str, order: DateOrder, expected: int) -> None:
    assert parse_date(text, order) == expected


def test_the_window_of_two_digit_years_is_an_argument() -> None:
    assert parse_date("3/1/30", "mdy") == 19300301
    assert parse_date("3/1/30", "mdy", latest_year=2040) == 20300301
    assert parse_date("3/1/41", "mdy", latest_year=2040) == 19410301


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1861-88-12", 18618812),
        ("19431332", 19431332),
        ("19461702", 19461702),
        ("1946-17-02", 19461702),
        ("30/02/1993", 19933002),
        ("1861-08-12", 18610812),
        ("0000-00-00", 0),
        ("hello", 0),
    ],
)
def test_impossible_dates_can_be_kept(text: str, expected: int) -> None:
    assert parse_date(text, "mdy", keep_impossible=True) == expected


@pytest.mark.parametrize(
    ("values", "order", "ambiguous"),
    [
        (["1/2/1970", "15/02/1948"], "dmy", False),
        (["1/2/1970", "02/15/1948", "1/15/70"], "mdy", False),
        (["13/1/1970", "14/1/1970", "1/15/1970"], "dmy", True),
        (["13/1/1970", "1/15/1970"], "mdy", True),
        (["1/2/1970"], "mdy", True),
        (["1.2.1970"], "dmy", True),
        (["1990-01-01", "1990-05"], "ymd", False),
        (["19900131"], "ymd", False),
        (["20042018", "19900131"], "dmy", False),
        (["19461702", "19900131", "19900201"], "ymd", False),
        (["13/1/1970"] * 19 + ["1/15/1970"], "dmy", False),
        (["13/1/1970"] * 18 + ["1/15/1970"], "dmy", True),
        (["1990-01-01", "1/2/1970"], "mdy", True),
        ([], "mdy", True),
        (["02042018"], "mdy", True),
        (["20101702", "20100101", "20100102"], "ymd", False),
        (["hello", ""], "mdy", True),
    ],
)
def test_the_order_of_a_column(values: list[str], order: str, ambiguous: bool) -> None:
    assert guess_date_order(values) == (order, ambiguous)


@pytest.mark.parametrize("packed", [0, 19000101, 19700101, 99991231, 11111111])
def test_placeholders(packed: int) -> None:
    assert is_placeholder_date(packed)


@pytest.mark.parametrize("packed", [19840703, 19840000, 19700102, 20000101])
def test_dates_of_people(packed: int) -> None:
    assert not is_placeholder_date(packed)
