"""`python -m bench.erasure`: people with a canary in every field and every store, of whom some are erased.

Starts a service in a directory of its own and plants people through its APIs: in traits, properties, contexts, message
ids, identifiers; merged from several profiles; in the review queue; among the dead letters; in webhooks that cannot be
told; in a backup; in what scores were made of; on the way while they are erased. All canaries must be found before,
raw or decoded; those of the erased nowhere after, and everybody else must be as before. With --kill, the service is
killed in the middle and started again. Exit code 1 if a canary of an erased person is found, or anybody else differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import msgspec

from actors.backup_keys import FILE, BackupKeys
from actors.control import ControlStore
from bench.kill import Service
from models.privacy.needles import Search, needles_of
from models.privacy.scan_report import ScanReport
from models.profile.packing import packed_within
from models.scoring.builtin import BUILTIN
from models.scoring.builtin_purchases import CHURN
from models.scoring.features import Feature
from models.scoring.registry import AliasChange, ModelVersion
from pipelines.backup_read import backup_id_of, opened, verified
from pipelines.batch_client import ApiClient, ApiError
from pipelines.privacy_scan import scan

SHARDS = 2
_BATCH = 100
_DONE_S = 600.0
_KEY = b"bench-of-erasures"
_CHURN = {
    "horizon_days": 90,
    "purchases": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    "rival": {"base": 0.0, "terms": {}, "penalty": 1.0},
}
_LETTERS = "bcdfghjklmnpqrstvwxz"
_LAST = ("Abend", "Brück", "Castro", "Dahl", "Eriksen", "Ferrari", "Gruber", "Haas", "Ito", "Jensen")


def canary(person: int) -> str:
    """A text that is nowhere but with one person, and like nobody else's."""
    digest = blake2b(str(person).encode(), digest_size=7).digest()
    return "zq" + "".join(_LETTERS[byte % 20] for byte in digest) + f"{person}"


def is_letter(person: int) -> bool:
    """Whether a message of this person is refused, too."""
    return person % 5 == 0


def messages(person: int, rng: random.Random) -> list[dict[str, Any]]:
    """What one person sends. Many come as two people, who are merged by a later message or found to be alike."""
    mark = canary(person)
    mail, user, device = f"{mark}@example.com", f"user-{mark}", f"device-{mark}"
    name = {"firstName": mark[2:9].title(), "lastName": f"{_LAST[person % 10]}{mark[2:8]}"}
    address = {"street": f"{mark} Road {person}", "city": f"Town {mark}", "postalCode": f"{person * 197 % 99_999:05d}"}
    birthday = f"19{50 + person * 7 % 50}-{1 + person % 12:02d}-{1 + person * 5 % 28:02d}"
    traits = {**name, "address": address, "birthday": birthday}
    context = {"page": {"title": mark, "url": f"https://example.com/{mark}"}, "userAgent": mark, "ip": "10.0.0.1"}
    made: list[dict[str, Any]] = [
        {"type": "identify", "anonymousId": device, "traits": {**traits, "email": mail, "note": f"of {mark}"}},
        {"type": "track", "anonymousId": device, "event": f"Seen {mark}", "properties": {"text": mark, mark: 1}},
        {"type": "page", "anonymousId": device, "name": f"Page {mark}", "properties": {"path": f"/{mark}"}},
        {"type": "group", "anonymousId": device, "groupId": f"group-{mark}", "traits": {"name": f"Firm {mark}"}},
        {
            "type": "track",
            "userId": user,
            "event": "Order Completed",
            "properties": {"order_id": f"order-{mark}", "revenue": 9.5, "products": [{"product_id": mark}]},
        },
    ]
    kind = person % 4
    if kind == 0:  # one person, merged
        made.append({"type": "identify", "userId": user, "anonymousId": device})
    elif kind == 1:  # two profiles that are much alike: matched, or for an operator to decide
        made.append({"type": "identify", "userId": user, "traits": {**traits, "phone": f"+4479{person:08d}"}})
    elif kind == 2:  # merged, and a third one
        made.append({"type": "alias", "previousId": device, "userId": user})
        made.append({"type": "identify", "userId": user, "traits": {"email": mail}})
    else:
        made.append({"type": "identify", "userId": user, "anonymousId": device, "traits": {"email": mail}})
    for number, message in enumerate(made):
        message["messageId"] = f"{mark}-{number}-{rng.randrange(1 << 30)}"
        message["context"] = {**context, **message.get("context", {})}
    return made


def refused(person: int) -> dict[str, Any]:
    """A message that cannot be taken."""
    mark = canary(person)
    return {"type": "track", "userId": f"user-{mark}", "properties": {"text": mark}, "messageId": f"{mark}-refused"}


def readable(backup: Path, keys: Path) -> bytes:
    """All that can be read of a backup with the keys that stand; packed profiles unpacked, too."""
    with closing(BackupKeys(keys, create=False)) as found:
        manifest = verified(backup, found.backup_key(backup_id_of(backup)).signer)
        rows = [row for each in opened(backup, manifest, found) for row in each.rows or ()]
    values = [value for row in rows for value in row.row if isinstance(value, bytes)]
    profiles = [held for value in values for held in packed_within(value, len(value))]
    return b"\n".join([repr(rows).encode(), *values, *profiles])


class Served(Protocol):
    """A running service that can be killed."""

    url: str
    key: str

    def start(self) -> object: ...
    def stop(self) -> None: ...
    def processes(self) -> list[int]: ...


class Run:
    """One service, its people, and what came of them."""

    def __init__(self, service: Served, data_dir: Path, people: int, erased: int, seed: int) -> None:
        self._service = service
        self._data_dir = data_dir
        self._rng = random.Random(seed)
        self._people = list(range(people))
        self._erased = sorted(self._rng.sample(self._people, erased))
        self._client = ApiClient(service.url, service.key, timeout_s=60, patience_s=180)
        self._backup = data_dir.with_name("backup")
        self.wrong: list[str] = []

    def plant(self) -> None:
        """Sends everybody's messages; returns when they are applied and matched."""
        segment = {
            "id": "everybody",
            "name": "Everybody",
            "criteria": {"type": "behavioral", "event": "Order Completed", "operator": "exists"},
        }
        self._client.post("/v1/segments", segment)
        self._client.post("/v1/webhooks", {"id": "away", "url": "https://127.0.0.1:9/nobody"})
        every = [m for person in self._people for m in messages(person, self._rng)]
        self._score()
        self._send(every)
        self._send([refused(person) for person in self._people if is_letter(person)])
        deadline = time.monotonic() + _DONE_S
        while (self._pending() or self._unscored()) and time.monotonic() < deadline:
            time.sleep(0.5)

    def _score(self) -> None:
        """Everybody is scored by a model of which one feature is the note that holds their canary."""
        signature = BUILTIN[CHURN](_CHURN).signature
        features = {**signature.features, "note": Feature(trait="note", text=True)}
        version = ModelVersion(
            name=CHURN,
            version=0,
            source="builtin",
            target=CHURN,
            signature=msgspec.structs.replace(signature, features=features),
            parameters=_CHURN,
        )
        with closing(ControlStore(self._data_dir / "control.sqlite")) as control:
            made = control.register_model(version)
            control.set_model_aliases(AliasChange(CHURN, "champion", made.version, made.created_at, "bench"))

    def _unscored(self) -> bool:
        """Whether somebody has no score yet."""
        keys = [f"user_id:user-{canary(person)}" for person in self._people]
        for start in range(0, len(keys), _BATCH):
            page = self._client.post("/v1/profiles/batch", {"keys": keys[start : start + _BATCH]})["profiles"]
            if any(profile is None or CHURN not in profile["scores"] for profile in page):
                return True
        return False

    def _pending(self) -> int:
        status = self._client.get("/v1/status")
        return sum(int(shard["pending_matches"]) + int(shard["in_flight"]) for shard in status["shards"])

    def _send(self, batch: list[dict[str, Any]]) -> None:
        for start in range(0, len(batch), _BATCH):
            self._client.post("/v1/batch?wait=true", {"batch": batch[start : start + _BATCH]})

    def erase(self, kill: bool) -> None:
        """Asks for the erasures, while their messages go on coming; returns when all are completed."""
        stop = threading.Event()
        late = threading.Thread(target=self._go_on, args=(stop,))
        late.start()
        try:
            ids = [request_id for person in self._erased for request_id in self._ask(person)]
            if kill:
                time.sleep(self._rng.uniform(0.5, 3.0))
                for pid in self._service.processes():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                self._service.stop()
                self._service.start()
            self._wait(ids)
        finally:
            stop.set()
            late.join()
        again = [request_id for person in self._erased for request_id in self._ask(person)]
        self._wait(again)  # what became a profile of its own before its identifiers were known

    def _go_on(self, stop: threading.Event) -> None:
        client = ApiClient(self._service.url, self._service.key, timeout_s=30, patience_s=180)
        while not stop.is_set():
            person = self._rng.choice(self._erased)
            try:
                client.post("/v1/batch", {"batch": [*messages(person, self._rng), refused(person)]})
            except ApiError:
                continue
            time.sleep(0.05)
        client.close()

    def _ask(self, person: int) -> list[str]:
        mark = canary(person)
        identities = [("email", f"{mark}@example.com"), ("controller_customer_id", f"user-{mark}")]
        asked = []
        for kind, value in [*identities, ("cookie", f"device-{mark}")]:
            request_id = str(uuid.uuid4())
            body = {
                "regulation": "gdpr",
                "subject_request_id": request_id,
                "subject_request_type": "erasure",
                "submitted_time": datetime.now(UTC).isoformat(timespec="seconds"),
                "subject_identities": [{"identity_type": kind, "identity_value": value, "identity_format": "raw"}],
            }
            self._client.post("/v2/requests", body)
            asked.append(request_id)
        return asked

    def _wait(self, ids: Iterable[str]) -> None:
        deadline = time.monotonic() + _DONE_S
        for request_id in ids:
            while self._client.get(f"/v2/requests/{request_id}")["request_status"] != "completed":
                if time.monotonic() > deadline:
                    self.wrong.append(f"a request was not completed in {_DONE_S:.0f} s")
                    return
                time.sleep(0.2)

    def back_up(self) -> None:
        """Makes a backup, which the erasures must reach."""
        command = [sys.executable, "-m", "serve", "backup", "create", str(self._backup)]
        subprocess.run([*command, "--data-dir", str(self._data_dir)], check=True, stdout=subprocess.DEVNULL)
        missing = set(self._people) - self._in_backup(self._people)
        if missing:
            self.wrong.append(f"{len(missing)} canaries are not in the backup: it proves nothing")

    def _in_backup(self, people: Iterable[int]) -> set[int]:
        """Those of these people of whom something can be read in the backup."""
        data = readable(self._backup, self._data_dir / FILE)
        listed = list(people)
        search = Search(needles_of([], [canary(person) for person in listed], _KEY))
        return {listed[hit.needle] for hit in search.in_bytes(data)}

    def look(self, people: Iterable[int]) -> ScanReport:
        """A scan for the canaries of these people."""
        return scan(self._data_dir, needles_of([], [canary(person) for person in people], _KEY))

    def check_before(self) -> None:
        """Every canary is found."""
        report = self.look(self._people)
        missing = len(self._people) - len({found.needle for found in report.found})
        if missing:
            self.wrong.append(f"{missing} canaries were not found before: the scan proves nothing")
        self.wrong += report.failures
        if not any(found.file.startswith("scores/") and found.how == "decoded" for found in report.found):
            self.wrong.append("no canary was found among the scores: nothing is shown of them")
        stores = sorted({f"{found.file.split('/')[0]}:{found.how}" for found in report.found})
        _say(f"before: {len(self._people) - missing} canaries found, in {', '.join(stores)}")

    def check_after(self) -> None:
        """No canary of the erased is found, those of all others are, and their profiles are whole."""
        self.wrong += [
            f"of an erased person in {found.file} ({found.place}, {found.how})"
            for found in self.look(self._erased).found
        ]
        others = [person for person in self._people if person not in set(self._erased)]
        report = self.look(others)
        missing = len(others) - len({found.needle for found in report.found})
        if missing:
            self.wrong.append(f"{missing} of the others are not found any more")
        for person in others:
            mark = canary(person)
            try:
                orders = self._client.get(f"/v1/profiles/user_id:user-{mark}")["transactions"]["orders"]
            except ApiError:
                orders = -1
            if orders != 1:
                self.wrong.append(f"person {person} of kind {person % 4} is not as before")
        left = self._in_backup(self._erased)
        if left:
            self.wrong.append(f"{len(left)} erased people can be read in the backup")
        for person in self._erased:
            answer = self._client.post("/v1/batch?wait=true", {"batch": messages(person, self._rng)[:1]})
            if [result["status"] for result in answer["results"]] != ["suppressed"]:
                self.wrong.append("an event brought an erased person back")
        count = self._client.get("/v1/segments/everybody")["members"]
        if count != len(others):
            self.wrong.append(f"the segment has {count} members, {len(others)} are left")
        _say(f"after: {len(self._erased)} erased, {len(others)} others looked at")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--erase", type=int, default=100)
    parser.add_argument("--kill", action="store_true", help="kill the service in the middle")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--http-port", type=int, default=18_080)
    parser.add_argument("--grpc-port", type=int, default=18_081)
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        service = Service(data_dir, SHARDS, given.http_port, given.grpc_port)
        service.start()
        try:
            run = Run(service, data_dir, given.people, given.erase, given.seed)
            run.plant()
            run.check_before()
            run.back_up()
            run.erase(given.kill)
            run.check_after()
        finally:
            service.stop()
    kinds = sorted(set(run.wrong))
    print(json.dumps({"erased": given.erase, "wrong": len(run.wrong), "seconds": round(time.monotonic() - started)}))
    for line in kinds[:20]:
        _say(line)
    sys.exit(1 if run.wrong else 0)


if __name__ == "__main__":
    main()
