"""Keys and scopes, against the real control store."""

from pathlib import Path

import pytest

from actors.api_keys import SCOPES, ApiKey
from actors.control import ControlStore
from models.delivery.addresses import is_loopback
from serve.auth import OPEN, Authenticator, KeyStore
from serve.errors import Forbidden, Unauthenticated


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def authenticator_of(keys: KeyStore, clock: Clock, loopback: bool = True) -> Authenticator:
    return Authenticator(keys, loopback, lambda: int(clock.seconds * 1000), clock)


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "control.sqlite", create=True, clock=lambda: 1_000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_key_does_what_its_scope_says(store: ControlStore, clock: Clock) -> None:
    key, secret = store.create_key("web", ["ingest"])
    authenticator = authenticator_of(store, clock)
    principal = authenticator.caller(secret)
    principal.require("ingest")
    assert (principal.key_id, principal.source_id) == (key.key_id, "web")
    with pytest.raises(Forbidden, match="has the scope ingest; this needs read"):
        authenticator.caller(secret).require("read")
    with pytest.raises(Forbidden):
        authenticator.caller(secret).require("admin")


def test_admin_may_do_all(store: ControlStore, clock: Clock) -> None:
    _, secret = store.create_key("ops", ["admin"])
    authenticator = authenticator_of(store, clock, loopback=False)
    principal = authenticator.caller(secret)
    for scope in SCOPES:
        principal.require(scope)
    assert principal.source_id == "ops"


@pytest.mark.parametrize("credential", [None, "", "ofk_wrong", "x" * 100_000, "ofk_\udc80", "'; DROP TABLE keys"])
def test_anything_else_is_refused(store: ControlStore, clock: Clock, credential: str | None) -> None:
    store.create_key("web", ["ingest"])
    with pytest.raises(Unauthenticated):
        authenticator_of(store, clock).caller(credential)


def test_a_revocation_by_another_process_counts_within_a_second(tmp_path: Path, clock: Clock) -> None:
    ours = ControlStore(tmp_path / "control.sqlite", create=True)
    theirs = ControlStore(tmp_path / "control.sqlite")
    key, secret = theirs.create_key("web", ["ingest"])
    authenticator = authenticator_of(ours, clock)
    authenticator.caller(secret)
    theirs.revoke_key(key.key_id)
    clock.seconds += 0.99
    with pytest.raises(Unauthenticated, match="unknown, was revoked or has expired"):
        authenticator.caller(secret)


def test_a_new_key_counts_at_once(store: ControlStore, clock: Clock) -> None:
    store.create_key("first", ["read"])
    authenticator = authenticator_of(store, clock)
    with pytest.raises(Unauthenticated):
        authenticator.caller("nothing")
    _, secret = store.create_key("web", ["read"])
    assert authenticator.caller(secret).source_id == "web"


def test_without_any_key_loopback_is_open_and_all_else_is_closed(store: ControlStore, clock: Clock) -> None:
    assert authenticator_of(store, clock).caller(None) is OPEN
    OPEN.require("admin")
    with pytest.raises(Unauthenticated, match="onefold keys create"):
        authenticator_of(store, clock, loopback=False).caller(None)


def test_the_first_key_closes_the_door_and_its_revocation_keeps_it_closed(store: ControlStore, clock: Clock) -> None:
    authenticator = authenticator_of(store, clock)
    assert authenticator.is_open
    key, _ = store.create_key("web", ["ingest"])
    clock.seconds += 1
    assert not authenticator.is_open
    store.revoke_key(key.key_id)
    clock.seconds += 1
    with pytest.raises(Unauthenticated):
        authenticator.caller(None)


def test_checked_keys_are_not_looked_up_again(clock: Clock) -> None:
    class Counting:
        lookups = 0

        def version(self) -> int:
            return 1

        def keys(self) -> list[ApiKey]:
            return [self._key]

        def authenticate(self, secret: str) -> ApiKey | None:
            self.lookups += 1
            return self._key

        _key = ApiKey("key_1", "web", "ofk_xxxx", ("ingest",), "web", 1)

    keys = Counting()
    authenticator = authenticator_of(keys, clock)
    for _ in range(100):
        authenticator.caller("secret")
    assert keys.lookups == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "::1", "[::1]"])
def test_loopback_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", ""])
def test_other_names(host: str) -> None:
    assert not is_loopback(host)
