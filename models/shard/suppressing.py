"""What a shard refuses because it is an erased person's: every shard knows all fingerprints."""

from collections.abc import Iterable

from models.events.event import Event
from models.privacy.suppression import carried, fingerprint, moment_of
from models.shard.tables import Table


class Suppressions:
    """`held`: fingerprint of an identifier -> ms up to which events with it are refused."""

    def __init__(self, held: Table[str, int], key: bytes) -> None:
        self._held = held
        self._key = key

    def add(self, identifier: str, refused_until: int) -> None:
        """Refuses events with this identifier from before `refused_until` ms, or longer if that holds already."""
        found = self.fingerprint(identifier)
        self._held.put(found, max(refused_until, self._held.get(found) or 0))

    def lift(self, identifier: str) -> None:
        """Takes that back."""
        self._held.delete(self.fingerprint(identifier))

    def refuses(self, event: Event) -> bool:
        """Whether the event must not be taken."""
        if not len(self._held):
            return False
        moment = moment_of(event)
        return any(moment <= (self._held.get(self.fingerprint(i)) or -1) for i in carried(event))

    def names_any(self, identifiers: Iterable[str]) -> bool:
        """Whether one of these identifiers is an erased person's."""
        return any(self.fingerprint(i) in self._held for i in identifiers)

    def fingerprint(self, identifier: str) -> str:
        """What is kept of an identifier."""
        return fingerprint(identifier, self._key)
