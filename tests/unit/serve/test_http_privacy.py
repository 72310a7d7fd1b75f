"""/v1/privacy: due dates, who verified the requester, one extension, and results for those who may have them."""

from pathlib import Path
from typing import Any

import pytest

from models.privacy.deadlines import DAY_MS, due, extended
from models.privacy.requests import SubjectIdentity, SubjectRequest, advanced, held_up, is_ready
from models.privacy.settings import PrivacySettings
from serve.http_schemas import time_text
from serve.settings import Settings
from serve.subject_export import FOLDER
from tests.unit.serve.http_service import NOW, HttpService

MAIL = "jane.canary@example.com"
CHECK = {"verified_by": "a.meier", "method": "answered a message to the address on file"}


def request_id(number: int) -> str:
    return f"{number:08x}-d5d6-44b2-9831-815ac9017798"


class Place:
    """A service and what it has in its data directory."""

    def __init__(self, data_dir: Path, **privacy: Any) -> None:
        self.data_dir = data_dir
        settings = Settings(data_dir=str(data_dir), privacy=PrivacySettings(**privacy))
        self.service = HttpService(data_dir, settings)

    def add(self, number: int = 1, **changes: Any) -> str:
        request = SubjectRequest(
            **{
                "request_id": request_id(number),
                "kind": "access",
                "regulation": "gdpr",
                "submitted_at": NOW - 1,
                "received_at": NOW + number,
                "due_at": due("gdpr", NOW + number),
                "identities": [SubjectIdentity("email", MAIL)],
                **changes,
            }
        )
        return self.service.privacy.add(request).request_id

    def entry(self, number: int = 1) -> dict[str, Any]:
        found = self.service.get("/v1/privacy/requests?limit=1000").json()["data"]
        (entry,) = [each for each in found if each["id"] == request_id(number)]
        assert isinstance(entry, dict)
        return entry


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_requests_are_listed_without_what_names_a_person(place: Place) -> None:
    place.add()
    answer = place.service.get("/v1/privacy/requests")
    assert MAIL not in answer.text
    assert answer.json()["data"] == [
        {
            "id": request_id(1),
            "kind": "access",
            "regulation": "gdpr",
            "state": "pending",
            "submitted_at": "2026-03-01T12:29:59.999Z",
            "received_at": "2026-03-01T12:30:00.001Z",
            "due_at": "2026-04-01T23:59:59.999Z",
            "overdue": False,
            "due_soon": False,
            "extended": False,
            "ready": True,
            "waiting": None,
            "verified_by": None,
            "verified_how": None,
            "namespaces": ["email"],
            "results": None,
            "results_count": 0,
            "steps": [],
        }
    ]


def test_what_a_request_waits_for_is_told_until_it_ends(tmp_path: Path) -> None:
    place = Place(tmp_path, require_verification=True)
    path = f"/v1/privacy/requests/{place.add()}"
    waiting = place.service.get(path).json()["waiting"]
    assert (waiting["work"], waiting["since"]) == ("verify", "2026-03-01T12:30:00.001Z")
    assert place.service.post(f"{path}/verify", CHECK).json()["waiting"] is None
    change = place.service.privacy.change
    change(request_id(1), lambda found: advanced(found, "in_progress", NOW))
    change(request_id(1), lambda found: held_up(found, "erase", "shard-1 is not available", NOW))
    told = {"since": "2026-03-01T12:30:00.000Z", "work": "erase", "reason": "shard-1 is not available"}
    assert place.service.get(path).json() == place.entry()
    assert place.entry()["waiting"] == told
    assert "waiting" not in place.service.get(f"/v2/requests/{request_id(1)}").json(), "OpenDSR has no such field"
    change(request_id(1), lambda found: advanced(found, "completed", NOW))
    assert place.entry()["waiting"] is None
    change(request_id(1), lambda found: held_up(found, "erase", "late", NOW))
    assert place.entry()["waiting"] is None
    assert place.service.get("/v1/privacy/requests/nobody").status_code == 404


def test_pages_and_states(place: Place) -> None:
    ids = [place.add(number, received_at=NOW + number // 2) for number in range(7)]
    place.service.privacy.change(ids[2], lambda found: advanced(found, "completed", NOW))
    listed: list[str] = []
    cursor = ""
    while True:
        page = place.service.get(f"/v1/privacy/requests?limit=3&cursor={cursor}").json()
        listed += [entry["id"] for entry in page["data"]]
        cursor = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            break
    assert listed == ids
    pending = place.service.get("/v1/privacy/requests?state=pending").json()["data"]
    assert [entry["id"] for entry in pending] == [each for each in ids if each != ids[2]]
    for query in ("state=lost", "cursor=x", "cursor=1:", "limit=0"):
        assert place.service.get(f"/v1/privacy/requests?{query}").status_code == 400


def test_deadlines_are_told(place: Place) -> None:
    place.add()
    due_at = due("gdpr", NOW)
    seen = []
    for moment in (due_at - 7 * DAY_MS - 1, due_at - 7 * DAY_MS, due_at, due_at + 1):
        place.service.pass_time(moment - place.service.now)
        seen.append((place.entry()["due_soon"], place.entry()["overdue"]))
    assert seen == [(False, False), (True, False), (True, False), (False, True)]
    place.service.privacy.change(request_id(1), lambda found: advanced(found, "completed", place.service.now))
    assert (place.entry()["due_soon"], place.entry()["overdue"]) == (False, False)


def test_a_request_waits_for_its_requester_to_be_verified(tmp_path: Path) -> None:
    place = Place(tmp_path, require_verification=True)
    path = f"/v1/privacy/requests/{place.add()}/verify"
    privacy = place.service.services.settings.privacy
    assert not place.entry()["ready"] and not is_ready(place.service.privacy.request(request_id(1)), privacy)
    answer = place.service.post(path, CHECK)
    assert answer.status_code == 200
    assert (answer.json()["verified_by"], answer.json()["verified_how"]) == (CHECK["verified_by"], CHECK["method"])
    assert answer.json()["ready"] and is_ready(place.service.privacy.request(request_id(1)), privacy)
    (step,) = answer.json()["steps"]
    assert step == {"at": "2026-03-01T12:30:00.000Z", "state": "pending", "note": "the requester was verified"}
    assert place.service.post(path, CHECK).json() == answer.json()
    assert place.service.post(path, {**CHECK, "verified_by": "else"}).status_code == 409
    for wrong in ({}, {**CHECK, "method": ""}, {**CHECK, "verified_by": "x" * 201}, {**CHECK, "x": 1}):
        assert place.service.post(path, wrong).status_code == 400
    place.service.privacy.change(place.add(2), lambda found: advanced(found, "cancelled", NOW))
    assert place.service.post(f"/v1/privacy/requests/{request_id(2)}/verify", CHECK).status_code == 409
    assert place.service.post("/v1/privacy/requests/nobody/verify", CHECK).status_code == 404


@pytest.mark.parametrize("regulation", ["gdpr", "ccpa"])
def test_a_deadline_is_moved_once(place: Place, regulation: Any) -> None:
    place.add(regulation=regulation, due_at=due(regulation, NOW), received_at=NOW, escalated=True)
    path = f"/v1/privacy/requests/{request_id(1)}/extend"
    assert place.service.post(path, {"reason": ""}).status_code == 400
    answer = place.service.post(path, {"reason": "many at once"}).json()
    assert (answer["due_at"], answer["extended"]) == (time_text(extended(regulation, NOW)), True)
    assert answer["steps"][-1]["note"] == "the deadline was moved: many at once"
    assert not place.service.privacy.request(request_id(1)).escalated
    assert place.service.post(path, {"reason": "again"}).status_code == 409


def test_what_is_over_is_not_moved(place: Place) -> None:
    place.add(1)
    place.service.privacy.change(place.add(2), lambda found: advanced(found, "completed", NOW))
    assert place.service.post(f"/v1/privacy/requests/{request_id(2)}/extend", {"reason": "x"}).status_code == 409
    place.service.pass_time(40 * DAY_MS)
    assert place.service.post(f"/v1/privacy/requests/{request_id(1)}/extend", {"reason": "x"}).status_code == 409
    assert place.service.post("/v1/privacy/requests/nobody/extend", {"reason": "x"}).status_code == 404


def results(place: Place, name: str, number: int = 1, **changes: Any) -> None:
    """A request that is completed with results, and their file."""
    folder = place.data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    place.add(number, **changes)
    place.service.privacy.change(
        request_id(number), lambda found: advanced(found, "completed", NOW, results=name, people=[7])
    )


def test_results_of_a_completed_request_are_streamed(place: Place) -> None:
    results(place, "d188d4ba.zip")
    content = bytes(range(256)) * 1_000
    (place.data_dir / FOLDER / "d188d4ba.zip").write_bytes(content)
    answer = place.service.get("/v1/privacy/results/d188d4ba.zip")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    assert "attachment" in answer.headers["content-disposition"]
    entry = place.service.recorded()[-1]
    assert (entry.action, entry.subjects) == ("GET /v1/privacy/results/{name}", (7,))
    assert entry.detail["subject_request_id"] == request_id(1)


def test_only_what_a_completed_request_has_is_streamed(place: Place) -> None:
    results(place, "gone.zip", 1)
    results(place, "../../admin.key", 2)
    results(place, "cert_1", 3, kind="erasure")
    results(place, "early.zip", 4)
    results(place, ".hidden", 5)
    results(place, "folder", 6)
    place.service.privacy.change(request_id(4), lambda found: advanced(found, "in_progress", NOW))
    for name in ("cert_1", "early.zip", ".hidden", "unknown.zip"):
        (place.data_dir / FOLDER / name).write_text("secret")
    (place.data_dir / FOLDER / "folder").mkdir()
    (place.data_dir / "admin.key").write_text("secret")
    names = ["gone.zip", "cert_1", "early.zip", ".hidden", "unknown.zip", "folder", "..%2F..%2Fadmin.key"]
    for name in [*names, "../../admin.key", "%2e%2e/%2e%2e/admin.key", "%2Fetc%2Fpasswd", "x%00.zip"]:
        answer = place.service.get(f"/v1/privacy/results/{name}")
        assert (answer.status_code, "secret" in answer.text) == (404, False), name
