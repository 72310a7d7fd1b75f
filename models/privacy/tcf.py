"""TC strings of the IAB Europe Transparency and Consent Framework, versions 2.0 to 2.3.

Source: "Transparency and Consent String with Global Vendor & CMP List Formats", IAB Tech Lab. A string is a core
segment and, in any order after it, up to one segment each of disclosed vendors, allowed vendors (before 2.2) and the
publisher's own purposes.

Strings made since 1 March 2026 must have the segment of disclosed vendors (TCF 2.3); older ones stay valid without.
The policy version does not tell: consent platforms copy it from the vendor list. So a string of before that day which
lost whole segments cannot be told from one that never had them; it grants no more than it did whole.
"""

import msgspec

from models.privacy.bits import VENDOR_ID_MAX, BitReader, InvalidSignal, check_length

DISCLOSED_VENDORS_SINCE = 1_772_323_200_000  # 2026-03-01T00:00:00Z, ms

_PURPOSES = 24
_SPECIAL_FEATURES = 12
_DECISECOND = 100  # ms


class PublisherRestriction(msgspec.Struct, frozen=True):
    """What a publisher does not let vendors do."""

    purpose: int
    # 0: not allowed; 1: on consent only; 2: on legitimate interest only
    restriction: int
    vendors: tuple[tuple[int, int], ...]  # first and last id of each range


class PublisherPurposes(msgspec.Struct, frozen=True):
    """Purposes of the publisher itself; custom ones are numbered by the publisher."""

    purposes_consent: frozenset[int]
    purposes_legitimate_interest: frozenset[int]
    custom_purposes_consent: frozenset[int]
    custom_purposes_legitimate_interest: frozenset[int]


class TcfConsent(msgspec.Struct, frozen=True, kw_only=True):
    """What a TC string says, under the specification's names. Sets hold what is granted; the rest is denied."""

    version: int
    created: int  # ms since the Unix epoch
    last_updated: int  # ms since the Unix epoch
    cmp_id: int
    cmp_version: int
    consent_screen: int
    consent_language: str  # ISO 639-1, upper case
    vendor_list_version: int
    tcf_policy_version: int  # 2: TCF 2.0, 4: 2.2, 5: 2.3
    is_service_specific: bool
    use_non_standard_texts: bool
    special_features: frozenset[int]
    purposes_consent: frozenset[int]
    purposes_legitimate_interest: frozenset[int]
    purpose_one_treatment: bool  # purpose 1 was not disclosed
    publisher_country: str  # ISO 3166-1, upper case; "AA" if unknown
    vendors_consent: frozenset[int]
    vendors_legitimate_interest: frozenset[int]
    publisher_restrictions: tuple[PublisherRestriction, ...]
    disclosed_vendors: frozenset[int] | None = None  # None: the segment is not there
    allowed_vendors: frozenset[int] | None = None
    publisher: PublisherPurposes | None = None


def decode_tcf(text: str) -> TcfConsent:
    """What the TC string `text` says. Raises InvalidSignal, which names the field, unless all of it is well formed."""
    check_length(text, "TC string")
    core, *others = text.split(".")
    consent = _core(BitReader(core, "TC string, core segment"))
    disclosed: frozenset[int] | None = None
    allowed: frozenset[int] | None = None
    publisher: PublisherPurposes | None = None
    for number, segment in enumerate(others, 2):
        reader = BitReader(segment, f"TC string, segment {number}")
        kind = reader.integer(3, "segment_type")
        if kind == 1 and disclosed is None:
            disclosed = reader.vendors("disclosed_vendors")
        elif kind == 2 and allowed is None:
            allowed = reader.vendors("allowed_vendors")
        elif kind == 3 and publisher is None:
            publisher = _publisher_purposes(reader)
        else:
            raise reader.invalid(
                "segment_type", "must be 1 (disclosed vendors), 2 (allowed vendors) or 3 (publisher), each at most once"
            )
        reader.finish()
    if disclosed is None and max(consent.created, consent.last_updated) >= DISCLOSED_VENDORS_SINCE:
        raise InvalidSignal(
            "TC string: disclosed_vendors is missing, which strings made since 1 March 2026 must have (TCF 2.3); "
            "send the whole string"
        )
    return msgspec.structs.replace(consent, disclosed_vendors=disclosed, allowed_vendors=allowed, publisher=publisher)


def _core(reader: BitReader) -> TcfConsent:
    version = reader.integer(6, "version")
    if version != 2:
        raise reader.invalid("version", "must be 2; strings of TCF 1 are void since 2020")
    consent = TcfConsent(  # arguments are evaluated in the order of the bits
        version=version,
        created=reader.integer(36, "created") * _DECISECOND,
        last_updated=reader.integer(36, "last_updated") * _DECISECOND,
        cmp_id=reader.integer(12, "cmp_id"),
        cmp_version=reader.integer(12, "cmp_version"),
        consent_screen=reader.integer(6, "consent_screen"),
        consent_language=reader.letters("consent_language"),
        vendor_list_version=reader.integer(12, "vendor_list_version"),
        tcf_policy_version=reader.integer(6, "tcf_policy_version"),
        is_service_specific=reader.flag("is_service_specific"),
        use_non_standard_texts=reader.flag("use_non_standard_texts"),
        special_features=reader.members(_SPECIAL_FEATURES, "special_features"),
        purposes_consent=reader.members(_PURPOSES, "purposes_consent"),
        purposes_legitimate_interest=reader.members(_PURPOSES, "purposes_legitimate_interest"),
        purpose_one_treatment=reader.flag("purpose_one_treatment"),
        publisher_country=reader.letters("publisher_country"),
        vendors_consent=reader.vendors("vendors_consent"),
        vendors_legitimate_interest=reader.vendors("vendors_legitimate_interest"),
        publisher_restrictions=_restrictions(reader),
    )
    reader.finish()
    return consent


def _restrictions(reader: BitReader) -> tuple[PublisherRestriction, ...]:
    field = "publisher_restrictions"
    found = []
    for _ in range(reader.integer(12, field)):
        purpose = reader.integer(6, field)
        restriction = reader.integer(2, field)
        if not 1 <= purpose <= _PURPOSES or restriction == 3:
            raise reader.invalid(field, f"must be of purposes from 1 to {_PURPOSES} and of type 0, 1 or 2")
        found.append(PublisherRestriction(purpose, restriction, reader.ranges(VENDOR_ID_MAX, field)))
    return tuple(found)


def _publisher_purposes(reader: BitReader) -> PublisherPurposes:
    consent = reader.members(_PURPOSES, "publisher purposes_consent")
    legitimate_interest = reader.members(_PURPOSES, "publisher purposes_legitimate_interest")
    customs = reader.integer(6, "publisher num_custom_purposes")
    return PublisherPurposes(
        consent,
        legitimate_interest,
        reader.members(customs, "publisher custom_purposes_consent"),
        reader.members(customs, "publisher custom_purposes_legitimate_interest"),
    )
