"""Addresses in parts, and the short form of each part."""

import pytest

from models.identity.address_words import STREET_WORDS
from models.identity.normalise_address import (
    fold_city,
    fold_country,
    fold_postcode,
    fold_region,
    fold_street,
    fold_unit,
    parse_address,
)
from models.identity.place_codes import COUNTRY_CODES


@pytest.mark.parametrize(
    ("text", "number", "street", "unit", "city", "region", "postcode", "country"),
    [
        # Streets alone.
        ("1515 Adela Ln", "1515", "adela ln", "", "", "", "", ""),
        ("1515 Adela Lane.", "1515", "adela ln", "", "", "", "", ""),
        ("12 Oak Ct", "12", "oak ct", "", "", "", "", ""),
        ("0012 Oak Ct", "12", "oak ct", "", "", "", "", ""),
        ("12 1/2 Elm St", "12 1/2", "elm st", "", "", "", "", ""),
        ("12-14a High Street", "12-14a", "high st", "", "", "", "", ""),
        ("12 N.E. Fifth Street #3B", "12", "ne 5th st", "3b", "", "", "", ""),
        ("flat 3, 12 high street", "12", "high st", "3", "", "", "", ""),
        ("Flat 3 12 High Street", "12", "high st", "3", "", "", "", ""),
        ("10 Flat Rock Road", "10", "flt rock rd", "", "", "", "", ""),
        ("Highway 61", "", "hwy 61", "", "", "", "", ""),
        ("Hardenbergstrasse 87", "87", "hardenbergstr", "", "", "", "", ""),
        ("Hardenbergstraße 87", "87", "hardenbergstr", "", "", "", "", ""),
        ("Hauptstr. 5 a", "5a", "hauptstr", "", "", "", "", ""),
        ("PO Box 12", "12", "po box", "", "", "", "", ""),
        ("P.O. Box 12987", "12987", "po box", "", "", "", "", ""),
        ("Street 128", "", "st 128", "", "", "", "", ""),
        ("Skyline Apartments 638 Downey St", "638", "downey st", "skyline apartments", "", "", "", ""),
        ("P.O. Box 12, Reno NV 89501", "12", "po box", "", "reno", "nv", "89501", ""),
        # With a city, American.
        ("123 E Main St Apt 4, Las Vegas NV 89132", "123", "e main st", "4", "las vegas", "nv", "89132", ""),
        ("123 East Main Street Las Vegas NV 89132", "123", "e main st", "", "las vegas", "nv", "89132", ""),
        ("123 Main St, Las Vegas", "123", "main st", "", "las vegas", "", "", ""),
        ("1515 Adela Ln, LV, NV", "1515", "adela ln", "", "las vegas", "nv", "", ""),
        ("169 3rd Ave. Camden, NJ 08030", "169", "3rd ave", "", "camden", "nj", "08030", ""),
        ("6371 E Foothill Dr, 95915", "6371", "e foothill dr", "", "", "", "95915", ""),
        ("12 Oak Ct 06510", "12", "oak ct", "", "", "", "06510", ""),
        ("100 Main St New Haven CT", "100", "main st", "", "new haven", "ct", "", ""),
        ("405 Lexington Ave, New York, New York 10174", "405", "lexington ave", "", "new york", "ny", "10174", ""),
        ("1231 Las Vegas Blvd, Penthouse Suite", "1231", "las vegas blvd", "ph", "", "", "", ""),
        ("350 5th Ave 2nd Floor, NYC", "350", "5th ave", "fl 2", "new york", "", "", ""),
        (
            "Hughes Plaza, 100 Howard Hughes Way, Reno, NV",
            "100",
            "howard hughes way",
            "hughes plaza",
            "reno",
            "nv",
            "",
            "",
        ),
        # With a city, elsewhere.
        ("221b Baker Street, London NW1 6XE, England", "221b", "baker st", "", "london", "", "NW16XE", "GB"),
        (
            "18 Danver Place, Loughborough, Leicestershire, LE11 1UU, United Kingdom",
            *("18", "danver pl", "", "loughborough", "leicestershire", "LE111UU", "GB"),
        ),
        ("12, High Street, London SW1A 1AA", "12", "high st", "", "london", "", "SW1A1AA", ""),
        ("4/12 High St, Sydney NSW 2000", "12", "high st", "4", "sydney", "nsw", "2000", ""),
        ("1 Yonge St, Toronto ON M5E 1W7, Canada", "1", "yonge st", "", "toronto", "on", "M5E1W7", "CA"),
        ("Fieldstrasse 10, FL-2198 Triesen, Liechtenstein", "10", "fieldstr", "", "triesen", "", "2198", "LI"),
        ("Hauptstr. 5, 10115 Berlin, DE", "5", "hauptstr", "", "berlin", "", "10115", "DE"),
        ("Keizersgracht 123, 1015 CJ Amsterdam", "123", "keizersgracht", "", "amsterdam", "", "1015CJ", ""),
        ("Via Roma, 12, Milano", "12", "via roma", "", "milano", "", "", ""),
        ("133 New Bridge Road, 059413 Singapore", "133", "new brg rd", "", "", "", "059413", "SG"),
        ("Tolmacheva Ul., bld. 8, apt. 71 Smolensk", "", "tolmacheva ul", "bldg 8 71", "smolensk", "", "", ""),
        # Nowhere.
        ("", "", "", "", "", "", "", ""),
        ("unknown", "", "", "", "", "", "", ""),
        (" , ;", "", "", "", "", "", "", ""),
    ],
)
def test_addresses_in_one_line(
    text: str, number: str, street: str, unit: str, city: str, region: str, postcode: str, country: str
) -> None:
    assert tuple(parse_address(text)) == (number, street, unit, city, region, postcode, country)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("North West First Avenue", "NW 1st Ave."),
        ("N W 1st Av", "northwest first ave"),
        ("bowen cir sw", "Bowen Circle Southwest"),
        ("Saint James Street", "st james st"),
        ("Berliner Straße", "Berliner Str."),
        ("O'Connell St", "OConnell Street"),
    ],
)
def test_streets_that_are_alike(a: str, b: str) -> None:
    assert fold_street(a) == fold_street(b) != ""


def test_every_short_form_of_a_street_word_is_its_own() -> None:
    assert {short: STREET_WORDS[short] for short in STREET_WORDS.values()} == {
        short: short for short in STREET_WORDS.values()
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apt #4 B", "4b"),
        ("Apartment 4b", "4b"),
        ("unit 12", "12"),
        ("12", "12"),
        ("2nd Floor", "fl 2"),
        ("Floor 2", "fl 2"),
        ("Penthouse", "ph"),
        ("Bldg 3 Apt 2", "bldg 3 2"),
        ("apt", ""),
        ("n/a", ""),
        ("", ""),
    ],
)
def test_units(text: str, expected: str) -> None:
    assert fold_unit(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("89132", "89132"),
        ("89132-1234", "89132"),
        ("891321234", "89132"),
        ("89132.0", "89132"),
        (" sw1a 1aa ", "SW1A1AA"),
        ("D-10115", "10115"),
        ("m5e 1w7", "M5E1W7"),
        ("00000", ""),
        ("00000-0000", ""),
        ("O0o0O", ""),
        ("9OI32", "90132"),
        ("99999", ""),
        ("N/A", ""),
        ("", ""),
    ],
)
def test_postcodes(text: str, expected: str) -> None:
    assert fold_postcode(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nevada", "nv"),
        ("NV", "nv"),
        ("N.Y.", "ny"),
        ("New South Wales", "nsw"),
        ("Québec", "qc"),
        ("Leicestershire", "leicestershire"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_regions(text: str, expected: str) -> None:
    assert fold_region(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("United States", "US"),
        ("U.S.A.", "US"),
        ("us", "US"),
        ("UK", "GB"),
        ("England", "GB"),
        ("DEU", "DE"),
        ("Österreich", "AT"),
        ("Côte d'Ivoire", "CI"),
        ("Narnia", "narnia"),
        ("Unknown", ""),
        ("", ""),
    ],
)
def test_countries(text: str, expected: str) -> None:
    assert fold_country(text) == expected


def test_country_codes_are_complete() -> None:
    codes = set(COUNTRY_CODES.values())
    assert len(codes) == 250  # ISO 3166-1 has 249; Kosovo's user-assigned XK is in wide use
    assert all(COUNTRY_CODES[code.lower()] == code for code in codes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("St. Louis", "saint louis"),
        ("Saint Louis", "saint louis"),
        ("N Las Vegas", "north las vegas"),
        ("NYC", "new york"),
        ("Köln", "koln"),
        ("Stratford-on-Avon", "stratford on avon"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_cities(text: str, expected: str) -> None:
    assert fold_city(text) == expected
