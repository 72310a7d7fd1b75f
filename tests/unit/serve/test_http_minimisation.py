"""The door of a replica: what is kept of messages, what is told of it, and what privacy staff may see."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.events.event import Event
from models.privacy.door import SourceFields
from models.privacy.field_rules import FieldRule
from models.privacy.settings import PrivacySettings
from serve.settings import Settings
from tests.unit.serve.http_service import HttpService

MAIL = "jane.canary@example.com"


def service_with(data_dir: Path, **privacy: Any) -> HttpService:
    return HttpService(data_dir, Settings(data_dir=str(data_dir), privacy=PrivacySettings(**privacy)))


def taken(service: HttpService) -> list[Event]:
    return [stored.event for stored in service.router.log]


def test_what_is_not_on_the_list_is_told_and_counted_and_nowhere_kept(tmp_path: Path) -> None:
    service = service_with(tmp_path, sources={"*": SourceFields(traits=("plan",))})
    good = {"type": "identify", "userId": "u1", "traits": {"plan": "pro", "note": MAIL}}
    bad = {"type": "track", "userId": "u1", "event": MAIL, "timestamp": "soon", "properties": {MAIL: MAIL}}
    told = service.post("/v1/batch?wait=true", {"batch": [good, bad, "no object"]}).json()
    assert told["results"][0]["withheld"] == ["traits.note"]
    assert [each["index"] for each in told["rejected"]] == [1, 2]
    (event,) = taken(service)
    assert event.traits == {"plan": "pro"}
    letters = service.get("/v1/deadletters").json()["data"]
    assert len(letters) == 2
    assert MAIL not in str(letters)
    assert service.metrics.total("onefold_withheld_fields", field="traits") == 1
    assert MAIL not in str(service.metrics.counts)


def test_a_letter_that_was_hashed_is_not_hashed_again(tmp_path: Path) -> None:
    rule = FieldRule(field="traits.number", action="hash")
    service = service_with(tmp_path, fields=(rule,))
    message = {"type": "identify", "traits": {"number": "12345"}}
    service.post("/v1/batch", {"batch": [message]})
    service.post("/v1/batch", {"batch": [{**message, "userId": "u1"}]})
    (letter,) = service.router.letters.values()
    assert letter.minimised
    body = {**msgspec.json.decode(letter.body), "userId": "u1"}
    letter.body = msgspec.json.encode(body)
    assert service.post("/v1/deadletters/replay", {"all": True}).json()["replayed"] == 1
    first, again = taken(service)
    assert first.traits == again.traits != {"number": "12345"}


def test_tokens_are_revealed_to_privacy_staff(tmp_path: Path) -> None:
    service = service_with(tmp_path, fields=(FieldRule(field="traits.iban", action="tokenise"),))
    service.post("/v1/identify", {"userId": "u1", "traits": {"iban": "DE89 3704"}})
    token = taken(service)[0].traits["iban"]
    assert token.startswith("tok_")
    assert service.post("/v1/privacy/reveal", {"token": token}).json() == {"value": "DE89 3704"}
    wrong = service.post("/v1/privacy/reveal", {"token": token[:-2]})
    assert wrong.status_code == 400
    assert wrong.json()["message"].startswith("token: expected a token")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("hash.key", "token.key")] == [0o600, 0o600]


def test_without_tokens_there_is_nothing_to_reveal(tmp_path: Path) -> None:
    refused = service_with(tmp_path).post("/v1/privacy/reveal", {"token": "tok_AAAA"})
    assert refused.status_code == 400
    assert not list(tmp_path.glob("token.key"))


@pytest.mark.parametrize("mode", ["flag", "redact"])
def test_findings_are_counted_and_never_hold_what_was_found(tmp_path: Path, mode: str) -> None:
    service = service_with(tmp_path, free_text=mode)
    note = {"userId": "u1", "event": "Asked", "properties": {"text": f"write to {MAIL}", MAIL: f"or {MAIL}"}}
    for _ in range(3):
        service.post("/v1/track", note)
    found = service.get("/v1/privacy/findings").json()["data"]
    assert [(each["field"], each["kind"], each["count"]) for each in found] == [
        ("properties.?", "email", 3),
        ("properties.text", "email", 3),
    ]
    assert found[0]["first_seen"] == found[0]["last_seen"] == "2026-03-01T12:30:00.000Z"
    kept = [event.properties["text"] for event in taken(service)]
    assert kept == ["write to [email]" if mode == "redact" else f"write to {MAIL}"] * 3
    assert service.metrics.total("onefold_free_text_findings", kind="email") == 6
    assert all(MAIL.encode() not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
