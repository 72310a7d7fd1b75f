"""The report on a decision point over HTTP: made in a process of its own, the same as the command's, for whom it may
be."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from models.scoring.registry import AliasChange
from models.scoring.settings import ScoringSettings
from serve.cli import run
from serve.policy_work import PolicyQuestion, make_report
from serve.settings import SegmentSettings, Settings
from tests.strategies.decision_points import champion
from tests.unit.pipelines.planted_decisions import NAME, POINT, fill_decided
from tests.unit.pipelines.planted_shop import SHARDS
from tests.unit.serve.http_service import HttpService

PATH = f"/v1/decisions/{NAME}/impact"
SHOP = Purposes(known={"shop": Purpose(basis="contract", data=DataScope(traits=("*",)))}, default="shop")
PEOPLE = 300


def started(folder: Path, **settings: Any) -> HttpService:
    scoring = ScoringSettings(decisions={NAME: POINT})
    service = HttpService(folder, Settings(data_dir=str(folder), scoring=scoring, **settings))
    service.control.fix_meta("shards", SHARDS)
    return service


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    fill_decided(folder, PEOPLE, personal=True, seed=13)
    return folder


def test_it_is_what_the_command_tells(shop: Path) -> None:
    service = started(shop, privacy=PrivacySettings(purposes=SHOP))
    found = service.get(PATH)
    assert found.status_code == 200, found.text
    question = PolicyQuestion(
        settings=service.services.settings, decision=NAME, since=0, until=service.now, now=service.now, versions=[],
        decisions_max=1_000,
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(question), type=PolicyQuestion) == question
    assert found.json() == msgspec.to_builtins(make_report(question))
    assert found.json()["decisions"] == PEOPLE
    assert found.json()["left_out"] == 0
    assert "always letter" in service.get(f"{PATH}?format=text").text
    assert service.get(f"{PATH}?format=svg").headers["content-type"].startswith("image/svg+xml")
    assert service.get(f"{PATH}?to=2020-01-01").json()["decisions"] == 0
    service.key = service.create_key("analyse")
    assert service.get(PATH).json()["taken"] == found.json()["taken"]


def test_small_counts_are_for_those_who_may_read_people(shop: Path) -> None:
    service = started(shop, segments=SegmentSettings(min_count=PEOPLE))
    service.key = service.create_key("analyse")
    found = service.get(PATH).json()
    assert (found["decisions"], found["taken"], found["policies"]) == (None, {}, [])
    service.key = service.create_key("read")
    assert service.get(PATH).json()["decisions"] == PEOPLE
    service.key = service.create_key("ingest")
    assert service.get(PATH).status_code == 403


def test_what_cannot_be_reported_says_why(tmp_path: Path) -> None:
    service = started(tmp_path)
    assert service.get("/v1/decisions/bye/impact").status_code == 404
    assert service.get(f"{PATH}?from=then").status_code == 400
    elsewhere = service.get(PATH)
    assert elsewhere.status_code == 409 and "onefold impact policy" in elsewhere.json()["message"]


def test_the_command_says_what_it_cannot_read(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = started(shop)
    config = tmp_path / "onefold.toml"
    config.write_text(
        f"""
        [scoring.decisions.{NAME}]
        features.plan = {{ trait = "plan", text = true }}
        response = {{ kind = "event", event = "Product Viewed" }}
        value = {{ kind = "revenue", currency = "EUR" }}
        actions = {{ none = {{}}, letter = {{ cost = 0.5 }}, call = {{ cost = 0.5, segment = "reachable" }} }}
        """
    )
    command = ["onefold", "impact", "policy", NAME, "--data-dir", str(shop), "--config", str(config)]
    monkeypatch.setattr(sys, "argv", command)
    assert run() == 0
    assert f"{PEOPLE} decisions about {PEOPLE} people" in capsys.readouterr().out
    made = service.control.register_model(msgspec.structs.replace(champion(), parameters={}))
    service.control.set_model_aliases(AliasChange(NAME, "champion", made.version, 1, "test"))
    assert run() == 1
    assert "missing required field" in capsys.readouterr().err
    service.control.set_model_aliases(AliasChange(NAME, "champion", 0, 2, "test"))
