"""Tells shards in which bands people's scores are, by ordinary ingestion, never faster than shards take it with ease.

A statement that cannot be delivered is made again: the scorer goes no further before all are. One that does not take
hold, since a limit or an operator's correction keeps it off the profile, is not repeated for an hour.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Protocol

from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.privacy.purposes import Purposes
from models.profile.parts import PartDecoder
from models.scoring.bands import Banding
from models.scoring.settings import ScoringSettings
from models.scoring.statements import statement
from models.shard.protocol import IngestResult

_BATCH = 100
_PER_S = 500.0  # of one scorer; a shard takes thousands
_TIMEOUT_S = 10.0
_AGAIN_MS = 3_600_000

_decoder = PartDecoder({"identifiers"})


class Ingest(Protocol):
    """Takes events in (`actors.ingestion.Ingestion.ingest`)."""

    def __call__(self, events: list[Event], wait: bool, timeout_s: float) -> Awaitable[IngestResult]: ...


class BandStatements:
    """Makes the statements of one scorer."""

    def __init__(
        self, scoring: ScoringSettings, purposes: Purposes, identity: IdentitySettings, ingest: Ingest
    ) -> None:
        self._scoring = scoring
        self._purposes = purposes
        self._identity = identity
        self._ingest = ingest
        self._told: dict[int, Event] = {}  # by customer id: the latest, while the profile does not show it
        self.stated = 0

    @property
    def names(self) -> list[str]:
        """The scores that have bands."""
        return sorted(self._scoring.bands)

    def banding(self, former: Iterable[str]) -> Banding:
        """The bands of scores, and those of `former` scores, which are taken back."""
        return Banding(self._scoring.bands, self._scoring.band_margin, self._purposes, tuple(former))

    def of(
        self,
        states: Iterable[tuple[int, bytes]],
        changes: Mapping[int, Mapping[str, str | None]],
        versions: Mapping[str, str],
        at: int,
    ) -> list[tuple[int, Event]]:
        """What is to be stated of encoded profiles that were looked at, at `at` ms, with the customer id: `changes` by
        that id, for which the `versions` of each score's model are the reason."""
        made = []
        for customer_id, state in states:
            changed = changes.get(customer_id)
            if changed is None:
                self._told.pop(customer_id, None)  # it has taken hold
                continue
            identifiers = _decoder.decode(state).identifiers
            if not identifiers:  # after an unmerge that left it none: nothing leads there
                continue
            first = min(identifiers, key=self._identity.rank)
            by = {name: versions[name] for name, band in changed.items() if band is not None}
            event = statement(customer_id, first, changed, by, at)
            told = self._told.get(customer_id)
            if told is None or told.traits != event.traits or at - told.timestamp >= _AGAIN_MS:
                made.append((customer_id, event))
        return made

    async def state(self, statements: Sequence[tuple[int, Event]]) -> None:
        """Has statements applied. Raises Unavailable if a shard is away: all that is left is to be made again."""
        for start in range(0, len(statements), _BATCH):
            batch = statements[start : start + _BATCH]
            taken = await self._ingest([event for _, event in batch], True, _TIMEOUT_S)
            self.stated += sum(result.status == "applied" for result in taken.results)
            self._told.update(batch)
            await asyncio.sleep(len(batch) / _PER_S)

    def forget(self, customer_ids: Iterable[int]) -> None:
        """Drops what is known of people."""
        for customer_id in customer_ids:
            self._told.pop(customer_id, None)
