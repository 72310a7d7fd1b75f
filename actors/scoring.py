"""What a transport can ask scorers: people's scores where their files are on another node, and how scorers stand."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from actors.errors import OnefoldError
from actors.lookups import by_shard
from actors.shard_calls import ShardCalls
from models.identity.customer_id import shard_of
from models.scoring.drift import DriftCounts
from models.scoring.kept import KeptModel, KeptScore, Row, kept_score
from models.scoring.samples import OtherScore
from models.segments.predictions import Prediction, join_predictions


class ScorerStatus(msgspec.Struct):
    """A scorer's counters since it started, and where it stands."""

    scorer: int
    champions: list[str]
    challengers: list[str]
    position: int  # the shard's sequence number up to which changes are scored
    everybody: bool  # everybody is being scored anew
    scored: int  # people, each time that they were
    failures: int  # of models
    band_statements: int
    resident_bytes: int


class Scoring:
    """The facade over scorers, one a shard; None if there are none."""

    def __init__(self, scorers: ShardCalls | None) -> None:
        self._scorers = scorers

    @property
    def is_on(self) -> bool:
        """Whether there are scorers."""
        return self._scorers is not None

    async def scores(self, customer_ids: Sequence[int], timeout_s: float) -> dict[int, list[KeptScore]]:
        """The scores of those of these people who have some. Scorers that do not answer in time have none to tell: a
        profile is worth more than its scores."""
        scorers = self._scorers
        if scorers is None:
            return {}
        groups = by_shard([each for each in customer_ids if shard_of(each) < scorers.shards])
        answers = await asyncio.gather(
            *(self._rows(scorers, shard, group, timeout_s) for shard, group in groups.items())
        )
        found: dict[int, list[KeptScore]] = {}
        for rows, models in answers:
            for row in rows:
                found.setdefault(row.customer_id, []).append(kept_score(row, models[row.model]))
        return found

    async def other_scores(self, customer_ids: Sequence[int], timeout_s: float) -> list[OtherScore]:
        """What there is of these people beside the champions' latest scores. Raises Unavailable: it is for access
        requests, which are to be complete."""
        scorers = self._scorers
        if scorers is None:
            return []
        groups = by_shard([each for each in customer_ids if shard_of(each) < scorers.shards])
        calls: dict[int, tuple[object, ...]] = {shard: (ids,) for shard, ids in groups.items()}
        answers = await scorers.each("other_scores", calls, timeout_s)
        return [score for answer in answers.values() for score in answer]

    async def predictions(self, members: Mapping[int, bytes], timeout_s: float) -> dict[str, Prediction]:
        """What models say of people, by the score's name; nothing if scoring is off. `members`: shard -> packed
        customer ids. Raises Unavailable."""
        if self._scorers is None:
            return {}
        calls: dict[int, tuple[object, ...]] = {shard: (ids,) for shard, ids in members.items()}
        return join_predictions((await self._scorers.each("predictions", calls, timeout_s)).values())

    async def drift(self, timeout_s: float) -> list[DriftCounts]:
        """Who was counted for the drift of models, of each shard; nobody if scoring is off. Raises Unavailable."""
        return [] if self._scorers is None else await self._scorers.all("drift", timeout_s=timeout_s)

    async def statuses(self, timeout_s: float) -> list[ScorerStatus]:
        """How every scorer stands; none if scoring is off. Raises Unavailable."""
        return [] if self._scorers is None else await self._scorers.all("status", timeout_s=timeout_s)

    async def _rows(
        self, scorers: ShardCalls, shard: int, group: list[int], timeout_s: float
    ) -> tuple[list[Row], dict[int, KeptModel]]:
        try:
            found: tuple[list[Row], dict[int, KeptModel]] = await scorers.call(
                shard, "rows", group, timeout_s=timeout_s
            )
        except OnefoldError:
            return [], {}
        return found
