"""The scene of `onefold privacy verify`: a service of its own with purposes of every kind, and somebody it tells.

It has its own directory and free ports of loopback, and is used as anybody would use it: by its commands and its APIs.
Every person in it is made up.
"""

import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from actors.free_ports import free_ports
from actors.privacy_store import FILE as STORE_FILE
from actors.privacy_store import PrivacyStore
from models.privacy.deadlines import DAY_MS, due
from models.privacy.needles import needles_of
from models.privacy.requests import SubjectIdentity, SubjectRequest
from models.privacy.suppression import fingerprint
from pipelines.batch_client import ApiClient
from pipelines.task_runner import Processes
from serve.data_dir import suppression_key
from serve.settings import FILE_NAME

SHARDS = 2
MINIMAL_SOURCE = "minimal"
START_S = 180.0
COMMAND_S = 90.0
PATIENCE_S = 30.0
_POLL_S = 0.02
_WAITED_MS = 27 * DAY_MS

REGION, REGION_PERMITTED, REGION_REFUSED = "eu", "uk", "us"
REGION_REFUSED_URL = "https://onefold-us.verify.example"
MECHANISM = "adequacy"

SETTINGS = f"""
[privacy]
controller_id = "example-shop"
require_verification = true

[privacy.purposes]
default = "service"

[privacy.purposes.known.service]
name = "Running the shop"
basis = "contract"

[privacy.purposes.known.analytics]
name = "Counting what is used"
basis = "legitimate_interests"
data = {{ events = ["Page *"], sections = ["engagement"] }}

[privacy.purposes.known.ads]
name = "Advertising"
basis = "consent"
data = {{ traits = ["income"], events = ["Ad *"] }}
categories = ["Advertising"]
opt_out = true

[privacy.purposes.known.campaigns]
name = "Campaigns, for a month"
basis = "contract"
data = {{ traits = ["campaign_*"], events = ["Campaign *"] }}
retention_days = 30

[privacy.sources.minimal]
traits = ["plan"]

[webhooks]
allow_private_addresses = true

[residency]
region = "{REGION}"

[residency.regions]
{REGION} = {{ countries = ["DE"] }}
{REGION_PERMITTED} = {{ countries = ["GB"] }}
{REGION_REFUSED} = {{ countries = ["US"], url = "{REGION_REFUSED_URL}" }}

[residency.transfers."{REGION}->{REGION_PERMITTED}"]
mechanism = "{MECHANISM}"
reference = "made up"
"""

Found = TypeVar("Found")


class CommandFailed(Exception):
    """A command of the scene's service failed; the message is its own."""


class Scene:
    """A running service. A context manager: at its end nothing of it runs."""

    def __init__(self, folder: Path) -> None:
        """`folder` is empty, and the caller's to delete."""
        self.data_dir = folder / "data"
        self.receiver = Receiver()
        self.admin_key = self.write_key = self.url = self.grpc_target = ""
        self.near_deadline = str(uuid.uuid4())  # a request that came weeks ago
        self._clients: dict[str, ApiClient] = {}
        self._searchers = Processes()  # they start at the first search

    def __enter__(self) -> "Scene":
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._searchers:
            self._end()

    def _start(self) -> None:
        http_port, grpc_port = free_ports(2)
        ports = ("--http-port", str(http_port), "--grpc-port", str(grpc_port))
        made = self.command("init", "--shards", str(SHARDS), *ports)
        settings = self.data_dir / FILE_NAME
        settings.write_text(settings.read_text() + SETTINGS)
        self.admin_key = Path(made["admin_key_file"]).read_text().strip()
        # One that is told what became of people.
        self.write_key = self.command("keys", "create", "verify", "--scope", "ingest", "--scope", "read")["secret"]
        self._plant_request()
        self.url, self.grpc_target = f"http://127.0.0.1:{http_port}", f"127.0.0.1:{grpc_port}"
        self.command("serve", "--detach", timeout_s=START_S)

    def _plant_request(self) -> None:
        """A request that nobody has worked on for weeks, so that its deadline is near when the service starts."""
        received = int(time.time() * 1000) - _WAITED_MS
        store = PrivacyStore(self.data_dir / STORE_FILE, suppression_key(self.data_dir))
        store.add(
            SubjectRequest(
                request_id=self.near_deadline,
                kind="access",
                regulation="gdpr",
                submitted_at=received,
                received_at=received,
                due_at=due("gdpr", received),
                identities=[SubjectIdentity("email", "waits@verify.example")],
            )
        )
        store.close()

    def _end(self) -> None:
        for client in self._clients.values():
            client.close()
        self.receiver.close()
        if self.data_dir.exists():
            self._run(("stop", *self._here()), COMMAND_S)

    # By the command line

    def command(self, *arguments: str, timeout_s: float = COMMAND_S) -> Any:
        """What a command on the scene's directory prints with --json. Raises CommandFailed."""
        return self.plain_command(*arguments, *self._here(), timeout_s=timeout_s)

    def plain_command(self, *arguments: str, timeout_s: float = COMMAND_S) -> Any:
        """The same of a command that takes no directory. Raises CommandFailed."""
        done = self._run(arguments, timeout_s)
        if done.returncode:
            told = " ".join(done.stderr.split())[-500:] or "it says nothing"
            raise CommandFailed(f"onefold {' '.join(arguments[:2])}: exit code {done.returncode}: {told}")
        return json.loads(done.stdout)

    def _run(self, arguments: tuple[str, ...], timeout_s: float) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serve", *arguments, "--json"]
        # Settings of whoever runs this are not the scene's.
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ONEFOLD_", "RAY_"))}
        own["PYTHONPATH"] = os.pathsep.join([_CODE, *filter(None, [own.get("PYTHONPATH")])])
        return subprocess.run(command, env=own, capture_output=True, text=True, timeout=timeout_s, check=False)

    def scan(self, *texts: str) -> list[str]:
        """Which of these texts are in the directory, raw or decoded. Raises CommandFailed if that is not known."""
        from pipelines.privacy_scan import scan  # with it comes pyarrow

        key = suppression_key(self.data_dir)
        report = scan(self.data_dir, needles_of([], texts, key), runner=self._searchers)
        if report.failures:
            raise CommandFailed(f"the search is not whole: {report.failures[0]}")
        found = {each.needle for each in report.found}
        return [text for text in texts if fingerprint(text, key) in found]

    def _here(self) -> tuple[str, str]:
        return "--data-dir", str(self.data_dir)

    # By the API

    def client(self, key: str = "") -> ApiClient:
        """A client of the HTTP API, with the admin key unless another is given."""
        key = key or self.admin_key
        if key not in self._clients:
            self._clients[key] = ApiClient(self.url, key, patience_s=PATIENCE_S)
        return self._clients[key]

    def get(self, path: str, **headers: str) -> Any:
        """The JSON answer to a GET. Raises ApiError."""
        return self.client().request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a POST. Raises ApiError."""
        return self.client().post(path, body)

    def send(self, *messages: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
        """What became of events, once they are applied: a result for each."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps({"batch": list(messages)}).encode()
        answer = self.client(self.write_key).request("POST", "/v1/batch?wait=true", body, named)
        results: list[dict[str, Any]] = answer.get("results", [])
        return results

    def ask(self, kind: str, mail: str) -> dict[str, Any]:
        """Hands in a request of a data subject, vouches for the requester, and waits: its status when it is done."""
        request_id = str(uuid.uuid4())
        self.post(
            "/v2/requests",
            {
                "regulation": "gdpr",
                "subject_request_id": request_id,
                "subject_request_type": kind,
                "submitted_time": datetime.now(UTC).isoformat(timespec="seconds"),
                "subject_identities": [{"identity_type": "email", "identity_value": mail, "identity_format": "raw"}],
            },
        )
        known = {"verified_by": "verify", "method": "made up"}
        self.post(f"/v1/privacy/requests/{request_id}/verify", known)

        def done() -> dict[str, Any] | None:
            status: dict[str, Any] = self.get(f"/v2/requests/{request_id}")
            return status if status["request_status"] == "completed" else None

        return self.wait_for(done, f"the request ({kind}) to be completed", 2 * PATIENCE_S)

    def results(self, status: dict[str, Any]) -> dict[str, str]:
        """The files of a completed access request, by name."""
        content = self.client().data("/v1/privacy/results/" + str(status["results_url"]).rpartition("/")[2])
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}

    def customer_id(self, key: str) -> str:
        """Whom a key leads to."""
        return str(self.get(f"/v1/profiles/{key}")["customer_id"])

    def segment(self, segment_id: str, trait: str, value: str) -> None:
        """Makes a segment of those whose trait has a value."""
        criteria = {"type": "demographic", "trait": trait, "operator": "equals", "value": value}
        self.post("/v1/segments", {"id": segment_id, "name": segment_id, "criteria": criteria})

    def webhook(self, webhook_id: str, region: str = REGION, **fields: Any) -> None:
        """Makes a webhook that tells the receiver, at the address of its own id. Raises ApiError."""
        hook = {"id": webhook_id, "url": self.receiver.url(webhook_id), "region": region, **fields}
        self.post("/v1/webhooks", hook)

    def members(self, segment_id: str, purpose: str = "") -> list[str]:
        """Customer ids of a segment's members, as a read for a purpose is told them."""
        path = f"/v1/segments/{segment_id}/members"
        named = {"Onefold_Purpose": purpose} if purpose else {}
        return [str(each["customer_id"]) for each in self.get(path, **named)["data"]]

    def settle(self, webhook_id: str) -> None:
        """Waits until a webhook was told of all that has happened."""

        def told() -> bool:
            status = self.get(f"/v1/webhooks/{webhook_id}")
            return (status["behind"], status["waiting"]) == (0, 0)

        self.wait_for(told, f"the webhook {webhook_id} to be told")

    def wait_for(self, look: Callable[[], Found | None], what: str, timeout_s: float = PATIENCE_S) -> Found:
        """What `look` finds, as soon as it finds something. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout_s:g} s for {what}")
            time.sleep(_POLL_S)
        return found


class Receiver:
    """A webhook's receiver on loopback: keeps what it is sent."""

    def __init__(self) -> None:
        received: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                received.append({"path": self.path, **body})
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is logged."""

        self._received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        """An address of it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def told(self, name: str, kind: str) -> list[str]:
        """Customer ids that an address was told of, in messages of a type such as segment.entered."""
        mine = [each for each in list(self._received) if each["path"] == f"/{name}" and each["type"] == kind]
        return [person for each in mine for person in _people(each["data"])]

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


_CODE = str(Path(__file__).parents[1])


def _people(data: dict[str, Any]) -> list[str]:
    return list(data.get("customer_ids", [])) or [str(data.get("customer_id", ""))]
