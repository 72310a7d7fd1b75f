"""What the requests of one replica share, whatever their transport: services, the way in, and how keys are read."""

from collections.abc import Mapping

from actors.errors import Invalid
from actors.reader import parse_sequence
from models.identity.identifiers import InvalidKey
from serve.intake import Intake
from serve.services import Services
from serve.snapshot import Snapshot


class RequestContext:
    """One replica's collaborators."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.intake = Intake(services)
        self._segment_names = Snapshot(services.control, self._load_segment_names, services.now)

    @property
    def segment_names(self) -> Mapping[str, str]:
        """Segment id -> name, at most half a second behind the control store."""
        return self._segment_names.get()

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

    def _load_segment_names(self) -> dict[str, str]:
        return {
            segment_id: str(definition.get("name", segment_id))
            for segment_id, definition in self.services.control.segments().items()
        }
