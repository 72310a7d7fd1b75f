"""Who calls, and what they may do: API keys with scopes, for every transport.

A credential is a key's secret. Only its SHA-256 is stored, and only digests are ever looked up or compared (in constant
time): how long that takes tells nothing about a secret. Scopes: `ingest` writes events and reads nothing, `analyse`
counts people and sees none, `read` reads, `privacy` answers what people ask about their data and reads the audit log,
`admin` does all. A change of the keys, by any process, counts within a second, and so does the end of a key.

While no key was ever made, a server that listens on loopback only is open to all; any other refuses everything.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from actors.api_keys import ApiKey, Scope, allows, digest
from models.events import envelope
from serve import logs
from serve.errors import Forbidden, Unauthenticated

OPEN_SOURCE = "default"  # the source of events that come in without a key
_REFRESH_S = 0.5
_CACHE_MAX = 10_000
SECRET_CHARS_MAX = 512

log = logs.logger("auth")


class KeyStore(Protocol):
    """The keys, as `actors.control.ControlStore` has them."""

    def version(self) -> int: ...

    def keys(self) -> list[ApiKey]: ...

    def authenticate(self, secret: str) -> ApiKey | None: ...


@dataclass(frozen=True)
class Principal:
    """Who calls. `key_id` is empty for the open principal of a server without keys."""

    key_id: str
    source_id: str
    scopes: tuple[Scope, ...]
    expires_at: int = 0  # ms; 0 for never
    purpose: str = ""  # that it reads for, and for no other; "" for any
    region: str = ""  # where the caller is; "" for where the service is

    def allows(self, scope: Scope) -> bool:
        """Whether this caller may do what `scope` stands for."""
        return allows(self.scopes, scope)

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless this caller may do what `scope` stands for."""
        if not self.allows(scope):
            raise Forbidden(
                f"the API key has the scope {' and '.join(self.scopes)}; this needs {scope}: use a key that has it"
            )


OPEN = Principal(key_id="", source_id=OPEN_SOURCE, scopes=("admin",))


class Authenticator:
    """Answers from a snapshot of the key store that is at most half a second old.

    `loopback` says whether only this machine can reach the service; `now` is the wall clock in ms, `monotonic_s` a
    clock in seconds.
    """

    def __init__(
        self,
        keys: KeyStore,
        loopback: bool,
        now: Callable[[], int],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._loopback = loopback
        self._now = now
        self._monotonic_s = monotonic_s
        self._version = -1
        self._checked_s = float("-inf")
        self._open = False
        self._principals: OrderedDict[bytes, Principal] = OrderedDict()  # digest -> principal, of valid keys only

    @property
    def is_open(self) -> bool:
        """Whether everybody may do everything: no key was ever made, and only loopback is served."""
        self._refresh()
        return self._open

    def caller(self, credential: str | None) -> Principal:
        """Who shows this credential; what they may do says `Principal.require`. Raises Unauthenticated."""
        self._refresh()
        if self._open:
            return OPEN
        if not credential:
            raise Unauthenticated(
                "an API key is required: send it as Basic user name, as Bearer token, or as writeKey in the body of "
                "events; `onefold keys create` makes one"
            )
        principal = self._principal(credential)
        if principal is None:
            raise Unauthenticated(
                "the API key is unknown, was revoked or has expired; `onefold keys list` shows the valid ones"
            )
        return principal

    def knows(self, credential: str) -> bool:
        """Whether this is the secret of a valid key."""
        self._refresh()
        return self._principal(credential) is not None

    def _principal(self, secret: str) -> Principal | None:
        if len(secret) > SECRET_CHARS_MAX or not secret.isascii():
            return None
        digested = digest(secret)
        principal = self._principals.get(digested)
        if principal is not None and principal.expires_at and principal.expires_at <= self._now():
            del self._principals[digested]
            return None
        if principal is None:
            key = self._keys.authenticate(secret)
            if key is None:
                return None
            principal = Principal(key.key_id, key.source_id, key.scopes, key.expires_at, key.purpose, key.region)
            self._principals[digested] = principal
            if len(self._principals) > _CACHE_MAX:
                self._principals.popitem(last=False)
        return principal

    def _refresh(self) -> None:
        """Forget everything if the store has changed."""
        now_s = self._monotonic_s()
        if now_s - self._checked_s < _REFRESH_S:
            return
        version = self._keys.version()
        self._checked_s = now_s
        if version == self._version:
            return
        self._version = version
        self._principals.clear()
        was_open, self._open = self._open, self._loopback and not self._keys.keys()
        if self._open and not was_open:
            log.warning("no API keys: everybody who can reach this machine's loopback may do everything")


def credential_of(authorization: str) -> str | None:
    """The secret in an Authorization header or gRPC metadata: Basic (as the user name) or Bearer; None if none is."""
    credential = envelope.credential_of({"authorization": authorization})
    return credential.key if credential else None
