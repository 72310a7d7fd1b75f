"""What a shard refuses because it is an erased person's: every shard knows all fingerprints."""

from collections.abc import Iterable

from models.events.event import Event
from models.identity.identifiers import IdentifierNormaliser, IdentitySettings
from models.privacy.suppression import carried, fingerprint, known_as, moment_of
from models.shard.tables import Table


class Suppressions:
    """`held`: fingerprint of an identifier -> ms up to which events with it are refused."""

    def __init__(self, held: Table[str, int], key: bytes, identity: IdentitySettings) -> None:
        self._held = held
        self._key = key
        self._normaliser = IdentifierNormaliser(identity)

    def add(self, identifier: str, refused_until: int) -> None:
        """Refuses events with this identifier from before `refused_until` ms, or longer if that holds already."""
        for found in self._fingerprints(identifier):
            self._held.put(found, max(refused_until, self._held.get(found) or 0))

    def lift(self, identifier: str) -> None:
        """Takes that back."""
        for found in self._fingerprints(identifier):
            self._held.delete(found)

    def refuses(self, event: Event) -> bool:
        """Whether the event must not be taken."""
        if not len(self._held):
            return False
        moment = moment_of(event)
        return any(moment <= (self._held.get(f) or -1) for i in carried(event) for f in self._fingerprints(i))

    def names_any(self, identifiers: Iterable[str]) -> bool:
        """Whether one of these identifiers is an erased person's."""
        return any(f in self._held for i in identifiers for f in self._fingerprints(i))

    def fingerprint(self, identifier: str) -> str:
        """What is kept of an identifier."""
        return fingerprint(identifier, self._key)

    def _fingerprints(self, identifier: str) -> Iterable[str]:
        return map(self.fingerprint, known_as(identifier, self._normaliser.normal_form))
