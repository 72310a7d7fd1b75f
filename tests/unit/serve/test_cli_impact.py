"""`onefold impact power` without a service."""

import json
import sys

import pytest

from models.impact.power import people_needed
from serve.cli import run


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["onefold", "impact", "power", *arguments])
    return run()


def test_people_effect_and_power(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> dict[str, float]:
        assert call(monkeypatch, *arguments, "--json") == 0
        answer: dict[str, float] = json.loads(capsys.readouterr().out)
        return answer

    people = told("--deviation", "80", "--effect", "2", "--holdout", "10")["people"]
    assert people == people_needed(2, 80, 0.1)
    assert told("--deviation", "80", "--people", str(people))["effect"] == pytest.approx(2, rel=1e-3)
    assert told("--deviation", "80", "--people", str(people), "--effect", "2")["power"] == pytest.approx(0.8, abs=1e-3)
    assert told("--share", "0.5", "--effect", "0.1")["people"] == people_needed(0.1, 0.5, 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--effect", "1"), "--deviation or --share"),
        (("--share", "0.1"), "--effect, --people"),
        (("--share", "2", "--effect", "1"), "--share: expected"),
        (("--deviation", "1", "--effect", "0"), "a difference other than 0"),
    ],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert call(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
