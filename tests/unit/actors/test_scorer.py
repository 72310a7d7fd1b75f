"""Scorers over real shards, in the same process, with the built-in models."""

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from actors.band_statements import BandStatements
from actors.errors import Unavailable
from actors.ingestion import Ingestion
from actors.router import Router
from actors.score_reader import ScoreReader
from actors.score_store import drift_of, samples_of, scores_path
from actors.scorer import RETRY_MS, Scorer
from actors.shard_calls import ShardCalls
from models.events.event import Event
from models.identity.identifiers import IdentitySettings
from models.privacy.needles import needles_of
from models.privacy.purposes import NO_PURPOSES, RESTRICTED, DataScope, Purpose, Purposes
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.profile.state import DAY_MS
from models.scoring.bands import policy_with_bands
from models.scoring.builtin import BUILTIN
from models.scoring.drift import Distribution
from models.scoring.features import Feature
from models.scoring.hosting import ModelFailed
from models.scoring.kept import KeptScore
from models.scoring.registry import Alias, ModelVersion
from models.scoring.settings import ScoringSettings
from models.segments.bulk_moves import pack_ids
from models.shard.commands import Erasure
from models.shard.protocol import IngestResult
from models.shard.state import MachineSettings
from pipelines.privacy_scan import scan
from tests.strategies.purchase_models import order, version
from tests.unit.actors.local_shards import NOW, LocalShards, identify, settings, track

KEY = b"k" * 32
UNBANDED = ScoringSettings()


class Chosen:
    """A registry of what a test chooses."""

    def __init__(self, *champions: ModelVersion) -> None:
        self._version = 0
        self.asked_for = 0
        self.current: dict[tuple[str, Alias], ModelVersion] = {}
        self.choose("champion", *champions)

    def choose(self, alias: Alias, *versions: ModelVersion) -> None:
        self.current = {key: each for key, each in self.current.items() if key[1] != alias}
        self.current |= {(each.name, alias): each for each in versions}
        self._version += 1

    def version(self) -> int:
        return self._version

    def rescore(self) -> None:
        self.asked_for += 1
        self._version += 1

    def rescores(self) -> int:
        return self.asked_for

    def current_models(self) -> dict[tuple[str, Alias], ModelVersion]:
        return self.current


class Bench:
    """One shard, its scorer and a reader, at a time that the test sets."""

    def __init__(
        self,
        folder: Path,
        registry: Chosen,
        purposes: Purposes = NO_PURPOSES,
        scoring: ScoringSettings = UNBANDED,
    ) -> None:
        self.folder = folder
        self.registry = registry
        self.purposes = purposes
        self.scoring = scoring
        self.now = NOW + DAY_MS
        self.broken = ""
        self.asked = 0
        self.kept: list[str] = []
        self.shards = LocalShards(folder, 1, self._machine())
        self.shards.start_all()
        self.scorer = self._new()
        self.reader = ScoreReader(folder, 1, itertools.count().__next__)

    def _machine(self) -> MachineSettings:
        policy = policy_with_bands(ProfilePolicy(), self.scoring.bands)
        return msgspec.structs.replace(settings(), purposes=self.purposes, policy=policy)

    def _new(self) -> Scorer:
        calls = ShardCalls(1, self.shards)
        bands = BandStatements(self.scoring, self.purposes, IdentitySettings(), self.ingest)
        return Scorer(
            0, self.folder, calls, self.registry, self, self.purposes, LifecycleRules(), bands, lambda: self.now
        )

    async def ingest(self, events: list[Event], wait: bool, timeout_s: float) -> IngestResult:
        return await Ingestion(1, self.shards).ingest(events, wait, timeout_s)

    async def ask(self, model: ModelVersion, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.asked += batch.num_rows
        if self.broken:
            raise ModelFailed(self.broken)
        return BUILTIN[model.target](model.parameters).score(batch)

    async def keep(self, versions: Iterable[ModelVersion]) -> None:
        self.kept = [each.reference for each in versions]

    def restart(self) -> None:
        self.scorer.close()
        self.scorer = self._new()

    async def send(self, *events: Any) -> list[int]:
        ingested = await Router(1, self.folder, self.shards, timeout_s=5).ingest(list(events), wait=True)
        return [result.customer_id for result in ingested.results]

    async def settle(self) -> None:
        """Looks until there is nothing more to do."""
        for _ in range(20):
            before = self.asked
            await self.scorer.look()
            if before == self.asked and not (await self.scorer.status()).everybody:
                return
        raise AssertionError("the scorer does not come to rest")

    def scores(self, customer_id: int) -> dict[str, KeptScore]:
        self.reader.close()
        return {kept.name: kept for kept in self.reader.scores(self.reader.rows(customer_id))}

    async def end(self) -> None:
        self.reader.close()
        self.scorer.close()
        await self.shards.stop_all()


Play = Callable[[Bench], Awaitable[None]]


def play(
    folder: Path,
    scenario: Play,
    *champions: ModelVersion,
    purposes: Purposes = NO_PURPOSES,
    scoring: ScoringSettings = UNBANDED,
    kind: type[Bench] = Bench,
) -> None:
    async def run() -> None:
        bench = kind(folder, Chosen(*champions), purposes, scoring)
        try:
            await scenario(bench)
            assert not bench.shards.deaths
        finally:
            await bench.end()

    asyncio.run(run())


def test_scores_follow_events_and_time_through_restarts(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann, _, bob) = await bench.send(order("ann", 1, 50), order("ann", 2, 10), order("bob", 1, 40))
        await bench.settle()
        first = bench.scores(ann)
        assert set(first) == {"churn", "lifetime_value"}
        value = first["lifetime_value"].score
        assert value.version == "lifetime_value@1"
        assert value.features["repeat_purchases"] == 1.0
        assert value.low is not None and value.high is not None and value.low <= float(value.value) <= value.high
        bench.restart()
        asked = bench.asked
        await bench.settle()
        assert bench.asked == asked  # nothing has changed
        await bench.send(order("ann", 3, 1))
        await bench.settle()
        assert bench.asked == asked + 2  # one person, two models
        assert float(bench.scores(ann)["churn"].score.value) < float(first["churn"].score.value)
        before = bench.scores(bob)["churn"].score
        bench.now += DAY_MS
        await bench.settle()
        after = bench.scores(bob)["churn"].score
        assert (after.at, after.features["customer_days"]) == (bench.now, 42.0)
        assert after.value != before.value

    play(tmp_path, scenario, version("lifetime_value"), version("churn"))


def test_without_models_there_is_no_file_and_without_a_champion_no_score(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann,) = await bench.send(order("ann", 1, 50))
        await bench.settle()
        assert not scores_path(tmp_path, 0).exists()
        bench.registry.choose("challenger", version("churn", 2))
        await bench.settle()
        assert (bench.scores(ann), bench.asked) == ({}, 1)  # in the shadow
        bench.registry.choose("champion", version("churn"))
        await bench.settle()
        assert bench.scores(ann)["churn"].score.version == "churn@1"
        bench.registry.choose("champion", version("churn", 3, horizon_days=30))
        await bench.settle()
        kept = bench.scores(ann)["churn"]
        assert (kept.score.version, kept.model.output.horizon_days) == ("churn@3", 30)
        assert bench.kept == ["churn@2", "churn@3"]
        bench.registry.choose("champion")
        await bench.settle()
        assert bench.scores(ann) == {}

    play(tmp_path, scenario)


def test_everybody_is_scored_again_when_it_is_asked_for(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        people = await bench.send(order("ann", 1, 50), order("bob", 1, 20))
        await bench.settle()
        bench.now += 5
        await bench.settle()
        assert {bench.scores(each)["churn"].score.at for each in people} == {bench.now - 5}
        bench.registry.rescore()
        await bench.settle()
        assert {bench.scores(each)["churn"].score.at for each in people} == {bench.now}

    play(tmp_path, scenario, version("churn"))


def test_a_clock_that_was_ahead_does_not_keep_everybody_from_being_scored(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann,) = await bench.send(order("ann", 1, 50))
        bench.now += 1_000 * DAY_MS
        await bench.settle()
        bench.now -= 1_000 * DAY_MS
        await bench.settle()
        assert bench.scores(ann)["churn"].score.at == bench.now

    play(tmp_path, scenario, version("churn"))


def test_what_a_failing_model_told_is_kept_no_longer_than_what_it_was_made_of(tmp_path: Path) -> None:
    brief = Purposes(known={"shop": Purpose(basis="contract", retention_days=20)}, default="shop")

    async def scenario(bench: Bench) -> None:
        people = await bench.send(*(order(f"p{number}", 1, 50) for number in range(40)))
        await bench.settle()
        bench.now += RETRY_MS
        bench.registry.rescore()
        await bench.settle()
        assert samples_of(tmp_path, 0, "churn@1")
        bench.broken = "it does not answer"
        for days, left in ((19, True), (2, False)):
            bench.now += days * DAY_MS
            await bench.settle()
            assert all(bool(bench.scores(each)) == left for each in people)
            assert bool(samples_of(tmp_path, 0, "churn@1")) == left

    play(tmp_path, scenario, version("churn"), purposes=brief)


def test_drift_is_counted_of_everybody_through_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.scorer.PAGE", 3)
    often = {"repeat_purchases": Distribution((0.5,), (0.5, 0.5, 0.0)), "value": Distribution((0.5,), (0.5, 0.5, 0.0))}

    async def scenario(bench: Bench) -> None:
        people = [f"p{number}" for number in range(8)]
        ids = await bench.send(*(order(each, 1, 50) for each in people), order("p0", 2, 30))
        await bench.send(identify("i1", "user_id:none"))
        await bench.scorer.look()
        bench.restart()
        await bench.settle()
        values = [float(bench.scores(each)["churn"].score.value) for each in ids[:-1]]
        expected = {
            "repeat_purchases": [7, 1, 1],
            "value": [sum(v < 0.5 for v in values), sum(v >= 0.5 for v in values), 1],
        }
        assert (await bench.scorer.drift()).models == {"churn@1": expected} == drift_of(tmp_path, 0).models
        bench.broken = "it does not answer"
        bench.now += DAY_MS
        await bench.settle()
        assert (await bench.scorer.drift()).models == {}
        assert drift_of(tmp_path, 1).models == {}

    play(tmp_path, scenario, msgspec.structs.replace(version("churn"), distributions=often))


def test_a_failing_model_keeps_its_last_score_until_it_answers_again(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann,) = await bench.send(order("ann", 1, 50))
        await bench.settle()
        before = bench.scores(ann)["churn"].score
        bench.broken = "it does not answer"
        await bench.send(order("ann", 2, 1))
        bench.now += DAY_MS
        await bench.settle()
        kept = bench.scores(ann)["churn"].score
        assert kept.stale == "the model failed: it does not answer"
        assert msgspec.structs.replace(kept, stale="") == before
        assert (await bench.scorer.status()).failures == 2  # of who changed, and of everybody
        bench.broken = ""
        bench.now += RETRY_MS
        await bench.settle()
        healed = bench.scores(ann)["churn"].score
        assert (healed.stale, healed.at) == ("", bench.now)

    play(tmp_path, scenario, version("churn"))


def test_what_merged_away_has_no_scores(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann, bob) = await bench.send(order("ann", 1, 50), order("bob", 1, 20))
        await bench.settle()
        assert bench.scores(ann) and bench.scores(bob)
        both = track("join", "user_id:ann", "user_id:bob", name="Seen")
        await bench.send(msgspec.structs.replace(both, explicit=True, type="merge"))
        await bench.settle()
        assert bench.scores(ann)["churn"].score.features["repeat_purchases"] == 1.0
        assert bench.scores(bob) == {}

    play(tmp_path, scenario, version("churn"))


def test_who_was_erased_while_the_scorer_was_away_is_forgotten_with_the_next_look_at_everybody(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann, bob, cara) = await bench.send(*(order(each, 1, 50) for each in ("ann", "bob", "cara")))
        await bench.settle()
        for customer_id in (ann, cara):
            await bench.shards.running[0].erase(Erasure(f"r{customer_id}", customer_id, 0))
        await bench.shards.stop(0)
        bench.shards.start(0)  # it does not know any more who has changed
        await bench.settle()
        bench.now += DAY_MS
        await bench.settle()
        assert [bool(bench.scores(each)) for each in (ann, bob, cara)] == [False, True, False]

    play(tmp_path, scenario, version("churn"))


def test_nothing_is_left_of_who_is_forgotten(tmp_path: Path) -> None:
    mark = "zqxwvbnmkl" * 3

    async def scenario(bench: Bench) -> None:
        people = [f"p{number}" for number in range(60)]
        events = [identify(f"i-{each}", f"user_id:{each}", note=f"{mark}{each}") for each in people]
        await bench.send(*events)
        ids = await bench.send(*(order(each, 1, 50) for each in people))
        await bench.settle()
        gone, left = ids[:30], ids[30:]
        needles = needles_of([], [mark], KEY)

        def in_scores() -> int:
            report = scan(tmp_path, needles)
            assert not report.failures
            return sum(each.count for each in report.found if each.file.startswith("scores/"))

        assert in_scores() >= len(people)
        await bench.scorer.forget(gone)
        assert [bool(bench.scores(each)) for each in ids] == [False] * 30 + [True] * 30
        await bench.scorer.forget(left)
        assert in_scores() == 0

    noted = version("churn", features={"note": Feature(trait="note", text=True)})
    play(tmp_path, scenario, noted)


CONSENT = Purposes(
    known={
        "shop": Purpose(basis="contract"),
        "marketing": Purpose(basis="consent", data=DataScope(sections=("scores",)), consent_days=10),
    },
    default="shop",
)


def consent(number: int, value: bool, at: int) -> Any:
    given = {"categoryPreferences": {"marketing": value}}
    event = identify(f"c{number}", "user_id:ann", at=at)
    return msgspec.structs.replace(event, context={"consent": given})


def test_who_may_not_be_scored_has_no_scores(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann,) = await bench.send(order("ann", 1, 50))
        await bench.settle()
        assert (bench.scores(ann), bench.asked) == ({}, 0)
        await bench.send(consent(1, True, bench.now))
        await bench.settle()
        assert bench.scores(ann)
        await bench.send(consent(2, False, bench.now + 1))
        await bench.settle()
        assert bench.scores(ann) == {}
        await bench.send(consent(3, True, bench.now + 2))
        await bench.settle()
        assert bench.scores(ann)
        bench.now += 10 * DAY_MS + 3
        await bench.scorer.look()  # by time alone, and at once
        assert bench.scores(ann) == {}

    play(tmp_path, scenario, version("churn"), purposes=CONSENT)


def test_what_is_in_the_shadow_alone_ends_with_the_consent_too(tmp_path: Path) -> None:
    def in_shadow() -> int:
        with closing(sqlite3.connect(scores_path(tmp_path, 0))) as db:
            return int(db.execute("SELECT count(*) FROM shadow").fetchone()[0])

    async def scenario(bench: Bench) -> None:
        bench.registry.choose("challenger", version("churn"))
        await bench.send(order("ann", 1, 50), consent(1, True, bench.now))
        await bench.settle()
        assert in_shadow() == 1
        bench.now += 10 * DAY_MS + 1
        await bench.scorer.look()
        assert in_shadow() == 0

    play(tmp_path, scenario, purposes=CONSENT)


def test_a_restriction_ends_scoring_without_a_registry_of_purposes(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (ann,) = await bench.send(order("ann", 1, 50))
        await bench.settle()
        assert bench.scores(ann)
        statement = msgspec.structs.replace(identify("r1", "user_id:ann", at=bench.now), type="consent")
        await bench.send(msgspec.structs.replace(statement, context={"consent": {"decisions": {RESTRICTED: True}}}))
        await bench.settle()
        assert bench.scores(ann) == {}

    play(tmp_path, scenario, version("churn"))


def test_values_of_all_and_of_some(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        ids = sorted(await bench.send(*(order(f"p{number}", 1, number + 1) for number in range(5))))
        await bench.settle()
        found = await bench.scorer.values("churn")
        assert found is not None
        assert found.customer_ids.tolist() == ids
        assert found.values.tolist() == [bench.scores(each)["churn"].score.value for each in ids]
        some = await bench.scorer.values("churn", np.array(ids[1:3], np.int64))
        assert some is not None
        assert (some.customer_ids.tolist(), some.is_stale.tolist()) == (ids[1:3], [False, False])
        assert await bench.scorer.values("nothing") is None
        told = (await bench.scorer.predictions(pack_ids(np.array(ids[1:3], np.int64))))["churn"]
        assert (told.members, told.stale) == (2, 0)
        assert told.total == pytest.approx(float(some.values.sum()))

    play(tmp_path, scenario, version("churn"))


def test_a_shard_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.scorer._CALL_S", 0.1)

    async def scenario(bench: Bench) -> None:
        (ann,) = await bench.send(order("ann", 1, 50))
        await bench.settle()
        await bench.send(order("ann", 2, 3))
        await bench.shards.stop(0)
        with pytest.raises(Unavailable):
            await bench.scorer.look()
        bench.shards.start(0)  # it does not know any more who changed
        await bench.settle()
        assert bench.scores(ann)["churn"].score.features["repeat_purchases"] == 1.0

    play(tmp_path, scenario, version("churn"))
