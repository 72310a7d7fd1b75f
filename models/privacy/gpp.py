"""Strings of the IAB Global Privacy Platform (GPP): a header that lists sections, then the sections, apart by "~".

Source: "Global Privacy Platform String" and its section specifications, IAB Tech Lab. Decoded are the sections
tcfeuv2 (2), uspv1 (6), usnat (7, versions 1 and 2) and those of fifteen US states (8 to 23). Others are listed and
left alone, since a string is made for many readers; a section that is decoded must be well formed.

Two-bit fields hold 0 (not applicable), 1 or 2. In choices 1 is always the more private answer: opted out, or no
consent. (Drafts of the Californian section had it the other way round for children.)

The sub-section with the browser's Global Privacy Control (GPC) is optional and the last thing in its section, so a
string that was cut off at that very place cannot be told from one without it.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from models.privacy.bits import BitReader, InvalidSignal, check_length
from models.privacy.tcf import TcfConsent, decode_tcf

SECTION_ID_MAX = 255  # far above the highest assigned

TCF_EU = 2
US_PRIVACY = 6

_US_PRIVACY = re.compile(r"1(?:[YN-][YN][YN-]|---)")
_ACTIVITIES = frozenset({"sensitive_data_processing", "known_child_sensitive_data_consents"})


class Choice(StrEnum):
    """What a person chose, or was taken to have chosen."""

    NOT_APPLICABLE = "not_applicable"  # or not asked
    REFUSED = "refused"  # opted out; did not consent
    ALLOWED = "allowed"  # did not opt out; consented


class UsSection(msgspec.Struct, frozen=True, kw_only=True):
    """A section of US privacy law: its choices, and every field under the specification's name in snake_case."""

    name: str  # client-side API prefix, such as "usnat"
    version: int
    # Sub-fields by data activity are tuples. uspv1 has the letters "Y", "N" and "-" for numbers.
    fields: dict[str, int | str | tuple[int, ...]]
    sale: Choice = Choice.NOT_APPLICABLE
    sharing: Choice = Choice.NOT_APPLICABLE
    targeted_advertising: Choice = Choice.NOT_APPLICABLE
    sensitive_data: Choice = Choice.NOT_APPLICABLE  # REFUSED if any activity is
    known_child: Choice = Choice.NOT_APPLICABLE  # REFUSED if consent is missing for any activity
    gpc: bool | None = None  # Global Privacy Control; None: not in the string


class GppSignals(msgspec.Struct, frozen=True):
    """What a GPP string says."""

    sections: dict[int, TcfConsent | UsSection]  # by section id
    undecoded: tuple[int, ...] = ()  # ids of sections that were left alone


class _Layout(NamedTuple):
    """A section's core after its version: names of two-bit fields, some of them repeated."""

    name: str
    fields: tuple[tuple[str, int], ...]
    has_gpc: bool = True


def _fields(notices: str, choices: str, sensitive: int, child: int, extra: str = "") -> tuple[tuple[str, int], ...]:
    """The order that all sections share. Names are apart by spaces; `sensitive` and `child` count activities."""
    return (
        *((name, 1) for name in notices.split()),
        *((name, 1) for name in choices.split()),
        ("sensitive_data_processing", sensitive),
        ("known_child_sensitive_data_consents", child),
        *((name, 1) for name in extra.split()),
        ("mspa_covered_transaction", 1),
        ("mspa_opt_out_option_mode", 1),
        ("mspa_service_provider_mode", 1),
    )


_SHARED = "sharing_notice sale_opt_out_notice targeted_advertising_opt_out_notice"
_PROCESSED = "processing_notice sale_opt_out_notice targeted_advertising_opt_out_notice"
_NATIONAL = (
    "sharing_notice sale_opt_out_notice sharing_opt_out_notice targeted_advertising_opt_out_notice "
    "sensitive_data_processing_opt_out_notice sensitive_data_limit_use_notice"
)
_CALIFORNIAN = "sale_opt_out_notice sharing_opt_out_notice sensitive_data_limit_use_notice"
_STATE = "sale_opt_out targeted_advertising_opt_out"
_ALL = "sale_opt_out sharing_opt_out targeted_advertising_opt_out"
_PERSONAL = "personal_data_consents"
_MORE = "additional_data_processing_consent"

_LAYOUTS = {  # by section id and version
    (7, 1): _Layout("usnat", _fields(_NATIONAL, _ALL, 12, 2, _PERSONAL)),
    (7, 2): _Layout("usnat", _fields(_NATIONAL, _ALL, 16, 3, _PERSONAL)),
    (8, 1): _Layout("usca", _fields(_CALIFORNIAN, "sale_opt_out sharing_opt_out", 9, 2, _PERSONAL)),
    (9, 1): _Layout("usva", _fields(_SHARED, _STATE, 8, 1), has_gpc=False),
    (10, 1): _Layout("usco", _fields(_SHARED, _STATE, 7, 1)),
    (11, 1): _Layout(
        "usut", _fields(f"{_SHARED} sensitive_data_processing_opt_out_notice", _STATE, 8, 1), has_gpc=False
    ),
    (12, 1): _Layout("usct", _fields(_SHARED, _STATE, 8, 3)),
    (13, 1): _Layout("usfl", _fields(_PROCESSED, _STATE, 8, 3, _MORE), has_gpc=False),
    (14, 1): _Layout("usmt", _fields(_SHARED, _STATE, 8, 3, _MORE)),
    (15, 1): _Layout("usor", _fields(_PROCESSED, _STATE, 11, 3, _MORE)),
    (16, 1): _Layout("ustx", _fields(_PROCESSED, _STATE, 8, 1, _MORE)),
    (17, 1): _Layout("usde", _fields(_PROCESSED, _STATE, 9, 5, _MORE)),
    (18, 1): _Layout("usia", _fields(f"{_PROCESSED} sensitive_data_opt_out_notice", _STATE, 8, 1)),
    (19, 1): _Layout("usne", _fields(_PROCESSED, _STATE, 8, 1, _MORE)),
    (20, 1): _Layout("usnh", _fields(_PROCESSED, _STATE, 8, 3, _MORE)),
    (21, 1): _Layout("usnj", _fields(_PROCESSED, _STATE, 10, 5, _MORE)),
    (22, 1): _Layout("ustn", _fields(_PROCESSED, _STATE, 8, 1, _MORE)),
    (23, 1): _Layout("usmn", _fields(_PROCESSED, _STATE, 8, 1, _MORE)),
}
_DECODED = frozenset(section for section, _ in _LAYOUTS)


def decode_gpp(text: str) -> GppSignals:
    """What the GPP string `text` says. Raises InvalidSignal, which names the field, unless it is well formed."""
    check_length(text, "GPP string")
    head, *bodies = text.split("~")
    header = BitReader(head, "GPP string, header")
    if header.integer(6, "type") != 3:
        raise header.invalid("type", "must be 3; a TC string is no GPP string")
    if header.integer(6, "version") != 1:
        raise header.invalid("version", "must be 1")
    ids = header.fibonacci_ids(SECTION_ID_MAX, "sections")
    header.finish()
    if len(ids) != len(bodies):
        raise header.invalid("sections", "must list as many sections as follow it; send the whole string")
    sections: dict[int, TcfConsent | UsSection] = {}
    undecoded = []
    for section, body in zip(ids, bodies, strict=True):
        if section == TCF_EU:
            sections[section] = decode_tcf(body)
        elif section == US_PRIVACY:
            sections[section] = _us_privacy(body)
        elif section in _DECODED:
            sections[section] = _us_section(section, body)
        else:
            undecoded.append(section)
    return GppSignals(sections, tuple(undecoded))


def _us_privacy(text: str) -> UsSection:
    """The section that is four characters: version, notice, opt-out of sale, limited service provider agreement."""
    if not _US_PRIVACY.fullmatch(text):
        raise InvalidSignal("GPP string, section 6 (uspv1) must be '1' and three of Y, N and -, such as 1YNN, or 1---")
    return UsSection(
        name="uspv1",
        version=1,
        fields={"version": 1, "notice": text[1], "opt_out_sale": text[2], "lspa_covered": text[3]},
        sale={"Y": Choice.REFUSED, "N": Choice.ALLOWED, "-": Choice.NOT_APPLICABLE}[text[2]],
    )


def _us_section(section: int, text: str) -> UsSection:
    core, *others = text.split(".")
    reader = BitReader(core, f"GPP string, section {section}")
    version = reader.integer(6, "version")
    layout = _LAYOUTS.get((section, version))
    if layout is None:
        raise reader.invalid("version", "must be one that has been published for this section")
    values: dict[str, tuple[int, ...]] = {}
    for field, count in layout.fields:
        values[field] = taken = tuple(reader.integer(2, field) for _ in range(count))
        if 3 in taken:
            raise reader.invalid(field, "must be 0, 1 or 2")
    reader.finish()
    gpc = _gpc(others, section, layout)
    return UsSection(
        name=layout.name,
        version=version,
        fields={
            "version": version,
            **{field: taken if field in _ACTIVITIES else taken[0] for field, taken in values.items()},
            **({} if gpc is None else {"gpc": gpc}),
        },
        sale=_choice(values["sale_opt_out"]),
        sharing=_choice(values.get("sharing_opt_out", ())),
        targeted_advertising=_choice(values.get("targeted_advertising_opt_out", ())),
        sensitive_data=_choice(values["sensitive_data_processing"]),
        known_child=_choice(values["known_child_sensitive_data_consents"]),
        gpc=gpc,
    )


def _gpc(segments: list[str], section: int, layout: _Layout) -> bool | None:
    """The only sub-section that may follow the core."""
    if not segments:
        return None
    reader = BitReader(segments[0], f"GPP string, section {section}, sub-section 2")
    if len(segments) > 1 or not layout.has_gpc or reader.integer(2, "subsection_type") != 1:
        raise reader.invalid("subsection_type", "must be 1 (GPC), once, in a section that has it")
    gpc = reader.flag("gpc")
    reader.finish()
    return gpc


def _choice(values: Iterable[int]) -> Choice:
    """The most private of several answers to one question."""
    found = set(values)
    if 1 in found:
        return Choice.REFUSED
    return Choice.ALLOWED if 2 in found else Choice.NOT_APPLICABLE
