"""A backup of a running service, an erasure after it, and a service on what is restored."""

import json
import random
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from actors.backup_keys import FILE
from bench.erasure import canary, messages, readable
from models.privacy.needles import Search, needles_of
from pipelines.batch_client import ApiClient
from tests.e2e.service import RunningService

PEOPLE = 6
GONE = 2
OF_THE_DESK = {"purges.sqlite"}  # made when it starts for the first time, a moment after the service is ready
LEFT_OUT = {"run", "spill", "logs", "vectors", "reresolve", "privacy"}  # made again, or of the time after


def names_in(folder: Path) -> set[str]:
    """What is in a data directory, without the side files of SQLite."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}


def profile_of(client: ApiClient, person: int) -> str:
    return json.dumps(client.get(f"/v1/profiles/user_id:user-{canary(person)}"), sort_keys=True)


def test_who_is_erased_after_a_backup_is_in_no_restore_of_it(unmatched: RunningService, tmp_path: Path) -> None:
    place, backup, copy = unmatched, tmp_path / "backup", unmatched.data_dir.with_name("keys.sqlite")
    rng = random.Random(1)
    assert "privacy-signing.pem" in names_in(place.data_dir)
    with place.client() as client:
        segment = {"type": "behavioral", "event": "Order Completed", "operator": "exists"}
        client.post("/v1/segments", {"id": "buyers", "name": "Buyers", "criteria": segment})
        client.post("/v1/webhooks", {"id": "away", "url": "https://127.0.0.1:9/nobody"})
        client.post("/v1/batch?wait=true", {"batch": [m for n in range(PEOPLE) for m in messages(n, rng)]})
        deadline = time.monotonic() + 60
        while not names_in(place.data_dir) >= OF_THE_DESK:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        stop = threading.Event()

        def go_on() -> None:
            number = 0
            with place.client() as own:
                while not stop.is_set():
                    number += 1
                    own.post("/v1/batch", {"batch": [{"type": "identify", "userId": f"later-{number}"}]})

        late = threading.Thread(target=go_on)
        late.start()
        try:
            made = place.cli("backup", "create", str(backup), timeout_s=120)
        finally:
            stop.set()
            late.join()
        assert made["people"] >= PEOPLE
        assert place.command("backup", "create", str(backup)).returncode == 2  # it is there
        assert canary(GONE).encode() in readable(backup, place.data_dir / FILE)
        profiles = {n: profile_of(client, n) for n in range(PEOPLE)}
        told = {"categoryPreferences": {"ads": False}}
        message = {"type": "identify", "userId": f"user-{canary(0)}", "context": {"consent": told}}
        client.post("/v1/batch?wait=true", {"batch": [message]})
        erased = place.cli("privacy", "erase", f"email:{canary(GONE)}@example.com", "--wait", timeout_s=120)
        assert erased["request_status"] == "completed"
        told = place.cli("privacy", "status", erased["subject_request_id"])["recipients"]
        assert [each["name"] for each in told["data"]] == ["webhook:away"]
        with closing(sqlite3.connect(copy)) as keys:
            for _ in range(100):
                if keys.execute("SELECT count(*) FROM refusals").fetchone()[0]:
                    break
                stop.wait(0.1)
    decoded = readable(backup, place.data_dir / FILE)
    assert canary(1).encode() in decoded
    search = Search(needles_of([], [canary(GONE)], b"k"))
    for data in (decoded, *(path.read_bytes() for path in backup.iterdir())):
        assert list(search.in_bytes(data)) == []
    new = place.beside(tmp_path / "restored", ONEFOLD_BACKUP__KEYS_COPY=str(tmp_path / "its-keys.sqlite"))
    restored = new.cli("backup", "restore", str(backup), "--keys", str(copy), timeout_s=120)
    assert (restored["refusals_told"], restored["people_left_out"] > 0) == (1, True)
    public = place.data_dir / "certificate-signing.pub"
    verified_again = place.command_without_directory("backup", "verify", str(backup), "--public-key", str(public))
    assert verified_again.returncode == 0
    assert names_in(place.data_dir) - names_in(new.data_dir) <= LEFT_OUT
    with new, new.client() as client:
        for n in set(range(1, PEOPLE)) - {GONE}:
            assert profile_of(client, n) == profiles[n]
        assert client.get(f"/v1/profiles/user_id:user-{canary(0)}")["privacy"]["consents"]["ads"]["granted"] is False
        answer = client.post("/v1/batch?wait=true", {"batch": messages(GONE, rng)})
        assert {result["status"] for result in answer["results"]} == {"suppressed"}
        assert client.get("/v1/segments/buyers")["members"] == PEOPLE - 1
