"""Settings of privacy: the table [privacy] of onefold.toml."""

import re
from typing import Literal

import msgspec

from models.privacy.door import SourceFields
from models.privacy.field_rules import FieldRule
from models.privacy.purposes import NO_PURPOSES, Purposes

CONTROLLER_ID_CHARS_MAX = 200
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


class PrivacySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the service names itself in OpenDSR answers, what data is for, and what of it comes in."""

    controller_id: str = "onefold"  # whoever decides about the data, as OpenDSR answers name them
    processor_domain: str = ""  # that the service is reached under, over https; "" for this machine only
    purposes: Purposes = NO_PURPOSES
    sources: dict[str, SourceFields] = {}  # source id, or * for all others -> what it may deliver
    fields: tuple[FieldRule, ...] = ()  # what is done to single fields before anything is kept of them
    free_text: Literal["off", "flag", "redact"] = "off"  # whether personal data inside of free text is looked for
    require_verification: bool = False  # whether somebody must note who the requester is before anything is done

    def __post_init__(self) -> None:
        if not 1 <= len(self.controller_id) <= CONTROLLER_ID_CHARS_MAX:
            raise ValueError(f"privacy.controller_id must have 1 to {CONTROLLER_ID_CHARS_MAX} characters")
        if self.processor_domain and not _DOMAIN.fullmatch(self.processor_domain):
            raise ValueError(
                "privacy.processor_domain must be a domain name in lower case, such as privacy.example.com, "
                "without https:// and port; or empty"
            )
