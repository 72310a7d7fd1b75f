"""What the gRPC methods of one replica share, beyond its services."""

from collections.abc import Mapping

from actors.errors import Invalid
from actors.reader import CommittedReader, parse_sequence
from models.identity.identifiers import InvalidKey
from serve.encoded_profiles import EncodedProfiles
from serve.intake import Intake
from serve.services import Services
from serve.snapshot import Snapshot


class GrpcContext:
    """One replica's collaborators of the gRPC methods. `reader` is None where no shard's file is on this node."""

    def __init__(self, services: Services, reader: CommittedReader | None) -> None:
        self.services = services
        self.intake = Intake(services)
        self._names = Snapshot(services.control, self._load_names, services.now)
        self.profiles = EncodedProfiles(
            services.router, reader, self._names.get, services.now, services.settings.lifecycle
        )

    def parse_key(self, key: str) -> str:
        """The normal form of "namespace:value" or of a customer id. Raises Invalid, with the way out."""
        try:
            return self.intake.normaliser.parse_key(key)
        except InvalidKey as error:
            raise Invalid(f"key: {error}") from None

    def parse_min_seq(self, token: str) -> str:
        """The token of an acknowledgement, checked; "" for none. Raises Invalid."""
        if token:
            positions("min_seq", token)
        return token

    def _load_names(self) -> Mapping[str, str]:
        return {
            segment_id: str(definition.get("name", segment_id))
            for segment_id, definition in self.services.control.segments().items()
        }


def positions(field: str, token: str) -> dict[int, int]:
    """Sequence number by shard of a token: an acknowledgement's `sequence`, or a stream's `cursor`. Raises Invalid."""
    try:
        return parse_sequence(token)
    except ValueError:
        raise Invalid(f"{field}: expected a token as this service gave it, such as 0:17,1:4") from None


def token_of(positions: Mapping[int, int]) -> str:
    """The inverse of `positions`."""
    return ",".join(f"{shard}:{sequence}" for shard, sequence in sorted(positions.items()))
