"""Whose request it is: the key's, whatever else a request says."""

import asyncio
import gzip
import json
import re
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from actors.control import ControlStore
from actors.errors import Conflict, Invalid, NotFound
from models.events.limits import Limits
from serve import data_dir, tenant_data
from serve.auth import Authenticator
from serve.errors import Unauthenticated
from serve.http_scopes import SCOPES
from serve.http_tenants import TenantRouting
from serve.settings import Settings, SettingsError, load
from serve.tenants import Tenants
from tests.strategies.every_call import IN_PATHS, http_calls
from tests.unit.serve.http_service import HttpService


class Own:
    """What serves a tenant."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.http = HttpService(directory / (name or "default"), loopback=not name)
        self.is_ended = False

    @property
    def authenticator(self) -> Authenticator:
        return self.http.services.authenticator

    def end(self) -> None:
        self.is_ended = True


class Replica:
    """Tenants in this process; `seconds` is the clock."""

    def __init__(self, directory: Path) -> None:
        self.seconds = 100.0
        self.made: list[Own] = []
        self._directory = directory
        for name in ("default", "acme", "globex"):
            (directory / name).mkdir()
        self.store = ControlStore(directory / "control.sqlite", create=True)
        self.default = Own(directory, "")
        self.tenants = Tenants(self.store, self.default, self.make, lambda: self.seconds)
        self.app = TenantRouting(self, Limits())

    def make(self, name: str) -> Own:
        self.made.append(Own(self._directory, name))
        return self.made[-1]

    def look(self) -> None:
        self.seconds += 1

    @property
    def is_alone(self) -> bool:
        return self.tenants.is_alone

    def app_of(self, credential: str | None) -> ASGIApp:
        return self.tenants.of(credential).http.app

    def post(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 5))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.post(path, content=content, headers=headers)

        return asyncio.run(call())


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    return Replica(tmp_path)


def test_alone_everything_is_the_default_tenants(replica: Replica) -> None:
    assert replica.is_alone
    assert replica.tenants.of("ofk_anything") is replica.default is replica.tenants.of(None)


def test_the_key_says_whose_it_is(replica: Replica) -> None:
    ours = replica.default.http.create_key("read")
    for name in ("acme", "globex"):
        replica.store.add_tenant(name)
    replica.look()
    assert list(replica.tenants.served()) == ["default", "acme", "globex"]
    keys = [own.http.create_key("read") for own in replica.made]
    assert [replica.tenants.of(key).name for key in [ours, *keys, ours, *keys]] == 2 * ["", "acme", "globex"]
    for nobodys in (None, "", "ofk_guessed", "x" * 100_000, "ofk_\udc80"):
        assert replica.tenants.of(nobodys) is replica.default


def test_a_key_of_two_tenants_opens_neither(replica: Replica, tmp_path: Path) -> None:
    ours = replica.default.http.create_key("read")
    (key,) = replica.default.http.control.keys()
    replica.store.add_tenant("acme")
    replica.look()
    assert replica.tenants.of(ours) is replica.default
    other = replica.made[0].http
    with closing(ControlStore(tmp_path / "acme" / "control.sqlite")) as control, control._write():
        control._insert(key, ours)
    other.pass_time(1_000)
    replica.store.add_tenant("globex")
    replica.look()
    with pytest.raises(Unauthenticated, match="more than one tenant"):
        replica.tenants.of(ours)
    refused = replica.post("/v1/track", b"{}", Authorization=f"Bearer {ours}")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_tenants_come_and_go(replica: Replica) -> None:
    replica.store.add_tenant("acme")
    assert not list(replica.made)
    replica.look()
    key = replica.tenants.served()["acme"].http.create_key("read")
    acme = replica.made[0]
    assert replica.tenants.of(key) is acme
    replica.store.end_tenant("acme")
    with pytest.raises(Conflict, match="being deleted"):
        replica.store.add_tenant("acme")
    replica.look()
    assert replica.tenants.of(key) is replica.default
    assert acme.is_ended and replica.is_alone
    replica.store.forget_tenant("acme")
    replica.store.add_tenant("acme")
    replica.look()
    assert replica.tenants.served()["acme"] is replica.made[1] is not acme


def test_one_tenants_trouble_is_not_the_others(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Own:
        if name == "acme":
            raise RuntimeError("its control store is damaged")
        return Replica.make(replica, name)

    monkeypatch.setattr(replica.tenants, "_make", broken)
    for name in ("acme", "globex"):
        replica.store.add_tenant(name)
    replica.look()
    assert list(replica.tenants.served()) == ["default", "globex"]
    monkeypatch.setattr(replica.tenants, "_make", replica.make)
    replica.look()
    assert set(replica.tenants.served()) == {"default", "acme", "globex"}


@pytest.mark.parametrize("packed", [False, True])
def test_events_go_to_the_tenant_whose_key_is_in_the_body(replica: Replica, packed: bool) -> None:
    replica.default.http.create_key("ingest")
    replica.store.add_tenant("acme")
    replica.look()
    key = replica.tenants.served()["acme"].http.create_key("ingest")
    body = json.dumps({"userId": "u1", "event": "A", "writeKey": key, "tenant": "default"}).encode()
    answer = replica.post("/v1/track?tenant=default", gzip.compress(body) if packed else body)
    assert answer.status_code == 200, answer.text
    assert list(replica.made[0].http.router.index) == ["user_id:u1"]
    assert not replica.default.http.router.index


def test_what_cannot_be_read_is_refused_as_ever(replica: Replica) -> None:
    replica.default.http.create_key("ingest")
    replica.store.add_tenant("acme")
    replica.look()
    for body, status in ((b"x" * (Limits().request_bytes_max + 1), 413), (b"\x1f\x8bno", 400), (b"not json", 401)):
        assert replica.post("/v1/track", body).status_code == status


def test_a_tenants_directory_is_like_a_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"), shards=2)
    data_dir.create(settings)
    made = tenant_data.create(settings, "acme", 0)
    again = tenant_data.create(settings, "acme", 0)
    assert made.ingest_key and not again.ingest_key
    own = settings.of_tenant("acme")
    assert own.data_path == tmp_path / "data" / "tenants" / "acme" and own.namespace == "onefold.acme"
    assert data_dir.check(own) == 2
    assert own.data_path.stat().st_mode & 0o777 == own.data_path.parent.stat().st_mode & 0o777 == 0o700
    tenant_data.end(settings, "acme")
    with closing(ControlStore(own.control_path)) as control:
        assert not control.has_keys()
    with closing(ControlStore(settings.control_path)) as control:
        tenant_data.remove(settings, control, "acme")
        assert control.tenants() == []
    assert not own.data_path.exists() and settings.control_path.exists()
    with pytest.raises(NotFound):
        tenant_data.end(settings, "acme")


def test_the_test_of_all_routes_knows_what_their_paths_name() -> None:
    named = {name for _, route in SCOPES for name in re.findall(r"\{(\w+)\}", route)}
    assert named == IN_PATHS, "say in tests/e2e/test_tenants.py what stands for it, and name it in IN_PATHS"
    assert len(list(http_calls(dict.fromkeys([*IN_PATHS, "other_key", "trait"], "x")))) > 80


@pytest.mark.parametrize("name", ["default", "", "..", "a/b", "Acme", "-a", "a" * 65])
def test_names(tmp_path: Path, name: str) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    data_dir.create(settings)
    with pytest.raises(Invalid, match="tenant"):
        tenant_data.create(settings, name, 1)
    if name:
        with pytest.raises(SettingsError, match="tenant"):
            load({"tenant": name}, environment={})
