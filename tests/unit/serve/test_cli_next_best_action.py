"""`onefold models train next_best_action` on a data directory in which decisions were logged, up to the champion."""

import json
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from actors.control import ControlStore
from actors.schema import create_shards
from models.scoring.registry import AliasChange
from tests.strategies.purchase_models import version
from tests.unit.command_line import Call, command_line
from tests.unit.pipelines.planted_decisions import NAME, fill_decided
from tests.unit.pipelines.planted_shop import SHARDS

PEOPLE = 1_500
SETTINGS = """
[scoring.gates.welcome]
people_min = 100
milliseconds_max = 1e9
[scoring.decisions.welcome]
response = { kind = "event", event = "Product Viewed" }
value = { kind = "revenue", currency = "EUR" }
[scoring.decisions.welcome.features]
plan = { trait = "plan", text = true }
[scoring.decisions.welcome.actions]
none = {}
letter = { cost = 0.5 }
call = { cost = 0.5, segment = "reachable" }
"""


@pytest.fixture
def decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command on a directory with people who were decided about: its exit code, and what it wrote."""
    call = command_line(tmp_path, monkeypatch, capsys)
    assert call("init", "--shards", str(SHARDS))[0] == 0
    data = tmp_path / "onefold-data"
    create_shards(data, SHARDS)
    fill_decided(data, PEOPLE, personal=True, seed=12)
    (data / "onefold.toml").write_text(SETTINGS)
    return call


def test_a_decision_point_learns_and_its_version_becomes_the_champion(decided: Call, tmp_path: Path) -> None:
    train = ("models", "train", "next_best_action", "--decision", NAME)
    exit_code, out, told = decided(*train)
    assert (exit_code, told) == (0, "")
    assert "welcome@1: learned from" in out and "RIVAL (the same for all)" in out and "gain_low" in out
    assert decided("models", "promote", "welcome@1")[0] == 0
    exit_code, out, _ = decided(*train, "--json")
    assert exit_code == 0 and json.loads(out)["report"]["measures"]["value"] > 5
    exit_code, out, _ = decided("models", "evaluate", "welcome@2", "--json")
    first, second = (json.loads(out)["reports"][number]["measures"] for number in ("1", "2"))
    assert exit_code == 0 and first["value"] == pytest.approx(second["value"])
    assert decided("models", "promote", "welcome@2")[0] == 0
    with closing(ControlStore(tmp_path / "onefold-data" / "control.sqlite")) as control:
        assert control.current_models()[NAME, "champion"].version == 2


def test_the_log_tells_what_other_decisions_would_have_brought(decided: Call, tmp_path: Path) -> None:
    exit_code, out, _ = decided("impact", "policy", NAME, "--svg", "policy.svg")
    assert exit_code == 0 and "always letter" in out and "welcome@1" not in out
    assert (tmp_path / "policy.svg").read_text().startswith("<svg")
    assert decided("models", "train", "next_best_action", "--decision", NAME)[0] == 0
    assert decided("models", "promote", "welcome@1")[0] == 0
    exit_code, out, _ = decided("impact", "policy", NAME, "--json")
    found = {each["policy"]: each for each in json.loads(out)["policies"]}
    assert exit_code == 0 and found["welcome@1"]["verdict"] == "better"
    assert (
        found["welcome@1"]["decisions"] < found["as decided"]["decisions"] == PEOPLE
    )  # it has learned from the others
    assert decided("models", "train", "next_best_action", "--decision", NAME)[0] == 0
    assert decided("models", "shadow", "welcome@2")[0] == 0
    judged = json.loads(decided("impact", "policy", NAME, "--json")[1])["policies"]
    assert [each["policy"] for each in judged[-2:]] == ["welcome@1", "welcome@2"]
    exit_code, out, _ = decided("impact", "policy", NAME, "--since", "2026-01-01", "--json")
    assert exit_code == 0 and json.loads(out)["decisions"] == 0
    exit_code, _, told = decided("impact", "policy", NAME, "--until", "then")
    assert exit_code == 2 and "--until: expected ISO 8601" in told
    exit_code, _, told = decided("impact", "policy", "bye")
    assert exit_code == 4 and "scoring.decisions (welcome)" in told


def test_what_cannot_be_learned_says_why(decided: Call, tmp_path: Path) -> None:
    train = ("models", "train", "next_best_action")
    for arguments, code, message in (
        ((), 2, "--decision: expected with next_best_action"),
        (("--decision", "bye"), 4, "expected one of scoring.decisions (welcome)"),
        (("--decision", NAME, "--as-of", "2020-01-01"), 1, "0 people got none and their horizon is over"),
    ):
        exit_code, _, told = decided(*train, *arguments)
        assert (exit_code, message in told) == (code, True), told
    with closing(ControlStore(tmp_path / "onefold-data" / "control.sqlite")) as control:
        score = version("churn")
        named = msgspec.structs.replace(score, name=NAME, signature=msgspec.structs.replace(score.signature, name=NAME))
        control.set_model_aliases(AliasChange(NAME, "champion", control.register_model(named).version, 1, "test"))
    exit_code, _, told = decided(*train, "--decision", NAME)
    assert exit_code == 2 and "the name of a score too" in told
