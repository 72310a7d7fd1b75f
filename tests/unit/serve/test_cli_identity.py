"""The commands about identity: what they print and how they end."""

import json
import sys
from pathlib import Path

import pytest

from serve.cli import run
from tests.strategies.people import households


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clusters.csv").write_text("record_id,entity_id\nr1,x\nr2,x\nr3,y\n")
    (tmp_path / "truth.csv").write_text("id,person,source\nr1,a,s\nr2,a,s\nr3,b,s\n")
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["onefold", *arguments])
    return run()


TRUTH_COLUMNS = ("--truth-record-column", "id", "--truth-entity-column", "person")


def test_evaluate_prints_a_table_or_json(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "evaluate", "clusters.csv", "truth.csv", *TRUTH_COLUMNS) == 0
    assert "pairwise          1.0000    1.0000    1.0000" in capsys.readouterr().out
    assert call(monkeypatch, "evaluate", "clusters.csv", "truth.csv", *TRUTH_COLUMNS, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["scores"]["entities_exact"] == 2
    assert told["truth"] == {
        "path": "truth.csv",
        "record_column": "id",
        "entity_column": "person",
        "records": 3,
        "left_out": 0,
    }


def test_evaluate_exits_with_2_if_the_files_do_not_fit_together(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "evaluate", "clusters.csv", "truth.csv", "--json") == 2
    assert json.loads(capsys.readouterr().err)["code"] == "columns"
    with (files / "truth.csv").open("a") as truth:
        truth.write("r4,b,s\n")
    assert call(monkeypatch, "evaluate", "clusters.csv", "truth.csv", *TRUTH_COLUMNS, "--json") == 2
    failed = json.loads(capsys.readouterr().err)
    assert failed["code"] == "missing_records" and "in the truth only: 1" in failed["message"]
    assert call(monkeypatch, "evaluate", "clusters.csv", "truth.csv", *TRUTH_COLUMNS, "--allow-missing") == 0
    assert "left out  0 records in the clusters only, 1 in the truth only" in capsys.readouterr().out


def test_evaluate_explains_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--help") == 0
    assert " evaluate " in capsys.readouterr().out
    assert call(monkeypatch, "evaluate", "--help") == 0
    assert "--truth-record-column" in capsys.readouterr().out


def test_explain_shows_why_as_text_json_or_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records, _ = households(2, 60)
    roles = ("given_name", "family_name", "birth_date", "street_address", "city", "email")
    lines = [",".join(["id", *roles])]
    lines += [",".join([r.record_id, *("".join(r.values.get(role, ())) for role in roles)]) for r in records]  # type: ignore[call-overload]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines) + "\n")
    asked = ("explain", records[0].record_id, records[1].record_id, "--input", str(path), "--id-column", "id")
    assert call(monkeypatch, *asked) == 0
    assert "prior" in capsys.readouterr().out
    assert call(monkeypatch, *asked, "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert abs(told["prior"] + sum(step["weight"] for step in told["steps"]) - told["score"]) < 1e-6
    assert call(monkeypatch, *asked, "--format", "svg", "--output", str(tmp_path / "why.svg")) == 0
    assert (tmp_path / "why.svg").read_text().startswith("<svg")
    assert call(monkeypatch, "explain", "nobody", *asked[2:]) == 2
    assert "A: no record has this id" in capsys.readouterr().err
