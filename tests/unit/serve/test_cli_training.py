"""`onefold models train` and `training-set` on a data directory with real shards' files."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from actors.audit_log import AuditLog, EntryFilter
from actors.control import ControlStore
from actors.schema import create_shards
from models.scoring.builtin import BUILTIN
from tests.unit.command_line import Call, command_line
from tests.unit.pipelines.planted_shop import AT, HORIZON_DAYS, SHARDS, fill, histories

AS_OF = datetime.fromtimestamp(AT / 1000, UTC).isoformat()
SPEC = """
name = "comes_back"
horizon_days = 60
outcome = { kind = "bought" }
[features]
plan = { trait = "plan", text = true }
often = { history = "repeat_purchases" }
"""


@pytest.fixture
def onefold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command on a directory with some people: its exit code, and what it wrote."""
    call = command_line(tmp_path, monkeypatch, capsys)
    assert call("init", "--shards", str(SHARDS))[0] == 0
    create_shards(tmp_path / "onefold-data", SHARDS)
    (tmp_path / "spec.toml").write_text(SPEC)
    return call


def test_a_model_is_trained_registered_and_told_of(onefold: Call, tmp_path: Path) -> None:
    fill(tmp_path / "onefold-data", histories(300, seed=9))
    timed = ("--as-of", AS_OF, "--horizon", str(HORIZON_DAYS))
    exit_code, out, _ = onefold("models", "train", "lifetime_value", *timed)
    assert exit_code == 0 and "lifetime_value@1: learned from" in out and "mean_absolute_error" in out
    assert "people today beside those it learned from" in out and "customer_days" in out
    for model, options in (("churn", timed), ("additive", ("--spec", "spec.toml", "--as-of", AS_OF))):
        exit_code, out, _ = onefold("models", "train", model, *options, "--json")
        assert exit_code == 0 and json.loads(out)["report"]["measures"]["auc"] > 0.5
    with closing(ControlStore(tmp_path / "onefold-data" / "control.sqlite")) as control:
        versions = control.model_versions()
    assert [version.reference for version in versions] == ["churn@1", "comes_back@1", "lifetime_value@1"]
    for version in versions:
        assert BUILTIN[version.target](version.parameters).signature == version.signature
    with closing(AuditLog(tmp_path / "onefold-data")) as log:
        entries = log.entries(EntryFilter(action="onefold models train"), 1 << 62, 10)
    assert len(entries) == 3


def test_a_channel_is_promoted_when_it_tells_responses_no_worse(onefold: Call, tmp_path: Path) -> None:
    gate = "[scoring.gates.channel_preference]\npeople_min = 20\nhorizon_days = 60\nmilliseconds_max = 1e9\n"
    (tmp_path / "onefold.toml").write_text(gate)
    fill(tmp_path / "onefold-data", histories(300, seed=9))
    timed = ("--as-of", AS_OF, "--config", "onefold.toml")
    exit_code, out, told = onefold("models", "train", "channel_preference", "--horizon", "60", *timed, "--json")
    assert exit_code == 0, told
    learned = json.loads(out)
    assert onefold("models", "promote", "channel_preference@1", "--config", "onefold.toml")[0] == 0
    wrong = {**learned["parameters"], "rates": [0.9, 0.5, 0.5], "worths": [5000.0] * 3}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    (tmp_path / "same.json").write_text(json.dumps(learned["parameters"]))
    for name in ("wrong", "same"):
        assert onefold("models", "register", "--builtin", "channel_preference", "--parameters", f"{name}.json")[0] == 0
    exit_code, _, told = onefold("models", "promote", "channel_preference@2", *timed)
    assert exit_code != 0 and "log_loss" in told, told
    exit_code, out, told = onefold("models", "promote", "channel_preference@3", *timed)
    assert exit_code == 0 and "channel_preference@3 is the champion" in out, told
    with closing(ControlStore(tmp_path / "onefold-data" / "control.sqlite")) as control:
        found = control.latest_evaluation("channel_preference", 3)
    assert found is not None and found.reports[3].measures == learned["report"]["measures"]


def test_a_training_set_is_written_once(onefold: Call, tmp_path: Path) -> None:
    fill(tmp_path / "onefold-data", histories(20, seed=9))
    options = ("models", "training-set", "spec.toml", "--as-of", AS_OF, "--output", "set")
    exit_code, out, _ = onefold(*options)
    assert exit_code == 0 and "20 rows" in out
    assert pq.read_table(tmp_path / "set" / "features.parquet").schema.names == [
        "customer_id",
        "as_of",
        "plan",
        "often",
    ]
    exit_code, _, told = onefold(*options)
    assert exit_code == 2 and "is there already" in told


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("train", "churn", "--spec", "spec.toml"), 2, "--spec: expected with additive"),
        (("train", "additive"), 2, "--spec: expected with additive"),
        (("train", "churn", "--as-of", "yesterday"), 2, "--as-of: expected ISO 8601"),
        (
            ("train", "churn"),
            1,
            "0 people had bought, beside those to measure with; 100 are needed: choose another time with --as-of",
        ),
        (("train", "churn", "--as-of", "2999-01-01"), 1, "must have passed"),
        (("train", "additive", "--spec", "none.toml"), 2, "none.toml: No such file"),
    ],
)
def test_what_cannot_be_says_why(onefold: Call, arguments: tuple[str, ...], code: int, message: str) -> None:
    exit_code, _, told = onefold("models", *arguments)
    assert (exit_code, message in told) == (code, True), told


def test_segments_are_suggested_with_files_to_create(onefold: Call, tmp_path: Path) -> None:
    fill(tmp_path / "onefold-data", histories(600, seed=9))
    asked = ("segments", "discover", "--outcome", "bought", "--as-of", AS_OF, "--horizon", str(HORIZON_DAYS))
    exit_code, out, _ = onefold(*asked, "--output", "drafts", "--json")
    told = json.loads(out)
    assert exit_code == 0 and told["people"] == 600
    drafts = {path.name for path in (tmp_path / "drafts").iterdir()}
    assert drafts == {"discovery.json", *(f"{group['segment']['id']}.json" for group in told["groups"])}
    exit_code, out, _ = onefold(*asked)
    assert exit_code == 0 and out.startswith("a purchase, ") and "everybody " in out
    assert all(group["verdict"] in out for group in told["groups"])
    assert "--as-of" not in out
    never = onefold(
        "segments", "discover", "--outcome", "event Never", "--as-of", AS_OF, "--horizon", str(HORIZON_DAYS)
    )
    assert never[0] == 0 and "the same came of all who were looked at: choose another outcome, or --as-of" in never[1]
    exit_code, _, error = onefold(*asked, "--output", "drafts")
    assert exit_code == 2 and "is there already" in error
    with closing(AuditLog(tmp_path / "onefold-data")) as log:
        assert len(log.entries(EntryFilter(action="onefold segments discover"), 1 << 62, 10)) == 3


def test_what_cannot_be_discovered_says_why(onefold: Call) -> None:
    timed = ("--as-of", AS_OF, "--horizon", str(HORIZON_DAYS))
    for options, why in (
        ((), "give a file with an outcome, or --outcome"),
        (("spec.toml", "--outcome", "bought"), "one of them"),
        (("--outcome", "fame"), "--outcome: expected bought, revenue"),
        (("spec.toml", "--as-of", AS_OF), "features.often: no criterion says this"),
        (("--outcome", "bought", *timed), "asked of nobody who was known then"),
    ):
        exit_code, _, error = onefold("segments", "discover", *options)
        assert exit_code == 2 and why in error, error
