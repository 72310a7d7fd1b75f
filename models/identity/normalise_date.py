"""Dates of birth as packed integers yyyymmdd, with 00 for a part that is not known: 1984-07 is 19840700.

Whether 3/4/1970 is in March or in April shows in a column, not in a value: `guess_date_order` reads a sample of the
column, `parse_date` is told the result. Only calendar dates are read: a time of day and a zone are left out.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from anyascii import anyascii

from models.identity.misread_digits import restore_digits

DateOrder = Literal["mdy", "dmy", "ymd"]
DATE_ORDERS: tuple[DateOrder, ...] = get_args(DateOrder)
DEFAULT_DATE_ORDER: DateOrder = "mdy"
YEAR_MIN = 1000
# Two-digit years fall in the hundred years that end here: 25 is 2025, 26 is 1926.
LATEST_YEAR = 2025
MINORITY_MAX = 0.05  # wrong dates happen; more than these are a second order


class GuessedOrder(NamedTuple):
    """`ambiguous`: no value of the sample decided, or many spoke for both orders."""

    order: DateOrder
    ambiguous: bool


_MONTH_NAMES = (
    "january jan januar janvier janv enero ene gennaio gen janeiro januari stycznia ocak",
    "february feb februar fevrier fevr fev febrero febbraio fevereiro februari lutego subat",
    "march mar marz maerz mrz mars marzo marco maart mrt marca mart",
    "april apr avril avr abril abr aprile kwietnia nisan",
    "may mai mayo maggio mag maio mei maj maja mayis",
    "june jun juni juin junio giugno giu junho czerwca haziran",
    "july jul juli juillet juil julio luglio lug julho lipca temmuz",
    "august aug aout agosto ago augustus augusti sierpnia agustos",
    "september sep sept septembre septiembre settembre set setembro wrzesnia eylul",
    "october oct oktober okt octobre octubre ottobre ott outubro out pazdziernika ekim",
    "november nov novembre noviembre novembro listopada kasim",
    "december dec dezember dez decembre diciembre dic dicembre dezembro grudnia aralik",
)
_MONTHS = {name: month for month, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_MONTH_DAYS = (31, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # first: any month

_REST = r"(?:[T\s,].*)?"  # a time of day
_YEAR_FIRST = re.compile(rf"(\d{{4}})[-/. ](\d{{1,2}})(?:[-/. ](\d{{1,2}}))?\.?{_REST}", re.ASCII | re.DOTALL)
_NUMBERS = re.compile(rf"(\d{{1,2}})[-/. ] ?(\d{{1,2}})[-/. ] ?(\d{{4}}|\d{{1,2}})\.?{_REST}", re.ASCII | re.DOTALL)
_MONTH_YEAR = re.compile(r"(\d{1,2})[-/. ](\d{4})", re.ASCII)
_DIGITS = re.compile(rf"(\d{{4}}|\d{{6,8}}|\d{{14}})(?:\.0+)?{_REST}", re.ASCII | re.DOTALL)
_WORDS = re.compile(r"[a-z]+|\d+", re.ASCII)
_CLOCK = re.compile(r"t?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?\s*(?:[+-]\d{2}:?\d{2})?", re.ASCII)
_EAST_ASIAN_DATE = re.compile(r"\s*([\u5e74\u6708\ub144\uc6d4])\s*|\s*[\u65e5\uc77c]")
_FIRST_TWO = re.compile(r"(\d{1,2})([-/. ]) ?(\d{1,2})[-/. ] ?\d{2}", re.ASCII)
_EIGHT_DIGITS = re.compile(r"\d{8}", re.ASCII)


def parse_date(
    text: str, order: DateOrder = DEFAULT_DATE_ORDER, latest_year: int = LATEST_YEAR, keep_impossible: bool = False
) -> int:
    """The date in `text` as yyyymmdd, 00 for parts not known; 0 if it holds none.

    `order` is that of the numbers in dates such as 3/4/70; where it gives no date and the other order does, the
    other is taken (25/12 is Christmas in any column, and so is 1978-25-12). `latest_year` is the last that two-digit
    years can mean. Digits misread for letters are restored where nothing else makes a date of them.
    Dates that cannot be (month 13, 30 February) give 0, or with `keep_impossible` their digits as they stand, so
    that a wrong digit can still be seen to be one: 1861-88-12 is 18618812. Years are 1000 to 9999.
    """
    text = text.strip()
    if not text.isascii():
        text = anyascii(_EAST_ASIAN_DATE.sub(lambda part: "-" if part[1] else "", text)).strip(" -")
    if found := _YEAR_FIRST.fullmatch(text):
        year, month, day = found.groups()
        return _year_first(int(year), int(month), int(day or 0), keep_impossible)
    if found := _NUMBERS.fullmatch(text):
        return _read_three(found[1], found[2], found[3], order, latest_year, keep_impossible)
    if found := _DIGITS.fullmatch(text):
        return _read_digits(found[1], order, latest_year, keep_impossible)
    if found := _MONTH_YEAR.fullmatch(text):
        return _pack(int(found[2]), int(found[1]), 0, keep_impossible)
    packed = _read_words(text.lower(), latest_year, keep_impossible)
    if not packed and (restored := restore_digits(text)):
        return parse_date(restored, order, latest_year, keep_impossible)
    return packed


def guess_date_order(values: Iterable[str]) -> GuessedOrder:
    """The order of numbers in the dates of one column, from a sample of its values.

    A first number above 12 is a day (dmy), a second one is too (mdy); the majority decides, and is reported as
    ambiguous if more than one in twenty are against it. If no number is above 12, dates with dots are dmy, as they
    are where dots are used, and all others mdy; both are ambiguous. A column whose dates all have the year first is
    ymd.
    """
    split: Counter[str] = Counter()
    unsplit: Counter[str] = Counter()
    for value in values:
        value = value.strip()
        if found := _FIRST_TWO.match(value):
            split[_which_is_day(int(found[1]), int(found[3])) or found[2]] += 1
        elif _YEAR_FIRST.fullmatch(value):
            split["ymd"] += 1
        elif _EIGHT_DIGITS.fullmatch(value):
            year_first = _pack(int(value[:4]), int(value[4:6]), int(value[6:]), False)
            unsplit["ymd" if year_first else _which_is_day(int(value[:2]), int(value[2:4])) or " "] += 1
    if unsplit["ymd"] * 2 > unsplit.total():
        unsplit = Counter({"ymd": unsplit["ymd"]})  # the rest are rather wrong than in another order
    votes = split + unsplit
    pairs: tuple[tuple[DateOrder, DateOrder], ...] = (("dmy", "mdy"), ("mdy", "dmy"))
    for order, other in pairs:
        if votes[order] > votes[other]:
            return GuessedOrder(order, votes[other] > MINORITY_MAX * (votes[order] + votes[other]))
    if votes and votes["ymd"] == votes.total():
        return GuessedOrder("ymd", False)
    return GuessedOrder("dmy" if votes["."] * 2 > votes.total() - votes["ymd"] else DEFAULT_DATE_ORDER, True)


def is_placeholder_date(packed: int) -> bool:
    """Whether software, not a person, is likely to have chosen the date: none, the first day of an era, all nines."""
    return packed in _PLACEHOLDERS or packed >= 99990000


_PLACEHOLDERS = frozenset(
    # No date; SQL Server, .NET, Excel, Unix and mainframe defaults.
    (
        *(0, 10000101, 11110101, 11111111, 12340101, 17530101, 18000101, 18991230, 18991231, 19000000, 19000100),
        *(19000101, 19010101, 19011213, 19040101, 19691231, 19700101, 20380119, 22221231, 22222222),
    )
)


def _which_is_day(first: int, second: int) -> str:
    """The order that two numbers of a date give away, or ""."""
    if 12 < first <= 31 and second <= 12:
        return "dmy"
    return "mdy" if 12 < second <= 31 and first <= 12 else ""


def _pack(year: int, month: int, day: int, keep_impossible: bool) -> int:
    if year < YEAR_MIN:
        return 0
    if not keep_impossible and not _possible(year, month, day):
        return 0
    return year * 10000 + month * 100 + day


def _year_first(year: int, month: int, day: int, keep_impossible: bool) -> int:
    packed = _pack(year, month, day, keep_impossible)
    return packed or (_pack(year, day, month, False) if day else 0)


def _possible(year: int, month: int, day: int) -> bool:
    if month > 12 or day > _MONTH_DAYS[month]:
        return False
    return day != 29 or month != 2 or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def _full_year(digits: str, latest_year: int) -> int:
    year = int(digits)
    if len(digits) > 2:
        return year
    return latest_year - (latest_year - year) % 100


def _read_three(first: str, second: str, third: str, order: DateOrder, latest_year: int, keep_impossible: bool) -> int:
    """Three numbers with the year last, or with a two-digit year at either end."""
    if order == "ymd" and len(first) == 2 and len(third) < 3:
        year, month, day = _full_year(first, latest_year), int(second), int(third)
        if _possible(year, month, day):
            return _pack(year, month, day, False)
    if len(third) == 1:
        return 0
    year = _full_year(third, latest_year)
    month, day = (int(second), int(first)) if order == "dmy" else (int(first), int(second))
    if not _possible(year, month, day) and _possible(year, day, month):
        month, day = day, month
    return _pack(year, month, day, keep_impossible)


def _read_digits(digits: str, order: DateOrder, latest_year: int, keep_impossible: bool) -> int:
    """Digits without separators. The first that gives a date is taken: yyyymmdd; `order` with the year last; yyyyddmm;
    the other order with the year last."""
    if len(digits) == 7:  # a number that lost its leading zero: the year is last
        return _read_three(digits[:1], digits[1:3], digits[3:], order, latest_year, keep_impossible)
    if len(digits) == 4:
        return _pack(int(digits), 0, 0, keep_impossible)
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8] or 0)
    if len(digits) == 6:
        if month and year >= YEAR_MIN and _possible(year, month, 0):
            return _pack(year, month, 0, False)
        return _read_three(digits[:2], digits[2:4], digits[4:], order, latest_year, keep_impossible)
    if packed := _pack(year, month, day, False):
        return packed
    first, second, third = int(digits[:2]), int(digits[2:4]), int(digits[4:8])
    if third <= latest_year:
        month_last, day_last = (second, first) if order == "dmy" else (first, second)
        if packed := _pack(third, month_last, day_last, False):
            return packed
    if packed := _year_first(year, month, day, False):
        return _pack(year, month, day, True) if keep_impossible else packed
    packed = _read_three(digits[:2], digits[2:4], digits[4:8], order, latest_year, False)
    return packed or _pack(year, month, day, keep_impossible)


def _read_words(text: str, latest_year: int, keep_impossible: bool) -> int:
    """Dates with the month in words: "14 Sep 1993", "September 14th, 1993", "Sep 1993"."""
    month = 0
    numbers: list[str] = []
    for word in _WORDS.findall(_without_clock(text)):
        if word.isdigit():
            numbers.append(word)
        elif not month:
            month = _MONTHS.get(word, 0)
    if not month or not numbers or len(numbers) > 2:
        return 0
    if len(numbers) == 1:
        return _pack(int(numbers[0]), month, 0, keep_impossible) if len(numbers[0]) == 4 else 0
    day, year = numbers if len(numbers[0]) <= 2 else reversed(numbers)
    if len(day) > 2 or len(year) not in (2, 4):
        return 0
    return _pack(_full_year(year, latest_year), month, int(day), keep_impossible)


def _without_clock(text: str) -> str:
    return _CLOCK.sub(" ", text) if ":" in text else text
