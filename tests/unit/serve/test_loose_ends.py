"""What settings and segments name that there is not: told by the doctor, in the log, and where a segment is made."""

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.scoring.decision_point import Action
from models.scoring.gate import Gate
from models.scoring.settings import ScoringSettings
from serve.loose_ends import loose_ends, warn_of_loose_ends
from serve.settings import Settings
from tests.strategies.decision_points import SCORING
from tests.strategies.purchase_models import version
from tests.unit.command_line import Call, command_line
from tests.unit.serve.http_service import HttpService

POINT = msgspec.structs.replace(
    SCORING.decisions["welcome"], actions={"none": Action(), "call": Action(segment="callable")}
)
TYPO = {"type": "demographic", "trait": "chrun_band", "operator": "equals", "value": "high"}
SAID = "trait chrun_band: no score is called chrun: was churn_band meant?"


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    scoring = ScoringSettings(
        decisions={"welcome": POINT},
        bands={"churn": {"likely": 0.5}},
        gates={"churn": Gate(outcome="not left subscribers", horizon_days=30)},
    )
    return HttpService(tmp_path, Settings(scoring=scoring))


def told(service: HttpService) -> list[str]:
    """Where something is named that there is not."""
    return [each.partition(": there")[0] for each in loose_ends(service.services.settings, service.control)]


def test_it_is_told_until_it_is_there(service: HttpService) -> None:
    action, gate = "scoring.decisions.welcome.actions.call.segment", "scoring.gates.churn.outcome"
    assert told(service) == [action, "scoring.bands.churn", "scoring.gates.churn", gate]
    service.control.register_model(version("churn"))
    assert told(service) == [action, gate]
    for segment_id in ("callable", "subscribers"):
        criteria = {**TYPO, "trait": "plan"}
        assert service.post("/v1/segments", {"id": segment_id, "name": "x", "criteria": criteria}).status_code == 200
    assert told(service) == []


def test_a_segment_of_a_band_that_no_score_has_is_made_with_a_note(
    service: HttpService, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {"id": "risky", "name": "Risky", "criteria": {"not": TYPO}}
    assert service.post("/v1/segments", asked).json()["notes"] == [SAID]
    assert service.get("/v1/segments/risky").json()["notes"] == [SAID]
    assert [record.__dict__["fields"]["reason"] for record in caplog.records if "is named" in record.message] == [
        f"segment risky: {SAID}"
    ]
    predicate = {"name": "At risk", "id": "at_risk", "expression": {"type": "predicate", "criteria": TYPO}}
    assert service.post("/v1/computed-traits", predicate).status_code == 200
    assert told(service)[-2:] == [f"segment risky: {SAID}", f"computed trait at_risk: {SAID}"]
    fine = {**TYPO, "trait": "churn_band", "value": "likely"}
    assert service.post("/v1/segments", {**asked, "criteria": fine}).json()["notes"] == []


@pytest.mark.parametrize(
    ("outcome", "said"), [("", []), ("labels", []), ("left", ["scoring.gates.churn.outcome: expected"]), ("bought", [])]
)
def test_outcomes_that_name_no_segment_hold_nothing_up(service: HttpService, outcome: str, said: list[str]) -> None:
    service.control.register_model(version("churn"))
    settings = Settings(scoring=ScoringSettings(gates={"churn": Gate(outcome=outcome)}))
    found = loose_ends(settings, service.control)
    assert [each[: len(start)] for each, start in zip(found, said, strict=True)] == said


def test_what_others_still_name_when_a_segment_goes_is_told(service: HttpService) -> None:
    before = told(service)
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": {**TYPO, "trait": "plan"}})
    hook = {"id": "crm", "url": "https://crm.example/hook", "segments": ["pro"]}
    assert service.post("/v1/webhooks", hook).status_code == 200
    assert told(service) == before
    assert service.request("DELETE", "/v1/segments/pro").status_code == 200
    assert told(service) == [*before, "webhook crm, segment pro"]


def test_criteria_of_another_version_hold_nothing_up(service: HttpService) -> None:
    stored = {"id": "odd", "name": "Odd", "criteria": {"type": "magic"}}
    service.control.put_segment("odd", stored)
    note = "this version cannot read its criteria: replace it"
    assert told(service)[-1] == f"segment odd: {note}"
    assert service.get("/v1/segments/odd").json()["notes"] == [note]


def test_a_start_logs_it(service: HttpService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    warn_of_loose_ends(service.services.settings)
    found = loose_ends(service.services.settings, service.control)
    assert [record.__dict__["fields"] for record in caplog.records if "is named" in record.message] == [
        {"tenant": "", "reason": each} for each in found
    ]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return command_line(tmp_path, monkeypatch, capsys)


def test_the_doctor_warns_of_it(call: Call, tmp_path: Path) -> None:
    def check() -> dict[str, Any]:
        found = json.loads(call("doctor", "--json")[1])
        return next(each for each in found if each["name"] == "references")

    call("init")
    assert check()["outcome"] == "ok"
    (tmp_path / "onefold-data" / "onefold.toml").write_text("[scoring.bands]\nchrun = { high = 0.7 }\n")
    assert check() == {
        "name": "references",
        "outcome": "warning",
        "detail": "scoring.bands.chrun: there is no model of this name: nobody is in its bands",
    }


@pytest.mark.parametrize("is_other_version", [False, True])
def test_the_doctor_goes_on_where_the_control_store_cannot_be_read(
    call: Call, tmp_path: Path, is_other_version: bool
) -> None:
    call("init")
    file = tmp_path / "onefold-data" / "control.sqlite"
    if is_other_version:
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    else:
        file.write_bytes(b"no database" * 100)
    code, out, _ = call("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert code == 1 and "clock" in checks and "references" not in checks
    assert checks["control store"]["outcome"] == "problem"
    assert checks["control store"]["detail"].startswith("control.sqlite is not a control store")
