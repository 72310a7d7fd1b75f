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


class KeptFor(msgspec.Struct, frozen=True, kw_only=True):
    """How many days things are kept that serve no purpose of their own; 0 until somebody deletes them."""

    dead_letter_days: int = 0  # messages that could not be taken
    delivery_days: int = 0  # messages to webhooks that were given up
    decision_days: int = 0  # what was decided by itself, and reviews of it
    result_days: int = 0  # files of completed access and portability requests

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"privacy.retention.{name} must be 0 or more")


class PrivacySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the service names itself in OpenDSR answers, what data is for, and what of it comes in."""

    controller_id: str = "onefold"  # whoever decides about the data, as OpenDSR answers name them
    processor_domain: str = ""  # that the service is reached under, over https; "" for this machine only
    purposes: Purposes = NO_PURPOSES
    sources: dict[str, SourceFields] = {}  # source id, or * for all others -> what it may deliver
    fields: tuple[FieldRule, ...] = ()  # what is done to single fields before anything is kept of them
    free_text: Literal["off", "flag", "redact"] = "off"  # whether personal data inside of free text is looked for
    retention: KeptFor = KeptFor()
    purge_hours: float = 24.0  # between two runs that take out what is past its time; 0 for none but those asked for
    inactive_days: int = 0  # after which people of whom nothing is kept are erased; 0 for never
    require_verification: bool = False  # whether somebody must note who the requester is before anything is done

    def __post_init__(self) -> None:
        if not 1 <= len(self.controller_id) <= CONTROLLER_ID_CHARS_MAX:
            raise ValueError(f"privacy.controller_id must have 1 to {CONTROLLER_ID_CHARS_MAX} characters")
        if self.purge_hours < 0 or self.inactive_days < 0:
            raise ValueError("privacy.purge_hours and privacy.inactive_days must be 0 or more")
        if self.processor_domain and not _DOMAIN.fullmatch(self.processor_domain):
            raise ValueError(
                "privacy.processor_domain must be a domain name in lower case, such as privacy.example.com, "
                "without https:// and port; or empty"
            )
