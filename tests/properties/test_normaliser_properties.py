"""Normalisers take any text, give folded text, and read what they are given in whatever form it is written."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.identity.fold import fold
from models.identity.name_variants import SHORT_FORMS, VARIANTS
from models.identity.nicknames import NicknameTable
from models.identity.normalise_address import (
    fold_city,
    fold_country,
    fold_postcode,
    fold_region,
    fold_street,
    fold_unit,
    parse_address,
)
from models.identity.normalise_date import DATE_ORDERS, DateOrder, guess_date_order, is_placeholder_date, parse_date
from models.identity.normalise_gender import fold_gender
from models.identity.normalise_name import fold_name, fold_suffix, parse_name
from models.identity.normalise_national_id import fold_id

NICKNAMES = NicknameTable.shipped()
GENERATIONS = {"", "jr", "sr", "ii", "iii", "iv", "v", "vi"}

# Any characters, and the words that normalisers treat in special ways, in any order.
SPECIAL_WORDS = """
    dr Sir jr SR iii v 2nd 1st van der de la bin al- mc of duke baron earl née the younger M.D. PhD , , ( ) - ' # / :
    unknown N/A null test Smith John O'Brien Müller 王杰 Na st street avenue ne N. E. apt flat floor po box unit 12 4b
    12/3 00000 89132-1234 NV ct new york SW1A 1AA usa de strasse 1984 07 31 12:30 Sep 1984-07-03 ½ ²
"""
words = st.sampled_from(SPECIAL_WORDS.split())
anything = st.text() | st.lists(words, max_size=8).map(" ".join) | st.lists(words, max_size=5).map("".join)
names = st.from_regex(r"[B-Z][b-z]{5,9}q", fullmatch=True)  # ends in q: no title, particle or placeholder does
known_names = st.sampled_from((VARIANTS + SHORT_FORMS).split())
orders = st.sampled_from(DATE_ORDERS)


@given(anything)
def test_folding(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert set(folded) <= set("abcdefghijklmnopqrstuvwxyz0123456789 ")
    assert folded == " ".join(folded.split())
    if text.isascii():
        assert fold(text.upper()) == folded


@given(anything)
@example("of")
@example("the younger")
@example("( ,")
@example("王")
@example("1st of")
@example("mc")
def test_any_text_is_a_name_in_folded_parts(text: str) -> None:
    name = parse_name(text)
    part = fold_name(text)
    for value in (*name, *part):
        assert fold(value) == value
    assert {name.suffix, part.suffix, fold_suffix(text)} <= GENERATIONS
    letters = set(fold(text).replace(" ", ""))
    assert set("".join(name[:3]).replace(" ", "")) <= letters
    assert set(part.name.replace(" ", "")) <= letters


@given(names, st.lists(names, max_size=2), names, st.sampled_from(["", "Jr.", "Sr", "III", "2nd"]), st.booleans())
def test_a_name_is_read_the_same_in_either_order(
    given_name: str, middle: list[str], family: str, suffix: str, titled: bool
) -> None:
    title = "Dr. " if titled else ""
    names_before = " ".join([given_name, *middle])
    straight = parse_name(f"{title}{names_before} {family} {suffix}")
    assert straight == parse_name(f"{family}, {title}{names_before} {suffix}")
    assert straight == parse_name(f"{family.upper()} {suffix}, {names_before}")
    assert straight == parse_name(f"{names_before} {family}, {suffix}")
    assert straight == (
        given_name.lower(),
        " ".join(middle).lower(),
        family.lower(),
        fold_suffix(suffix),
    )
    assert fold_name(f"{family} {suffix}") == (family.lower(), fold_suffix(suffix))


@given(known_names, known_names | names)
def test_related_names_share_a_key(a: str, b: str) -> None:
    keys_a, keys_b = NICKNAMES.canonical_keys(a), NICKNAMES.canonical_keys(b)
    assert a in keys_a
    assert NICKNAMES.related(a, a)
    assert NICKNAMES.related(a, b) == NICKNAMES.related(b, a) == bool(set(keys_a) & set(keys_b))
    assert all(NICKNAMES.related(a, key) for key in keys_a)


@given(anything, orders, st.integers(1999, 2100), st.booleans())
def test_any_text_is_a_date_or_none(text: str, order: DateOrder, latest_year: int, keep_impossible: bool) -> None:
    packed = parse_date(text, order, latest_year, keep_impossible)
    assert packed == 0 or 10000000 <= packed <= 99999999
    if packed and not keep_impossible:
        year, month, day = packed // 10000, packed // 100 % 100, packed % 100
        date(year if day == 29 and month == 2 else 2000, month or 1, day or 1)
        assert parse_date(text, order, latest_year, keep_impossible=True) == packed
    assert is_placeholder_date(0)
    assert guess_date_order([text]).order in DATE_ORDERS


@given(st.dates(date(1000, 1, 1)))
def test_a_date_is_read_the_same_in_every_form(day: date) -> None:
    packed = day.year * 10000 + day.month * 100 + day.day
    for order in DATE_ORDERS:
        assert parse_date(day.isoformat(), order) == packed
        assert parse_date(f"{day.year}/{day.month}/{day.day}", order) == packed
        assert parse_date(f"{day:%d} {day:%B} {day.year}", order) == packed
        assert parse_date(f"{day:%b} {day.day}, {day.year} 10:30", order) == packed
    assert parse_date(f"{day.month}/{day.day}/{day.year}", "mdy") == packed
    assert parse_date(f"{day.day}.{day.month}.{day.year}", "dmy") == packed
    if day.year >= 1900 and day.year < 2100:
        assert parse_date(f"{day:%Y%m%d}", "mdy") == packed
        assert parse_date(f"{day:%m%d%Y}", "mdy") == packed
        assert parse_date(f"{day:%d%m%Y}", "dmy") == packed
    if 1926 <= day.year <= 2025:
        assert parse_date(f"{day:%m/%d/%y}", "mdy") == packed
        assert parse_date(f"{day:%d-%b-%y}", "mdy") == packed
        assert parse_date(f"{day:%y-%m-%d}", "ymd") == packed


@given(st.lists(st.dates(date(1900, 1, 1), date(2020, 1, 1)), min_size=1), st.sampled_from(["dmy", "mdy"]))
def test_a_guessed_order_that_is_sure_is_right(days: list[date], order: DateOrder) -> None:
    form = "%d/%m/%Y" if order == "dmy" else "%m/%d/%Y"
    guessed = guess_date_order([day.strftime(form) for day in days])
    assert guessed.ambiguous == all(day.day <= 12 for day in days)
    if not guessed.ambiguous:
        assert guessed.order == order


@given(anything)
@example("#")
@example("/")
@example("1/")
@example("box")
@example("12,")
@example("de")
@example("flat")
@example("00000")
def test_any_text_is_an_address(text: str) -> None:
    address = parse_address(text)
    assert fold(address.street) == address.street
    assert fold(address.city) == address.city
    assert fold_unit(address.unit) == address.unit
    assert fold_postcode(address.postcode) == address.postcode
    assert fold_region(address.region) == address.region


@given(
    st.integers(1, 9999),
    names,
    st.sampled_from([("St", "Street"), ("Avenue", "AVE"), ("ln.", "Lane"), ("Blvd", "boulevard")]),
    st.none() | st.integers(1, 99),
    names,
    st.sampled_from([("NV", "Nevada"), ("ny", "New York"), ("CT", "connecticut")]),
    st.integers(501, 99950),
)
def test_an_address_is_read_the_same_in_every_form(
    number: int, street: str, types: tuple[str, str], unit: int | None, city: str, states: tuple[str, str], zipcode: int
) -> None:
    flat, apartment = (f"Apt {unit}", f"#{unit}") if unit else ("", "")
    expected = (
        str(number),
        fold_street(f"{street} {types[0]}"),
        str(unit or ""),
        city.lower(),
        states[0].lower(),
        f"{zipcode:05}",
        "",
    )
    for text in (
        f"{number} {street} {types[0]} {flat}, {city}, {states[0]} {zipcode:05}",
        f"{number} {street} {types[1]} {apartment}, {city} {states[0]}, {zipcode:05}",
        f"{number} {street.upper()} {types[1]}, {apartment}, {city}, {states[1]}, {zipcode:05}-1234",
        f"{number} {street} {types[0]}\n{flat}\n{city} {states[1]} {zipcode:05}",
    ):
        assert tuple(parse_address(text)) == expected
    if not unit:
        assert tuple(parse_address(f"{number} {street} {types[0]} {city} {states[0]} {zipcode:05}")) == expected


@pytest.mark.parametrize(
    "normalise", [fold_street, fold_unit, fold_postcode, fold_region, fold_country, fold_city, fold_id]
)
@given(anything)
def test_normalising_twice_changes_nothing(normalise: Callable[[str], str], text: str) -> None:
    once = normalise(text)
    assert once.isascii()
    assert normalise(once) == once


@given(anything)
def test_gender_is_one_of_four(text: str) -> None:
    assert fold_gender(text) in ("f", "m", "x", "")
