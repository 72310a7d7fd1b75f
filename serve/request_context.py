"""What the requests of one replica share, whatever their transport: services, the way in, and how keys are read."""

from collections.abc import Mapping
from typing import Any

from actors.errors import Invalid
from actors.reader import parse_sequence
from models.identity.identifiers import InvalidKey
from models.privacy.visibility import may_read, readable_until, visible
from models.profile.document import document, valid_until
from models.profile.state import Profile
from models.segments.catalogue import catalogue_of
from models.segments.compile import trait_readers
from models.segments.computed import Read, computed_values
from models.segments.spans import NEVER
from serve.http_schemas import time_text
from serve.intake import Intake
from serve.services import Services
from serve.snapshot import Snapshot

PURPOSE_HEADER = "onefold-purpose"  # of HTTP, and entry of gRPC's metadata
WITHHELD_HEADER = "onefold-withheld"


class RequestContext:
    """One replica's collaborators."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.intake = Intake(services)
        self._segment_names = Snapshot(services.control, self._load_segment_names, services.now)
        self._trait_readers = Snapshot(services.control, self._load_trait_readers, services.now)

    @property
    def segment_names(self) -> Mapping[str, str]:
        """Segment id -> name, at most half a second behind the control store."""
        return self._segment_names.get()

    @property
    def trait_readers(self) -> Mapping[str, tuple[str, Read]]:
        """Readers of the computed traits, at most half a second behind the control store."""
        return self._trait_readers.get()

    def insights(self, profile: Profile, now: int) -> tuple[dict[str, Any], int]:
        """The document's section `insights` at `now` ms, and until when (ms) it is so if nothing happens."""
        readers = self.trait_readers
        if not readers:
            return {}, NEVER
        values, until = computed_values(readers, profile, now, time_text)
        return {"computed_traits": values}, until

    def parse_purpose(self, declared: str) -> str:
        """The purpose of a read: the one that it declares, else the default one; "" while there is no registry. Raises
        Invalid."""
        purposes = self.services.settings.privacy.purposes
        if declared and declared not in purposes.known:
            known = ", ".join(purposes.known) or "none: the registry is empty"
            raise Invalid(f"{PURPOSE_HEADER}: expected a purpose of the registry ({known})")
        return declared or purposes.default

    def document(self, profile: Profile, purpose: str, now: int) -> tuple[dict[str, Any], int]:
        """The profile's document for a purpose at `now` ms, and until when (ms) it stays so if nothing happens."""
        settings = self.services.settings
        rules, purposes = settings.lifecycle, settings.privacy.purposes
        insights, until = self.insights(profile, now)
        made = {**document(profile, now, self.segment_names, rules), "insights": insights}
        until = min(until, valid_until(profile, now, rules))
        if not purposes.is_on:
            return made, until
        empty = document(Profile(profile.customer_id, profile.created_at), now, {}, rules)
        shown = visible(made, empty, purposes, purpose, may_read(profile, purposes, purpose, now))
        return shown, min(until, readable_until(profile, purposes, purpose, now) or until)

    def parse_key(self, key: str, field: str = "key") -> str:
        """The normal form of "namespace:value" or of a customer id. Raises Invalid, with the way out."""
        try:
            return self.intake.normaliser.parse_key(key)
        except InvalidKey as error:
            raise Invalid(f"{field}: {error}") from None

    def parse_min_seq(self, token: str) -> str:
        """The token of an acknowledgement, checked. Raises Invalid."""
        if token:
            try:
                parse_sequence(token)
            except ValueError as error:
                raise Invalid(str(error)) from None
        return token

    def _load_trait_readers(self) -> dict[str, tuple[str, Read]]:
        control = self.services.control
        known = catalogue_of(control.segments(), control.computed_traits())
        return trait_readers(known, self.services.settings.lifecycle)

    def _load_segment_names(self) -> dict[str, str]:
        return {
            segment_id: str(definition.get("name", segment_id))
            for segment_id, definition in self.services.control.segments().items()
        }
