"""GPP strings: published ones as they are known to read, every section, and none that is damaged."""

import pytest

from models.privacy.bits import InvalidSignal
from models.privacy.gpp import Choice, GppSignals, UsSection, decode_gpp
from models.privacy.tcf import decode_tcf
from tests.strategies.consent_strings import (
    US_SECTIONS,
    Tcf,
    base64url,
    fibonacci_range,
    gpp,
    number,
    us_section,
)

TC_STRING = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"  # in the GPP specification


def us(text: str) -> UsSection:
    """The only section of a string."""
    (section,) = decode_gpp(text).sections.values()
    assert isinstance(section, UsSection)
    return section


@pytest.mark.parametrize("header", ["DBABM", "DBABMA"])
def test_a_tc_string_in_a_gpp_string(header: str) -> None:
    assert decode_gpp(f"{header}~{TC_STRING}") == GppSignals({2: decode_tcf(TC_STRING)})


@pytest.mark.parametrize("header", ["DBACNY", "DBACNYA"])
def test_two_sections(header: str) -> None:
    signals = decode_gpp(f"{header}~{TC_STRING}~1YNN")
    assert list(signals.sections) == [2, 6]
    assert signals.sections[6] == UsSection(
        name="uspv1",
        version=1,
        fields={"version": 1, "notice": "Y", "opt_out_sale": "N", "lspa_covered": "N"},
        sale=Choice.ALLOWED,
    )


def test_sections_of_other_jurisdictions_are_left_alone() -> None:
    signals = decode_gpp(f"DBABjw~{TC_STRING}~1NYY")
    assert signals.undecoded == (5,)
    assert list(signals.sections) == [6]
    assert decode_gpp(gpp({24: "whatever", 255: "it is"})).undecoded == (24, 255)


@pytest.mark.parametrize(
    ("text", "sale"),
    [
        ("1NYY", Choice.REFUSED),
        ("1-Y-", Choice.REFUSED),
        ("1YNN", Choice.ALLOWED),
        ("1---", Choice.NOT_APPLICABLE),
    ],
)
def test_us_privacy(text: str, sale: Choice) -> None:
    assert us(gpp({6: text})).sale is sale


@pytest.mark.parametrize("text", ["", "1", "1YN", "1YNNN", "2YNN", "1ynn", "1Y-N", "1--Y", "1YN\n", "1YXN", "YNN1"])
def test_us_privacy_that_cannot_be(text: str) -> None:
    with pytest.raises(InvalidSignal, match=r"section 6 \(uspv1\) must be"):
        decode_gpp(gpp({6: text}))


def test_national_opted_out() -> None:
    section = us("DBABLA~BVVVVVVVVWA.YA")
    assert (section.name, section.version, section.gpc) == ("usnat", 1, True)
    assert section.fields["sensitive_data_processing"] == (1,) * 12
    assert section.fields["known_child_sensitive_data_consents"] == (1, 1)
    assert (section.fields["mspa_opt_out_option_mode"], section.fields["mspa_service_provider_mode"]) == (1, 2)
    assert {section.sale, section.sharing, section.targeted_advertising, section.sensitive_data} == {Choice.REFUSED}
    assert section.known_child is Choice.REFUSED


def test_national_not_opted_out() -> None:
    section = us("DBABLA~BVVqAAAAAg")
    assert (section.sale, section.sharing, section.targeted_advertising) == (Choice.ALLOWED,) * 3
    assert (section.sensitive_data, section.known_child, section.gpc) == (Choice.NOT_APPLICABLE,) * 2 + (None,)
    assert section.fields["mspa_covered_transaction"] == 2
    assert "gpc" not in section.fields


def test_national_version_2() -> None:
    section = us("DBABLA~CAAAAAAAAAWA.Q")
    assert (section.version, section.gpc, section.fields["gpc"]) == (2, False, False)
    assert section.fields["sensitive_data_processing"] == (0,) * 16
    assert section.fields["known_child_sensitive_data_consents"] == (0, 0, 1)
    assert section.fields["personal_data_consents"] == 1
    assert section.known_child is Choice.REFUSED


def test_california() -> None:
    section = us("DBABBg~BVVVVVVY")
    assert (section.name, section.sale, section.sharing) == ("usca", Choice.REFUSED, Choice.REFUSED)
    assert section.targeted_advertising is Choice.NOT_APPLICABLE  # California has no such field
    section = us("DBABBg~BVqqqqpY.YA")
    assert (section.sale, section.sensitive_data, section.gpc) == (Choice.ALLOWED, Choice.ALLOWED, True)
    assert section.fields["sensitive_data_processing"] == (2,) * 9


@pytest.mark.parametrize("key", sorted(US_SECTIONS))
def test_every_field_of_every_section_is_in_its_place(key: tuple[int, int]) -> None:
    name, counts, has_gpc = US_SECTIONS[key]
    values = [index % 3 for index in range(sum(counts))]
    section = us(gpp({key[0]: us_section(key[1], values, True if has_gpc else None)}))
    assert section.name == name
    found = dict(section.fields)
    assert found.pop("version") == key[1]
    assert found.pop("gpc", None) == (True if has_gpc else None)
    flat = [value for field in found.values() for value in (field if isinstance(field, tuple) else (field,))]
    assert flat == values
    assert [len(field) if isinstance(field, tuple) else 1 for field in found.values()] == list(counts)


def test_one_refusal_among_many_answers_counts() -> None:
    values = [0] * 27
    values[12], values[13] = 2, 1
    assert us(gpp({7: us_section(1, values)})).sensitive_data is Choice.REFUSED


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "header must be base64url"),
        (TC_STRING, "type must be 3"),
        ("DCABM~" + TC_STRING, "version must be 1"),
        ("DBABM", "as many sections as follow"),
        ("DBACNY~" + TC_STRING, "as many sections as follow"),
        ("DBABM~" + TC_STRING + "~1YNN", "as many sections as follow"),
        ("DBAB~" + TC_STRING, "sections is not all there"),
        ("DBABMB~" + TC_STRING, "more than its fields"),
        ("DBABM~", "TC string, core segment must be base64url"),
        ("DBABLA~", "section 7 must be base64url"),
        ("DBABLA~DVVqAAAAAg", "section 7: version must be one that has been published"),
        ("DBABLA~BVVqAAAAA", "mspa_covered_transaction is not all there"),
        ("DBABLA~B_VqAAAAAg", "sharing_notice must be 0, 1 or 2"),
        ("DBABLA~BVVqAAAAAgB", "more than its fields"),
        ("DBABLA~BVVqAAAAAg.", "sub-section 2 must be base64url"),
        ("DBABLA~BVVqAAAAAg.A", "subsection_type must be 1"),
        ("DBABLA~BVVqAAAAAg.g", "subsection_type must be 1"),
        ("DBABLA~BVVqAAAAAg.YB", "more than its fields"),
        ("DBABLA~BVVqAAAAAg.YA.YA", "subsection_type must be 1"),
        ("DBABRg~BVVVVVVA.YA", "section 9"),
    ],
)
def test_strings_that_cannot_be(text: str, problem: str) -> None:
    with pytest.raises(InvalidSignal, match=problem):
        decode_gpp(text)


def test_a_string_without_sections_says_nothing() -> None:
    assert decode_gpp("DBAA") == GppSignals({})


def test_section_ids_are_bounded() -> None:
    header = base64url(number(3, 6) + number(1, 6) + fibonacci_range(range(1, 100_000)))
    with pytest.raises(InvalidSignal, match="from 1 to 255"):
        decode_gpp(header)


def test_no_part_of_a_string_is_taken_for_the_whole() -> None:
    """But for the one place where an optional sub-section begins at the very end."""
    text = gpp({2: Tcf().encode(), 6: "1NYN", 7: us_section(1, [1] * 27, True)})
    decoded = []
    for end in range(len(text)):
        try:
            decode_gpp(text[:end])
        except InvalidSignal:
            continue
        decoded.append(text[end])
    assert decoded == ["."]
