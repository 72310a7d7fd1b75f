"""Backfilled scores against those that scorers made live of the same people at the same times."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.identity.customer_id import to_text
from models.privacy.purposes import Purposes
from models.profile.state import DAY_MS
from models.scoring.builtin import BUILTIN
from models.scoring.kept import KeptScore
from models.scoring.registry import ModelVersion
from models.scoring.trial import TOLERANCE
from pipelines.backfill_scores import BACKFILL_FILE, Backfill, backfill
from pipelines.people_as_of import PeopleAsOf
from tests.strategies.faulty_models import Halved, Raises
from tests.strategies.purchase_models import order, version
from tests.unit.actors.local_shards import NOW, identify, settings, track
from tests.unit.actors.test_scorer import CONSENT, Bench, consent, play

MODELS = {name: version(name) for name in ("churn", "lifetime_value")}
PEOPLE = [f"p{number}" for number in range(12)]


def people(folder: Path, now: int, purposes: Purposes | None = None) -> Callable[[int], PeopleAsOf]:
    return lambda at: PeopleAsOf(folder, 1, at, at, now, settings().policy, purposes or Purposes())


class Signed:
    """The model of a version, with the version's signature."""

    def __init__(self, made: ModelVersion) -> None:
        self.signature = made.signature
        self.score = BUILTIN[made.target](made.parameters).score


def written(bench: Bench, name: str, times: list[int], output: str, model: ModelVersion | None = None) -> pa.Table:
    chosen = model or MODELS[name]
    asked = Signed(chosen)
    read = people(bench.folder, bench.now, bench.purposes)
    backfill(chosen, asked, times, read, bench.folder / output)
    return pq.read_table(bench.folder / output / "scores.parquet")


def test_backfilled_scores_are_those_that_were_live_however_much_came_later(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        ids = await bench.send(*(order(each, 1, 10 + 7 * number) for number, each in enumerate(PEOPLE)))
        live: dict[tuple[str, int, str], KeptScore] = {}
        times = []
        for day in range(3):
            bench.now = NOW + (1 + 30 * day) * DAY_MS
            await bench.settle()
            times.append(bench.now)
            for customer_id in ids:
                for name, kept in bench.scores(customer_id).items():
                    live[to_text(customer_id), bench.now, name] = kept
            later = -(1 + 30 * day) - 3  # days after what was scored
            await bench.send(*(order(each, 2 + day, later, 1000.0) for each in PEOPLE[day::2]))
        compared = 0
        for name in MODELS:
            rows = await asyncio.to_thread(written, bench, name, times, name)
            for row in rows.to_pylist():
                kept = live[row["customer_id"], int(row["as_of"].timestamp() * 1000), name]
                score = kept.score
                expected = {"value": score.value, "low": score.low, "high": score.high, "rival": score.rival}
                known = {key: value for key, value in expected.items() if value is not None}
                told = {key: row[key] for key in expected if row[key] is not None}
                assert told == pytest.approx(known, abs=TOLERANCE, rel=TOLERANCE)
                assert (row["version"], row["stale"]) == (kept.score.version, "")
                compared += 1
        assert compared == len(live) == len(PEOPLE) * 3 * 2

    play(tmp_path, scenario, *MODELS.values())


def test_who_has_no_score_has_the_reason_that_is_live(tmp_path: Path) -> None:
    young = version("churn", 2)
    signature = msgspec.structs.replace(young.signature, feature_age_max_days=30)
    young = msgspec.structs.replace(young, signature=signature)

    async def scenario(bench: Bench) -> None:
        ids = await bench.send(order("old", 1, 40), order("new", 1, 5), identify("i1", "user_id:none", at=NOW))
        await bench.settle()
        rows = (await asyncio.to_thread(written, bench, "churn", [bench.now], "set", young)).to_pylist()
        told = {row["customer_id"]: (row["value"] is not None, row["stale"]) for row in rows}
        assert told == {
            to_text(ids[0]): (False, "the person was last seen more than 30 days ago"),
            to_text(ids[1]): (True, ""),
            to_text(ids[2]): (False, "the model gave no valid score"),
        }
        assert [bool(bench.scores(each)) for each in ids] == [False, True, False]

    play(tmp_path, scenario, young)


def test_a_model_that_fails_leaves_rows_that_say_so(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.send(*(track(f"i{number}", "user_id:ann", at=NOW + number) for number in range(13)))
        for number, model in enumerate((Halved(), Raises())):
            made = ModelVersion(name="halved", version=1, source="import", target="x:y", signature=model.signature)
            output = tmp_path / f"set{number}"
            found = backfill(made, model, [NOW + 20], people(tmp_path, bench.now), output)
            assert (found.rows, found.scored) == (1, 0 if number else 1)
            (row,) = pq.read_table(output / "scores.parquet").to_pylist()
            assert ("the model failed: it raised ValueError" in row["stale"]) == bool(number)
            assert "jane" not in row["stale"]

    play(tmp_path, scenario)


def test_it_is_written_once_for_its_owner_of_those_who_may_be_scored(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        ids = await bench.send(order("ann", 1, 50), order("bob", 1, 40))
        await bench.send(consent(1, True, NOW))
        rows = await asyncio.to_thread(written, bench, "churn", [NOW], "set")
        assert rows.column("customer_id").to_pylist() == [to_text(ids[0])]
        files = list((tmp_path / "set").iterdir())
        assert len(files) == 2 and all(path.stat().st_mode & 0o077 == 0 for path in files)
        made = msgspec.json.decode((tmp_path / "set" / BACKFILL_FILE).read_bytes(), type=Backfill)
        assert (made.model, made.rows, made.scored, made.withheld) == ("churn@1", 1, 1, 1)
        with pytest.raises(FileExistsError):
            written(bench, "churn", [NOW], "set")
        with pytest.raises(ValueError, match="must have passed"):
            written(bench, "churn", [NOW, bench.now + 1], "later")
        (tmp_path / "a-file").touch()
        with pytest.raises(ValueError, match=r"--output: .* cannot be made: Not a directory"):
            written(bench, "churn", [NOW], "a-file/set")
        assert not (tmp_path / "later").exists()  # nobody's scores are left in it, and the name is free
        assert written(bench, "churn", [NOW, NOW], "later").num_rows == 1  # a time that is named twice is one

    play(tmp_path, scenario, purposes=CONSENT)
