"""The control store: keys, sources, segments, and a version that every process sees move."""

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from actors.api_keys import KEY_PREFIX
from actors.control import ControlStore, SchemaRule, Source
from actors.errors import Conflict, Invalid, NotFound
from models.delivery.webhook import Webhook
from models.scoring.statements import SCORER_SOURCE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sqlite"


@pytest.fixture
def store(path: Path) -> ControlStore:
    ticks = iter(range(1_000, 9_000))
    return ControlStore(path, create=True, clock=lambda: next(ticks))


def test_a_key_works_until_it_is_revoked(store: ControlStore) -> None:
    key, secret = store.create_key("web", ["ingest"])
    assert secret.startswith(KEY_PREFIX) and len(secret) >= len(KEY_PREFIX) + 43  # 256 bits in base64
    assert store.authenticate(secret) == key
    assert store.authenticate(secret + "x") is None
    assert store.authenticate("") is None
    assert store.has_keys()
    revoked = store.revoke_key(key.key_id)
    assert revoked.revoked_at > 0
    assert store.authenticate(secret) is None
    assert not store.has_keys()
    assert store.revoke_key(key.key_id) == revoked  # again: no change
    assert store.keys() == [revoked]


def test_the_secret_is_not_in_the_file(store: ControlStore, path: Path) -> None:
    key, secret = store.create_key("web", ["ingest"])
    store.close()
    raw = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert key.key_id.encode() in raw  # the control: the scan finds what is there
    assert secret.encode() not in raw


def test_only_the_owner_can_read_the_file(store: ControlStore, path: Path) -> None:
    store.create_key("web", ["ingest"])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_scopes(store: ControlStore) -> None:
    key, _ = store.create_key("etl", ["read", "ingest"])
    assert key.scopes == ("ingest", "read")
    assert key.allows("read") and not key.allows("admin")
    admin, _ = store.create_key("root", ["admin"])
    assert admin.allows("ingest") and admin.allows("read") and admin.allows("admin")
    with pytest.raises(Invalid, match="scopes: expected one or more of ingest, analyse, read, privacy, admin"):
        store.create_key("x", [])
    with pytest.raises(Invalid, match="scopes"):
        store.create_key("x", ["root"])  # type: ignore[list-item]
    with pytest.raises(Invalid, match="name: expected"):
        store.create_key("Jane Doe", ["read"])


def test_a_key_makes_its_source_and_leaves_an_existing_one_alone(store: ControlStore) -> None:
    rule = SchemaRule({"type": "object", "required": ["sku"]}, "omit")
    crm = Source("crm", kind="crm", schemas={"track:Sale": rule})
    store.put_source(crm)
    store.create_key("crm-import", ["ingest"], source_id="crm")
    store.create_key("web", ["ingest"])
    assert store.source("crm") == crm
    assert [source.source_id for source in store.sources()] == ["crm", "web"]
    with pytest.raises(NotFound, match="source_id"):
        store.source("gone")


def test_nobody_writes_as_the_scorers(store: ControlStore) -> None:
    for refused in (
        lambda: store.create_key(SCORER_SOURCE, ["ingest"]),
        lambda: store.create_key("web", ["ingest"], source_id=SCORER_SOURCE),
        lambda: store.put_source(Source(SCORER_SOURCE)),
    ):
        with pytest.raises(Invalid, match=r"source_id: .*choose another"):
            refused()
    assert store.keys() == [] and store.sources() == []


def test_revoking_by_name(store: ControlStore) -> None:
    first, _ = store.create_key("web", ["ingest"])
    assert store.revoke_key("web").key_id == first.key_id
    second, _ = store.create_key("web", ["ingest"])
    assert store.revoke_key("web").key_id == second.key_id  # the revoked one does not stand in the way
    store.create_key("web", ["ingest"])
    store.create_key("web", ["ingest"])
    with pytest.raises(Conflict, match="2 keys have this name"):
        store.revoke_key("web")
    with pytest.raises(NotFound, match="onefold keys list"):
        store.revoke_key("nobody")


def test_segments(store: ControlStore) -> None:
    definition = {"id": "vip", "name": "VIP", "criteria": {"all": []}}
    store.put_segment("vip", definition)
    assert store.segment("vip") == definition
    assert store.segments() == {"vip": definition}
    store.put_segment("vip", definition | {"name": "Best"})
    assert store.segment("vip")["name"] == "Best"
    store.delete_segment("vip")
    for call in (store.segment, store.delete_segment):
        with pytest.raises(NotFound, match="segment_id"):
            call("vip")


def test_every_change_raises_the_version_and_reads_do_not(store: ControlStore, path: Path) -> None:
    reader = ControlStore(path)
    before = reader.version()
    store.keys(), store.sources(), store.segments(), store.has_keys(), store.authenticate("x")
    ControlStore(path, create=True).close()
    assert reader.version() == before
    seen = [before]
    key, _ = store.create_key("web", ["ingest"])
    seen.append(reader.version())
    store.put_source(Source("crm"))
    seen.append(reader.version())
    store.put_segment("s", {})
    seen.append(reader.version())
    store.delete_segment("s")
    seen.append(reader.version())
    store.revoke_key(key.key_id)
    seen.append(reader.version())
    assert seen == list(range(before, before + 6))


def test_a_failed_change_leaves_nothing(store: ControlStore) -> None:
    version = store.version()
    with pytest.raises(Invalid):
        store.put_source(Source("Not An Id"))
    with pytest.raises(TypeError):
        store.put_segment("s", {"x": object()})
    assert store.version() == version and store.segments() == {}


def test_numbers_fixed_at_init(store: ControlStore) -> None:
    assert store.meta("shards") is None
    store.fix_meta("shards", 4)
    store.fix_meta("shards", 4)
    assert store.meta("shards") == 4
    with pytest.raises(Conflict, match="shards was fixed at 4"):
        store.fix_meta("shards", 8)


def test_opening_what_is_not_there(path: Path) -> None:
    with pytest.raises(NotFound, match="onefold init"):
        ControlStore(path)
    path.write_bytes(b"")
    with pytest.raises(Conflict, match="not a control store"):
        ControlStore(path)


def test_another_schema_is_refused(store: ControlStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    db.close()
    with pytest.raises(Conflict, match="schema"):
        ControlStore(path)


def test_many_threads_and_a_second_process_write_at_once(store: ControlStore, path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from actors.control import ControlStore\n"
        "store = ControlStore(Path(sys.argv[1]))\n"
        "for n in range(20): store.create_key(f'other-{n}', ['read'])\n"
    )
    root = Path(__file__).parents[3]
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.create_key(f"mine-{n}", ["read"]), range(20)))
    assert other.wait(120) == 0
    assert len(store.keys()) == 40
    assert store.version() == 40


def test_a_source_that_an_earlier_version_stored_is_read() -> None:
    assert msgspec.json.decode(b'{"source_id":"crm","kind":"crm","priority":5,"schemas":{}}', type=Source) == Source(
        "crm", "crm"
    )


def test_a_file_of_before_there_were_webhooks_can_be_used(store: ControlStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE webhooks")
    db.close()
    found = ControlStore(path)
    assert found.webhooks() == {}
    found.create_webhook(Webhook("w", "https://x.example"))
    with pytest.raises(Conflict, match="id"):
        found.create_webhook(Webhook("w", "https://y.example"))
    assert found.webhook("w").url == "https://x.example"
    found.close()


def test_a_webhook_is_changed_in_one_step(store: ControlStore) -> None:
    store.create_webhook(Webhook("w", "https://x.example", created_at=5))

    def broken(webhook: Webhook) -> Webhook:
        raise ValueError

    with pytest.raises(ValueError):
        store.update_webhook("w", broken)
    store.disable_webhook("w", 4, "it was an earlier one")
    assert store.webhook("w").enabled
    store.disable_webhook("w", 5, "gone")
    assert (store.webhook("w").enabled, store.webhook("w").disabled_because) == (False, "gone")
    store.delete_webhook("w")
    store.disable_webhook("w", 5, "gone")
    with pytest.raises(NotFound):
        store.update_webhook("w", lambda webhook: webhook)
