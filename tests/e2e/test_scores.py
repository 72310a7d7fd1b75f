"""Scores on a running service: from an event to the document, over HTTP and gRPC, with what they were made of."""

import os
import signal
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from actors.control import ControlStore
from bench.processes import title
from models.scoring.affinity import AffinityModel
from models.scoring.contract import Output, Signature
from models.scoring.features import Feature
from models.scoring.product_affinity import ProductAffinity
from models.scoring.registry import AliasChange, ModelVersion
from models.scoring.trial import TOLERANCE
from pipelines.register_models import register_affinity
from protos.client import Client
from protos.onefold.v1.profile_pb2 import GetRequest
from protos.onefold.v1.profile_pb2_grpc import ProfileServiceStub
from tests.e2e.service import RunningService
from tests.strategies.purchase_models import version
from tests.unit.pipelines.planted_decisions import NAME, POINT, fill_decided

WAIT_S = 60
PEOPLE = 1_200


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    data_dir = tmp_path_factory.mktemp("scores") / "data"
    with RunningService(
        data_dir,
        ONEFOLD_SCORING__BANDS='{"churn": {"low": 0, "high": 0.65}}',
        ONEFOLD_SCORING__DECISIONS=msgspec.json.encode({NAME: POINT}).decode(),
        ONEFOLD_SCORING__GATES='{"welcome": {"people_min": 100, "milliseconds_max": 1e9}}',
    ) as running:
        yield running


def order(person: str, number: int, days_ago: int) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    products = [{"product_id": "tea", "price": 20.0, "quantity": 1}]
    properties = {"order_id": f"{person}-{number}", "revenue": 20.0, "currency": "USD", "products": products}
    return {
        "type": "track",
        "userId": person,
        "event": "Order Completed",
        "timestamp": at.isoformat(),
        "properties": properties,
    }


def promote(place: RunningService, name: str) -> None:
    with closing(ControlStore(place.data_dir / "control.sqlite")) as control:
        model = control.register_model(version(name))
        control.set_model_aliases(AliasChange(name, "champion", model.version, 1, "test"))


def eventually(place: RunningService, person: str, purchases: int) -> dict[str, Any]:
    """A person's scores by name, when all are made of so many purchases."""
    deadline = time.monotonic() + WAIT_S
    with place.client() as client:
        while time.monotonic() < deadline:
            found = {each["name"]: each for each in client.get(f"/v1/profiles/user_id:{person}/scores")["data"]}
            if len(found) == 2 and all(s["features"]["repeat_purchases"] == purchases - 1 for s in found.values()):
                return found
            time.sleep(0.1)
    raise AssertionError("no such scores appear")


def members_eventually(place: RunningService, *expected: str) -> None:
    """Waits until these are the members of the segment of people who are about to leave, and all changes are scored."""
    deadline = time.monotonic() + WAIT_S
    found: set[str] = set()
    with place.client() as client:
        ids = {client.get(f"/v1/profiles/user_id:{person}")["customer_id"] for person in expected}
        while time.monotonic() < deadline:
            found = {each["customer_id"] for each in client.get("/v1/segments/leaving/members")["data"]}
            told = client.get("/v1/status")
            shards, scorers = told["shards"], told["scorers"]  # null while they do not answer in time
            behind = scorers is None or any(each["position"] < shards[each["scorer"]]["sequence"] for each in scorers)
            if found == ids and not behind:
                return
            time.sleep(0.1)
    raise AssertionError(f"{len(found)} members, not {len(ids)}")


def told_in_shadow(place: RunningService, person: str, challenger: str) -> dict[str, Any]:
    """Waits until what a person is told on request has a challenger's score, which nobody else is told; the profile in
    it."""
    deadline = time.monotonic() + WAIT_S
    while True:
        output = place.data_dir.parent / "person.zip"
        output.unlink(missing_ok=True)
        place.cli("privacy", "export", f"user_id:{person}", "--out", str(output), timeout_s=WAIT_S)
        with zipfile.ZipFile(output) as archive:
            (found,) = msgspec.json.decode(archive.read("data.json"))["people"]
        if challenger in {each["version"] for each in found["other_scores"]}:
            assert challenger not in {each["version"] for each in found["profile"]["scores"].values()}
            profile: dict[str, Any] = found["profile"]
            return profile
        assert time.monotonic() < deadline, found["other_scores"]


def test_scores_follow_events_and_show_everywhere(place: RunningService) -> None:
    with place.client() as client:
        client.post("/v1/batch?wait=true", {"batch": [order("ann", 1, 60), order("bob", 1, 30)]})
        assert client.get("/v1/profiles/user_id:ann")["scores"] == {}
        criteria = {"type": "demographic", "trait": "churn_band", "operator": "equals", "value": "high"}
        client.post("/v1/segments", {"id": "leaving", "name": "Leaving", "criteria": criteria})
        for name in ("churn", "lifetime_value"):
            promote(place, name)
        eventually(place, "bob", 1)
        members_eventually(place, "ann", "bob")
        first = eventually(place, "ann", 1)
        seen = client.get("/v1/profiles/user_id:ann")["last_seen"]
        assert (datetime.now(UTC) - datetime.fromisoformat(seen)).days >= 59  # to be scored is no activity
        assert (first["churn"]["version"], first["churn"]["horizon_days"]) == ("churn@1", 90)
        assert first["lifetime_value"]["unit"] == "USD in 90 days"
        told = client.get("/v1/profiles/user_id:ann")["scores"]
        assert told == {
            name: {key: value for key, value in each.items() if key not in ("name", "features")}
            for name, each in first.items()
        }
        batch = client.post("/v1/profiles/batch", {"keys": ["user_id:ann"]})["profiles"]
        assert batch[0]["scores"] == told
        with grpc.insecure_channel(place.grpc_target) as channel:
            metadata = (("authorization", f"Bearer {place.admin_key}"),)
            ask = ProfileServiceStub(channel).Get
            assert msgspec.json.decode(ask(GetRequest(key="user_id:ann"), metadata=metadata).scores_json) == told
            client.post("/v1/batch?wait=true", {"batch": [order("ann", 2, 1)]})
            eventually(place, "ann", 2)
            members_eventually(place, "bob")
            second = eventually(place, "ann", 2)
            assert second["churn"]["value"] < first["churn"]["value"]
            shown = msgspec.json.decode(ask(GetRequest(key="user_id:ann"), metadata=metadata).scores_json)
            assert shown["churn"]["value"] == second["churn"]["value"]
            listed = client.get("/v1/profiles/user_id:ann/scores?explain=true")["data"]
            why = next(each["explanation"] for each in listed if each["name"] == "lifetime_value")
            assert why["base"] + sum(why["adds"].values()) == pytest.approx(second["lifetime_value"]["value"])
            explained = ask(GetRequest(key="user_id:ann", explain_scores=True), metadata=metadata)
            assert msgspec.json.decode(explained.scores_json)["lifetime_value"]["explanation"] == why
        output = place.data_dir.parent / "past"
        made = place.cli("models", "backfill", "churn", "--as-of", second["churn"]["as_of"], "--output", str(output))
        assert made["rows"] == made["scored"] >= 2
        told = {row["customer_id"]: row["value"] for row in pq.read_table(output / "scores.parquet").to_pylist()}
        ann = client.get("/v1/profiles/user_id:ann")["customer_id"]
        assert told[ann] == pytest.approx(second["churn"]["value"], abs=TOLERANCE)
        with closing(ControlStore(place.data_dir / "control.sqlite")) as control:
            challenger = control.register_model(version("churn"))
            control.set_model_aliases(AliasChange("churn", "challenger", challenger.version, 1, "test"))
        known = told_in_shadow(place, "ann", challenger.reference)
        assert known["insights"] == client.get("/v1/profiles/user_id:ann")["insights"] != {}
        purchases = {"ann": 2, "bob": 1}
        before = {person: eventually(place, person, number)["churn"]["as_of"] for person, number in purchases.items()}
        place.cli("models", "rescore")
        deadline = time.monotonic() + WAIT_S
        for person, number in purchases.items():
            while eventually(place, person, number)["churn"]["as_of"] == before[person]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        second = eventually(place, "ann", 2)
    scorers = [pid for pid in place.processes() if title(pid).startswith("ray::ScorerActor")]
    assert len(scorers) == 2
    for pid in scorers:
        os.kill(pid, signal.SIGKILL)
    after = eventually(place, "ann", 2)  # from their files
    assert {name: each["value"] for name, each in after.items()} == {
        name: each["value"] for name, each in second.items()
    }
    with place.client() as client:
        client.post("/v1/batch?wait=true", {"batch": [order("bob", 2, 1)]})
    eventually(place, "bob", 2)


def test_what_was_learned_of_products_is_noticed(place: RunningService) -> None:
    near = sparse.csr_matrix(([1.0], ([1], [2])), (3, 3))
    model = AffinityModel(np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.3, 0.1]), 2.0, near, 0.9, 60.0)
    features = {"repeat_purchases": Feature(history="repeat_purchases")}
    signature = Signature(name="affinity", features=features, output=Output(kind="probability"))
    learned = ModelVersion(name="affinity", version=0, source="builtin", target="affinity", signature=signature)
    tea = order("eve", 1, 3)
    tea["properties"]["products"] = [{"product_id": "tea", "price": 20.0}]
    with place.client() as client, closing(ControlStore(place.data_dir / "control.sqlite")) as control:
        client.post("/v1/batch?wait=true", {"batch": [tea]})
        items = {"items": [{"id": "new"}, {"id": "soap"}, {"id": "cup"}]}
        plain = client.post("/v1/profiles/user_id:eve/rank", items)
        assert plain["version"] is None and [each["id"] for each in plain["items"]] == ["new", "soap", "cup"]
        data = ProductAffinity("", ["soap", "tea", "cup"], model).encode()
        made = register_affinity(control, place.data_dir / "models", learned, data, "test")
        control.set_model_aliases(AliasChange("affinity", "champion", made.version, 1, "test"))
        deadline = time.monotonic() + WAIT_S
        while (ranked := client.post("/v1/profiles/user_id:eve/rank", items))["version"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert ranked["items"][0]["id"] == "cup"
        told = client.get("/v1/profiles/user_id:eve")["insights"]["affinities"]
        assert (told["version"], told["likely_again"][0]["name"]) == ("affinity@1", "tea")
        assert told["likely_first"][0]["name"] == "cup"
        place.cli("models", "retire", "affinity")


def test_decisions_are_logged_learned_from_made_by_a_champion_and_judged(place: RunningService) -> None:
    decide, key = "/v1/profiles/user_id:eve/decide", {"decision": NAME, "decision_id": "first"}
    with place.client() as client:
        client.post("/v1/identify?wait=true", {"userId": "eve", "traits": {"plan": "gold"}})
        first = client.post(decide, key)
        assert (first["model"], first["propensities"]) == (None, {"none": 0.5, "letter": 0.5})
        assert client.post(decide, key) == first
    with Client(place.grpc_target, place.admin_key) as onefold:
        same, other = (onefold.decide("user_id:eve", NAME, each) for each in ("first", "second"))
        assert (same.record_id, same.action, same.at) == (first["record_id"], first["action"], first["at"])
        assert (other.decision_id, dict(other.propensities)) == ("second", first["propensities"])
        assert onefold.decide("user_id:eve", NAME).decision_id not in ("", "first", "second")
        ranked = onefold.rank("user_id:eve", [{"id": "tea", "popularity": 3.0}, {"id": "cup", "margin": 2.0}])
        assert [each.id for each in ranked.items] == ["tea", "cup"]
    place.stop()
    fill_decided(place.data_dir, PEOPLE, personal=True, seed=14)  # long ago: their horizon is over
    place.start()
    with place.client() as client:
        place.cli("models", "train", "next_best_action", "--decision", NAME)
        place.cli("models", "promote", "welcome@1")
        deadline = time.monotonic() + WAIT_S
        while (told := client.post(decide, {"decision": NAME}))["model"] is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (told["model"], told["personal"]) == ("welcome@1", True)
        assert told["propensities"]["letter"] == pytest.approx(0.95)
        assert client.post(decide, key) == first
        (shown,) = client.get("/v1/profiles/user_id:eve")["insights"]["next_best_actions"]
        assert (shown["action"], shown["version"]) == ("letter", "welcome@1")
        logged = client.get("/v1/profiles/user_id:eve/decisions")["data"]
        assert {first["record_id"], told["record_id"]} <= {each["id"] for each in logged}
        judged = client.get(f"/v1/decisions/{NAME}/impact")
        assert (judged["decisions"], judged["waiting"]) == (PEOPLE, len(logged))
        assert {**place.cli("impact", "policy", NAME), "until": judged["until"]} == judged
        assert {each["policy"]: each["verdict"] for each in judged["policies"]}["welcome@1"] == "better"
        client.post("/v1/profiles/user_id:eve/consents", {"decisions": {"!no_automated_decisions": True}})
        assert client.post(decide, key)["action"] is None
