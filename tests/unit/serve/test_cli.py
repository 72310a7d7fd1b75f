"""The command line: what each command asks of the service, prints, and ends with."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest

from pipelines.batch_client import IMPORT_PATH
from serve import instance
from tests.unit.command_line import command_line

NO_MORE = {"next": "", "has_more": False, "limit": 200}
PROFILE = {"customer_id": "cus_1", "attributes": {}}
NOTE = "trait chrun_band: no score [of that name] has bands"
SEGMENT = {
    "id": "vip",
    "name": "VIP",
    "description": "",
    "criteria": {"all": []},
    "version": 1,
    "created_at": "2026-01-01T00:00:00.000Z",
    "members": 3,
    "state": "live",
    "refresh": "real_time",
    "late_ms": 0,
    "error": "",
    "notes": [NOTE],
}
EVENT = {
    "timestamp": "2026-01-01T00:00:00.000Z",
    "type": "track",
    "name": "Order Completed",
    "customer_id": "cus_1",
    "source": "web",
}
EVIDENCE = {
    "method": "probabilistic",
    "model_version": "m1",
    "prior": -10.0,
    "fields": [
        {"field": "birth_date", "level": "exact", "weight": 12.5, "frequency": 0.0, "left": "1968", "right": "1968"}
    ],
    "score": 2.5,
    "confidence": 0.85,
}
REVIEW = {
    "review_id": "rev_1_2",
    "left": "cus_1",
    "right": "cus_2",
    "opened_at": "2026-01-01T00:00:00.000Z",
    "reason": "limits",
    "confidence": 0.85,
    "evidence": EVIDENCE,
    "rejected_at": None,
    "rejected_by": "",
}
LETTER = {
    "id": "dl_1",
    "received_at": "2026-01-01T00:00:00.000Z",
    "source": "web",
    "type": "track",
    "reasons": [{"field": "event", "message": "is required"}],
    "body": "{}",
    "replayed_at": None,
}


class Done(NamedTuple):
    """How a command ended."""

    exit_code: int
    out: str
    err: str


class Service:
    """A service that gives prepared answers and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}  # "METHOD /path?query" -> status, body
        self.asked: list[tuple[str, Any, str]] = []  # "METHOD /path?query", body, Authorization
        self.purposes: list[str] = []  # that the requests declared
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                request = f"{self.command} {unquote(self.path)}"
                service.asked.append((request, body, self.headers.get("Authorization", "")))
                service.purposes.append(self.headers.get("Onefold-Purpose", ""))
                status, answer = service.answers.get(request, (404, {"code": "not_found", "message": "no such thing"}))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def onefold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    monkeypatch.setattr("serve.cli_common._PATIENCE_S", 0.2)
    call = command_line(tmp_path, monkeypatch, capsys)
    return lambda *arguments: Done(*call(*arguments))


Call = Callable[..., Done]


def test_every_command_explains_itself_and_offers_json(onefold: Call) -> None:
    top = onefold("--help").out
    groups = {
        "keys": ("create", "list", "rotate", "revoke"),
        "audit": ("verify", "list", "affected"),
        "segments": ("create", "list", "show", "members", "preview", "delete"),
        "events": ("tail",),
        "deadletter": ("list", "replay", "delete"),
        "bench": ("lookup", "ingest"),
        "reviews": ("list", "show", "accept", "reject"),
        "privacy": ("requests", "status", "submit", "cancel", "verify-requester", "extend", "erase", "export"),
    }
    for command in ("init", "serve", "stop", "status", "doctor", "demo", "import", "profile"):
        assert f" {command} " in top
        assert "--json" in onefold(command, "--help").out, command
    for group, commands in groups.items():
        assert f" {group} " in top
        for command in commands:
            done = onefold(group, command, "--help")
            assert done.exit_code == 0 and "--json" in done.out, (group, command)


def test_wrong_command_lines_exit_with_2(onefold: Call) -> None:
    assert onefold("nosuch").exit_code == 2
    assert onefold("init", "--shards", "none").exit_code == 2
    assert onefold("deadletter", "replay").exit_code == 2
    assert onefold("deadletter", "delete", "--yes").exit_code == 2


def test_wrong_settings_exit_with_2_and_say_what_is_wrong(onefold: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFOLD_HTTP_PORT", "many")
    done = onefold("status")
    assert done.exit_code == 2
    assert "http_port: expected int" in done.err
    done = onefold("status", "--json")
    assert json.loads(done.err) == {
        "code": "settings",
        "message": "http_port: expected int, got str (set by ONEFOLD_HTTP_PORT)",
    }


def test_init_then_keys(onefold: Call, tmp_path: Path) -> None:
    made = json.loads(onefold("init", "--shards", "2", "--http-port", "1234", "--json").out)
    assert made["shards"] == 2 and made["ingest_key"].startswith("ofk_")
    assert "http_port = 1234" in (tmp_path / "onefold-data" / "onefold.toml").read_text()
    assert onefold("init", "--shards", "3").exit_code == 2
    created = json.loads(onefold("keys", "create", "crm", "--scope", "ingest", "--scope", "read", "--json").out)
    assert created["scopes"] == ["ingest", "read"] and created["secret"].startswith("ofk_")
    listed = json.loads(onefold("keys", "list", "--json").out)
    assert {key["name"] for key in listed} == {"cli", "default", "crm"}
    assert not any("secret" in key or "digest" in key for key in listed)
    assert onefold("keys", "revoke", "crm").exit_code == 0
    assert "crm" not in onefold("keys", "list").out
    assert "crm" in onefold("keys", "list", "--all").out
    assert onefold("keys", "revoke", "nobody").exit_code == 4
    assert onefold("keys", "create", "x", "--scope", "root").exit_code == 2
    secret = onefold("keys", "create", "plain").out.splitlines()[-1]
    assert secret.startswith("ofk_")  # alone on its line, to be copied


def test_data_commands_need_a_running_service(onefold: Call) -> None:
    onefold("init")
    done = onefold("profile", "email:a@example.com", "--json")
    assert done.exit_code == 3
    assert json.loads(done.err)["code"] == "not_running"
    assert onefold("status").exit_code == 3
    assert onefold("stop").exit_code == 3
    assert onefold("profile", "email:a@example.com", "--url", "http://127.0.0.1:1", "--key", "k").exit_code == 3


def test_commands_find_the_running_service_and_its_key(onefold: Call, service: Service, tmp_path: Path) -> None:
    onefold("init", "--shards", "1")
    service.answers["GET /v1/profiles/email:a@example.com"] = (200, PROFILE)
    record = instance.Record(1, 1, "1", 1, 1, *2 * (service.url, "127.0.0.1:2"), ready=True)
    with instance.Claim(tmp_path / "onefold-data") as claim:
        claim.tell(record)
        done = onefold("profile", "email:a@example.com", "--json")
        assert json.loads(done.out) == PROFILE
        onefold("profile", "email:a@example.com", "--key", "other")
    assert service.asked[0][2] != service.asked[1][2]
    assert service.asked[0][2].startswith("Basic ")


def test_profile(onefold: Call, service: Service) -> None:
    service.answers["GET /v1/profiles/user_id:a/b?min_seq=0:5,1:2"] = (200, PROFILE)
    done = onefold("profile", "user_id:a/b", "--min-seq", "0:5,1:2", "--url", service.url, "--key", "k")
    assert json.loads(done.out) == PROFILE
    assert onefold("profile", "user_id:none", "--url", service.url, "--key", "k").exit_code == 4


@pytest.mark.parametrize(("status", "exit_code"), [(400, 2), (401, 5), (403, 5), (404, 4), (409, 1), (500, 1)])
def test_exit_codes_for_answers(onefold: Call, service: Service, status: int, exit_code: int) -> None:
    service.answers["GET /v1/segments"] = (status, {"code": "word", "message": "the reason"})
    done = onefold("segments", "list", "--url", service.url, "--key", "k", "--json")
    assert done.exit_code == exit_code
    assert json.loads(done.err) == {"code": "word", "message": "the reason"}


def test_segments(onefold: Call, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFOLD_URL", service.url)
    monkeypatch.setenv("ONEFOLD_KEY", "k")
    service.answers |= {
        "POST /v1/segments": (200, SEGMENT),
        "GET /v1/segments": (200, {"segments": [SEGMENT, SEGMENT | {"id": "new", "members": None}]}),
        "GET /v1/segments/vip": (200, SEGMENT),
        "DELETE /v1/segments/vip": (200, {}),
        "POST /v1/segments/preview": (200, {"members": 7, "people": 20}),
    }
    file = tmp_path / "vip.json"
    file.write_text(json.dumps({"id": "vip", "name": "VIP", "criteria": {"all": []}}))
    made = onefold("segments", "create", str(file))
    assert (made.out, made.err) == ("vip: 3 members\n", f"note: {NOTE}\n")
    assert onefold("segments", "create", '{"all": []}', "--id", "vip", "--name", "VIP").exit_code == 0
    assert service.asked[0][1] == service.asked[1][1]
    assert onefold("segments", "create", '{"all": []}').exit_code == 2
    assert onefold("segments", "create", str(tmp_path / "gone.json")).exit_code == 2
    assert onefold("segments", "create", "{").exit_code == 2
    listed = onefold("segments", "list").out
    assert "vip" in listed and "?" in listed
    assert json.loads(onefold("segments", "show", "vip").out) == SEGMENT
    assert onefold("segments", "preview", '{"all": []}').out == "7 members of 20 people\n"
    assert service.asked[-1][1] == {"criteria": {"all": []}}
    assert onefold("segments", "delete", "vip", "--yes").exit_code == 0


def test_questions_about_segments(
    onefold: Call, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEFOLD_URL", service.url)
    monkeypatch.setenv("ONEFOLD_KEY", "k")
    day = {"at": "2026-01-01T00:00:00.000Z", "members": 5, "entered": 1, "left": 0}
    impact = "/v1/segments/vip/impact?outcome=orders&event=&currency=&from=&within=30d"
    member = {"customer_id": "cus_1", "entered_at": "2026-01-01T00:00:00.000Z", "held_out": False, "plan": "=pro"}
    service.answers |= {
        "POST /v1/segments/backtest": (200, {"data": [day]}),
        "GET /v1/segments/vip/history?from=&step=1d": (200, {"data": [day]}),
        "GET /v1/segments/vip/analytics?conversion=&within=7d": (200, {"members": 5}),
        "GET /v1/segments/overlap?segments=vip,new": (200, {"segments": ["vip", "new"], "members": [[5, 2], [2, 3]]}),
        "GET /v1/segments/vip/why?key=email:a@b.example": (200, {"member": True}),
        f"GET {impact}": (200, {"verdict": "better"}),
        f"GET {impact}&format=svg": (200, "<svg/>"),
        "GET /v1/segments/vip/members?at=2026-01-01&limit=100": (200, {"data": [member], "cursor": NO_MORE}),
        "GET /v1/segments/vip/members/profiles?limit=1000&cursor=&traits=plan": (
            200,
            {"data": [member], "cursor": NO_MORE},
        ),
    }
    assert "2026-01-01" in onefold("segments", "backtest", '{"all": []}', "--days", "7").out
    assert service.asked[-1][1] == {"criteria": {"all": []}, "days": 7}
    assert "ENTERED" in onefold("segments", "history", "vip").out
    assert json.loads(onefold("segments", "analytics", "vip").out) == {"members": 5}
    assert "new" in onefold("segments", "overlap", "vip", "new").out
    assert json.loads(onefold("segments", "why", "vip", "email:a@b.example").out) == {"member": True}
    picture = tmp_path / "impact.svg"
    drawn = onefold("impact", "report", "vip", "--outcome", "orders", "--svg", str(picture), "--json")
    assert json.loads(drawn.out) == {"verdict": "better"} and "svg" in picture.read_text()
    assert "cus_1" in onefold("segments", "members", "vip", "--at", "2026-01-01").out
    for ending in ("csv", "parquet", "arrow"):
        output = tmp_path / f"members.{ending}"
        assert onefold("segments", "export", "vip", str(output), "--traits", "plan").exit_code == 0
        assert output.exists()
    assert service.purposes[-1] == ""
    assert onefold("segments", "export", "vip", str(output), "--traits", "plan", "--purpose", "ads").exit_code == 0
    assert service.purposes[-1] == "ads"
    assert "cus_1,2026-01-01T00:00:00+00:00,False,'=pro" in (tmp_path / "members.csv").read_text()
    assert pq.read_table(tmp_path / "members.parquet").column("plan").to_pylist() == ["=pro"]
    assert onefold("segments", "export", "vip", str(tmp_path / "members.xls")).exit_code == 2


def test_webhooks(onefold: Call, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFOLD_URL", service.url)
    monkeypatch.setenv("ONEFOLD_KEY", "k")
    hook = {"id": "crm", "url": "https://x.example", "enabled": False, "delivered": 1, "waiting": 2, "dead": 3}
    hook |= {"behind": None, "late_ms": 4, "last_error": "", "disabled_because": "gone", "secret": "whsec_x"}
    letter = {"id": "msg_0_1", "at": "2026", "error": "HTTP 400", "message": {}}
    service.answers |= {
        "GET /v1/webhooks": (200, {"webhooks": [hook]}),
        "POST /v1/webhooks": (200, hook),
        "DELETE /v1/webhooks/crm": (200, hook),
        "POST /v1/webhooks/crm/test": (200, {"status": 200, "error": ""}),
        "GET /v1/webhooks/crm/dead-letters?limit=100": (200, {"data": [letter], "cursor": NO_MORE}),
        "POST /v1/webhooks/crm/dead-letters/replay": (200, {"replayed": 1}),
    }
    assert "crm (off)" in onefold("webhooks", "list").out
    assert "whsec_x" in onefold("webhooks", "create", "crm", "https://x.example", "--segment", "vip").out
    asked = {"id": "crm", "url": "https://x.example", "segments": ["vip"], "from_start": False}
    assert service.asked[-1][1] == asked
    assert onefold("webhooks", "create", "crm", "https://x.example", "--change", "exited").exit_code == 0
    assert service.asked[-1][1] == {**asked, "segments": [], "changes": ["exited"]}
    assert onefold("webhooks", "create", "crm", "https://x.example", "--change", "left").exit_code == 2
    assert onefold("webhooks", "test", "crm").out == "HTTP 200\n"
    assert "HTTP 400" in onefold("webhooks", "dead-letters", "crm").out
    assert onefold("webhooks", "replay", "crm", "--message", "msg_0_1").out == "1 messages will be tried again\n"
    assert onefold("webhooks", "delete", "crm").exit_code == 0


def test_lists_go_over_pages(onefold: Call, service: Service) -> None:
    pages = {
        "?limit=200": ([f"cus_{n}" for n in range(200)], {"next": "c1", "has_more": True, "limit": 200}),
        "?limit=50&cursor=c1": (["cus_200"], NO_MORE),
    }
    for query, (ids, cursor) in pages.items():
        data = [{"customer_id": customer_id, "entered_at": "2026"} for customer_id in ids]
        service.answers[f"GET /v1/segments/vip/members{query}"] = (200, {"data": data, "cursor": cursor})
    done = onefold("segments", "members", "vip", "--limit", "250", "--url", service.url, "--key", "k", "--json")
    assert len(json.loads(done.out)) == 201


def test_events_tail(onefold: Call, service: Service) -> None:
    service.answers["GET /v1/events?limit=2"] = (200, {"data": [EVENT, EVENT], "cursor": NO_MORE})
    done = onefold("events", "tail", "-n", "2", "--url", service.url, "--key", "k", "--json")
    assert [json.loads(line) for line in done.out.splitlines()] == [EVENT, EVENT]
    done = onefold("events", "tail", "-n", "2", "--url", service.url, "--key", "k")
    assert onefold("events", "tail", "-n", "1001", "--url", service.url, "--key", "k").exit_code == 2
    assert done.out.splitlines()[0] == "2026-01-01T00:00:00.000Z  track Order Completed  cus_1  from web"


def test_dead_letters(onefold: Call, service: Service) -> None:
    refused = {"replayed": 1, "rejected": [{"id": "dl_1", "reasons": [{"message": "is required"}]}], "cursor": NO_MORE}
    service.answers |= {
        "GET /v1/deadletters?limit=50": (200, {"data": [LETTER], "cursor": NO_MORE}),
        "POST /v1/deadletters/replay": (200, refused),
    }
    where = ("--url", service.url, "--key", "k")
    assert "event: is required" in onefold("deadletter", "list", *where).out
    done = onefold("deadletter", "replay", "dl_1", "dl_2", *where)
    assert done.exit_code == 6 and "dl_1  is required" in done.out
    assert service.asked[-1][1] == {"ids": ["dl_1", "dl_2"]}
    onefold("deadletter", "replay", "--all", *where)
    assert service.asked[-1][1] == {"all": True}
    service.answers["DELETE /v1/deadletters"] = (200, {"deleted": 2})
    assert onefold("deadletter", "delete", "dl_1", "dl_2", "--yes", *where).out == "deleted 2\n"
    assert service.asked[-1][1] == {"ids": ["dl_1", "dl_2"]}
    onefold("deadletter", "delete", "--all", "--yes", *where)
    assert service.asked[-1][1] == {"all": True}
    assert onefold("deadletter", "replay", "dl_1", "--all", *where).exit_code == 2


def test_reviews(onefold: Call, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFOLD_URL", service.url)
    monkeypatch.setenv("ONEFOLD_KEY", "k")
    rejected = REVIEW | {"rejected_at": "2026-01-02T00:00:00.000Z", "rejected_by": "support"}
    service.answers |= {
        "GET /v1/identity/reviews?limit=50": (200, {"data": [REVIEW], "cursor": NO_MORE}),
        "GET /v1/identity/reviews?limit=1": (200, {"data": [], "cursor": NO_MORE}),
        "GET /v1/identity/reviews/rev_1_2": (200, REVIEW),
        "POST /v1/identity/reviews/rev_1_2/accept": (
            200,
            {"customer_id": "cus_1", "merged": "cus_2", "merge_id": "mrg_0_7"},
        ),
        "POST /v1/identity/reviews/rev_1_2/reject": (200, rejected),
    }
    listed = onefold("reviews", "list").out
    assert "rev_1_2" in listed and "85.0%" in listed and "limits" in listed
    assert json.loads(onefold("reviews", "list", "--json").out) == [REVIEW]
    assert onefold("reviews", "list", "--limit", "1").out == "no open reviews\n"
    shown = onefold("reviews", "show", "rev_1_2").out
    assert "open, opened 2026-01-01" in shown and "birth_date" in shown and "+12.5" in shown
    assert onefold("reviews", "accept", "rev_1_2").out == "cus_2 is part of cus_1 now (merge mrg_0_7)\n"
    assert onefold("reviews", "reject", "rev_1_2").out == "cus_1 and cus_2 stay apart\n"
    service.answers["GET /v1/identity/reviews/rev_1_2"] = (200, rejected)
    assert "rejected by support at 2026-01-02" in onefold("reviews", "show", "rev_1_2").out
    was_one = {"customer_id": "cus_1", "merged": None, "merge_id": None}
    service.answers["POST /v1/identity/reviews/rev_1_2/accept"] = (200, was_one)
    assert onefold("reviews", "accept", "rev_1_2").out == "cus_1: the two were one person already\n"
    assert onefold("reviews", "show", "rev_9_9").exit_code == 4


def test_explain_people(onefold: Call, service: Service, tmp_path: Path) -> None:
    service.answers["GET /v1/identity/explain?left=user_id:1&right=cus_2"] = (200, EVIDENCE)
    where = ("--url", service.url, "--key", "k")
    assert "85.0% confidence that" in onefold("explain", "user_id:1", "cus_2", *where).out
    told = json.loads(onefold("explain", "user_id:1", "cus_2", "--format", "json", *where).out)
    assert (told["confidence"], told["steps"][0]["end"]) == (0.85, 2.5)
    picture = tmp_path / "why.svg"
    assert onefold("explain", "user_id:1", "cus_2", "--format", "svg", "-o", str(picture), *where).out == ""
    assert picture.read_text().startswith("<svg")
    assert onefold("explain", "user_id:1", "user_id:9", *where).exit_code == 4
    assert "--input" in onefold("explain", "a", "b", "--id-column", "id", *where).err
    assert onefold("explain", "a", "b", "--input", "people.csv").exit_code == 2


def test_what_a_person_is_made_of(onefold: Call, service: Service, tmp_path: Path) -> None:
    service.answers |= {
        "GET /v1/profiles/email:a/b@x.io/graph?format=text": (200, "a graph"),
        "GET /v1/identity/merges/mrg_0_7/evidence?format=svg": (200, "a picture"),
    }
    where = ("--url", service.url, "--key", "k")
    assert onefold("graph", "email:a/b@x.io", *where).out == '"a graph"\n'
    file = tmp_path / "why.svg"
    assert onefold("evidence", "mrg_0_7", "--format", "svg", "-o", str(file), *where).out == ""
    assert file.read_text() == '"a picture"'
    assert onefold("graph", "email:nobody@x.io", *where).exit_code == 4
    assert onefold("evidence", "mrg_0_8", *where).exit_code == 4


def test_import(onefold: Call, service: Service, tmp_path: Path) -> None:
    service.answers[f"POST {IMPORT_PATH}"] = (200, {"success": True, "accepted": 2, "duplicates": 0, "sequence": "0:2"})
    file = tmp_path / "people.csv"
    file.write_text("user_id,email\n1,a@example.com\n2,b@example.com\n")
    done = onefold("import", str(file), "--url", service.url, "--key", "k", "--json")
    assert done.exit_code == 0
    assert json.loads(done.out)["imported"] == 2
    file.write_text("user_id,email\n1,a@example.com\n,\n")
    assert onefold("import", str(file), "--url", service.url, "--key", "k").exit_code == 6
    assert onefold("import", str(tmp_path / "gone.csv"), "--url", service.url, "--key", "k").exit_code == 2


def test_the_demo_does_not_mix_with_other_data(onefold: Call, service: Service, tmp_path: Path) -> None:
    onefold("init", "--shards", "1")
    service.answers["GET /v1/status"] = (200, {"events": 5})
    with instance.Claim(tmp_path / "onefold-data") as claim:
        claim.tell(instance.Record(1, 1, "1", 1, 1, *2 * (service.url, "127.0.0.1:2"), ready=True))
        done = onefold("demo", "--json")
    assert done.exit_code == 2 and json.loads(done.err)["code"] == "not_empty"
    assert [request for request, _, _ in service.asked] == ["GET /v1/status"]


def test_status(onefold: Call, service: Service, tmp_path: Path) -> None:
    shard = {"shard": 0, "profiles": 1, "events": 2, "in_flight": 0, "resident_bytes": 5_000_000}
    waiting = {"pending_matches": 3, "reviews": 4}
    matcher = {"ready": True, "linked": 7}
    counts = {
        **{"profiles": 1, "identifiers": 2, "events": 2, "duplicates": 0, "dead_letters": 0, "pending_match_ms": 1500},
        **waiting,
        "shards": [shard | waiting],
        "matchers": [matcher, matcher | {"ready": False}],
    }
    service.answers["GET /v1/status"] = (200, counts)
    onefold("init", "--shards", "1")
    with instance.Claim(tmp_path / "onefold-data") as claim:
        record = instance.Record(7, 1, "1", 1, 1, *2 * (service.url, "127.0.0.1:2"), ready=True)
        claim.tell(record)
        assert json.loads(onefold("status", "--json").out)["profiles"] == 1
        shown = onefold("status").out
        assert "ready, pid 7" in shown and "5 MB" in shown
        assert "1 of 2 matchers ready, 14 linked" in shown
        assert "3 profiles wait, the oldest for 1.5 s; 4 open reviews" in shown
        for matchers, said in (([], "matching is off"), (None, "the matchers do not answer; 3 profiles wait")):
            service.answers["GET /v1/status"] = (200, counts | {"matchers": matchers})
            assert said in onefold("status").out
        service.answers.clear()
        assert onefold("status").exit_code == 3
    assert json.loads(onefold("status", "--url", service.url, "--key", "k", "--json").err)["code"] == "not_found"


def test_doctor(onefold: Call, tmp_path: Path) -> None:
    onefold("init", "--shards", "2")
    done = onefold("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.out)}
    assert {"python", "sqlite", "fsync", "disk", "clock", "haproxy"} <= checks.keys()
    assert checks["control store"]["detail"].startswith("2 shards, 2 keys")
    (tmp_path / "onefold-data").chmod(0o755)
    done = onefold("doctor")
    assert done.exit_code == 1 and "chmod 700" in done.out


def test_no_command_waits_for_what_few_need() -> None:
    """Each takes a tenth of a second and more to import, in every command and every process of the service."""
    code = "import sys, serve.cli; print({'lancedb', 'ray', 'scipy', 'sentence_transformers'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
