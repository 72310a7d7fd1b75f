"""A training set in LanceDB says the same as the one in Parquet files."""

from pathlib import Path

import lancedb
import pyarrow.parquet as pq

from models.scoring.features import Feature
from models.scoring.outcomes import Outcome
from pipelines.people_as_of import PeopleAsOf
from pipelines.training_sets import TrainingSpec, write_training_set
from tests.unit.pipelines.planted_shop import AT, NOW, POLICY, SHARDS, fill, histories

SPEC = TrainingSpec(
    name="comes_back",
    features={"plan": Feature(trait="plan", text=True), "often": Feature(history="repeat_purchases")},
    outcome=Outcome(kind="bought"),
    horizon_days=60,
)


def test_both_forms_are_of_one_set(tmp_path: Path) -> None:
    fill(tmp_path / "shop", histories(40, seed=1))

    def people(at: int) -> PeopleAsOf:
        return PeopleAsOf(tmp_path / "shop", SHARDS, at, NOW, NOW, POLICY)

    write_training_set(SPEC, [AT, AT + 1], people, tmp_path / "files")
    made = write_training_set(SPEC, [AT, AT + 1], people, tmp_path / "tables", "lance")
    assert made.people == 80
    database = lancedb.connect(tmp_path / "tables")
    for name in ("features", "labels"):
        assert database.open_table(name).to_arrow().equals(pq.read_table(tmp_path / "files" / f"{name}.parquet"))
