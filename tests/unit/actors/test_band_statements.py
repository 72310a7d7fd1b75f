"""Bands of scores as traits: stated when they change, once, and taken back; over a real shard and scorer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from actors.errors import Unavailable
from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.router import Router
from models.events.event import Event
from models.identity.customer_id import to_text
from models.privacy.corrections import correction_context
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.profile.state import DAY_MS, Profile, canonical
from models.scoring.features import Feature
from models.scoring.registry import ModelVersion
from models.scoring.settings import ScoringSettings
from models.scoring.statements import SCORED, SCORER_SOURCE, statement
from models.segments.catalogue import EMPTY, resolve
from models.segments.parse import parse_definition
from models.shard.commands import Erasure
from models.shard.protocol import IngestResult
from tests.strategies.purchase_models import version
from tests.unit.actors.local_shards import identify, track
from tests.unit.actors.test_scorer import CONSENT, Bench, consent, play

BANDS = ScoringSettings(bands={"churn": {"low": 0.0, "medium": 0.3, "high": 0.7}})  # margins .03 and .04
HOUR_MS = 3_600_000


def model(number: int = 1) -> ModelVersion:
    return version("churn", number, features={"risk": Feature(trait="risk")})


class RiskBench(Bench):
    """Whose model says what the trait `risk` is."""

    is_away = False
    greatest = 0  # of the batches of statements
    leaving: Sequence[int] = ()  # people who are forgotten while the first batch is on its way

    async def ask(self, model: ModelVersion, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.asked += batch.num_rows
        return pa.RecordBatch.from_pydict({"value": batch.column("risk")})

    async def ingest(self, events: list[Event], wait: bool, timeout_s: float) -> IngestResult:
        if self.is_away:
            raise Unavailable("the shard is away")
        self.greatest = max(self.greatest, len(events))
        leaving, self.leaving = list(self.leaving), ()
        if leaving:
            await self.scorer.forget(leaving)
        return await super().ingest(events, wait, timeout_s)

    @property
    def router(self) -> Router:
        return Router(1, self.folder, self.shards, timeout_s=5)

    async def tell(self, person: str, risk: float) -> int:
        """Has a person's risk be another one, at a later time, and the scorer see it."""
        self.now += HOUR_MS
        (customer_id,) = await self.send(identify(f"{person}-{self.now}", f"user_id:{person}", at=self.now, risk=risk))
        await self.settle()
        return customer_id

    async def profile(self, customer_id: int) -> Profile:
        profile = await self.router.profile(f"{CUSTOMER_ID_NAMESPACE}{to_text(customer_id)}")
        assert profile is not None
        return profile

    async def band(self, customer_id: int) -> Any:
        attribute = (await self.profile(customer_id)).attributes.get("churn_band")
        return "never" if attribute is None else attribute.winner.value

    async def stated(self) -> int:
        return (await self.scorer.status()).band_statements


def run(folder: Path, scenario: Any, scoring: ScoringSettings = BANDS, **settings: Any) -> None:
    play(folder, scenario, model(), scoring=scoring, kind=RiskBench, **settings)


def test_a_band_follows_its_score_over_a_margin_and_moves_people_in_and_out_of_segments(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        at_risk = {
            "id": "at-risk",
            "name": "At risk",
            "criteria": {"type": "demographic", "trait": "churn_band", "operator": "equals", "value": "high"},
        }
        await bench.router.put_segment(resolve(parse_definition(at_risk), EMPTY))
        seen = []
        for risk in (0.1, 0.31, 0.34, 0.71, 0.75, 0.67, 0.65, 0.1):
            ann = await bench.tell("ann", risk)
            is_member = "at-risk" in (await bench.profile(ann)).memberships
            seen.append((await bench.band(ann), is_member))
        low, medium, high = ("low", False), ("medium", False), ("high", True)
        # Who was never in a band is in that of the score, whatever the margin; from then on it holds.
        assert seen == [low, low, medium, medium, high, high, medium, low]
        assert await bench.stated() == 5

    run(tmp_path, scenario)


def test_a_statement_is_no_activity_and_brings_about_no_other(tmp_path: Path) -> None:
    def without_bands(profile: Profile) -> bytes:
        kept = {name: each for name, each in profile.attributes.items() if name != "churn_band"}
        return canonical(msgspec.structs.replace(profile, attributes=kept, sequence=0, last_event=0))

    async def scenario(bench: RiskBench) -> None:
        ann, _ = await bench.send(track("m1", "user_id:ann"), identify("m2", "user_id:ann", risk=0.8))
        before = await bench.profile(ann)
        await bench.settle()
        after = await bench.profile(ann)
        assert "churn_band" in after.attributes and without_bands(after) == without_bands(before)
        for _ in range(5):
            bench.now += DAY_MS
            await bench.settle()
        assert await bench.stated() == 1
        events = await bench.router.events(f"{CUSTOMER_ID_NAMESPACE}{to_text(ann)}", 10)
        (told,) = [each.event for each in events[0] if each.event.type == SCORED]
        assert (told.source, told.context) == (SCORER_SOURCE, {"scores": {"churn": "churn@1"}})

    run(tmp_path, scenario)


def test_others_cannot_tell_a_band(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        ann = await bench.tell("ann", 0.8)
        late = bench.now + DAY_MS
        await bench.send(identify("forged", "user_id:ann", at=late, churn_band="low"))
        await bench.settle()
        assert await bench.band(ann) == "high"
        (bob,) = await bench.send(identify("early", "user_id:bob", at=bench.now, churn_band="high"))
        await bench.settle()
        assert await bench.band(bob) is None  # whom no model has scored

    run(tmp_path, scenario)


def test_a_band_is_taken_back_with_the_basis_the_champion_and_the_setting(tmp_path: Path) -> None:
    scores = CONSENT.known["marketing"]
    data = DataScope(sections=("scores",), traits=("churn_band",))
    known = {**CONSENT.known, "marketing": msgspec.structs.replace(scores, data=data)}

    async def scenario(bench: RiskBench) -> None:
        ann = await bench.tell("ann", 0.8)
        assert await bench.band(ann) == "never"
        await bench.send(consent(1, True, bench.now))
        await bench.settle()
        assert await bench.band(ann) == "high"
        bench.now += 1
        await bench.send(consent(2, False, bench.now))
        await bench.settle()
        assert await bench.band(ann) is None
        bench.now += 1
        await bench.send(consent(3, True, bench.now))
        await bench.settle()
        assert await bench.band(ann) == "high"
        bench.now += 1
        bench.registry.choose("champion")
        await bench.settle()
        assert await bench.band(ann) is None
        bench.now += 1
        bench.registry.choose("champion", model(2))
        await bench.settle()
        assert await bench.band(ann) == "high"
        bench.now += 1
        bench.scoring = ScoringSettings()
        bench.restart()
        await bench.settle()
        assert await bench.band(ann) is None
        bench.now += 1
        bench.restart()
        await bench.settle()
        assert await bench.stated() == 0  # of this scorer

    run(tmp_path, scenario, purposes=Purposes(known=known, default="shop"))


def test_without_a_basis_for_the_trait_nothing_is_stated(tmp_path: Path) -> None:
    known = {
        "shop": Purpose(basis="contract"),
        "ads": Purpose(basis="consent", data=DataScope(traits=("churn_band",))),
    }

    async def scenario(bench: RiskBench) -> None:
        ann = await bench.tell("ann", 0.8)
        assert bench.scores(ann) and await bench.band(ann) == "never"
        assert await bench.stated() == 0

    run(tmp_path, scenario, purposes=Purposes(known=known, default="shop"))


def test_a_failing_model_keeps_the_band(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        ann = await bench.tell("ann", 0.8)
        await bench.send(identify("m9", "user_id:ann", at=bench.now + 1, risk=None))
        await bench.settle()
        assert bench.scores(ann)["churn"].score.stale
        assert await bench.band(ann) == "high"

    run(tmp_path, scenario)


def test_who_became_one_has_the_band_of_the_one(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        ann = await bench.tell("ann", 0.1)
        bob = await bench.tell("bob", 0.8)
        assert (await bench.band(ann), await bench.band(bob)) == ("low", "high")
        await bench.tell("ann", 0.12)
        bench.now += 1
        await bench.router.merge("user_id:ann", "user_id:bob", "desk", bench.now)
        bench.now += 1
        await bench.settle()
        assert await bench.band(ann) == "low"

    run(tmp_path, scenario)


def test_what_is_stated_of_somebody_who_is_gone_makes_nobody(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        ann = await bench.tell("ann", 0.1)
        erased_until = bench.now - DAY_MS
        await bench.shards.running[0].erase(Erasure("r1", ann, erased_until))
        late = statement(ann, "user_id:ann", {"churn": "high"}, {"churn": "churn@1"}, bench.now)
        assert (await bench.router.ingest([late], wait=True)).results[0].status == "suppressed"
        assert await bench.router.profile("user_id:ann") is None
        (again,) = await bench.send(identify("m9", "user_id:ann", at=bench.now, risk=0.8))  # a new customer
        assert again and await bench.band(again) == "never"

    run(tmp_path, scenario)


def test_what_does_not_take_hold_is_not_repeated_for_an_hour(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        ann = await bench.tell("ann", 0.8)
        await bench.router.correct("user_id:ann", {"churn_band": "low"}, correction_context([], ""), "desk", bench.now)
        bench.now += 1
        for _ in range(5):
            await bench.settle()
            bench.now += 1
        assert (await bench.band(ann), await bench.stated()) == ("low", 2)
        await bench.tell("ann", 0.81)
        assert await bench.stated() == 3
        await bench.router.correct("user_id:ann", {}, correction_context(["churn_band"], ""), "desk", bench.now)
        await bench.settle()
        assert await bench.band(ann) == "high"

    run(tmp_path, scenario)


def test_what_could_not_be_delivered_is_stated_later(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        bench.is_away = True
        people = await bench.send(*(identify(f"m{n}", f"user_id:p{n}", risk=n / 200) for n in range(200)))
        with pytest.raises(Unavailable):
            await bench.settle()
        assert bench.scores(people[0])  # scores do not wait for it
        bench.restart()
        bench.is_away = False
        await bench.settle()
        bands = [await bench.band(each) for each in people]
        assert bands == ["low"] * 60 + ["medium"] * 80 + ["high"] * 60
        assert bench.greatest == 100  # at a time

    run(tmp_path, scenario)


def test_of_who_is_forgotten_meanwhile_nothing_is_stated_and_nothing_remembered(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        people = await bench.send(*(identify(f"m{n}", f"user_id:p{n}", risk=0.8) for n in range(150)))
        await bench.router.correct("user_id:p0", {"churn_band": "low"}, correction_context([], ""), "desk", bench.now)
        on_its_way, waiting = people[0], people[149]
        bench.leaving = [on_its_way, waiting]
        await bench.scorer.look()
        assert await bench.stated() == 149
        assert await bench.band(waiting) == "never"
        bench.now += 1
        await bench.scorer.refresh([on_its_way])
        assert await bench.stated() == 150  # as if it had never been

    run(tmp_path, scenario)


def test_a_clock_that_was_ahead_holds_no_band_up(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        now = bench.now
        bench.now += 30 * DAY_MS
        ann = await bench.tell("ann", 0.8)
        assert await bench.band(ann) == "high"
        bench.now = now
        await bench.router.correct("user_id:ann", {"risk": 0.4}, correction_context([], ""), "desk", now)
        await bench.settle()
        assert await bench.band(ann) == "medium"
        await bench.router.correct("user_id:ann", {"risk": 0.1}, correction_context([], ""), "desk", now + 1)
        await bench.settle()
        assert await bench.band(ann) == "low"

    run(tmp_path, scenario)


def test_what_others_tell_of_a_band_does_not_count_before_there_is_any_model(tmp_path: Path) -> None:
    async def scenario(bench: RiskBench) -> None:
        bench.registry.choose("champion")
        (ann,) = await bench.send(identify("i1", "user_id:ann", at=bench.now, churn_band="high"))
        await bench.settle()
        assert await bench.band(ann) is None

    run(tmp_path, scenario)
