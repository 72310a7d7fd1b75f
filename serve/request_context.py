"""What the requests of one replica share, whatever their transport: services, the way in, and how keys are read."""

from collections.abc import Mapping
from typing import Any

from actors.errors import Invalid
from actors.reader import parse_sequence
from models.identity.identifiers import InvalidKey
from models.profile.state import Profile
from models.segments.catalogue import catalogue_of
from models.segments.compile import trait_readers
from models.segments.computed import Read, computed_values
from models.segments.spans import NEVER
from serve.http_schemas import time_text
from serve.intake import Intake
from serve.services import Services
from serve.snapshot import Snapshot


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
