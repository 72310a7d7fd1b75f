"""`python -m bench.backup`: seconds and bytes of a backup and its restore, beside a plain copy of the same files.

The shards' machines take a shop's events in, in this process, without a service around them. Then a backup is made,
some people's keys are destroyed, and what is left is restored. Prints one line of JSON.
"""

import argparse
import json
import resource
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from actors.backup_keys import FILE, BackupKeys
from actors.control import ControlStore
from actors.reader import shard_path
from actors.schema import create_shards
from actors.store import Store
from bench.ingest_load import Load
from models.events.event import Event
from models.events.wire import Source, WireParser
from models.identity.identifiers import IdentifierNormaliser, IdentitySettings
from models.identity.placement import home_shard
from models.privacy.purposes import NO_PURPOSES
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.shard.commands import Accept, Receive
from models.shard.machine import ShardMachine
from models.shard.state import MachineSettings
from pipelines.backup_create import create
from pipelines.backup_read import verified
from pipelines.backup_restore import restore

_BATCH = 5_000
_SETTINGS = MachineSettings(IdentitySettings(), ProfilePolicy(), LifecycleRules(), suppression_key=bytes(32))


class Shards:
    """Machines and stores, one after the other."""

    def __init__(self, data_dir: Path, count: int) -> None:
        create_shards(data_dir, count)
        self._count = count
        self._stores = [Store(data_dir, shard, count) for shard in range(count)]
        self._machines = [ShardMachine(s, count, _SETTINGS, store) for s, store in enumerate(self._stores)]

    def take(self, events: list[Event]) -> None:
        """Takes events in; returns when they are applied."""
        homes: list[list[Event]] = [[] for _ in self._stores]
        for event in events:
            homes[home_shard(event.route, self._count)].append(event)
        waiting: list[tuple[int, Accept | Receive]] = [(s, Accept(0, mine)) for s, mine in enumerate(homes) if mine]
        while waiting:
            shard, command = waiting.pop(0)
            machine, store = self._machines[shard], self._stores[shard]
            machine.handle(command, time.time_ns() // 1_000_000)
            store.begin()
            sent = store.write(machine.drain())
            store.commit()
            for destination, envelopes in sent.items():
                bodies = [body for _, body in envelopes]
                waiting.append((destination, Receive(0, shard, envelopes[0][0], bodies)))

    def close(self) -> None:
        """Folds the logs into the files."""
        for store in self._stores:
            store.close()


def fill(data_dir: Path, shards: int, people: int, events: int) -> None:
    """Makes a data directory with about so many people and exactly so many events."""
    data_dir.mkdir()
    ControlStore(data_dir / "control.sqlite", create=True).close()
    (data_dir / "suppression.key").write_text(bytes(32).hex() + "\n")
    load, parser = Load("b", people / events, 1), WireParser()
    taken = Shards(data_dir, shards)
    for start in range(0, events, _BATCH):
        batch = json.loads(load.batch(min(_BATCH, events - start)))["batch"]
        bodies = (json.dumps(each).encode() for each in batch)
        now = time.time_ns() // 1_000_000
        taken.take(list(parser.parse_items(bodies, Source("web"), now, lambda: "unused").events))
    taken.close()


def size_of(path: Path) -> int:
    """Bytes of all files in a directory."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


def plain_copy(data_dir: Path, shards: int, target: Path) -> None:
    """What SQLite's own backup makes of the shards' files."""
    target.mkdir()
    for shard in range(shards):
        path = shard_path(data_dir, shard)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target / path.name)) as copy:
            source.backup(copy)


def normaliser(data_dir: Path) -> IdentifierNormaliser:
    """Identifiers as the default settings have them."""
    return IdentifierNormaliser(IdentitySettings())


def run(folder: Path, shards: int, people: int, events: int, erased: int) -> dict[str, float]:
    """All figures, by name; times in s, by the clock and of the processor."""
    data_dir, figures = folder / "data", dict[str, float]()

    def timed(name: str, began: tuple[float, float]) -> None:
        figures[f"{name}_s"] = round(time.perf_counter() - began[0], 2)
        figures[f"{name}_cpu_s"] = round(time.process_time() - began[1], 2)

    began = _began()
    fill(data_dir, shards, people, events)
    timed("fill", began)
    began = _began()
    plain_copy(data_dir, shards, folder / "copy")
    timed("plain_copy", began)
    copied = size_of(folder / "copy")
    with closing(BackupKeys(data_dir / FILE, folder / "keys.sqlite")) as keys:
        began = _began()
        manifest = create(data_dir, folder / "first", shards, keys, ProfilePolicy(), NO_PURPOSES)
        timed("backup", began)
        began = _began()
        create(data_dir, folder / "second", shards, keys, ProfilePolicy(), NO_PURPOSES)
        timed("next_backup", began)
        began = _began()
        verified(folder / "first", keys.backup_key(manifest.backup_id).signer)
        timed("verify", began)
        began = _began()
        keys.destroy(sorted(keys.subjects("p"))[:erased], {})
        timed("destroy", began)
        began = _began()
        restored = restore(folder / "first", folder / "restored", keys, normaliser)
        timed("restore", began)
    backed_up = size_of(folder / "first")
    figures |= {
        "people": manifest.people,
        "events": manifest.rows["shard.events"],
        "restored": restored.people,
        "plain_copy_bytes": copied,
        "backup_bytes": backed_up,
        "ratio": round(backed_up / copied, 2),
        "keys_bytes": (data_dir / FILE).stat().st_size,
        "memory_mb_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return figures


def _began() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--erase", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(Path(folder), given.shards, given.people, given.events, given.erase)))


if __name__ == "__main__":
    main()
