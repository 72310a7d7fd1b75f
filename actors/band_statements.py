"""Tells shards in which bands people's scores are, by ordinary ingestion, never faster than shards take it with ease.

A statement that cannot be delivered is made again: the scorer goes no further before all are. One that does not take
hold, since a limit or an operator's correction keeps it off the profile, is not repeated for an hour.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.privacy.purposes import Purposes
from models.profile.parts import PartDecoder
from models.profile.state import Profile
from models.scoring.bands import Banding
from models.scoring.settings import ScoringSettings
from models.scoring.statements import SCORER_SOURCE, band_trait, statement
from models.shard.protocol import IngestResult

_BATCH = 100
_PER_S = 500.0  # of one scorer; a shard takes thousands
_TIMEOUT_S = 10.0
_AGAIN_MS = 3_600_000

_decoder = PartDecoder({"identifiers", "attributes"})


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
        self._waiting: dict[int, Event] = {}  # by customer id: what is to be stated
        self._told: dict[int, Event] = {}  # the latest that was, while the profile does not show it
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
            profile = _decoder.decode(state)
            if not profile.identifiers:  # after an unmerge that left it none: nothing leads there
                continue
            first = min(profile.identifiers, key=self._identity.rank)
            by = {name: versions[name] for name, band in changed.items() if band is not None}
            event = statement(customer_id, first, changed, by, at, _last_stated(profile, changed))
            told = self._told.get(customer_id)
            if told is None or told.traits != event.traits or not 0 <= at - told.received_at < _AGAIN_MS:
                made.append((customer_id, event))
        return made

    async def state(self, statements: Sequence[tuple[int, Event]]) -> None:
        """Has statements applied, but of people who are forgotten meanwhile. Raises Unavailable if a shard is away: all
        that is left is to be made again."""
        self._waiting = dict(statements)
        try:
            while batch := list(islice(self._waiting.items(), _BATCH)):
                taken = await self._ingest([event for _, event in batch], True, _TIMEOUT_S)
                self.stated += sum(result.status == "applied" for result in taken.results)
                for customer_id, _ in batch:
                    if (event := self._waiting.pop(customer_id, None)) is not None:
                        self._told[customer_id] = event
                await asyncio.sleep(len(batch) / _PER_S)
        finally:
            self._waiting.clear()

    def forget(self, customer_ids: Iterable[int]) -> None:
        """Drops what is known of people, and what is on its way."""
        for customer_id in customer_ids:
            self._waiting.pop(customer_id, None)
            self._told.pop(customer_id, None)


def _last_stated(profile: Profile, names: Iterable[str]) -> int:
    """When the bands of these scores were stated last, ms; 0 for never."""
    held = (profile.attributes.get(band_trait(name)) for name in names)
    stated = (each.winner for each in held if each is not None)
    return max((winner.timestamp for winner in stated if winner.source == SCORER_SOURCE), default=0)
