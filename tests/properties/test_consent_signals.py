"""Consent signals: what is encoded is what is read, whatever else comes is refused, and less never grants more."""

from hypothesis import example, given
from hypothesis import strategies as st

from models.privacy.bits import InvalidSignal
from models.privacy.gpp import UsSection, decode_gpp
from models.privacy.signals import Decision, from_gpp, from_tcf, purposes_of
from models.privacy.tcf import TcfConsent, decode_tcf
from tests.strategies.consent_strings import (
    ALPHABET,
    Tcf,
    base64url,
    gpp,
    tcfs,
    us_section,
    us_sections,
)

PURPOSES = {number: f"purpose {number}" for number in range(1, 25)}
SALE = ["ads", "resale"]

near_strings = st.text(st.sampled_from(f"{ALPHABET}.~"), max_size=300)
texts = st.text(max_size=60) | near_strings | near_strings.map("C".__add__) | near_strings.map("DBABLA~B".__add__)


def granted(decisions: list[Decision]) -> set[str]:
    return {decision.purpose for decision in decisions if decision.granted}


def grants(consent: TcfConsent) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for holder in (consent, consent.publisher):
        for name in () if holder is None else holder.__struct_fields__:
            members = getattr(holder, name)
            if isinstance(members, frozenset):
                found |= {(name if holder is consent else f"publisher {name}", member) for member in members}
    return found


@given(tcfs())
def test_a_tc_string_reads_as_it_was_written(written: Tcf) -> None:
    read = decode_tcf(written.encode())
    assert (read.created, read.last_updated) == (written.created, written.last_updated)
    assert (read.cmp_id, read.cmp_version) == (written.cmp_id, written.cmp_version)
    assert (read.consent_screen, read.consent_language) == (written.consent_screen, written.consent_language)
    assert read.vendor_list_version == written.vendor_list_version
    assert read.tcf_policy_version == written.policy_version
    assert read.is_service_specific is written.is_service_specific
    assert read.use_non_standard_texts is written.use_non_standard_texts
    assert read.special_features == written.special_features
    assert read.purposes_consent == written.purposes_consent
    assert read.purposes_legitimate_interest == written.purposes_li
    assert read.purpose_one_treatment is written.purpose_one_treatment
    assert read.publisher_country == written.publisher_country
    assert read.vendors_consent == written.vendors_consent
    assert read.vendors_legitimate_interest == written.vendors_li
    assert [(r.purpose, r.restriction, list(r.vendors)) for r in read.publisher_restrictions] == written.restrictions
    assert (read.disclosed_vendors, read.allowed_vendors) == (written.disclosed, written.allowed)
    if written.publisher is None:
        assert read.publisher is None
    else:
        assert read.publisher is not None
        assert read.publisher.purposes_consent == written.publisher[0]
        assert read.publisher.purposes_legitimate_interest == written.publisher[1]
        assert read.publisher.custom_purposes_consent == written.customs[1]
        assert read.publisher.custom_purposes_legitimate_interest == written.customs[2]


@given(tcfs(), st.data())
def test_no_prefix_of_a_tc_string_grants_more(written: Tcf, data: st.DataObject) -> None:
    text = written.encode()
    end = data.draw(st.integers(0, len(text) - 1))
    try:
        part = decode_tcf(text[:end])
    except InvalidSignal:
        return
    assert text[end] == "."  # the end of a segment: all other cuts are refused
    whole = decode_tcf(text)
    assert grants(part) <= grants(whole)
    assert granted(from_tcf(part, PURPOSES)) <= granted(from_tcf(whole, PURPOSES))


@given(tcfs(), st.data())
def test_a_damaged_tc_string_is_refused_or_well_formed(written: Tcf, data: st.DataObject) -> None:
    text = written.encode()
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.sampled_from(f"{ALPHABET}.~= ")) + text[at + 1 :]
    try:
        decode_tcf(damaged)
    except InvalidSignal as refusal:
        assert damaged not in str(refusal)


@given(us_sections())
def test_a_us_section_reads_as_it_was_written(written: tuple[int, int, list[int], bool | None]) -> None:
    section_id, version, values, gpc = written
    section = decode_gpp(gpp({section_id: us_section(version, values, gpc)})).sections[section_id]
    assert isinstance(section, UsSection)
    assert (section.version, section.gpc) == (version, gpc)
    fields = [value for name, value in section.fields.items() if name not in ("version", "gpc")]
    assert [value for field in fields for value in (field if isinstance(field, tuple) else (field,))] == values


@given(us_sections(), tcfs(), st.sampled_from(["1YNN", "1NYN", "1---"]), st.data())
def test_no_prefix_of_a_gpp_string_grants_more(
    written: tuple[int, int, list[int], bool | None], tcf: Tcf, us_privacy: str, data: st.DataObject
) -> None:
    section_id, version, values, gpc = written
    text = gpp({2: tcf.encode(), 6: us_privacy, section_id: us_section(version, values, gpc)})
    whole = purposes_of(decode_gpp(text), PURPOSES, SALE)
    end = data.draw(st.integers(0, len(text) - 1))
    try:
        part = decode_gpp(text[:end])
    except InvalidSignal:
        return
    assert text[end] == "." and gpc is not None  # the place of the last optional sub-section
    assert granted(purposes_of(part, PURPOSES, SALE)) <= granted(whole)
    assert granted(from_gpp(part, SALE)) == set()


@given(texts)
@example("C" + "A" * 300)
@example(base64url("000010" + "1" * 2_000))
@example("D" * 16_385)
def test_any_text_is_read_or_refused(text: str) -> None:
    for decode in (decode_tcf, decode_gpp):
        try:
            decode(text)
        except InvalidSignal as refusal:
            assert len(text) < 4 or text not in str(refusal)
