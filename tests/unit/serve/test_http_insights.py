"""Signs and affinities in the profile over HTTP, and what a purpose leaves of them."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import sparse

from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from models.profile.state import DAY_MS, Observation
from models.scoring.affinity import AffinityModel
from models.scoring.builtin import BUILTIN
from models.scoring.contract import Output, Signature
from models.scoring.features import Feature
from models.scoring.product_affinity import ProductAffinity
from models.scoring.registry import AliasChange, ModelVersion
from pipelines.register_models import register_affinity
from serve.http_schemas import time_text
from serve.settings import Settings
from tests.unit.serve.http_service import HttpService

PURPOSES = Purposes(
    known={
        "shop": Purpose(basis="contract", data=DataScope(events=("*",), sections=("*",))),
        "profiling": Purpose(basis="contract", data=DataScope(sections=("insights",))),
    },
    default="shop",
)


def orders(user: str) -> list[dict[str, Any]]:
    """A first order long ago, then furniture three times."""
    told = []
    bought = (
        ("2025-06-01", "Tea"),
        ("2026-02-01", "Furniture"),
        ("2026-02-10", "Furniture"),
        ("2026-02-20", "Furniture"),
    )
    for number, (day, category) in enumerate(bought):
        line = {"product_id": f"p{number}", "category": category, "price": 10, "quantity": 1}
        properties = {"order_id": f"{user}.{number}", "revenue": 10, "currency": "EUR", "products": [line]}
        told.append(
            {"type": "track", "event": "Order Completed", "userId": user, "timestamp": f"{day}T12:00:00Z",
             "properties": properties}
        )  # fmt: skip
    return told


def test_a_profile_tells_signs_and_affinities(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    service.send(*orders("u1"), {"type": "identify", "userId": "u2"})
    found = service.get("/v1/profiles/user_id:u1").json()["insights"]
    (sign,) = found["life_events"]
    assert (sign["name"], sign["since"][:10], len(sign["evidence"])) == ("moving", "2026-02-01", 3)
    assert found["affinities"]["categories"][0]["name"] == "Furniture"
    assert service.get("/v1/profiles/user_id:u2").json()["insights"] == {}


def test_insights_are_made_of_what_serves_the_purpose(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(privacy=PrivacySettings(purposes=PURPOSES)))
    service.router.purposes = PURPOSES
    service.send(*orders("u1"))
    by_purpose = {
        purpose: service.get("/v1/profiles/user_id:u1", **{"Onefold-Purpose": purpose}).json()["insights"]
        for purpose in PURPOSES.known
    }
    assert set(by_purpose["shop"]) == {"life_events", "affinities"}
    assert by_purpose["profiling"] == {}


def test_that_somebody_stops_is_told_by_time_alone(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(privacy=PrivacySettings(purposes=PURPOSES)))
    service.router.purposes = PURPOSES
    for number in range(30):
        at = time_text(service.now - (210 - 7 * number) * DAY_MS)
        properties = {"order_id": f"o{number}", "revenue": 10, "currency": "EUR"}
        service.send(
            {"type": "track", "event": "Order Completed", "userId": "u1", "timestamp": at, "properties": properties}
        )

    def told(purpose: str = "shop") -> list[dict[str, Any]]:
        found = service.get("/v1/profiles/user_id:u1", **{"Onefold-Purpose": purpose}).json()["insights"]
        signs: list[dict[str, Any]] = found.get("life_events", [])
        return signs

    assert told() == []
    service.pass_time(120 * DAY_MS)
    (sign,) = told()
    assert (sign["name"], sign["before"]["times"], sign["after"]["times"]) == ("bought_less", 29, 0)
    assert [each["order"] for each in sign["evidence"]] == [f"o{number}" for number in range(25, 30)]
    assert told("profiling") == []


ITEMS = {"items": [{"id": "p1", "category": "Furniture"}, {"id": "new", "category": "Other", "popularity": 1.5}]}


def test_items_are_ranked_for_a_person(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    service.send(*orders("u1"), {"type": "identify", "userId": "u2"})
    mine = service.post("/v1/profiles/user_id:u1/rank", ITEMS).json()
    assert mine["personal"] and [(each["id"], each["bought"]) for each in mine["items"]] == [
        ("p1", True),
        ("new", False),
    ]
    theirs = service.post("/v1/profiles/user_id:u2/rank", ITEMS).json()
    assert [each["id"] for each in theirs["items"]] == ["new", "p1"]
    (profile,) = [each for each in service.router.people.values() if "user_id:u1" in each.identifiers]
    profile.consents["!no_automated_decisions"] = Observation(1, 0, True)
    assert service.post("/v1/profiles/user_id:u1/rank", ITEMS).json()["items"] == theirs["items"]
    assert service.post("/v1/profiles/user_id:none/rank", ITEMS).status_code == 404
    twice = service.post("/v1/profiles/user_id:u1/rank", {"items": [{"id": "a"}, {"id": "a"}]})
    assert twice.status_code == 400 and "each id once" in twice.json()["message"]


def promote(service: HttpService, affinity: ProductAffinity) -> str:
    """Makes it the champion; its reference."""
    features = {"repeat_purchases": Feature(history="repeat_purchases")}
    version = ModelVersion(
        name="affinity", version=0, source="builtin", target="affinity",
        signature=Signature(name="affinity", features=features, output=Output(kind="probability")),
    )  # fmt: skip
    folder = service.services.settings.data_path / "models"
    made = register_affinity(service.control, folder, version, affinity.encode(), "test")
    service.control.set_model_aliases(AliasChange("affinity", "champion", made.version, 1, "test"))
    service.pass_time(1_000)
    return made.reference


def test_what_was_learned_of_products_is_told_and_ranks(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path)))
    service.send(*orders("u1"), {"type": "identify", "userId": "u2"})
    items = {"items": [{"id": "new"}, {"id": "p1"}, {"id": "lamp"}]}
    before = service.post("/v1/profiles/user_id:u2/rank", items).json()
    assert before["version"] is None and [each["id"] for each in before["items"]] == ["new", "p1", "lamp"]
    near = sparse.csr_matrix(([1.0], ([1], [2])), (3, 3))
    model = AffinityModel(np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.3, 0.1]), 2.0, near, 0.9, 60.0)
    reference = promote(service, ProductAffinity("", ["p9", "p1", "lamp"], model))
    told = service.get("/v1/profiles/user_id:u1").json()["insights"]["affinities"]
    assert told["version"] == reference == "affinity@1"
    assert [each["name"] for each in told["likely_again"]] == ["p1"]
    assert [each["name"] for each in told["likely_first"]] == ["lamp", "p9"]
    assert sum(each["likely"] for part in ("likely_again", "likely_first") for each in told[part]) == pytest.approx(1)
    assert service.get("/v1/profiles/user_id:u2").json()["insights"] == {}
    after = service.post("/v1/profiles/user_id:u2/rank", items).json()
    assert after["version"] == reference and [each["id"] for each in after["items"]] == ["p1", "lamp", "new"]
    service.control.set_model_aliases(AliasChange("affinity", "champion", 0, 2, "test"))
    service.pass_time(1_000)
    assert "likely_again" not in service.get("/v1/profiles/user_id:u1").json()["insights"]["affinities"]


def test_a_file_that_is_not_what_was_registered_takes_nothing_from_a_profile(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path)))
    service.send(*orders("u1"))
    flat = AffinityModel(np.ones(1), np.ones(1), 2.0, sparse.csr_matrix((1, 1)), 0.0, 60.0)
    promote(service, ProductAffinity("", ["p1"], flat))
    (tmp_path / "models" / "affinity" / "1" / "affinity.msgpack").write_bytes(b"other")
    found = service.get("/v1/profiles/user_id:u1").json()["insights"]["affinities"]
    assert found["products"] and "likely_again" not in found


def test_channels_are_told_for_purposes_that_engagement_serves(tmp_path: Path) -> None:
    scopes = {"care": ("insights", "engagement"), "ads": ("insights",)}
    purposes = Purposes(
        known={
            name: Purpose(basis="contract", data=DataScope(events=("*",), sections=sections))
            for name, sections in scopes.items()
        },
        default="care",
    )
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=purposes)))
    service.router.purposes = purposes
    service.send({"type": "track", "event": "Email Delivered", "userId": "u1"})
    promote_channels(service)
    told = {
        purpose: "channel_responses"
        in service.get("/v1/profiles/user_id:u1", **{"Onefold-Purpose": purpose}).json()["insights"]
        for purpose in scopes
    }
    assert told == {"care": True, "ads": False}


def test_a_burst_is_told_for_purposes_that_its_events_serve(tmp_path: Path) -> None:
    purposes = Purposes(
        known={
            "shop": Purpose(basis="contract", data=DataScope(events=("*",), sections=("*",))),
            "orders": Purpose(basis="contract", data=DataScope(events=("Order *",), sections=("*",))),
        },
        default="shop",
    )
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path), privacy=PrivacySettings(purposes=purposes)))
    service.router.purposes = purposes
    days = [*(f"2026-02-{day:02}T10:00:00Z" for day in range(1, 20, 2)), *["2026-02-28T10:00:00Z"] * 40]
    service.send(*({"type": "track", "event": "Login Failed", "userId": "u1", "timestamp": day} for day in days))
    by_purpose = {
        purpose: service.get("/v1/profiles/user_id:u1", **{"Onefold-Purpose": purpose}).json()["insights"]
        for purpose in purposes.known
    }
    (burst,) = by_purpose["shop"]["anomalies"]
    assert (burst["name"], burst["at"][:10]) == ("burst", "2026-02-28")
    assert (burst["count"], burst["usual"], burst["days"]) == (40, 1, 10)
    assert by_purpose["orders"] == {}


def promote_channels(service: HttpService) -> None:
    parameters = {"rates": [0.2, 0.3, 0.1], "worths": [10.0, 10.0, 10.0], "readiness_worth": 5.0}
    signature = BUILTIN["channel_preference"](parameters).signature
    version = ModelVersion(
        name=signature.name, version=0, source="builtin", target=signature.name, signature=signature,
        parameters=parameters,
    )  # fmt: skip
    made = service.control.register_model(version)
    service.control.set_model_aliases(AliasChange(made.name, "champion", made.version, 1, "test"))
    service.pass_time(1_000)


def test_each_channel_has_a_probability_with_its_interval(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path)))
    mails = [
        {"type": "track", "event": f"Email {did}", "userId": "u1", "messageId": f"{did}{number}"}
        for did, times in (("Delivered", 6), ("Opened", 5))
        for number in range(times)
    ]
    service.send(*mails, {"type": "identify", "userId": "u2"})
    promote_channels(service)
    told = service.get("/v1/profiles/user_id:u1").json()["insights"]["channel_responses"]
    assert told["version"] == "channel_preference@1"
    first, *others = told["channels"]
    assert (first["channel"], first["contacts"], first["responses"]) == ("email", 6, 5)
    assert first["likely"] == pytest.approx((5 + 10 * 0.2) / 16, abs=1e-4)
    assert first["low"] < first["likely"] < first["high"]
    assert {each["channel"] for each in others} == {"sms", "push"}
    assert service.get("/v1/profiles/user_id:u2").json()["insights"] == {}
    champion = service.control.champion("channel_preference")
    assert champion is not None
    unread = service.control.register_model(msgspec.structs.replace(champion, parameters={"rates": [0.1]}))
    service.control.set_model_aliases(AliasChange(unread.name, "champion", unread.version, 2, "test"))
    service.pass_time(1_000)
    assert service.get("/v1/profiles/user_id:u1").json()["insights"] == {}


def test_purchases_rank_for_purposes_that_they_serve_alone(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(privacy=PrivacySettings(purposes=PURPOSES)))
    service.router.purposes = PURPOSES
    service.send(*orders("u1"))
    personal = {
        purpose: service.post("/v1/profiles/user_id:u1/rank", ITEMS, **{"Onefold-Purpose": purpose}).json()["personal"]
        for purpose in PURPOSES.known
    }
    assert personal == {"shop": True, "profiling": False}
