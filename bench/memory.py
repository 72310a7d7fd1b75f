"""What a profile costs in memory, and how long a shard takes from start to serving, at a million profiles.

    python -m bench.memory --profiles 1000000 --shards 2

fills a directory (`bench.memory_fill`), then starts each shard in a process of its own, as Ray does but without
Ray, and looks at the resident memory before and after. `onefold serve` on the same directory (made by
`onefold init`, given with --data-dir) measures the whole service. Bars: at most 2 KB a profile, at most 20 s.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress

from actors.control import ControlStore
from actors.shard import Shard
from bench.memory_fill import fill
from bench.processes import resident_bytes
from models.identity.identifiers import IdentitySettings
from models.profile.lifecycle import LifecycleRules
from models.profile.policy import ProfilePolicy
from models.segments.parse import parse_definition
from models.shard.state import MachineSettings
from pipelines.demo_run import SEGMENTS

_BYTES_A_PROFILE_BAR = 2048
_RESTART_S_BAR = 20.0
_BACKFILL_S_MAX = 3600.0


@dataclass(frozen=True)
class ShardMemory:
    """One shard's process."""

    shard: int
    profiles: int
    identifiers: int
    members: int  # memberships in segments
    empty_mb: float  # resident before the shard was loaded
    resident_mb: float  # resident when it served
    load_s: float  # from then on until every profile was in the columns
    restart_s: float  # from the start of the process to the first answer


@dataclass(frozen=True)
class MemoryReport:
    """All shards of a directory, started one after the other."""

    profiles: int
    shards: list[ShardMemory]
    file_mb: float
    bytes_a_profile: float  # what loading added, over all profiles
    resident_bytes_a_profile: float  # all that is resident, the interpreter and libraries included
    restart_s: float  # of the slowest shard

    def met(self) -> bool:
        """Whether both bars are met."""
        return self.resident_bytes_a_profile <= _BYTES_A_PROFILE_BAR and self.restart_s <= _RESTART_S_BAR

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def measure(data_dir: Path, shards: int, backfill: bool = False) -> MemoryReport:
    """Starts every shard of the directory in turn. With `backfill` each waits for its new segments first."""
    found = []
    for shard in range(shards):
        command = [sys.executable, "-m", "bench.memory", "--measure-shard", str(shard), "--shards", str(shards)]
        command += ["--data-dir", str(data_dir)] + (["--backfill"] if backfill else [])
        started = time.time()
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        told = json.loads(output)
        found.append(ShardMemory(**told["shard"], restart_s=told["served_at"] - started))
    profiles = sum(shard.profiles for shard in found)
    added = sum(shard.resident_mb - shard.empty_mb for shard in found)
    resident = sum(shard.resident_mb for shard in found)
    size = sum(path.stat().st_size for path in (data_dir / "shards").glob("*.sqlite"))
    return MemoryReport(
        profiles=profiles,
        shards=found,
        file_mb=size / 2**20,
        bytes_a_profile=added * 2**20 / max(profiles, 1),
        resident_bytes_a_profile=resident * 2**20 / max(profiles, 1),
        restart_s=max(shard.restart_s for shard in found),
    )


def define_segments(data_dir: Path) -> None:
    """Defines the demo's segments; shards evaluate their profiles for them when they start."""
    control = ControlStore(data_dir / "control.sqlite", create=True)
    for segment in SEGMENTS:
        definition = parse_definition(segment)
        control.put_segment(definition.id, msgspec.to_builtins(definition))
    control.close()


class _NoPeers:
    """Shards that were filled at rest have nothing to tell each other."""

    async def receive(self, destination: int, source: int, first: int, envelopes: list[bytes]) -> int:
        raise AssertionError("no envelopes are expected")


async def _serve_shard(data_dir: Path, shard: int, shards: int, backfill: bool) -> dict[str, Any]:
    """Starts one shard in this process, asks it for its status, and looks at the memory."""
    empty = resident_bytes(os.getpid())
    settings = MachineSettings(IdentitySettings(), ProfilePolicy(), LifecycleRules())
    running = Shard(shard, shards, data_dir, settings, _NoPeers(), _die)
    await running.process_id()
    served_at = time.time()
    if backfill:
        await asyncio.sleep(1.0)  # by then it has looked into the control store
        for segment in SEGMENTS:
            await running.counted(segment["id"], _BACKFILL_S_MAX)
    # The profiles come to the columns after the first answers.
    while (status := await running.status()).unloaded:
        await asyncio.sleep(0.2)
    loaded_at = time.time()
    resident = resident_bytes(os.getpid())
    await running.close()
    return {
        "served_at": served_at,
        "shard": {
            "shard": shard,
            "profiles": status.profiles,
            "identifiers": status.identifiers,
            "members": sum(segment.members for segment in status.segments.values()),
            "load_s": loaded_at - served_at,
            "empty_mb": empty / 2**20,
            "resident_mb": resident / 2**20,
        },
    }


def _die(error: BaseException) -> None:
    raise SystemExit(f"the shard failed: {error}")


def print_memory(report: MemoryReport, console: Console) -> None:
    """The report for people."""
    for shard in report.shards:
        console.print(
            f"shard {shard.shard}: {shard.profiles:,} profiles, {shard.identifiers:,} identifiers, "
            f"{shard.members:,} memberships; {shard.resident_mb:,.0f} MB resident, {shard.empty_mb:,.0f} MB of it "
            f"before loading; serving after {shard.restart_s:.1f} s, "
            f"all in the columns {shard.load_s:.1f} s later",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"[bold]{report.resident_bytes_a_profile:,.0f} bytes a profile[/] resident, all included (bar "
        f"{_BYTES_A_PROFILE_BAR:,}); {report.bytes_a_profile:,.0f} of them added by loading; "
        f"{report.file_mb:,.0f} MB of files; [bold]restart {report.restart_s:.1f} s[/] (bar {_RESTART_S_BAR:.0f})",
        highlight=False,
        soft_wrap=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the top of this file. Returns 1 if a bar is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--data-dir", type=Path, help="fill and keep this directory (default: a temporary one)")
    parser.add_argument("--segments", action="store_true", help="with the demo's three segments and their members")
    parser.add_argument("--no-fill", action="store_true", help="measure --data-dir as it is")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure-shard", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--backfill", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure_shard is not None:
        found = asyncio.run(_serve_shard(options.data_dir, options.measure_shard, options.shards, options.backfill))
        print(json.dumps(found))
        return 0
    data_dir = options.data_dir or Path(tempfile.mkdtemp(prefix="onefold-memory-"))
    try:
        if not options.no_fill:
            with Progress(console=Console(stderr=True)) as bar:
                task = bar.add_task("profiles", total=options.profiles)
                now = time.time_ns() // 1_000_000
                fill(data_dir, options.shards, options.profiles, now, progress=lambda n: bar.update(task, completed=n))
        if options.segments:
            define_segments(data_dir)
            measure(data_dir, options.shards, backfill=True)
        report = measure(data_dir, options.shards)
    finally:
        if options.data_dir is None:
            shutil.rmtree(data_dir)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print_memory(report, Console())
    return 0 if report.met() else 1


if __name__ == "__main__":
    sys.exit(main())
