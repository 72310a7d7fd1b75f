"""Fills a data directory with profiles as the shards would have left them, without sending an event.

Some thousand people of the demo shop are folded into profiles as a shard folds them; each is then written many
times over with fresh customer ids and identifiers. That is a hundred times faster than sending their events, and
the shards that start on the directory hold what they would hold. The event log stays empty: it is not in memory.
"""

import itertools
import random
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from actors.control import ControlStore
from actors.reader import shard_path
from actors.schema import create_shards
from models.events.event import Event
from models.events.wire import Source, WireParser
from models.identity.customer_id import mint
from models.identity.placement import home_shard
from models.profile.policy import ProfilePolicy
from models.profile.reduce import add_identifier, apply
from models.profile.state import Profile, copy_of, encode_profile
from pipelines.demo_shop import DemoMessage, generate

_CHUNK = 20_000  # profiles written in one transaction
_PARSED = 500  # messages parsed at once


def fill(
    data_dir: Path,
    shards: int,
    profiles: int,
    now: int,
    people: int = 5_000,
    seed: int = 7,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Writes `profiles` profiles, made after `people` people of the demo shop, into the shards' files.

    The directory may have been initialised, but must hold no profiles. `now` in ms. `progress` is told how many
    are written. Raises Conflict if the directory was made for another number of shards.
    """
    create_shards(data_dir, shards)
    ControlStore(data_dir / "control.sqlite", create=True).close()
    rng = random.Random(seed)
    patterns = list(demo_profiles(people, seed, now))
    files = [_open(shard_path(data_dir, shard)) for shard in range(shards)]
    last = [0] * shards
    written = 0
    while written < profiles:
        rows: list[list[tuple[int, int, int, bytes]]] = [[] for _ in files]
        keys: list[list[tuple[str, int]]] = [[] for _ in files]
        for number in range(written, min(written + _CHUNK, profiles)):
            shard = number % shards
            last[shard] = mint(last[shard], now, shard)
            profile = _copy(patterns[number % len(patterns)], last[shard], number, rng)
            rows[shard].append((profile.customer_id, profile.sequence, profile.due, encode_profile(profile)))
            for identifier in profile.identifiers:
                keys[home_shard(identifier, shards)].append((identifier, profile.customer_id))
        for file, profile_rows, key_rows in zip(files, rows, keys, strict=True):
            file.execute("BEGIN")
            file.executemany("INSERT INTO profiles VALUES (?, ?, ?, ?)", profile_rows)
            file.executemany("INSERT INTO identifiers VALUES (?, ?)", sorted(key_rows))
            file.execute("COMMIT")
        written = min(written + _CHUNK, profiles)
        if progress:
            progress(written)
    for shard, file in enumerate(files):
        counters = [("sequence", profiles), ("last_customer_id", last[shard]), ("events_applied", profiles)]
        file.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", counters)
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.close()


def demo_profiles(people: int, seed: int, now: int) -> Iterator[Profile]:
    """A profile for each person of the demo shop, by the truth, with all identifiers of the person's messages."""
    policy, parser = ProfilePolicy(), WireParser()
    messages = generate(seed, people, now)
    sent = {message.message_id: message for message in messages}.values()  # doubled ones once, as a shard takes them
    by_person: dict[int, list[DemoMessage]] = {}
    for message in sent:
        by_person.setdefault(message.person, []).append(message)
    for theirs in by_person.values():
        profile = Profile(customer_id=0, created_at=now, sequence=1)
        for event in _events(parser, theirs, now):
            for identifier in event.identifiers:
                add_identifier(profile, identifier, event)
            apply(profile, event, policy)
        yield profile


def _events(parser: WireParser, messages: list[DemoMessage], now: int) -> Iterator[Event]:
    for start in range(0, len(messages), _PARSED):
        part = messages[start : start + _PARSED]
        source = Source(part[0].touchpoint)
        yield from parser.parse_items((m.body for m in part), source, now, lambda: "unused").events


def _copy(pattern: Profile, customer_id: int, number: int, rng: random.Random) -> Profile:
    """The profile of somebody else with the same history."""
    profile = copy_of(pattern)
    profile.customer_id = customer_id
    counter = itertools.count()
    profile.identifiers = {
        _other(identifier, number, next(counter), rng): info for identifier, info in pattern.identifiers.items()
    }
    return profile


def _other(identifier: str, number: int, place: int, rng: random.Random) -> str:
    """An identifier of the same kind and length that nobody else has."""
    namespace, _, value = identifier.partition(":")
    if len(value) == 36:
        return f"{namespace}:{uuid.UUID(int=rng.getrandbits(128), version=4)}"
    fresh = f"{number:07d}{place % 10}"
    local, at, domain = value.partition("@")
    if at:
        return f"{namespace}:{(fresh + local)[: max(len(local), len(fresh))]}@{domain}"
    return f"{namespace}:{value[: max(1, len(value) - len(fresh))]}{fresh}"


def _open(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA synchronous=OFF")  # made again if it is lost
    file.execute("PRAGMA cache_size=-262144")
    return file
