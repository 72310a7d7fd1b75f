"""Keys that get a new secret, keys that expire, and control stores of before there were such."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from actors.control import ControlStore
from actors.control_file import SCHEMA_VERSION
from actors.errors import Conflict, NotFound
from serve.auth import Authenticator
from serve.errors import Forbidden, Unauthenticated
from tests.unit.serve.http_service import HttpService

HOUR_MS = 3_600_000

# The tables of schema 1, as they were made then.
SCHEMA_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, hint TEXT NOT NULL,
    scopes TEXT NOT NULL, source_id TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sources (source_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (segment_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema', 1), ('version', 3), ('shards', 2);
INSERT INTO keys VALUES ('key_old', x'2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b',
    'web', 'secret', 'ingest read', 'web', 5, 0);
INSERT INTO keys VALUES ('key_gone', x'00', 'web', 'ofk_', 'admin', 'web', 6, 7);
INSERT INTO sources VALUES ('web', '{"source_id":"web"}');
"""


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms

    def seconds(self) -> float:
        return self.ms / 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ControlStore:
    return ControlStore(tmp_path / "control.sqlite", create=True, clock=clock)


def test_both_secrets_are_valid_until_the_overlap_ends(store: ControlStore, clock: Clock) -> None:
    old, old_secret = store.create_key("web", ["ingest", "read"], "shop")
    new, replaced, secret = store.rotate_key("web", HOUR_MS)
    assert (new.name, new.scopes, new.source_id) == ("web", ("ingest", "read"), "shop")
    assert new.key_id != old.key_id and secret != old_secret
    assert (replaced.key_id, replaced.expires_at) == (old.key_id, clock.ms + HOUR_MS)
    found = store.keys()
    assert sorted(found, key=lambda key: key.expires_at) == [new, replaced]
    clock.ms += HOUR_MS - 1
    assert store.authenticate(old_secret) == replaced and store.authenticate(secret) == new
    clock.ms += 1
    assert store.authenticate(old_secret) is None and store.authenticate(secret) == new
    assert store.find_key("web") == new  # the other has ended
    assert store.has_keys()


def test_without_an_overlap_the_former_secret_ends_at_once(store: ControlStore) -> None:
    _, old_secret = store.create_key("web", ["read"])
    _, _, secret = store.rotate_key("web", 0)
    assert store.authenticate(old_secret) is None
    assert store.authenticate(secret) is not None


def test_a_key_with_a_lifetime_expires_and_so_does_the_next(store: ControlStore, clock: Clock) -> None:
    key, old_secret = store.create_key("web", ["read"], lifetime_ms=90 * HOUR_MS)
    assert key.expires_at == clock.ms + 90 * HOUR_MS
    clock.ms += 80 * HOUR_MS
    new, replaced, secret = store.rotate_key(key.key_id, 24 * HOUR_MS)
    assert replaced.expires_at == key.expires_at  # no longer than it would have been
    assert new.expires_at == clock.ms + 90 * HOUR_MS
    clock.ms += 10 * HOUR_MS
    assert store.authenticate(old_secret) is None and store.authenticate(secret) is not None
    clock.ms += 80 * HOUR_MS
    assert store.authenticate(secret) is None
    assert not store.has_keys()


def test_what_has_ended_is_not_rotated(store: ControlStore, clock: Clock) -> None:
    key, _ = store.create_key("web", ["read"], lifetime_ms=10)
    clock.ms += 10
    with pytest.raises(Conflict, match="no longer valid"):
        store.rotate_key(key.key_id, 0)
    other, _ = store.create_key("crm", ["read"])
    store.revoke_key("crm")
    with pytest.raises(Conflict, match="no longer valid"):
        store.rotate_key(other.key_id, 0)
    with pytest.raises(NotFound):
        store.rotate_key("nobody", 0)
    assert len(store.keys()) == 2


def test_within_the_overlap_the_name_means_two_keys(store: ControlStore) -> None:
    store.create_key("web", ["read"])
    new, _, _ = store.rotate_key("web", HOUR_MS)
    with pytest.raises(Conflict, match="2 keys have this name; give the id"):
        store.revoke_key("web")
    assert store.revoke_key(new.key_id).revoked_at


def rotate(store: ControlStore) -> None:
    store.rotate_key("web", 500)


def rotate_at_once(store: ControlStore) -> None:
    store.rotate_key("web", 0)


def revoke(store: ControlStore) -> None:
    store.revoke_key("web")


@pytest.mark.parametrize(("ending", "left_ms"), [(revoke, 0), (rotate_at_once, 0), (rotate, 500)])
def test_an_end_by_another_process_counts_within_a_second(
    tmp_path: Path, store: ControlStore, clock: Clock, ending: Callable[[ControlStore], None], left_ms: int
) -> None:
    _, secret = store.create_key("web", ["read"])
    authenticator = Authenticator(store, True, clock, clock.seconds)
    authenticator.caller(secret)
    with closing(ControlStore(tmp_path / "control.sqlite", clock=clock)) as theirs:
        ending(theirs)
    clock.ms += left_ms + 999
    with pytest.raises(Unauthenticated, match="was revoked or has expired"):
        authenticator.caller(secret)


def test_a_cached_key_expires_without_any_change(store: ControlStore, clock: Clock) -> None:
    _, secret = store.create_key("web", ["read"], lifetime_ms=10_000)
    authenticator = Authenticator(store, True, clock, clock.seconds)
    clock.ms += 9_999
    assert authenticator.caller(secret).allows("read")
    clock.ms += 1
    with pytest.raises(Unauthenticated):
        authenticator.caller(secret)


def test_the_scope_privacy_is_neither_more_nor_less(store: ControlStore, clock: Clock) -> None:
    _, secret = store.create_key("dpo", ["privacy"])
    _, admin = store.create_key("ops", ["admin"])
    authenticator = Authenticator(store, False, clock, clock.seconds)
    authenticator.caller(secret).require("privacy")
    authenticator.caller(admin).require("privacy")
    for scope in ("ingest", "analyse", "read", "admin"):
        with pytest.raises(Forbidden, match="has the scope privacy"):
            authenticator.caller(secret).require(scope)
    _, reader = store.create_key("reader", ["read", "ingest"])
    with pytest.raises(Forbidden, match="this needs privacy"):
        authenticator.caller(reader).require("privacy")


# Files of before


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "control.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA_1)
    return path


def test_a_file_of_schema_1_is_brought_up_to_date(old: Path, clock: Clock) -> None:
    with closing(ControlStore(old, clock=clock)) as store:
        assert store.meta("schema") == SCHEMA_VERSION and store.meta("shards") == 2
        first, gone = store.keys()
        assert (first.key_id, first.scopes, first.expires_at, first.lifetime_ms) == (
            "key_old",
            ("ingest", "read"),
            0,
            0,
        )
        assert gone.revoked_at == 7
        assert store.authenticate("secret") == first
        new, replaced, secret = store.rotate_key("web", 0)
        assert store.authenticate("secret") is None and store.authenticate(secret) == new
    with closing(ControlStore(old, clock=clock)) as again:
        assert again.meta("schema") == SCHEMA_VERSION
        assert again.find_key("key_old") == replaced


def test_several_that_open_an_old_file_at_once_bring_it_up_to_date_once(old: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: ControlStore(old), range(8)))
    assert {store.meta("schema") for store in stores} == {SCHEMA_VERSION}
    assert {store.keys()[0].key_id for store in stores} == {"key_old"}
    for store in stores:
        store.close()


# Over HTTP


def test_a_key_is_rotated_over_http(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    service.key = service.create_key("admin", "ops")
    web = service.create_key("read", "web")
    rotated = service.post("/v1/admin/keys/web/rotate", {"overlap": "1h"}).json()
    assert rotated["key"]["scopes"] == ["read"] and rotated["key"]["expires_at"] is None
    assert rotated["replaced"]["expires_at"] == "2026-03-01T13:30:02.000Z"
    for secret in (web, rotated["secret"]):
        assert service.get("/v1/status", Authorization=f"Bearer {secret}").status_code == 200
    service.pass_time(HOUR_MS)
    assert service.get("/v1/status", Authorization=f"Bearer {web}").status_code == 401
    assert service.get("/v1/status", Authorization=f"Bearer {rotated['secret']}").status_code == 200
    entry = service.recorded()[-2]
    assert entry.action == "POST /v1/admin/keys/{key_id}/rotate"
    assert (entry.detail["key_id"], entry.detail["replaced"]) == (rotated["key"]["id"], rotated["replaced"]["id"])


def test_who_waits_for_changes_is_told_none_after_the_end_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = HttpService(tmp_path)
    service.send({"type": "track", "userId": "u1", "event": "x"})
    service.key = service.create_key("read")
    changed = service.router.changed_profiles

    async def revoked_meanwhile(after: dict[int, int], timeout_s: float) -> tuple[list[int], dict[int, int]]:
        service.control.revoke_key("web")
        service.pass_time(1_000)
        return await changed(after, timeout_s)

    monkeypatch.setattr(service.router, "changed_profiles", revoked_meanwhile)
    answer = service.get("/v1/profiles/changes?after=0:0,1:0")
    assert answer.status_code == 401 and "cus_" not in answer.text


def test_the_default_overlap_is_an_hour(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    service.control.create_key("web", ["read"])
    service.key = service.create_key("admin", "ops")
    replaced = service.post("/v1/admin/keys/web/rotate", {}).json()["replaced"]
    assert replaced["expires_at"] == "2026-03-01T13:30:01.000Z"


@pytest.mark.parametrize("body", [{"overlap": "soon"}, {"overlap": 5}, {"overlap": "0d"}, {"until": "1h"}])
def test_a_wrong_overlap_is_refused(tmp_path: Path, body: object) -> None:
    service = HttpService(tmp_path)
    service.control.create_key("web", ["read"])
    service.key = service.create_key("admin", "ops")
    assert service.post("/v1/admin/keys/web/rotate", body).status_code == 400
    assert service.post("/v1/admin/keys/nobody/rotate", {}).status_code == 404
    assert len(service.control.keys()) == 2


def test_a_key_with_a_lifetime_over_http(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    made = service.post("/v1/admin/keys", {"name": "web", "scopes": ["admin"], "expires": "1h"}).json()
    assert made["key"]["expires_at"] == "2026-03-01T13:30:00.000Z"
    service.pass_time(1_000)
    service.key = made["secret"]
    assert service.get("/v1/status").status_code == 200
    assert service.post("/v1/admin/keys", {"name": "x", "scopes": ["read"], "expires": "soon"}).status_code == 400
    service.pass_time(HOUR_MS)
    assert service.get("/v1/status").status_code == 401
