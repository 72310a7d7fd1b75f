"""A scorer: follows one shard, and keeps the scores of its people in a file of its own.

Shards know nothing of scorers, so that a slow or failing model holds nothing up. A scorer reads who has changed, from
where it stood before, and everybody when other models are to count or a day has passed, since value and churn change by
time alone. Whoever may not be scored any more loses all scores when they are looked at, which is as soon as they change
or their consent ends. All that it writes can be made again. Where scores have bands, those that are other ones
now are stated as events (`actors.band_statements`) before it goes on.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from actors.band_statements import BandStatements
from actors.errors import OnefoldError, Unavailable
from actors.page_scrub import PageScrubber
from actors.score_store import ScoreStore, Stale, Table, Values, scores_path
from actors.scoring import ScorerStatus
from actors.shard_calls import ShardCalls
from actors.shard_log import ShardLog
from actors.shard_reads import resident_bytes
from models.events.event import Event
from models.identity.customer_id import shard_of
from models.privacy.purposes import Purposes
from models.profile.lifecycle import LifecycleRules
from models.profile.state import DAY_MS
from models.scoring.contract import Refused, checked
from models.scoring.drift import DriftCounts, plus
from models.scoring.feature_age import too_old
from models.scoring.hosting import ModelFailed
from models.scoring.kept import KeptModel, Row
from models.scoring.lineup import NO_SCORE, Lineup, People
from models.scoring.registry import Alias, ModelVersion
from models.scoring.samples import OtherScore, are_kept, kept_ms, kept_percent
from models.segments.bulk_moves import unpack_ids
from models.segments.predictions import Prediction, predicted

PAGE = 2_000  # people who are scored together
POLL_S = 0.5
GATHER_S = 0.1  # changes within this time are scored together
ERROR_S = 1.0
RETRY_MS = 600_000  # until everybody is scored again after a model has failed
_CALL_S = 10.0
_SCRUBS = 100  # until readers that are in the way have gone
_SCRUB_PAUSE_S = 0.1
_NO_COUNTS = "{}"
_TABLES: Mapping[Alias, Table] = {"champion": "scores", "challenger": "shadow"}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DriftCounts).decode

log = logging.getLogger("onefold.scorer")


class Registry(Protocol):
    """Which models score (`actors.control.ControlStore`)."""

    def version(self) -> int: ...
    def current_models(self) -> Mapping[tuple[str, Alias], ModelVersion]: ...
    def rescores(self) -> int: ...


class Models(Protocol):
    """Has models score people (`actors.model_asking.ModelAsker`)."""

    async def ask(self, version: ModelVersion, features: pa.RecordBatch) -> pa.RecordBatch:
        """Raises ModelFailed."""

    async def keep(self, versions: Iterable[ModelVersion]) -> None:
        """Others are not asked any more."""


def spare_the_collector() -> None:
    """Has this process look for cycles seldom: what is made of profiles has none, and to look for them took as long as
    to decode them."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


class Scorer:
    """The scorer of one shard. `run` works until it is cancelled; `now` is in ms."""

    def __init__(
        self,
        shard: int,
        data_dir: Path,
        calls: ShardCalls,
        registry: Registry,
        models: Models,
        purposes: Purposes,
        rules: LifecycleRules,
        bands: BandStatements,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._shard = shard
        self._path = scores_path(data_dir, shard)
        self._calls = calls
        self._log = ShardLog(data_dir, shard, calls.shards)
        self._registry = registry
        self._models = models
        self._purposes = purposes
        self._rules = rules
        self._bands = bands
        self._now = now
        self._store = ScoreStore(self._path) if self._path.exists() else None
        self._lineup = Lineup({}, purposes, rules, bands.banding(()))
        self._numbers: list[int] = []  # of the lineup's models, in the file
        self._version = -1  # of the registry
        self._failing: set[str] = set()  # references of models that failed when they were asked last
        self._working = asyncio.Lock()  # whoever is forgotten meanwhile is not written again
        self._scored = 0
        self._failures = 0

    def close(self) -> None:
        """Ends its connections."""
        self._log.close()
        if self._store is not None:
            self._store.close()

    async def run(self) -> None:
        """Follows the shard."""
        while True:
            try:
                await self.look(POLL_S)
                await asyncio.sleep(GATHER_S)
            except OnefoldError:  # the shard starts
                await asyncio.sleep(ERROR_S)

    async def look(self, wait_s: float = 0.0) -> None:
        """Scores those who changed, and some of all others while everybody is to be scored. Waits for the first change
        if there is nothing else to do. Raises Unavailable."""
        await self._follow_registry()
        store = self._store
        if store is None or not self._lineup.has_work:
            await asyncio.sleep(wait_s)
            return
        everybody = self._is_rescanning(store)
        position = store.meta("position", -1)
        changed, last = await self._changed(position, 0.0 if everybody or position < 0 else wait_s)
        if last < position:  # the shard is another one than it was
            await asyncio.to_thread(store.set_meta, rescan_after=0)
        due = store.due(self._now(), PAGE)
        people = list(dict.fromkeys([*changed, *due]))
        for start in range(0, len(people), PAGE):
            await self.refresh(people[start : start + PAGE])
        if last != position:
            await asyncio.to_thread(store.set_meta, position=last)
        if everybody:
            await self._score_next(store)

    async def refresh(self, customer_ids: Sequence[int]) -> None:
        """Scores some people as they are now; those who are gone lose their scores."""
        store = self._store
        if store is None:
            return
        async with self._working:
            states = await asyncio.to_thread(self._log.states_of, customer_ids)
            statements, _ = await self._score(store, states, customer_ids)
        await self._bands.state(statements)

    # Asked by others

    async def forget(self, customer_ids: list[int]) -> None:
        """Drops the scores of these people, as far as they are here, and leaves nothing of them in the file. Raises
        Unavailable if readers stay in the way."""
        store = self._store
        if store is None:
            return
        async with self._working:
            self._bands.forget(customer_ids)
            await asyncio.to_thread(store.drop, [each for each in customer_ids if shard_of(each) == self._shard])
            await asyncio.to_thread(self._scrub, store)

    async def rows(self, customer_ids: list[int]) -> tuple[list[Row], dict[int, KeptModel]]:
        """The champions' scores of some people, and what made them."""
        store = self._store
        if store is None:
            return [], {}
        return await asyncio.to_thread(lambda: (store.rows_of(customer_ids), store.models()))

    async def other_scores(self, customer_ids: list[int]) -> list[OtherScore]:
        """What there is of some people beside the champions' latest scores."""
        return [] if self._store is None else await asyncio.to_thread(self._store.other_scores_of, customer_ids)

    async def values(self, name: str, customer_ids: NDArray[np.int64] | None = None) -> Values | None:
        """The champion's scores of a name, of all or of some people (ascending); None if there is no champion of it."""
        if self._store is None or name not in self._lineup.names("champion"):
            return None
        return await asyncio.to_thread(self._store.values, name, customer_ids)

    async def predictions(self, members: bytes) -> dict[str, Prediction]:
        """What the champions say of people (packed customer ids), by the score's name; of labels nothing."""
        customer_ids = unpack_ids(members)
        found: dict[str, Prediction] = {}
        for alias, version in self._lineup.versions:
            output = version.signature.output
            if alias == "champion" and output.kind != "label":
                values = await self.values(version.name, customer_ids)
                if values is not None:
                    found[version.name] = predicted(output, values.values, values.is_stale)
        return found

    async def count(self) -> int:
        """How many scores of champions there are."""
        return 0 if self._store is None else await asyncio.to_thread(self._store.count)

    async def drift(self) -> DriftCounts:
        """Who was counted when everybody was scored last, for the drift of models."""
        return DriftCounts() if self._store is None else await asyncio.to_thread(self._store.drift)

    async def status(self) -> ScorerStatus:
        """Where it stands."""
        store = self._store
        return ScorerStatus(
            scorer=self._shard,
            champions=[version.reference for alias, version in self._lineup.versions if alias == "champion"],
            challengers=[version.reference for alias, version in self._lineup.versions if alias == "challenger"],
            position=0 if store is None else store.meta("position", 0),
            everybody=store is not None and self._lineup.has_work and self._is_rescanning(store),
            scored=self._scored,
            failures=self._failures,
            band_statements=self._bands.stated,
            resident_bytes=resident_bytes(),
        )

    async def process_id(self) -> int:
        """The id of the scorer's process."""
        return os.getpid()

    # Its own work

    async def _follow_registry(self) -> None:
        """Takes over which models score. When these are others than before, or it is asked for, everybody is to be
        scored."""
        version = self._registry.version()
        if version == self._version:
            return
        former = "" if self._store is None else self._store.meta("banded", "")
        banding = self._bands.banding(former.split())
        lineup = Lineup(self._registry.current_models(), self._purposes, self._rules, banding)
        if self._store is None and lineup.has_work:
            self._store = await asyncio.to_thread(ScoreStore, self._path)
        store = self._store
        if store is not None:
            async with self._working:
                self._numbers = [store.model(each) for _, each in lineup.versions]
                self._lineup = lineup
                wanted = f"{lineup.text} {self._registry.rescores()}"
                if store.meta("lineup", "") != wanted:
                    await asyncio.to_thread(self._begin_anew, store, lineup, wanted)
        await self._models.keep(each for _, each in lineup.versions)
        self._version = version
        if lineup.misfits:
            fields = {"scorer": self._shard, "scores": lineup.misfits}
            log.warning("scoring.bands: numbers need bands, and labels are bands themselves", extra={"fields": fields})

    def _begin_anew(self, store: ScoreStore, lineup: Lineup, wanted: str) -> None:
        with store.transaction():
            for alias, table in _TABLES.items():
                store.keep_names(table, lineup.names(alias))
            store.keep_samples(self._samples_since())
            store.set_meta(lineup=wanted, rescan_after=0, banded=" ".join(lineup.banded))

    async def _changed(self, position: int, wait_s: float) -> tuple[list[int], int]:
        timeout_s = wait_s + _CALL_S
        changed: tuple[list[int], int] = await self._calls.call(
            self._shard, "changed", position, wait_s, timeout_s=timeout_s, attempt_s=timeout_s
        )
        return changed

    def _is_rescanning(self, store: ScoreStore) -> bool:
        """Whether everybody is being scored; begins with it when it is time."""
        if store.meta("rescan_after", -1) >= 0:
            return True
        if 0 < store.meta("rescan_due", 0) - self._now() <= DAY_MS:  # later than that is of a clock that was ahead
            return False
        store.set_meta(rescan_after=0)
        return True

    async def _score_next(self, store: ScoreStore) -> None:
        """Scores the next people of all; after the last of them, notes when everybody is to be scored again."""
        async with self._working:
            after = store.meta("rescan_after", 0)
            states = await asyncio.to_thread(self._log.profile_states, after, PAGE)
            last = states[-1][0] if states else (1 << 63) - 1
            known = await asyncio.to_thread(store.people_between, after, last)
            if after == 0:
                percent = kept_percent(await asyncio.to_thread(self._log.count_profiles))
                await asyncio.to_thread(store.set_meta, failed=0, counting=_NO_COUNTS, kept_percent=str(percent))
            statements, counted = await self._score(store, states, known, counting=True)
        await self._bands.state(statements)
        total = _encode(plus(_decode(store.meta("counting", _NO_COUNTS)), counted)).decode()
        if states:
            await asyncio.to_thread(store.set_meta, rescan_after=last, counting=total)
            return
        again = RETRY_MS if store.meta("failed", 0) else DAY_MS
        ends = {"banded": " ".join(self._bands.names), "drift": total}  # bands of former names are taken back
        await asyncio.to_thread(store.keep_samples, self._samples_since())
        if days := self._purposes.shortest_retention_days(self._purposes.known):  # a score holds what it was made of
            await asyncio.to_thread(store.drop_older, self._now() - days * DAY_MS)
        await asyncio.to_thread(store.set_meta, rescan_after=-1, rescan_due=self._now() + again, **ends)
        log.info("everybody is scored", extra={"fields": {"scorer": self._shard, "models": self._lineup.text}})

    def _samples_since(self) -> dict[int, int]:
        """Since when scores are kept, ms, by the model's number in the file."""
        purposes = self._purposes.serving("sections", "scores") if self._purposes.is_on else ()
        longest = self._purposes.shortest_retention_days(purposes) * DAY_MS
        kept = [kept_ms(version.signature.output) for _, version in self._lineup.versions]
        return {
            model: self._now() - (min(each, longest) if longest else each)
            for model, each in zip(self._numbers, kept, strict=True)
        }

    async def _score(
        self, store: ScoreStore, states: Sequence[tuple[int, bytes]], known: Sequence[int], counting: bool = False
    ) -> tuple[list[tuple[int, Event]], DriftCounts]:
        """Scores people of whom there are profiles. Those of `known` people who may not be scored, or are gone, lose
        their scores. Returns what is to be stated of bands, and with `counting` the counts for the drift of models."""
        lineup, numbers = self._lineup, self._numbers
        people = await asyncio.to_thread(lineup.people, states, self._now())
        answers = await asyncio.gather(
            *(self._answer(lineup, number, model, people) for number, model in enumerate(numbers))
        )
        scored = set(people.customer_ids)
        gone = [each for each in known if each not in scored]
        await asyncio.to_thread(_write, store, lineup, answers, gone)
        self._scored += len(scored)
        counted = await asyncio.to_thread(_counted, lineup, people, answers) if counting else DriftCounts()
        if not people.standings:
            return [], counted
        changes = await asyncio.to_thread(lineup.band_changes, people, [rows for rows, _, _ in answers])
        return await asyncio.to_thread(self._bands.of, states, changes, lineup.champions, people.at), counted

    async def _answer(
        self, lineup: Lineup, number: int, model: int, people: People
    ) -> tuple[list[Row], list[Stale], bool]:
        """A model's scores; who has none of it now, and why; and whether the model has failed."""
        version = lineup.versions[number][1]
        name, signature = version.name, version.signature
        question = lineup.question(number, people)
        places, batch = question
        rows: list[Row] = []
        why, failed = NO_SCORE, False
        if places:
            try:
                answer = checked(signature, await self._models.ask(version, batch), len(places))
                rows = await asyncio.to_thread(lineup.rows, number, model, people, question, answer)
            except (ModelFailed, Refused) as error:
                why, failed = f"the model failed: {error}", True
                self._failures += 1
                if version.reference not in self._failing:
                    self._failing.add(version.reference)
                    fields = {"scorer": self._shard, "model": version.reference, "reason": str(error)}
                    log.error("a model has failed", extra={"fields": fields})
            else:
                self._failing.discard(version.reference)
        scored = {row.customer_id for row in rows}
        asked = set(places)
        stale = [
            Stale(customer_id, name, why if place in asked else too_old(signature), people.until[place])
            for place, customer_id in enumerate(people.customer_ids)
            if customer_id not in scored
        ]
        return rows, stale, failed

    def _scrub(self, store: ScoreStore) -> None:
        with PageScrubber(store.path) as scrubber:
            page, tries = 0, 0
            while page >= 0:
                found = store.scrub(partial(scrubber.scrub, page))
                if found is not None:
                    page = found.next
                    continue
                tries += 1
                if tries > _SCRUBS:
                    raise Unavailable(
                        "readers keep the write-ahead log of scores from being emptied: it is tried again"
                    )
                time.sleep(_SCRUB_PAUSE_S)


def _counted(lineup: Lineup, people: People, answers: Sequence[tuple[list[Row], list[Stale], bool]]) -> DriftCounts:
    """Of whom a model has failed to tell anything nobody is counted for it."""
    found = {
        lineup.versions[number][1].reference: lineup.drift_counts(number, people, rows)
        for number, (rows, _, failed) in enumerate(answers)
        if not failed and people.customer_ids
    }
    return DriftCounts(people.at, {reference: counts for reference, counts in found.items() if counts})


def _write(
    store: ScoreStore, lineup: Lineup, answers: Sequence[tuple[list[Row], list[Stale], bool]], gone: Sequence[int]
) -> None:
    """All that came of some people, in one transaction."""
    percent = float(store.meta("kept_percent", "0"))
    with store.transaction():
        store.drop(gone)
        for alias, table in _TABLES.items():
            mine = [answer for (each, _), answer in zip(lineup.versions, answers, strict=True) if each == alias]
            rows = sorted((row for rows, _, _ in mine for row in rows), key=lambda row: row[:2])
            store.put(table, rows)
            kept = are_kept(np.array([row.customer_id for row in rows], np.int64), percent)
            store.sample(row for row, is_kept in zip(rows, kept.tolist(), strict=True) if is_kept)
            store.mark(table, (each for _, stale, _ in mine for each in stale))
        if any(failed for _, _, failed in answers):
            store.set_meta(failed=1)
