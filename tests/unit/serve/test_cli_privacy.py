"""`onefold privacy`, against the real routes: what it asks for, prints, writes, and ends with."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from models.privacy.requests import SubjectIdentity, SubjectRequest, advanced, held_up
from models.privacy.settings import PrivacySettings
from serve.cli import run
from serve.http_schemas import time_text
from serve.settings import Settings
from serve.subject_export import FOLDER
from tests.unit.serve.http_service import HttpService

ID = "a7551968-d5d6-44b2-9831-815ac9017798"
MAIL = "email:jane.canary@example.com"


class Done(NamedTuple):
    """How a command ended."""

    exit_code: int
    out: str
    err: str


Call = Callable[..., Done]


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    settings = Settings(data_dir=str(tmp_path), privacy=PrivacySettings(processor_domain="privacy.example.com"))
    made = HttpService(tmp_path, settings)
    made.now = 4_000_000_000_000  # the commands' clock is the real one: what they submit has passed here
    return made


@pytest.fixture
def url(service: HttpService) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            found = service.request(self.command, self.path, self.rfile.read(length) or None)
            self.send_response(found.status_code)
            self.send_header("Content-Length", str(len(found.content)))
            self.end_headers()
            self.wfile.write(found.content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def privacy(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setattr("serve.cli_common._PATIENCE_S", 0.2)
    monkeypatch.setattr("serve.cli_privacy._POLL_S", 0.01)
    monkeypatch.setenv("ONEFOLD_URL", url)
    monkeypatch.setenv("ONEFOLD_KEY", "k")
    monkeypatch.delenv("ONEFOLD_CONFIG", raising=False)

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["onefold", "privacy", *arguments])
        capsys.readouterr()
        return Done(run(), *capsys.readouterr())

    return call


@pytest.fixture
def desk(service: HttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Completes every request as soon as it is there."""
    add = service.privacy.add

    def added(request: SubjectRequest, tell: Any = None) -> SubjectRequest:
        def done(found: SubjectRequest) -> SubjectRequest:
            return advanced(found, "completed", service.now, results=f"{found.kind}.zip", results_count=3)

        made = add(request, tell)
        service.privacy.change(made.request_id, done)
        return made

    monkeypatch.setattr(service.privacy, "add", added)


def test_a_request_from_submission_to_cancellation(service: HttpService, privacy: Call) -> None:
    submit = ("submit", "--kind", "erasure", "--identity", MAIL, "--identity", "gaid:AB-1", "--id", ID)
    done = privacy(*submit, "--callback", "https://c.example/", "--regulation", "ccpa")
    assert done.exit_code == 0, done.err
    assert done.out.startswith(f"{ID}, due 2096-")
    found = service.privacy.request(ID)
    assert (found.kind, found.regulation, found.callbacks) == ("erasure", "ccpa", ["https://c.example/"])
    assert found.identities == [SubjectIdentity("email", MAIL.partition(":")[2]), SubjectIdentity("gaid", "ab-1")]
    assert ID in privacy("requests", "--state", "pending").out
    assert privacy("requests", "--state", "completed").out == "no requests\n"
    assert privacy("verify-requester", ID, "--by", "a.meier", "--method", "letter").out == f"{ID} is verified\n"
    assert f"{ID} is due 2096-" in privacy("extend", ID, "--reason", "many at once").out
    entries = json.loads(privacy("requests", "--json").out)
    assert [(entry["verified_by"], entry["extended"]) for entry in entries] == [("a.meier", True)]
    assert json.loads(privacy("status", ID, "--json").out)["request_status"] == "pending"
    assert privacy("cancel", ID).out == f"{ID} is cancelled\n"
    done = privacy("cancel", ID)
    assert done.exit_code == 2 and "only a pending one can be cancelled" in done.err
    assert "request_status            cancelled" in privacy("status", ID).out


def test_what_is_refused_is_told(privacy: Call) -> None:
    done = privacy("submit", "--kind", "access", "--identity", MAIL, "--id", "x", "--callback", "http://c.example")
    assert done.exit_code == 2
    assert (
        "subject_request_id: expected a UUID" in done.err and "status_callback_urls[0]: expected an https" in done.err
    )
    for identity in ("jane", "crm_id:5"):
        done = privacy("submit", "--kind", "access", "--identity", identity)
        assert done.exit_code == 2 and "controller_customer_id" in done.err
    assert privacy("status", ID).exit_code == 4


@pytest.mark.usefixtures("desk")
def test_an_erasure_is_waited_for(privacy: Call) -> None:
    done = privacy("erase", MAIL, "--wait", "--json")
    assert done.exit_code == 0, done.err
    assert json.loads(done.out)["request_status"] == "completed"
    assert "request_status            completed" in privacy("erase", "user_id:u1").out


@pytest.mark.usefixtures("desk")
def test_an_export_is_written_for_its_owner(privacy: Call, tmp_path: Path) -> None:
    content = bytes(range(256))
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "portability.zip").write_bytes(content)
    out = tmp_path / "jane.zip"
    out.touch(0o644)
    done = privacy("export", MAIL, "--kind", "portability", "--out", str(out))
    assert (done.exit_code, done.out) == (0, f"3 records in {out}\n"), done.err
    assert out.read_bytes() == content
    assert out.stat().st_mode & 0o777 == 0o600
    assert privacy("export", MAIL, "--kind", "erasure", "--out", str(out)).exit_code == 2


def test_waiting_ends(service: HttpService, privacy: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    done = privacy("erase", MAIL, "--wait", "--timeout", "0.05")
    assert done.exit_code == 1 and "is pending after 0.05 s" in done.err
    add = service.privacy.add

    def added(request: SubjectRequest, tell: Any = None) -> SubjectRequest:
        made = add(request, tell)
        service.privacy.change(made.request_id, lambda found: advanced(found, "cancelled", service.now))
        return made

    monkeypatch.setattr(service.privacy, "add", added)
    done = privacy("erase", MAIL, "--wait")
    assert done.exit_code == 1 and "was cancelled" in done.err


def test_why_a_request_waits_is_told(service: HttpService, privacy: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    add = service.privacy.add

    def added(request: SubjectRequest, tell: Any = None) -> SubjectRequest:
        begun = advanced(add(request, tell), "in_progress", service.now)
        waits = held_up(begun, "erase", "[shard-1] is not available", service.now)
        return service.privacy.change(request.request_id, lambda _: waits)

    monkeypatch.setattr(service.privacy, "add", added)
    done = privacy("erase", MAIL, "--wait", "--timeout", "0.05")
    why = f"waits since {time_text(service.now)} (erase): [shard-1] is not available"
    assert done.exit_code == 1
    assert done.err.count(f"{why}\n") == 1 and f"is in_progress after 0.05 s and {why};" in done.err
    (entry,) = json.loads(privacy("requests", "--json").out)
    assert why in privacy("status", entry["id"]).out
    assert json.loads(privacy("status", entry["id"], "--json").out)["waiting"] == entry["waiting"]
    assert why in privacy("requests").out


def test_a_correction_by_the_command_line(service: HttpService, privacy: Call) -> None:
    service.post("/v1/identify", {"userId": "u1", "traits": {"name": "Jnae", "age": 3, "city": "X"}})
    service.now += 1_000
    done = privacy("correct", "user_id:u1", "name=Jane", "age:=30", "--remove", "city", "--reason", "typing error")
    assert done.exit_code == 0, done.err
    attributes = service.get("/v1/profiles/user_id:u1").json()["attributes"]
    assert {name: told["value"] for name, told in attributes.items()} == {"name": "Jane", "age": 30}
    assert "Jnae" in privacy("correct", "user_id:u1").out
    service.now += 1_000
    assert privacy("correct", "user_id:u1", "--lift", "name", "--lift", "age", "--lift", "city").exit_code == 0
    assert privacy("correct", "user_id:u1").out == "nothing is corrected\n"
    for wrong in ("name", "=x", "age:=x"):
        assert privacy("correct", "user_id:u1", wrong).exit_code == 2


def test_restrictions_and_objections_by_the_command_line(service: HttpService, privacy: Call) -> None:
    service.post("/v1/identify", {"userId": "u1", "traits": {"name": "Jane"}})
    held: list[dict[str, bool]] = []
    for arguments in (
        ("restrict", "user_id:u1", "--reason", "contested"),
        ("restrict", "user_id:u1", "--reason", "settled", "--lift"),
        ("object", "user_id:u1", "ads"),
        ("object", "user_id:u1", "automated-decisions"),
    ):
        service.now += 1_000
        done = privacy(*arguments)
        assert done.exit_code == 0 and "rcpt_" in done.out, done.err
        consents = service.get("/v1/profiles/user_id:u1/ledger").json()["data"]
        held.append({each["purpose"]: each["granted"] for each in consents})
    assert held == [
        {"!restricted": True},
        {"!restricted": False},
        {"!restricted": False, "ads": False},
        {"!restricted": False, "ads": False, "!no_automated_decisions": True},
    ]
    assert privacy("unsuppress", "email:jane@example.com").out == "1 identifiers are taken again\n"
    assert privacy("restrict", "user_id:u1").exit_code == 2
