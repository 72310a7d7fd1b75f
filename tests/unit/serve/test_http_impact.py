"""/v1/segments/{id}/impact: a segment whose treated people spend more, over HTTP, in every form."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from models.segments.holdout import is_held_out
from serve.settings import Settings
from tests.unit.serve.http_service import HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
DAY = 86_400_000
PEOPLE = 600
PATH = "/v1/segments/pro/impact"


def scene(service: HttpService, holdout: int = 30) -> None:
    """People enter the segment; a day later all buy, the treated ones for more."""
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO, "holdout": holdout})
    people = [{"type": "identify", "userId": f"u{n}", "traits": {"plan": "pro"}} for n in range(PEOPLE)]
    service.send(*people)
    service.pass_time(DAY)
    orders = []
    for n in range(PEOPLE):
        held_out = is_held_out("pro", service.router.index[f"user_id:u{n}"], holdout)
        spent = {"order_id": f"o{n}", "revenue": (20 if held_out else 30) + n % 7, "currency": "EUR"}
        orders.append({"type": "track", "event": "Order Completed", "userId": f"u{n}", "properties": spent})
    service.send(*orders)


def test_the_report_as_json_text_and_picture(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    scene(service)
    waiting = service.get(PATH).json()
    assert waiting["waiting"] == PEOPLE and waiting["verdict"] is None
    service.pass_time(31 * DAY)
    found = service.get(PATH).json()
    assert found["verdict"] == "better" and found["unit"] == "EUR"
    assert found["difference"] == pytest.approx(10, abs=0.6) and found["low"] < 10 < found["high"]
    assert found["treated"]["people"] + found["holdout"]["people"] == PEOPLE
    assert "better" in service.get(f"{PATH}?format=text").text
    drawn = service.get(f"{PATH}?format=svg")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    ET.fromstring(drawn.text)
    shares = service.get(f"{PATH}?outcome=event&event=Order%20Completed&within=7d").json()
    assert shares["treated"]["mean"] == shares["holdout"]["mean"] == 1
    assert shares["verdict"] == "not distinguishable"
    orders = service.get(f"{PATH}?outcome=orders&within=12h").json()
    assert orders["treated"]["total"] == 0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("within=soon", "within: expected a duration"),
        ("outcome=event", "event: expected the name"),
        ("event=Trial", "event: expected the name"),
        ("from=2999-01-01", "expected a time in the past"),
    ],
)
def test_what_cannot_be_asked_says_why(tmp_path: Path, query: str, message: str) -> None:
    service = HttpService(tmp_path)
    scene(service)
    refused = service.get(f"{PATH}?{query}")
    assert refused.status_code == 400 and message in refused.json()["message"]


def test_without_a_holdout_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    scene(service, holdout=0)
    refused = service.get(PATH)
    assert refused.status_code == 400 and "set a holdout" in refused.json()["message"]


def test_counts_too_small_are_kept_from_those_who_may_not_see_people(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    scene(service, holdout=1)
    service.pass_time(31 * DAY)
    assert service.get(PATH).json()["holdout"]["people"] in range(1, 10)
    service.key = service.create_key("analyse")
    hidden = service.get(PATH).json()
    assert hidden["holdout"] is hidden["treated"] is hidden["difference"] is None
    assert "too few" in service.get(f"{PATH}?format=text").text


def test_what_few_people_brought_is_kept_from_those_who_may_not_see_people(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    scene(service)
    treated = next(n for n in range(PEOPLE) if not is_held_out("pro", service.router.index[f"user_id:u{n}"], 30))
    spent = {"order_id": "dear", "revenue": 5_000, "currency": "USD"}
    service.send({"type": "track", "event": "Order Completed", "userId": f"u{treated}", "properties": spent})
    other = "/v1/profiles/user_id:u0/consents" if treated else "/v1/profiles/user_id:u1/consents"
    service.post(other, {"decisions": {"!restricted": True}})
    service.pass_time(31 * DAY)
    dear = f"{PATH}?currency=USD"
    assert service.get(dear).json()["treated"]["total"] == 5_000
    assert service.get(PATH).json()["withheld"] == 1
    service.key = service.create_key("analyse")
    hidden = service.get(dear).json()
    assert hidden["treated"] is hidden["difference"] is hidden["withheld"] is None
    assert "5000" not in service.get(f"{dear}&format=text").text
    shown = service.get(PATH).json()
    assert shown["treated"]["people"] > 100 and shown["withheld"] is None


def test_an_outcome_must_serve_the_segments_purpose(tmp_path: Path) -> None:
    purposes = Purposes(
        known={
            "service": Purpose(basis="contract", data=DataScope(traits=("plan",), events=("*",))),
            "billing": Purpose(basis="contract", data=DataScope(sections=("transactions",))),
        },
        default="service",
    )
    service = HttpService(tmp_path, Settings(privacy=PrivacySettings(purposes=purposes)))
    service.router.purposes = purposes
    scene(service)
    refused = service.get(PATH)
    assert refused.status_code == 400 and "does not serve the segment's purpose, service" in refused.json()["message"]
    assert service.get(f"{PATH}?outcome=event&event=Order%20Completed").status_code == 200
