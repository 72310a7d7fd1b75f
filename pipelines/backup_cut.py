"""One moment of all shards, to be read at leisure, while the service goes on.

No shard can commit while the write locks of all their files are held. In that time, milliseconds, a reader is opened on
each: together they see one state, in which every message that one shard has taken was sent by another. It must be one
in which nothing is in progress, so that every row can be told whose it is. If that does not come by itself, the shards
are asked to begin nothing new for a moment.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Protocol

from actors.errors import Unavailable
from actors.reader import shard_path
from actors.schema import connect

UNHELD_S = 0.3  # until the shards are held
HELD_S = 20.0  # until it is given up; a shard that never sees the end of it goes on after that
_POLL_S = 0.01
_IN_PROGRESS = ("locks", "requests", "held", "workflows", "settling", "unsettled")


class Hold(Protocol):
    """What holds the shards (`actors.control.ControlStore`)."""

    def hold(self, until: int) -> None: ...


@contextmanager
def cut(data_dir: Path, shards: int, hold: Hold) -> Iterator[list[sqlite3.Connection]]:
    """Readers of all shards at one moment, each in its transaction. Raises Unavailable if something stays in progress,
    and what `actors.schema.connect` raises."""
    with ExitStack() as stack:

        def opened(shard: int, read_only: bool) -> sqlite3.Connection:
            return stack.enter_context(closing(connect(shard_path(data_dir, shard), shard, shards, read_only)))

        writers = [opened(shard, False) for shard in range(shards)]
        readers = [opened(shard, True) for shard in range(shards)]
        started = time.monotonic()
        held = False
        try:
            while not _try(writers, readers):
                waited = time.monotonic() - started
                if waited > HELD_S:
                    raise Unavailable(
                        "something stays in progress at the shards: start the service, so that it comes to an end"
                    )
                if waited > UNHELD_S and not held:
                    hold.hold(time.time_ns() // 1_000_000 + round(HELD_S * 1000))
                    held = True
                time.sleep(_POLL_S)
        finally:
            if held:
                hold.hold(0)
        for writer in writers:
            writer.close()
        yield readers


def _try(writers: Sequence[sqlite3.Connection], readers: Sequence[sqlite3.Connection]) -> bool:
    """Opens the readers at one moment; False, and none is open, if something is in progress then."""
    locked = []
    try:
        for writer in writers:
            writer.execute("BEGIN IMMEDIATE")
            locked.append(writer)
        for reader in readers:
            reader.execute("BEGIN")
            reader.execute("SELECT 1 FROM meta").fetchone()
    finally:
        for writer in locked:
            writer.execute("ROLLBACK")
    if _is_at_rest(readers):
        return True
    for reader in readers:
        reader.execute("ROLLBACK")
    return False


def _is_at_rest(readers: Sequence[sqlite3.Connection]) -> bool:
    marks = ",".join("?" * len(_IN_PROGRESS))
    received = [dict(db.execute("SELECT peer, received FROM channels")) for db in readers]
    for source, db in enumerate(readers):
        if db.execute(f"SELECT 1 FROM small WHERE kind IN ({marks}) LIMIT 1", _IN_PROGRESS).fetchone():  # nosec B608
            return False
        for destination, sequence in db.execute("SELECT destination, max(sequence) FROM outbox GROUP BY destination"):
            if received[destination].get(source, 0) < sequence:
                return False
    return True
