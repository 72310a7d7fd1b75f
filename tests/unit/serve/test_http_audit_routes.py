"""/v1/audit: entries by what they are about, and whom a key has seen."""

from pathlib import Path

import pytest

from models.identity.customer_id import from_text
from tests.unit.serve.audit_scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_entries_are_listed_by_what_they_are_about(scene: Scene) -> None:
    service = scene.service
    service.get("/v1/profiles/user_id:u1")
    service.recorded()
    service.pass_time(10_000)
    service.get("/v1/profiles/user_id:u2")
    service.get("/v1/events")

    def listed(query: str = "") -> list[str]:
        answer = service.get(f"/v1/audit/entries?{query}")
        assert answer.status_code == 200, answer.text
        return [entry["action"] for entry in answer.json()["data"]]

    def people(query: str) -> list[str]:
        return [
            person for entry in service.get(f"/v1/audit/entries?{query}").json()["data"] for person in entry["subjects"]
        ]

    profile = "GET /v1/profiles/{key}"
    assert listed()[:3] == ["GET /v1/events", profile, profile]  # its own entry comes with its answer
    assert listed(f"action={profile}") == [profile, profile]
    assert set(listed("key=ops")) >= {profile, "GET /v1/events"} and listed("key=cli:root") == []
    first = service.get("/v1/profiles/user_id:u1").json()["customer_id"]
    assert set(people(f"subject={first}&action={profile}")) == {first}
    assert listed(f"action={profile}&from=2026-03-01T12:30:05Z&to=2026-03-01T12:30:12Z")[-1] == profile
    assert listed(f"action={profile}&to=2026-03-01T12:30:05Z") == [profile]


def test_entries_come_in_pages(scene: Scene) -> None:
    for _ in range(5):
        scene.service.get("/v1/admin/keys")
    numbers: list[int] = []
    cursor = ""
    while True:
        query = f"action=GET /v1/admin/keys&limit=2&cursor={cursor}"
        page = scene.service.get(f"/v1/audit/entries?{query}").json()
        numbers += [entry["number"] for entry in page["data"]]
        cursor = page["cursor"]["next"]
        if not page["cursor"]["has_more"]:
            break
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == 5


def test_whom_a_stolen_key_has_seen_is_told_exactly(scene: Scene) -> None:
    service = scene.service
    service.key, operator = service.create_key("read", "stolen"), service.key
    for user_id in ("u1", "u1", "u3", "nobody"):
        service.get(f"/v1/profiles/user_id:{user_id}")
    service.recorded()
    service.pass_time(60_000)
    service.get("/v1/profiles/user_id:u1")
    service.key = operator
    service.get("/v1/profiles/user_id:u2")
    answer = service.get("/v1/audit/affected?key=stolen").json()
    first, third = (service.router.index[f"user_id:{user_id}"] for user_id in ("u1", "u3"))
    assert [from_text(person["customer_id"]) for person in answer["data"]] == sorted([first, third])
    counted = {from_text(p["customer_id"]): (p["reads"], p["changes"]) for p in answer["data"]}
    assert counted == {first: (3, 0), third: (1, 0)} and answer["people"] == 2
    (person,) = [person for person in answer["data"] if from_text(person["customer_id"]) == first]
    assert (person["first_at"], person["last_at"]) == ("2026-03-01T12:30:02.000Z", "2026-03-01T12:31:02.000Z")
    later = service.get("/v1/audit/affected?key=stolen&from=2026-03-01T12:31:00Z").json()
    assert [from_text(person["customer_id"]) for person in later["data"]] == [first]
    page = service.get("/v1/audit/affected?key=stolen&limit=1").json()
    rest = service.get(f"/v1/audit/affected?key=stolen&limit=1&cursor={page['cursor']['next']}").json()
    assert page["data"] + rest["data"] == answer["data"]


def test_a_merge_counts_as_a_change_of_both(scene: Scene) -> None:
    scene.service.post("/v1/identity/merge", {"left": "user_id:u1", "right": "user_id:u2"})
    people = scene.service.get("/v1/audit/affected?key=ops").json()["data"]
    assert {(from_text(p["customer_id"]), p["changes"]) for p in people} == {(scene.u1, 1), (scene.u2, 1)}


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/audit/entries?from=yesterday", 400, "from"),
        ("/v1/audit/entries?to=x", 400, "to"),
        ("/v1/audit/entries?from=2026-02-01&to=2026-01-01", 400, "from"),
        ("/v1/audit/entries?subject=user_id:u1", 400, "subject"),
        ("/v1/audit/entries?cursor=x", 400, "cursor"),
        ("/v1/audit/entries?key=nobody", 404, "key_id"),
        ("/v1/audit/affected?key=nobody", 404, "key_id"),
        ("/v1/audit/affected?key=", 400, "key"),
        ("/v1/audit/affected", 400, "key"),
    ],
)
def test_wrong_questions_are_told_what_is_wrong(scene: Scene, path: str, status: int, field: str) -> None:
    answer = scene.service.get(path)
    assert answer.status_code == status
    assert answer.json()["message"].startswith(f"{field}: ")
