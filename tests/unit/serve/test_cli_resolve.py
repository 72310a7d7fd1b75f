"""`onefold resolve`: what files' columns are taken for, for people and for programs, and what is refused."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from models.identity.model import MatchModel
from serve.cli import run
from tests.strategies.people import households

PEOPLE = "id,Vorname,Name,E-Mail,cluster\n1,Anna,Schmidt,anna@example.com,7\n2,Jan,Weber,jan@example.com,8\n"


def onefold(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["onefold", *arguments])
    return run()


@pytest.fixture
def people(tmp_path: Path) -> str:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return str(path)


def test_columns_for_people(people: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert onefold(monkeypatch, "resolve", people, "--id-column", "id", "--show-columns") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["COLUMN", "ROLE", "CERTAINTY", "REASON"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["Vorname", "given_name"],
        ["Name", "family_name"],
        ["E-Mail", "email"],
        ["cluster", "-"],
    ]
    assert "leak risk" in lines[4]


def test_columns_for_programs(people: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--id-column", "id", "--columns", "ignore=E-Mail", "--show-columns", "--json")
    assert onefold(monkeypatch, "resolve", people, *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["records"], report["sources"]) == (2, 1)
    assert [column["role"] for column in report["columns"]] == ["given_name", "family_name", None, None]
    assert report["columns"][2] == {"column": "E-Mail", "role": None, "certainty": 1.0, "reason": "ignored: as asked"}


def test_what_cannot_be_read_ends_with_the_reason(
    people: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert onefold(monkeypatch, "resolve", people, "--id-column", "key", "--show-columns", "--json") == 2
    error = json.loads(capsys.readouterr().err)
    assert error["code"] == "input"
    assert 'people.csv has no column "key"' in error["message"]


def written(path: Path, count: int = 120) -> Path:
    records, _ = households(6, count)
    roles = ("given_name", "family_name", "birth_date", "street_address", "city", "email")
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", *roles))
        for record in records:
            rows.writerow((record.record_id, *("".join(record.values.get(role, ())) for role in roles)))  # type: ignore[call-overload]
    return path


def test_records_in_and_people_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output, model = written(tmp_path / "people.csv"), tmp_path / "clusters.csv", tmp_path / "model.json"
    options = (str(path), "--id-column", "id", "--output", str(output), "--json")
    assert onefold(monkeypatch, "resolve", *options, "--save-model", str(model)) == 0
    report = json.loads(capsys.readouterr().out)
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert report["records"] == len(rows) and report["sources"] == 1
    assert report["entities"] == len({row["entity_id"] for row in rows}) < len(rows)
    assert report["largest"] == max(Counter(row["entity_id"] for row in rows).values())
    assert report["model_version"] == MatchModel.decode(model.read_bytes()).version
    assert {"read", "normalise", "block", "compare", "learn", "score", "cluster", "write"} <= set(report["seconds"])

    assert onefold(monkeypatch, "resolve", *options, "--model", str(model)) == 0
    again = json.loads(capsys.readouterr().out)
    assert "learn" not in again["seconds"]
    with output.open(newline="") as file:
        assert list(csv.DictReader(file)) == rows


def test_a_report_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = written(tmp_path / "people.csv"), tmp_path / "clusters.parquet"
    assert onefold(monkeypatch, "resolve", str(path), "--id-column", "id", "--output", str(output)) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "given_name" in shown and "records of 1 source(s) are" in shown and "Written to" in shown
    assert output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--output: name the file"),
        (("--output", "o.csv", "--model", "none.json"), "--model: cannot read none.json"),
        (("--output", "o.csv", "--config", "none.toml"), "--config: cannot read none.toml"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_written(
    people: str, options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert onefold(monkeypatch, "resolve", people, "--id-column", "id", *options, "--json") == 2
    assert message in json.loads(capsys.readouterr().err)["message"]
    assert not (tmp_path / "o.csv").exists()
