"""Notes what people refuse beside the keys of backups, from the shards' logs, while the service runs.

A refusal is noted for all customer ids of the person who said it, since a backup may know them as several; and again
when two people become one.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from actors.backup_keys import BackupKeys
from actors.reader import shard_path
from actors.schema import connect
from models.backup.refusals import Refusal, refusals_in
from models.events.event import decode_event
from models.identity.customer_id import shard_of
from models.privacy.purposes import Purposes
from models.profile.policy import ProfilePolicy
from models.profile.state import decode_profile

PAGE = 1000  # events that are read at once


class RefusalJournal:
    """Follows the files of all shards. Raises what `actors.schema.connect` raises; from one thread at a time."""

    def __init__(
        self, data_dir: Path, shards: int, keys: BackupKeys, policy: ProfilePolicy, purposes: Purposes
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._purposes = purposes
        self._words = _words(policy)
        self._stack = ExitStack()
        self._shards: list[sqlite3.Connection] = []
        for shard in range(shards):
            opened = connect(shard_path(data_dir, shard), shard, shards, read_only=True)
            self._shards.append(self._stack.enter_context(closing(opened)))

    def close(self) -> None:
        """Ends the connections."""
        self._stack.close()

    def catch_up(self) -> int:
        """Notes all that was committed when this was called; how many refusals were news."""
        news = 0
        for shard, after in self._keys.followed().items():
            db = self._shards[shard]
            (last,) = db.execute("SELECT coalesce(max(sequence), 0) FROM events").fetchone()
            while after < last:
                statement = (
                    "SELECT sequence, customer_id, body FROM events WHERE sequence > ? AND sequence <= ? "
                    "ORDER BY sequence LIMIT ?"
                )
                rows = db.execute(statement, (after, last, PAGE)).fetchall()
                after = rows[-1][0] if rows else last  # the others were erased or purged meanwhile
                found = [x for _, customer_id, body in rows for x in self._refused(customer_id, body)]
                news += self._keys.note(found, {shard: after})
        return news + self._join()

    def _refused(self, customer_id: int, body: bytes) -> Iterator[tuple[int, Refusal]]:
        if any(word in body for word in self._words):
            refusals = refusals_in(decode_event(body), self._policy, self._purposes)
            for refusal in refusals:
                yield customer_id, refusal

    def _join(self) -> int:
        """What is noted of one customer id of a person is noted of all of them."""
        noted = self._keys.refusing()
        people = {tuple(self._person(customer_id)) for customer_id in noted}
        known = set(noted)
        return sum(
            self._keys.note([(each, x) for x in self._keys.refusals(person) for each in person], {})
            for person in people
            if len(person) > 1 and known.intersection(person)
        )

    def _person(self, customer_id: int) -> Iterable[int]:
        """All customer ids of the person who has this one now."""
        while True:
            db = self._shards[shard_of(customer_id)]
            row = db.execute("SELECT state FROM profiles WHERE customer_id = ?", (customer_id,)).fetchone()
            if row is not None:
                return sorted([customer_id, *decode_profile(row[0]).absorbed])
            row = db.execute("SELECT target FROM redirects WHERE customer_id = ?", (customer_id,)).fetchone()
            if row is None:
                return [customer_id]
            (customer_id,) = row


def _words(policy: ProfilePolicy) -> list[bytes]:
    """What the bytes of an event that refuses something have in them, one of it at least."""
    wishes = [trait for trait, name in policy.preference_traits.items() if name.endswith("_opt_in")]
    traits = [*wishes, *policy.opt_out_traits]
    return [b"consent", b"nsubscri", *(trait.encode() for trait in traits)]
