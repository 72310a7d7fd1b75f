"""Makes a new data directory of a backup, without those whose keys were destroyed since.

What was said since the backup holds: identifiers of erased people are refused, and refusals of others are told to
their profiles. Entries and exits of people who are left out stay in the histories, as after an erasure, and end with an
exit, so that the sizes of segments are right at any time.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from actors.audit_log import FILE as AUDIT_FILE
from actors.audit_log import AuditLog
from actors.backup_keys import FILE as KEYS_FILE
from actors.backup_keys import BackupKeys
from actors.delivery_store import DeliveryStore
from actors.errors import Conflict, Invalid
from actors.privacy_store import PrivacyStore
from actors.private_file import sync, write_private
from actors.reader import shard_path
from actors.schema import create_shards
from models.backup.manifest import Manifest
from models.backup.owners import NOBODY
from models.backup.refusals import tell
from models.backup.sealing import Located
from models.events.event import Event, decode_event, encode_event
from models.identity.customer_id import shard_of
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.letters import named_in
from models.privacy.parting import parted, refused
from models.privacy.suppression import KEY_BYTES, carried, fingerprint
from models.profile.state import decode_profile, encode_profile
from models.segments.bulk_moves import BulkMove, offset_in
from models.shard.protocol import Link, SegmentChange
from pipelines.backup_create import FILES, HEAD
from pipelines.backup_read import backup_id_of, opened, verified

JOURNAL_MS_MAX = 15 * 60_000  # age of the last look at what was refused, beyond which it may lack something
_STORES = ("privacy.sqlite", "deliveries.sqlite", AUDIT_FILE)
_encode = msgspec.msgpack.Encoder().encode
_change = msgspec.msgpack.Decoder(SegmentChange)
_link = msgspec.msgpack.Decoder(Link)
_move = msgspec.msgpack.Decoder(BulkMove)


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a restore. Times in ms."""

    backup_id: str
    made_at: int
    refusals_until: int  # what was refused up to then is known
    people: int
    people_left_out: int  # customer ids
    letters_left_out: int
    requests_left_out: int
    refusals_told: int  # profiles to which something was told that they did not know
    identifiers_refused: int


def check_journal(keys: BackupKeys, now: int) -> None:
    """Raises Conflict unless it is known what was refused up to shortly before `now` ms."""
    until = keys.noted_until()
    if now - until > JOURNAL_MS_MAX:
        minutes = (now - until) // 60_000
        raise Conflict(
            f"what people have refused is known up to {minutes:,} minutes ago. If the service has not run since then, "
            "or if you know that nobody has refused anything, go on with --consents-as-of-backup; else find newer keys"
        )


def restore(
    backup: Path, target: Path, keys: BackupKeys, normaliser: Callable[[Path], IdentifierNormaliser]
) -> Restored:
    """Writes a data directory at `target`, which is new or empty. `normaliser` makes, of a data directory with its
    settings, what brings identifiers into their normal form.

    Raises InvalidDocument, NotFound for keys of other backups, Conflict for a backup of another version, Invalid for a
    target that cannot be, and OSError. What was written until then stays, and is no data directory.
    """
    manifest = verified(backup, _signer(backup, keys))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Invalid("the new data directory is there already and is not empty: give another one")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    with ExitStack() as stack:
        into = _Target(target, manifest, stack)
        gone: set[str] = set()
        for each in opened(backup, manifest, keys):
            if each.rows is None:
                standing = keys.keys(each.subjects)
                gone.update(subject for subject in each.subjects if subject not in standing)
            else:
                into.put(each.rows, is_nobodys=each.subjects == NOBODY)
        people = {int(subject[2:]) for subject in gone if subject.startswith("p:")}
        suppressed = keys.suppressed()
        now = time.time_ns() // 1_000_000
        for shard, db in enumerate(into.shards):
            _suppress(db, suppressed)
            _leave(db, {each for each in people if shard_of(each) == shard}, now)
        told = _tell_refusals(into.shards, keys)
        letters = sum(_drop_letters(db, suppressed, target, normaliser(target)) for db in into.shards)
        for db in into.shards:
            _part(db, suppressed, target, normaliser(target))
        count = sum(db.execute("SELECT count(*) FROM profiles").fetchone()[0] for db in into.shards)
        into.finish()
    keys.copy_to(target / KEYS_FILE)
    with closing(BackupKeys(target / KEYS_FILE)) as own:
        own.follow_from(dict(enumerate(manifest.sequences)), anew=True)
    kinds = Counter(subject[0] for subject in gone)
    return Restored(
        backup_id=manifest.backup_id,
        made_at=manifest.made_at,
        refusals_until=keys.noted_until(),
        people=count,
        people_left_out=kinds["p"],
        letters_left_out=kinds["l"] + letters,
        requests_left_out=kinds["r"],
        refusals_told=told,
        identifiers_refused=len(suppressed),
    )


def _signer(backup: Path, keys: BackupKeys) -> bytes:
    """The public key that a backup must have been signed with, which these keys know. Raises NotFound."""
    return keys.backup_key(backup_id_of(backup)).signer


class _Target:
    """The stores of a data directory that is being written."""

    def __init__(self, path: Path, manifest: Manifest, stack: ExitStack) -> None:
        self._path = path
        self._head = b""
        create_shards(path, manifest.shards)
        PrivacyStore(path / "privacy.sqlite", bytes(KEY_BYTES)).close()
        DeliveryStore(path / "deliveries.sqlite").close()
        self._names = [f"shards/{shard_path(path, shard).name}" for shard in range(manifest.shards)]
        self._open = {
            name: stack.enter_context(closing(_writing(path / name))) for name in (*self._names, *_STORES[:2])
        }
        self._stack = stack
        self._schemas = manifest.schemas
        for kind, name in (("shard", self._names[0]), ("privacy", _STORES[0]), ("deliveries", _STORES[1])):
            self._check(kind, self._open[name])

    @property
    def shards(self) -> list[sqlite3.Connection]:
        return [self._open[name] for name in self._names]

    def _check(self, kind: str, db: sqlite3.Connection) -> None:
        (found,) = db.execute("PRAGMA user_version").fetchone()
        if self._schemas.get(kind, found) != found:
            raise Conflict(
                f"the backup has {kind} of schema {self._schemas[kind]}, this version reads {found}: restore it with "
                "the version that made it, which a later one then brings up to date"
            )

    def put(self, rows: Sequence[Located], is_nobodys: bool) -> None:
        """Writes the rows of one record."""
        groups: dict[tuple[str, str], list[list[object]]] = {}
        for each in rows:
            if each.store == FILES:
                self._put_file(*each.row)
            else:
                groups.setdefault((each.store, each.table), []).append(each.row)
        for (store, table), values in groups.items():
            # An entry or exit is there twice: as it is without its cause, and whole.
            verb = "IGNORE" if is_nobodys and table == "segment_changes" else "REPLACE"
            marks = ",".join("?" * len(values[0]))
            self._db(store).executemany(f'INSERT OR {verb} INTO "{table}" VALUES ({marks})', values)

    def _db(self, store: str) -> sqlite3.Connection:
        if store == AUDIT_FILE and store not in self._open:
            # With the key that is there by now, and without the head, which would miss the entries.
            AuditLog(self._path).close()
            self._open[store] = self._stack.enter_context(closing(_writing(self._path / store)))
            self._check("audit", self._open[store])
        return self._open[store]

    def _put_file(self, name: str, content: bytes) -> None:
        if name == HEAD:
            self._head = content
            return
        path = self._path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, content)

    def finish(self) -> None:
        """All is on disk when this returns."""
        for name, db in self._open.items():
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode=WAL")
            db.close()
            sync(self._path / name)
        write_private(self._path / HEAD, self._head)


def _writing(path: Path) -> sqlite3.Connection:
    """A connection that is fast and leaves no write-ahead log; a restore that fails is done again from the start."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=MEMORY")
    db.execute("PRAGMA synchronous=OFF")
    db.execute("PRAGMA secure_delete=ON")
    db.execute("BEGIN")
    return db


# What has happened since


def _suppress(db: sqlite3.Connection, suppressed: Mapping[str, int]) -> None:
    held = dict(db.execute("SELECT key, value FROM small WHERE kind = 'suppressed'"))
    rows = [
        (key, _encode(max(until, msgspec.msgpack.decode(held[key], type=int) if key in held else 0)))
        for key, until in suppressed.items()
    ]
    db.executemany("INSERT OR REPLACE INTO small VALUES ('suppressed', ?, ?)", rows)


def _leave(db: sqlite3.Connection, people: set[int], now: int) -> None:
    """People who are left out leave the segments that they were in."""
    held: dict[tuple[int, str], SegmentChange] = {}
    for sequence, customer_id, body in db.execute(
        "SELECT sequence, customer_id, body FROM segment_changes ORDER BY sequence"
    ):
        if customer_id in people:
            change = _change.decode(body)
            held[customer_id, change.segment_id] = msgspec.structs.replace(change, sequence=sequence)
    for (body,) in db.execute("SELECT body FROM segment_moves ORDER BY first"):
        move = _move.decode(body)
        for customer_id in people:
            offset = offset_in(move, customer_id)
            latest = held.get((customer_id, move.segment_id))
            if offset >= 0 and (latest is None or latest.sequence < move.first):
                held[customer_id, move.segment_id] = SegmentChange(
                    customer_id=customer_id,
                    segment_id=move.segment_id,
                    change="entered" if offset >= move.exits else "exited",
                    at=move.at,
                    cause=move.cause,
                    sequence=move.first + offset,
                )
    (last,) = db.execute("SELECT coalesce((SELECT value FROM meta WHERE key = 'sequence'), 0)").fetchone()
    for change in held.values():
        if change.change == "entered":
            last += 1
            left = msgspec.structs.replace(change, change="exited", at=now, cause="erasure", sequence=last)
            values = (last, left.customer_id, left.segment_id, now, 0, _encode(left))
            db.execute("INSERT INTO segment_changes VALUES (?, ?, ?, ?, ?, ?)", values)
    db.execute("INSERT OR REPLACE INTO meta VALUES ('sequence', ?)", (last,))


def _tell_refusals(shards: Sequence[sqlite3.Connection], keys: BackupKeys) -> int:
    """Tells profiles what these people have refused, to how many it was news; of their shards all segments are counted
    anew when the service starts."""
    redirects = dict(row for db in shards for row in db.execute("SELECT customer_id, target FROM redirects"))
    people: dict[int, list[int]] = {}
    for customer_id in keys.refusing():
        root = customer_id
        while root in redirects:
            root = redirects[root]
        people.setdefault(root, []).append(customer_id)
    told: Counter[int] = Counter()
    for root, customer_ids in people.items():
        db = shards[shard_of(root)]
        row = db.execute("SELECT state FROM profiles WHERE customer_id = ?", (root,)).fetchone()
        if row is None:
            continue
        profile = decode_profile(row[0])
        if tell(profile, keys.refusals(customer_ids)):
            told[shard_of(root)] += 1
            db.execute("UPDATE profiles SET state = ? WHERE customer_id = ?", (encode_profile(profile), root))
    for shard in told:
        segments = shards[shard].execute("SELECT key FROM small WHERE kind = 'segments'").fetchall()
        rows = [(key, _encode(0.0)) for (key,) in segments]
        shards[shard].executemany("INSERT OR REPLACE INTO small VALUES ('uncounted', ?, ?)", rows)
    return told.total()


def _part(
    db: sqlite3.Connection, suppressed: Mapping[str, int], target: Path, normaliser: IdentifierNormaliser
) -> None:
    """Takes identifiers of erased people out of other people's events and links."""
    if not suppressed:
        return
    key = bytes.fromhex((target / "suppression.key").read_text().strip())

    def until(*identifiers: str) -> dict[str, int]:
        return {each: suppressed.get(fingerprint(each, key), -1) for each in identifiers}

    def left_of(event: Event) -> Event:
        told = until(event.route, *carried(event))
        return parted(event, told, normaliser.normal_form)

    changed = []
    for sequence, body in db.execute("SELECT sequence, body FROM events"):
        event = decode_event(body)
        if (left := left_of(event)) is not event:
            changed.append((encode_event(left), sequence))
    db.executemany("UPDATE events SET body = ? WHERE sequence = ?", changed)
    links = ((sequence, _link.decode(body)) for sequence, body in db.execute("SELECT sequence, body FROM links"))
    gone = [(sequence,) for sequence, x in links if refused((x.left, x.right), x.at, until(x.left, x.right))]
    db.executemany("DELETE FROM links WHERE sequence = ?", gone)


def _drop_letters(
    db: sqlite3.Connection, suppressed: Mapping[str, int], target: Path, normaliser: IdentifierNormaliser
) -> int:
    """Takes out the dead letters that name an erased person; how many."""
    if not suppressed:
        return 0
    key = bytes.fromhex((target / "suppression.key").read_text().strip())
    found = [
        (position,)
        for position, body in db.execute("SELECT position, body FROM dead_letters")
        if any(
            fingerprint(identifier, key) in suppressed
            for identifier in named_in(msgspec.msgpack.decode(body)["body"], normaliser)
        )
    ]
    db.executemany("DELETE FROM dead_letters WHERE position = ?", found)
    return len(found)
