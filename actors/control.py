"""The control store: what operators decide, in one small SQLite file that every process of the service reads.

API keys, sources with their schemas, segment definitions, webhooks. The command line, the admin routes and any number
of replicas open the same file at once; every change raises `version()` in its own transaction, so that readers can
keep what they read until the number moves. Keys are random and shown once: only their SHA-256 is kept, which is
enough for secrets of 256 bits (a slow hash defends guessable ones). Webhooks' secrets are kept as they are: they sign.
"""

import hashlib
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, cast, get_args

import msgspec

from actors.errors import Conflict, Invalid, NotFound
from models.delivery.webhook import Webhook

Scope = Literal["ingest", "analyse", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
KEY_PREFIX = "ofk_"
SCHEMA_VERSION = 1

_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_BUSY_TIMEOUT_MS = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    key_id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, hint TEXT NOT NULL,
    scopes TEXT NOT NULL, source_id TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (source_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (segment_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (webhook_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS computed_traits (trait_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
_TABLES = re.findall(r"EXISTS (\w+)", _SCHEMA)


def allows(scopes: Sequence[Scope], scope: Scope) -> bool:
    """Whether one who has `scopes` may do what `scope` stands for."""
    return scope in scopes or "admin" in scopes or (scope == "analyse" and "read" in scopes)


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is listed: all but the secret."""

    key_id: str
    name: str
    hint: str  # the secret's first characters, to tell keys apart
    scopes: tuple[Scope, ...]
    source_id: str  # the source that it writes as
    created_at: int  # ms
    revoked_at: int = 0  # ms; 0 while it is valid

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what `scope` stands for; admin may do all, and who reads profiles may analyse."""
        return allows(self.scopes, scope)


class SchemaRule(msgspec.Struct, frozen=True):
    """What a source's messages of one kind must look like, and what happens to those that do not.

    `mode` block: the message goes to the dead letters. omit: the offending fields are left out and reported.
    """

    document: dict[str, Any]  # JSON Schema of the message's traits or properties
    mode: Literal["block", "omit"] = "block"


class Source(msgspec.Struct, frozen=True):
    """Where events come from. Fields that an earlier version stored and this one does not know are passed over."""

    source_id: str
    kind: str = "http"  # free text, such as web, mobile, crm
    schemas: dict[str, SchemaRule] = {}  # by type ("identify") or type and name ("track:Order Completed")


class ControlStore:
    """The open store. Safe to share between threads, and the file between processes.

    `clock` gives the time in ms. With `create`, a missing file is made (mode 0600); without, NotFound is raised.
    """

    def __init__(self, path: Path, create: bool = False, clock: Callable[[], int] | None = None) -> None:
        if not path.exists():
            if not create:
                raise NotFound(f"there is no control store in {path.parent}: run `onefold init` first")
            path.touch(mode=0o600)
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")
        if create:
            self._create_tables()
        try:
            found = self.meta("schema")
        except sqlite3.DatabaseError:
            found = None
        if found != SCHEMA_VERSION:
            self.close()
            raise Conflict(f"{path.name} is not a control store of schema {SCHEMA_VERSION}, which this version reads")
        tables = {name for (name,) in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables.issuperset(_TABLES):  # an earlier version made the file
            self._create_tables()

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()

    def version(self) -> int:
        """A number that grows with every change made by any process. Takes microseconds."""
        return self.meta("version") or 0

    def meta(self, name: str) -> int | None:
        """A number written once at init, such as `shards`; None if it was not."""
        row = self._row("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else cast(int, row[0])

    def fix_meta(self, name: str, value: int) -> None:
        """Writes a number that never changes again. Raises Conflict if it is there with another value."""
        if self.meta(name) is None:
            with self._write():
                self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        found = self.meta(name)
        if found != value:
            raise Conflict(f"{name} was fixed at {found} when this data directory was made; it cannot become {value}")

    # Keys

    def create_key(self, name: str, scopes: Sequence[Scope], source_id: str = "") -> tuple[ApiKey, str]:
        """Makes a key and returns it with its secret, which cannot be had again.

        `source_id` defaults to the key's name; the source is made if it does not exist. Raises Invalid.
        """
        _check_id("name", name)
        _check_id("source_id", source_id or name)
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise Invalid(f"scopes: expected one or more of {', '.join(SCOPES)}")
        secret = KEY_PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(
            key_id="key_" + secrets.token_hex(8),
            name=name,
            hint=secret[:8],
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            source_id=source_id or name,
            created_at=self._clock(),
        )
        with self._write():
            self._db.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                (key.key_id, digest(secret), name, key.hint, " ".join(key.scopes), key.source_id, key.created_at),
            )
            self._db.execute(
                "INSERT OR IGNORE INTO sources VALUES (?, ?)",
                (key.source_id, msgspec.json.encode(Source(key.source_id))),
            )
        return key, secret

    def keys(self) -> list[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        return [_key(row) for row in self._rows(f"SELECT {_KEY_COLUMNS} FROM keys ORDER BY created_at, key_id")]

    def has_keys(self) -> bool:
        """Whether there is a valid key. Without any, only loopback may be served."""
        return self._row("SELECT 1 FROM keys WHERE revoked_at = 0 LIMIT 1") is not None

    def authenticate(self, secret: str) -> ApiKey | None:
        """The valid key with this secret, else None. One indexed read: it sees a revocation at once."""
        row = self._row(f"SELECT {_KEY_COLUMNS} FROM keys WHERE digest = ? AND revoked_at = 0", digest(secret))
        return None if row is None else _key(row)

    def revoke_key(self, key_id: str) -> ApiKey:
        """Ends a key, by its id or its name if only one valid key has it. Raises NotFound, Conflict."""
        matches = [key for key in self.keys() if key_id in (key.key_id, key.name)]
        exact = [key for key in matches if key.key_id == key_id]
        valid = exact or [key for key in matches if not key.revoked_at] or matches
        if not valid:
            raise NotFound("key_id: no key has this id or name; `onefold keys list` shows them")
        if len(valid) > 1:
            raise Conflict(f"key_id: {len(valid)} keys have this name; give the id of one ({valid[0].key_id}, ...)")
        key = valid[0]
        if not key.revoked_at:
            key = msgspec.structs.replace(key, revoked_at=self._clock())
            with self._write():
                self._db.execute("UPDATE keys SET revoked_at = ? WHERE key_id = ?", (key.revoked_at, key.key_id))
        return key

    # Sources

    def put_source(self, source: Source) -> None:
        """Makes or replaces a source. The schemas must have been checked (`models.events`). Raises Invalid."""
        _check_id("source_id", source.source_id)
        with self._write():
            self._db.execute(
                "INSERT OR REPLACE INTO sources VALUES (?, ?)", (source.source_id, msgspec.json.encode(source))
            )

    def sources(self) -> list[Source]:
        """All sources, by id."""
        rows = self._rows("SELECT body FROM sources ORDER BY source_id")
        return [msgspec.json.decode(body, type=Source) for (body,) in rows]

    def source(self, source_id: str) -> Source:
        """One source. Raises NotFound."""
        row = self._row("SELECT body FROM sources WHERE source_id = ?", source_id)
        if row is None:
            raise NotFound("source_id: no such source; GET /v1/admin/sources lists them")
        return msgspec.json.decode(row[0], type=Source)

    # Segments

    def put_segment(self, segment_id: str, definition: dict[str, Any]) -> None:
        """Makes or replaces a segment's definition, which must have been checked (`models.segments`)."""
        _check_id("segment_id", segment_id)
        with self._write():
            self._db.execute(
                "INSERT OR REPLACE INTO segments VALUES (?, ?)", (segment_id, msgspec.json.encode(definition))
            )

    def segments(self) -> dict[str, dict[str, Any]]:
        """All definitions, by id."""
        return {
            segment_id: msgspec.json.decode(body)
            for segment_id, body in self._rows("SELECT segment_id, body FROM segments ORDER BY segment_id")
        }

    def segment(self, segment_id: str) -> dict[str, Any]:
        """One definition. Raises NotFound."""
        row = self._row("SELECT body FROM segments WHERE segment_id = ?", segment_id)
        if row is None:
            raise NotFound("segment_id: no such segment; `onefold segments list` shows them")
        return cast(dict[str, Any], msgspec.json.decode(row[0]))

    def delete_segment(self, segment_id: str) -> None:
        """Raises NotFound."""
        self.segment(segment_id)
        with self._write():
            self._db.execute("DELETE FROM segments WHERE segment_id = ?", (segment_id,))

    # Computed traits

    def put_computed_trait(self, trait_id: str, definition: dict[str, Any]) -> None:
        """Makes or replaces a computed trait's definition, which must have been checked (`models.segments`)."""
        _check_id("computed_trait_id", trait_id)
        with self._write():
            self._db.execute(
                "INSERT OR REPLACE INTO computed_traits VALUES (?, ?)", (trait_id, msgspec.json.encode(definition))
            )

    def computed_traits(self) -> dict[str, dict[str, Any]]:
        """All definitions, by id."""
        rows = self._rows("SELECT trait_id, body FROM computed_traits ORDER BY trait_id")
        return {trait_id: msgspec.json.decode(body) for trait_id, body in rows}

    def computed_trait(self, trait_id: str) -> dict[str, Any]:
        """One definition. Raises NotFound."""
        row = self._row("SELECT body FROM computed_traits WHERE trait_id = ?", trait_id)
        if row is None:
            raise NotFound("computed_trait_id: no such computed trait; GET /v1/computed-traits lists them")
        return cast(dict[str, Any], msgspec.json.decode(row[0]))

    def delete_computed_trait(self, trait_id: str) -> None:
        """Raises NotFound."""
        self.computed_trait(trait_id)
        with self._write():
            self._db.execute("DELETE FROM computed_traits WHERE trait_id = ?", (trait_id,))

    # Webhooks

    def create_webhook(self, webhook: Webhook) -> None:
        """Makes a webhook, which must have been checked (`models.delivery.webhook`). Raises Invalid, Conflict."""
        _check_id("id", webhook.id)
        with self._write():
            statement = "INSERT OR IGNORE INTO webhooks VALUES (?, ?)"
            if not self._db.execute(statement, (webhook.id, msgspec.msgpack.encode(webhook))).rowcount:
                raise Conflict("id: there is such a webhook; PUT changes it")

    def update_webhook(self, webhook_id: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        """Changes a webhook in one step, so that no other change is lost. Raises NotFound, and what `change` raises."""
        with self._write():
            statement = "SELECT body FROM webhooks WHERE webhook_id = ?"
            webhook = change(_webhook(self._db.execute(statement, (webhook_id,)).fetchone()))
            body = msgspec.msgpack.encode(webhook)
            self._db.execute("UPDATE webhooks SET body = ? WHERE webhook_id = ?", (body, webhook_id))
        return webhook

    def webhooks(self) -> dict[str, Webhook]:
        """All webhooks with their secrets, by id."""
        rows = self._rows("SELECT body FROM webhooks ORDER BY webhook_id")
        return {webhook.id: webhook for webhook in map(_webhook, rows)}

    def webhook(self, webhook_id: str) -> Webhook:
        """One webhook. Raises NotFound."""
        return _webhook(self._row("SELECT body FROM webhooks WHERE webhook_id = ?", webhook_id))

    def disable_webhook(self, webhook_id: str, created_at: int, reason: str) -> None:
        """Ends deliveries to a webhook, and says why. Nothing if it was deleted meanwhile, or made anew."""

        def disabled(webhook: Webhook) -> Webhook:
            if webhook.created_at != created_at:
                return webhook
            return msgspec.structs.replace(webhook, enabled=False, disabled_because=reason)

        with suppress(NotFound):
            self.update_webhook(webhook_id, disabled)

    def delete_webhook(self, webhook_id: str) -> None:
        """Raises NotFound."""
        self.webhook(webhook_id)
        with self._write():
            self._db.execute("DELETE FROM webhooks WHERE webhook_id = ?", (webhook_id,))

    def _create_tables(self) -> None:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.strip().split(";\n"):
                self._db.execute(statement)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?), ('version', 0)", (SCHEMA_VERSION,))
            self._db.execute("COMMIT")

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One transaction, which raises the version."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("UPDATE meta SET value = value + 1 WHERE name = 'version'")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _row(self, statement: str, *values: Any) -> Any:
        with self._lock:
            return self._db.execute(statement, values).fetchone()


def digest(secret: str) -> bytes:
    """What is kept of a key's secret: its SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


_KEY_COLUMNS = "key_id, name, hint, scopes, source_id, created_at, revoked_at"


def _key(row: tuple[Any, ...]) -> ApiKey:
    key_id, name, hint, scopes, source_id, created_at, revoked_at = row
    return ApiKey(key_id, name, hint, tuple(scopes.split()), source_id, created_at, revoked_at)


def _webhook(row: tuple[bytes] | None) -> Webhook:
    if row is None:
        raise NotFound("webhook_id: no such webhook; GET /v1/webhooks lists them")
    return msgspec.msgpack.decode(row[0], type=Webhook)


def _check_id(field: str, value: str) -> None:
    if not _ID.fullmatch(value):
        raise Invalid(f"{field}: expected 1 to 64 of a-z, 0-9, '_', '.', '-', starting with a letter or digit")
