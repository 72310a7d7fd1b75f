"""A training set, and scores of the past, in LanceDB say the same as those in Parquet files."""

from pathlib import Path

import lancedb
import pyarrow.parquet as pq

from models.scoring.builtin import BUILTIN
from models.scoring.features import Feature
from models.scoring.outcomes import Outcome
from pipelines.backfill_scores import backfill
from pipelines.people_as_of import PeopleAsOf
from pipelines.table_sinks import Format
from pipelines.training_sets import TrainingSpec, write_training_set
from tests.strategies.purchase_models import version
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


def test_both_forms_are_of_the_same_scores(tmp_path: Path) -> None:
    fill(tmp_path / "shop", histories(20, seed=1))
    churn = version("churn")
    model = BUILTIN["churn"](churn.parameters)
    forms: dict[Format, str] = {"parquet": "files", "lance": "tables"}
    for form, output in forms.items():
        backfill(
            churn,
            model,
            [AT, AT + 1],
            lambda at: PeopleAsOf(tmp_path / "shop", SHARDS, at, at, NOW, POLICY),
            tmp_path / output,
            form,
        )
    scores = lancedb.connect(tmp_path / "tables").open_table("scores").to_arrow()
    assert scores.num_rows == 40
    assert scores.equals(pq.read_table(tmp_path / "files" / "scores.parquet"))
