"""API keys in the control store: made, found by their secret, rotated, revoked.

Keys are random and shown once: only their SHA-256 is kept, which is enough for secrets of 256 bits (a slow hash defends
guessable ones). To rotate a key is to make another with the same name, scopes and source, and an id of its own: so the
audit log tells what was done with the old secret from what was done with the new one.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

from actors.control_file import ControlFile, check_id, check_source
from actors.errors import Conflict, Invalid, NotFound

Scope = Literal["ingest", "analyse", "read", "privacy", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
KEY_PREFIX = "ofk_"
_ANY_PURPOSE: tuple[Scope, ...] = ("privacy", "admin")  # what these answer is for no single purpose

_COLUMNS = "key_id, name, hint, scopes, source_id, created_at, revoked_at, expires_at, lifetime_ms, purpose, region"
_VALID = "revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)"


def allows(scopes: Sequence[Scope], scope: Scope) -> bool:
    """Whether one who has `scopes` may do what `scope` stands for."""
    return scope in scopes or "admin" in scopes or (scope == "analyse" and "read" in scopes)


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is listed: all but the secret. It ends when it is revoked or at `expires_at`, whichever is first."""

    key_id: str
    name: str
    hint: str  # the secret's first characters, to tell keys apart
    scopes: tuple[Scope, ...]
    source_id: str  # the source that it writes as
    created_at: int  # ms
    revoked_at: int = 0  # ms; 0 while it is not
    expires_at: int = 0  # ms; 0 for never
    lifetime_ms: int = 0  # that it was made for, and that the next one is; 0 for ever
    purpose: str = ""  # of the registry: it reads for that one only; "" for any
    region: str = ""  # where it is used; "" for where the service is

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what `scope` stands for; admin may do all, and who reads profiles may analyse."""
        return allows(self.scopes, scope)

    def is_valid(self, now: int) -> bool:
        """Whether it can be used at `now` ms."""
        return not self.revoked_at and (not self.expires_at or now < self.expires_at)


class ApiKeys(ControlFile):
    """The keys of a control store."""

    def create_key(
        self,
        name: str,
        scopes: Sequence[Scope],
        source_id: str = "",
        lifetime_ms: int = 0,
        purpose: str = "",
        region: str = "",
    ) -> tuple[ApiKey, str]:
        """Makes a key and returns it with its secret, which cannot be had again.

        `source_id` defaults to the key's name; the source is made if it does not exist. `purpose` is one of the
        registry and `region` one of the settings, which the caller has checked, or "". Raises Invalid.
        """
        check_id("name", name)
        check_source(source_id or name)
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise Invalid(f"scopes: expected one or more of {', '.join(SCOPES)}")
        if purpose and (beyond := [scope for scope in scopes if scope in _ANY_PURPOSE]):
            raise Invalid(f"purpose: a key with the scope {beyond[0]} sees more than what is for one purpose")
        ordered = tuple(scope for scope in SCOPES if scope in scopes)
        key, secret = self._new_key(name, ordered, source_id or name, lifetime_ms, purpose, region)
        with self._write():
            self._insert(key, secret)
            self._db.execute(
                "INSERT OR IGNORE INTO sources VALUES (?, ?)",
                (key.source_id, msgspec.json.encode({"source_id": key.source_id})),
            )
        return key, secret

    def rotate_key(self, key_id: str, overlap_ms: int) -> tuple[ApiKey, ApiKey, str]:
        """Makes a key that takes the place of another, named as in `find_key`, which ends in `overlap_ms` (0: now).

        Returns the new one, the old one as it is now, and the new one's secret. Raises NotFound, Conflict.
        """
        old = self.find_key(key_id)
        now = self._clock()
        if not old.is_valid(now):
            raise Conflict("key_id: this key is no longer valid; `onefold keys create` makes another")
        key, secret = self._new_key(old.name, old.scopes, old.source_id, old.lifetime_ms, old.purpose, old.region)
        ends = now + overlap_ms
        if old.expires_at:
            ends = min(ends, old.expires_at)
        old = msgspec.structs.replace(old, expires_at=ends)
        with self._write():
            statement = "UPDATE keys SET expires_at = ? WHERE key_id = ? AND revoked_at = 0"
            if not self._db.execute(statement, (old.expires_at, old.key_id)).rowcount:
                raise Conflict("key_id: this key was revoked meanwhile")
            self._insert(key, secret)
        return key, old, secret

    def revoke_key(self, key_id: str) -> ApiKey:
        """Ends a key, named as in `find_key`. Raises NotFound, Conflict."""
        key = self.find_key(key_id)
        if not key.revoked_at:
            key = msgspec.structs.replace(key, revoked_at=self._clock())
            with self._write():
                self._db.execute("UPDATE keys SET revoked_at = ? WHERE key_id = ?", (key.revoked_at, key.key_id))
        return key

    def find_key(self, key_id: str) -> ApiKey:
        """A key by its id, or by its name if only one (valid) key has it. Raises NotFound, Conflict."""
        matches = [key for key in self.keys() if key_id in (key.key_id, key.name)]
        exact = [key for key in matches if key.key_id == key_id]
        now = self._clock()
        found = exact or [key for key in matches if key.is_valid(now)] or matches
        if not found:
            raise NotFound("key_id: no key has this id or name; `onefold keys list --all` shows them")
        if len(found) > 1:
            raise Conflict(f"key_id: {len(found)} keys have this name; give the id of one ({found[0].key_id}, ...)")
        return found[0]

    def keys(self) -> list[ApiKey]:
        """All keys, those that have ended too, oldest first."""
        return [_key(row) for row in self._rows(f"SELECT {_COLUMNS} FROM keys ORDER BY created_at, key_id")]  # nosec B608

    def has_keys(self) -> bool:
        """Whether there is a valid key. Without any, only loopback may be served."""
        return self._row(f"SELECT 1 FROM keys WHERE {_VALID} LIMIT 1", self._clock()) is not None  # nosec B608

    def authenticate(self, secret: str) -> ApiKey | None:
        """The valid key with this secret, else None. One indexed read: it sees a revocation at once."""
        row = self._row(f"SELECT {_COLUMNS} FROM keys WHERE digest = ? AND {_VALID}", digest(secret), self._clock())  # nosec B608
        return None if row is None else _key(row)

    def _new_key(
        self, name: str, scopes: tuple[Scope, ...], source_id: str, lifetime_ms: int, purpose: str, region: str
    ) -> tuple[ApiKey, str]:
        secret = KEY_PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        key = ApiKey(
            key_id="key_" + secrets.token_hex(8),
            name=name,
            hint=secret[:8],
            scopes=scopes,
            source_id=source_id,
            created_at=now,
            expires_at=now + lifetime_ms if lifetime_ms else 0,
            lifetime_ms=lifetime_ms,
            purpose=purpose,
            region=region,
        )
        return key, secret

    def _insert(self, key: ApiKey, secret: str) -> None:
        values = {**msgspec.structs.asdict(key), "scopes": " ".join(key.scopes), "digest": digest(secret)}
        places = ", ".join(f":{column}" for column in values)
        self._db.execute(f"INSERT INTO keys ({', '.join(values)}) VALUES ({places})", values)  # nosec B608


def digest(secret: str) -> bytes:
    """What is kept of a key's secret: its SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def _key(row: tuple[Any, ...]) -> ApiKey:
    key_id, name, hint, scopes, *rest = row
    return ApiKey(key_id, name, hint, tuple(scopes.split()), *rest)
