"""The plan file of a re-resolution: one SQLite file that says what is planned, how far it is, and what was done.

Customer ids, digests and counts; no identifiers and no values, except that the files beside it hold records until the
plan is made. A group's state is written before its first step and after its last, so that a run that was killed knows
which groups it may have touched.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from actors.errors import Conflict, NotFound
from models.identity.reresolution import Group
from pipelines.reresolve_steps import GroupResult

Phase = Literal["apply", "rollback"]
GroupState = Literal["planned", "started", "done", "skipped", "rolling", "rolled_back", "kept"]

FOLDER = "reresolve"
SCHEMA_VERSION = 1
RECORDS = ("records", "units", "partition", "buckets", "plans")  # directories beside the file

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE slices (shard INTEGER, number INTEGER, next INTEGER NOT NULL, profiles INTEGER NOT NULL,
                     PRIMARY KEY (shard, number)) WITHOUT ROWID;
CREATE TABLE groups (number INTEGER PRIMARY KEY, state TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '',
                     touched INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);
CREATE INDEX groups_state ON groups (state, number);
CREATE TABLE steps (position INTEGER PRIMARY KEY, number INTEGER NOT NULL, phase TEXT NOT NULL, kind TEXT NOT NULL,
                    left_id INTEGER NOT NULL, right_id INTEGER NOT NULL, merge_id TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE examples (position INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""

_TOUCHED = "state IN ('started', 'done', 'rolling') OR (state = 'skipped' AND touched)"

_encode = msgspec.msgpack.Encoder().encode
_group = msgspec.msgpack.Decoder(Group)


class InUse(Conflict):
    """Another process works on the plan."""


class PlanStore:
    """An open plan file; `directory` is the plan's own."""

    def __init__(self, directory: Path) -> None:
        """Opens a plan. Raises NotFound, and Conflict for one of another version."""
        path = directory / "plan.sqlite"
        if not path.exists():
            raise NotFound("plan: there is no such plan; `onefold reresolve status` lists them")
        self.directory = directory
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        if self._db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            self.close()
            raise Conflict("plan: it was made by another version of Onefold; make a new one")

    @classmethod
    def create(cls, directory: Path) -> "PlanStore":
        """Makes a plan file in a directory of its own (mode 0700), whole or not at all."""
        directory.mkdir(mode=0o700, parents=True)
        draft = directory / "plan.new"
        draft.touch(mode=0o600)
        db = sqlite3.connect(draft, isolation_level=None)
        db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        db.close()
        draft.rename(directory / "plan.sqlite")
        return cls(directory)

    def close(self) -> None:
        """Ends the connection."""
        self._db.close()

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Holds the plan for this process. Raises Conflict if another one works on it."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InUse("plan: another process works on it; wait until it ends, or end it") from None
            yield
        finally:
            os.close(descriptor)

    # Facts: small values by name

    def fact(self, name: str, kind: Any = Any) -> Any:
        """A value; None if it is not there."""
        row = self._db.execute("SELECT body FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=kind)

    def put_fact(self, name: str, value: Any) -> None:
        """Keeps a value."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, _encode(value)))

    # Extraction

    def put_slice(self, shard: int, number: int, following: int, profiles: int) -> None:
        """A slice of a shard is written; the next one begins after customer id `following` (0: it was the last)."""
        self._db.execute("INSERT OR REPLACE INTO slices VALUES (?, ?, ?, ?)", (shard, number, following, profiles))

    def slices(self) -> dict[int, tuple[int, int]]:
        """By shard, how many slices are written and where the next one begins (0: all are)."""
        rows = self._db.execute("SELECT shard, max(number) + 1, next FROM slices GROUP BY shard")
        return {shard: (count, following) for shard, count, following in rows}

    def extracted(self) -> int:
        """Profiles in the slices so far."""
        return int(self._db.execute("SELECT coalesce(sum(profiles), 0) FROM slices").fetchone()[0])

    # Groups

    def put_groups(self, bodies: Sequence[tuple[int, bytes]]) -> None:
        """Adds planned groups; those that are there stay as they are."""
        with self._transaction():
            rows = [(number, body) for number, body in bodies]
            self._db.executemany("INSERT OR IGNORE INTO groups (number, state, body) VALUES (?, 'planned', ?)", rows)

    def groups(self, state: GroupState, after: int, limit: int) -> list[Group]:
        """Up to `limit` groups in a state with a number above `after`, ascending."""
        statement = "SELECT body FROM groups WHERE state = ? AND number > ? ORDER BY number LIMIT ?"
        return [_group.decode(body) for (body,) in self._db.execute(statement, (state, after, limit))]

    def to_roll_back(self, before: int, limit: int) -> list[Group]:
        """Up to `limit` groups with a number below `before`, descending, that a step may have been taken of and that
        are not rolled back yet."""
        statement = f"SELECT body FROM groups WHERE number < ? AND ({_TOUCHED}) ORDER BY number DESC LIMIT ?"  # nosec B608
        return [_group.decode(body) for (body,) in self._db.execute(statement, (before, limit))]

    def left(self, phase: Phase) -> int:
        """How many groups are still to be worked on."""
        waiting = "state IN ('planned', 'started')" if phase == "apply" else _TOUCHED
        return int(self._db.execute(f"SELECT count(*) FROM groups WHERE {waiting}").fetchone()[0])  # nosec B608

    def counts(self) -> dict[str, int]:
        """Groups by state, and by "state:outcome" where there is an outcome other than done."""
        found: dict[str, int] = {}
        for state, outcome, count in self._db.execute("SELECT state, outcome, count(*) FROM groups GROUP BY 1, 2"):
            found[state] = found.get(state, 0) + count
            if outcome not in ("", "done"):
                found[f"{state}:{outcome}"] = count
        return found

    def start(self, numbers: Sequence[int], state: GroupState) -> None:
        """These groups are about to be worked on."""
        with self._transaction():
            self._db.executemany("UPDATE groups SET state = ? WHERE number = ?", [(state, n) for n in numbers])

    def finish(self, result: GroupResult, phase: Phase, resumed: bool, now: int) -> None:
        """What became of a group, at `now` ms."""
        done = result.outcome == "done"
        state: GroupState = ("done" if done else "skipped") if phase == "apply" else ("rolled_back" if done else "kept")
        with self._transaction():
            self._db.execute(
                "UPDATE groups SET state = ?, outcome = ?, touched = touched OR ? WHERE number = ?",
                (state, result.outcome, bool(result.steps) or resumed, result.number),
            )
            self._db.executemany(
                "INSERT INTO steps (number, phase, kind, left_id, right_id, merge_id, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(result.number, phase, s.kind, s.left, s.right, s.merge_id, now) for s in result.steps],
            )

    def steps_taken(self) -> dict[str, int]:
        """Steps by "phase:kind"."""
        rows = self._db.execute("SELECT phase, kind, count(*) FROM steps GROUP BY 1, 2")
        return {f"{phase}:{kind}": count for phase, kind, count in rows}

    # Examples

    def begin_anew(self) -> None:
        """A plan that is not made yet knows nothing of what it has read."""
        with self._transaction():
            for table in ("slices", "groups", "examples"):
                self._db.execute(f"DELETE FROM {table}")  # nosec B608
            self.put_fact("stage", "extract")

    def put_examples(self, bodies: Sequence[bytes]) -> None:
        """Keeps the examples of the report, in place of those that were there."""
        with self._transaction():
            self._db.execute("DELETE FROM examples")
            self._db.executemany("INSERT INTO examples (body) VALUES (?)", [(body,) for body in bodies])

    def examples(self, offset: int, limit: int) -> list[bytes]:
        """A page of examples."""
        statement = "SELECT body FROM examples ORDER BY position LIMIT ? OFFSET ?"
        return [body for (body,) in self._db.execute(statement, (limit, offset))]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def drop_records(directory: Path) -> None:
    """Deletes what a plan has of people's data."""
    for name in RECORDS:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("entities", "groups", "cannot_links"):
        (directory / f"{name}.parquet").unlink(missing_ok=True)
    (directory / "entities.new").unlink(missing_ok=True)


def drop_left_records(data_dir: Path) -> bool:
    """Deletes what plans have of people's data whose making was cut short: resumed, they begin anew. False if one is
    being made. Raises Conflict for a plan of another version."""
    for plan_id in plans(data_dir):
        directory = plan_directory(data_dir, plan_id)
        if not any((directory / name).exists() for name in RECORDS):
            continue
        store = PlanStore(directory)
        try:
            with store.claim():
                if store.fact("stage") in ("extract", "partition", "divide"):
                    store.begin_anew()
                drop_records(directory)
        except InUse:
            return False
        finally:
            store.close()
    return True


def plans(data_dir: Path) -> list[str]:
    """The ids of all plans in a data directory, oldest first."""
    folder = data_dir / FOLDER
    return sorted(path.parent.name for path in folder.glob("*/plan.sqlite"))


def plan_directory(data_dir: Path, plan_id: str) -> Path:
    """Where a plan is. Raises NotFound for what cannot be the id of one."""
    if not plan_id.replace("-", "").isalnum():
        raise NotFound("plan: there is no such plan; `onefold reresolve status` lists them")
    return data_dir / FOLDER / plan_id
