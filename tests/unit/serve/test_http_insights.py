"""Signs and affinities in the profile over HTTP, and what a purpose leaves of them."""

from pathlib import Path
from typing import Any

from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from models.profile.state import Observation
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


def test_purchases_rank_for_purposes_that_they_serve_alone(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(privacy=PrivacySettings(purposes=PURPOSES)))
    service.router.purposes = PURPOSES
    service.send(*orders("u1"))
    personal = {
        purpose: service.post("/v1/profiles/user_id:u1/rank", ITEMS, **{"Onefold-Purpose": purpose}).json()["personal"]
        for purpose in PURPOSES.known
    }
    assert personal == {"shop": True, "profiling": False}
