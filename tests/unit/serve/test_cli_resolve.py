"""`onefold resolve`: what files' columns are taken for, for people and for programs, and what is refused."""

import json
from pathlib import Path

import pytest

from serve.cli import run

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
