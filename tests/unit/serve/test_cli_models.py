"""`onefold models`: registered, measured, promoted by the gate, shadowed and retired, with every move kept."""

import asyncio
import json
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from actors.audit_log import AuditLog, EntryFilter
from actors.control import ControlStore
from actors.router import Router
from actors.schema import create_shards
from actors.score_store import ScoreStore, scores_path
from models.identity.customer_id import from_text, shard_of
from models.scoring.contract import Output, Signature
from models.scoring.features import Feature
from models.scoring.kept import Row, body_of
from models.scoring.registry import ModelVersion
from pipelines.people_as_of import is_measured
from serve.cli_common import DONE, FAILED, NOT_FOUND, USAGE
from tests.unit.actors.local_shards import LocalShards
from tests.unit.command_line import Call, command_line
from tests.unit.pipelines.planted_shop import AT, HORIZON_DAYS, SHARDS, fill, histories

AS_OF = datetime.fromtimestamp(AT / 1000, UTC).isoformat()
FAULTY = "tests.strategies.faulty_models"
HALVED = ("--import", f"{FAULTY}:Halved")
SIGNATURE = """
name = "lifetime_value"
owner = "analytics"
output = { unit = "EUR in 60 days", low = 0, horizon_days = 60 }
[features]
often = { history = "repeat_purchases" }
events = { history = "events" }
"""


@pytest.fixture
def onefold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command on a data directory: its exit code, and what it wrote."""
    call = command_line(tmp_path, monkeypatch, capsys)
    assert call("init", "--shards", str(SHARDS))[0] == 0
    create_shards(tmp_path / "onefold-data", SHARDS)
    return partial(call, "models")


def standing(onefold: Call, name: str) -> tuple[int | None, int | None]:
    found = next(each for each in json.loads(onefold("list", "--json")[1]) if each["name"] == name)
    return found["champion"], found["challenger"]


def test_versions_are_registered_shadowed_forced_and_retired(onefold: Call, tmp_path: Path) -> None:
    for number in (1, 2):
        exit_code, out, _ = onefold("register", *HALVED, "--json")
        assert (exit_code, json.loads(out)["version"]) == (DONE, number)
    exit_code, _, err = onefold("promote", "halved@1", "--force")
    assert exit_code == USAGE and "reason" in err
    assert onefold("promote", "halved@1", "--force", "--reason", "the first")[0] == DONE
    assert onefold("shadow", "halved@1")[0] == USAGE
    assert onefold("shadow", "halved@2")[0] == DONE
    assert standing(onefold, "halved") == (1, 2)
    assert onefold("promote", "halved@2", "--force", "--reason", "better")[0] == DONE
    assert standing(onefold, "halved") == (2, None)
    exit_code, _, err = onefold("retire", "halved@1")
    assert exit_code == USAGE and "halved@1 is neither champion nor challenger" in err
    exit_code, _, err = onefold("promote", "halved@2")
    assert exit_code == USAGE and "halved@2 is the champion already" in err
    exit_code, out, _ = onefold("retire", "halved", "--reason", "wrong")
    assert (exit_code, out) == (DONE, "no version of halved is the champion any longer\n")
    exit_code, _, err = onefold("retire", "halved")
    assert exit_code == USAGE and "no version of halved is champion or challenger" in err
    assert onefold("promote", "halved@1", "--force", "--reason", "again")[0] == DONE
    assert onefold("retire", "halved@1", "--reason", "wrong")[1] == "halved@1 is no longer the champion\n"
    assert standing(onefold, "halved") == (None, None)
    shown = json.loads(onefold("show", "halved", "--json")[1])
    assert [move["reason"] for move in shown["moves"]] == [
        *("wrong", "again", "wrong", "it became the champion", "better", "", "the first")
    ]
    assert [each["version"] for each in shown["versions"]] == [2, 1]
    assert onefold("show", "halved@3")[0] == NOT_FOUND
    assert "halved" in onefold("show", "halved")[1] + onefold("list")[1]
    with closing(AuditLog(tmp_path / "onefold-data")) as log:
        actions = [entry.action for entry in log.entries(EntryFilter(), 1 << 62, 100)]
    assert {f"onefold models {each}" for each in ("register", "promote", "shadow", "retire")} <= set(actions)


def test_a_version_is_promoted_by_what_is_measured_of_it(onefold: Call, tmp_path: Path) -> None:
    fill(tmp_path / "onefold-data", histories(400, seed=11))
    (tmp_path / "onefold-data" / "onefold.toml").write_text(
        "[scoring.gates.lifetime_value]\npeople_min = 50\nmilliseconds_max = 5000\n"
    )
    assert onefold("train", "lifetime_value", "--as-of", AS_OF, "--horizon", str(HORIZON_DAYS))[0] == DONE
    exit_code, _, err = onefold("promote", "lifetime_value@1", "--as-of", AS_OF)
    assert exit_code == DONE, err
    constant = make_pipeline(SimpleImputer(), LinearRegression()).fit([[0.0, 1.0], [1.0, 0.0]], [1e6, 1e6])
    skops.io.dump(constant, tmp_path / "m.skops")
    (tmp_path / "signature.toml").write_text(SIGNATURE)
    artefact = ("--sklearn", "m.skops", "--signature", "signature.toml", "--learned-as-of", AS_OF)
    assert onefold("register", *artefact)[0] == DONE
    exit_code, _, err = onefold("promote", "lifetime_value@2", "--as-of", AS_OF)
    assert exit_code == USAGE and "mean_absolute_error" in err and "champion's" in err
    measured = json.loads(onefold("evaluate", "lifetime_value@2", "--as-of", AS_OF, "--json")[1])
    assert set(measured["reports"]) == {"1", "2"}
    assert measured["comparison"]["version"] == 2 and measured["comparison"]["high"] < 0
    table = pq.read_table(labelled(onefold, tmp_path))
    asked = ("evaluate", "lifetime_value@2", "--labels", "labels.csv", "--as-of", AS_OF)
    pa.csv.write_csv(table.drop_columns(["as_of"]), tmp_path / "labels.csv")
    by_labels = json.loads(onefold(*asked, "--json")[1])
    assert by_labels["outcome"] == "labels" and by_labels["asked"] == 400
    expected = measured["reports"]["2"]["measures"]
    assert by_labels["reports"]["2"]["measures"] == pytest.approx(expected)
    assert "worse, by" in onefold(*asked)[1]
    by_kept = ("evaluate", "lifetime_value@2", "--kept", "--as-of", AS_OF)
    exit_code, _, err = onefold(*by_kept)
    assert exit_code == FAILED and "no score was kept" in err
    keep_scores(onefold, tmp_path, "lifetime_value@1", "lifetime_value@2")
    assert json.loads(onefold(*by_kept, "--json")[1])["reports"]["2"]["measures"] == pytest.approx(expected)
    assert "by scores that were kept" in onefold(*by_kept)[1]
    for options in ((), ("--kept",)):  # the file says of when its labels are
        both = ("evaluate", "lifetime_value@2", "--labels", "spent/labels.parquet", *options)
        assert json.loads(onefold(*both, "--json")[1])["reports"]["2"]["measures"] == pytest.approx(expected)
    exit_code, _, err = onefold(*by_kept[:-1], "2025-01-01")
    assert exit_code == FAILED and "no score was kept as of 2025-01-01" in err
    filled = json.loads(onefold("backfill", "lifetime_value", "--as-of", AS_OF, "--output", "past", "--json")[1])
    assert (filled["model"], filled["rows"]) == ("lifetime_value@1", 400) and filled["scored"] > 300
    assert pq.read_table(tmp_path / "past" / "scores.parquet").num_rows == 400
    assert onefold("backfill", "lifetime_value@2", "--as-of", AS_OF, "--output", "second")[0] == DONE
    exit_code, _, err = onefold("backfill", "lifetime_value", "--as-of", AS_OF, "--output", "past")
    assert exit_code == USAGE and "is there already" in err
    assert measured["reports"]["2"]["drift"] == {"often": 0.0, "events": 0.0, "value": 0.0}
    assert "VERSION 1" in onefold("evaluate", "lifetime_value@2", "--as-of", AS_OF)[1]
    assert standing(onefold, "lifetime_value") == (1, None)
    shown = json.loads(onefold("show", "lifetime_value@2", "--json")[1])
    assert (shown["owner"], shown["target"], shown["source"]) == ("analytics", "lifetime_value/2/m.skops", "sklearn")
    assert shown["report"]["people"] == measured["reports"]["2"]["people"]
    copied = tmp_path / "onefold-data" / "models" / shown["target"]
    assert copied.read_bytes() == (tmp_path / "m.skops").read_bytes()
    merge_two(tmp_path / "onefold-data", table["customer_id"].to_pylist())
    assert json.loads(onefold(*asked, "--json")[1])["asked"] == 399


def merge_two(folder: Path, customer_ids: list[str]) -> None:
    async def main() -> None:
        shards = LocalShards(folder, SHARDS)
        shards.start_all()
        try:
            one, other = (f"customer_id:{each}" for each in customer_ids[:2])
            await Router(SHARDS, folder, shards).merge(one, other, "desk", AT)
        finally:
            await shards.stop_all()

    asyncio.run(main())


def keep_scores(onefold: Call, folder: Path, *references: str) -> None:
    """What scorers would have kept at AS_OF of those who are measured."""
    for reference in references:
        assert onefold("backfill", reference, "--as-of", AS_OF, "--output", f"kept-{reference}")[0] == DONE
        name, _, number = reference.partition("@")
        with closing(ControlStore(folder / "onefold-data" / "control.sqlite")) as control:
            model = control.model_version(name, int(number))
        for row in pq.read_table(folder / f"kept-{reference}" / "scores.parquet").to_pylist():
            customer_id = from_text(row["customer_id"])
            if row["value"] is None or not is_measured(customer_id):
                continue
            with closing(ScoreStore(scores_path(folder / "onefold-data", shard_of(customer_id)))) as store:
                body = body_of(None, None, row["rival"], [])
                store.sample([Row(customer_id, name, store.model(model), AT, 0, row["value"], "", body)])


def labelled(onefold: Call, folder: Path) -> Path:
    """What people spent in the horizon after AS_OF, as labels."""
    (folder / "spec.toml").write_text(
        f'name = "spent"\nhorizon_days = {HORIZON_DAYS}\noutcome = {{ kind = "revenue" }}\n'
        '[features]\nevents = { history = "events" }\n'
    )
    assert onefold("training-set", "spec.toml", "--as-of", AS_OF, "--output", "spent")[0] == DONE
    return folder / "spent" / "labels.parquet"


def test_what_is_not_measured_is_not_promoted(onefold: Call) -> None:
    onefold("register", *HALVED)
    exit_code, _, err = onefold("promote", "halved@1")
    assert exit_code == USAGE and "scoring.gates.halved: outcome" in err
    exit_code, _, err = onefold("backfill", "halved", "--as-of", AS_OF, "--output", "past")
    assert exit_code == USAGE and "halved has no champion" in err


def test_what_gives_nobody_a_score_is_not_backfilled(onefold: Call, tmp_path: Path) -> None:
    features = {"events": Feature(history="events")}
    signature = Signature(name="affinity", features=features, output=Output(kind="probability", horizon_days=30))
    made = ModelVersion(name="affinity", version=0, source="builtin", target="affinity", signature=signature)
    with closing(ControlStore(tmp_path / "onefold-data" / "control.sqlite")) as control:
        control.register_model(made)
    exit_code, _, err = onefold("backfill", "affinity@1", "--as-of", AS_OF, "--output", "past")
    assert exit_code == USAGE and "there is nothing to backfill" in err
    exit_code, _, err = onefold("evaluate", "affinity@1", "--kept")
    assert exit_code == USAGE and "affinity is not measured by them" in err


def test_a_rescoring_is_asked_for(onefold: Call, tmp_path: Path) -> None:
    assert onefold("rescore")[0] == DONE
    with closing(ControlStore(tmp_path / "onefold-data" / "control.sqlite")) as control:
        assert control.rescores() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one of --builtin"),
        ((*HALVED, "--builtin", "churn"), "give one of --builtin"),
        (("--onnx", "m.onnx"), "--signature: expected with a file"),
        (("--builtin", "nothing"), "builtin: expected one of"),
        (("--import", f"{FAULTY}:ComparesPeople"), "depends on who else"),
        ((*HALVED, "--parameters", "missing.json"), "No such file"),
        (("--onnx", "m.onnx", "--signature", "missing.toml"), "No such file"),
    ],
)
def test_what_cannot_be_registered_is_told(onefold: Call, arguments: tuple[str, ...], message: str) -> None:
    exit_code, _, err = onefold("register", *arguments)
    assert exit_code == USAGE and message in err
    assert json.loads(onefold("list", "--json")[1]) == []


def test_a_model_that_fails_is_told_without_its_words(onefold: Call) -> None:
    exit_code, _, err = onefold("register", "--import", f"{FAULTY}:NeverLoads")
    assert exit_code == FAILED
    assert "raised OSError" in err and "jane" not in err
