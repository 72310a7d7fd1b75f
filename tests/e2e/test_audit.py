"""The audit log of a whole service: replicas and the command line in one chain, and whom a stolen key has seen."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx

from actors.audit_log import AuditLog
from protos.client import Client
from tests.e2e.service import RunningService

PEOPLE = 5


def get(service: RunningService, path: str, key: str) -> int:
    """The status of an answer."""
    return httpx.get(service.url + path, headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code


def test_whom_a_stolen_key_has_seen_and_that_nobody_can_hide_it(service: RunningService, tmp_path: Path) -> None:
    with service.client() as admin:
        batch = [{"type": "identify", "userId": f"audited-{number}"} for number in range(PEOPLE)]
        ids = [result["customer_id"] for result in admin.post("/v1/batch?wait=true", {"batch": batch})["results"]]
        made = admin.post("/v1/admin/keys", {"name": "stolen", "scopes": ["read"]})
        key, secret = made["key"]["id"], made["secret"]
        time.sleep(0.6)  # until every process knows it

        for number in (0, 0, 1):
            assert get(service, f"/v1/profiles/user_id:audited-{number}", secret) == 200
        with Client(service.grpc_target, secret) as client:
            assert client.get("user_id:audited-2") is not None
            assert all(client.batch_get(["user_id:audited-0", "user_id:audited-3"]))
        assert {get(service, "/v1/admin/keys", secret) for _ in range(20)} == {403}
        people = admin.get(f"/v1/audit/affected?key={key}")["data"]
        assert {person["customer_id"]: person["reads"] for person in people} == dict(
            zip(ids, [3, 1, 1, 1], strict=False)
        )

        # The key is replaced by the command line, in another process than the service's.
        new = service.cli("keys", "rotate", key, "--overlap", "0")
        time.sleep(1)
        assert get(service, "/v1/profiles/user_id:audited-4", secret) == 401
        assert get(service, "/v1/profiles/user_id:audited-4", new["secret"]) == 200
        people = admin.get(f"/v1/audit/affected?key={new['key']['id']}")["data"]
        assert [person["customer_id"] for person in people] == [ids[4]]
        refused = admin.get(f"/v1/audit/entries?key={key}&action=GET%20/v1/admin/keys")["data"]
        assert sum(entry["detail"]["requests"] for entry in refused) == 20 and len(refused) < 10
    verdict = service.cli("audit", "verify")
    assert verdict["broken"] is None and verdict["entries"] >= 8

    with closing(sqlite3.connect(service.data_dir / "audit.sqlite")) as db:
        db.execute("VACUUM INTO ?", (str(tmp_path / "audit.sqlite"),))
    for name in ("audit.head", "audit.key"):
        shutil.copy(service.data_dir / name, tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.sqlite")) as db, db:
        (first,) = db.execute("SELECT min(number) FROM entries WHERE actor = ?", (key,)).fetchone()
        db.execute("DELETE FROM entries WHERE actor = ?", (key,))
    with closing(AuditLog(tmp_path)) as log:
        assert log.verify().broken == first
