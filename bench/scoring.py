"""How fast everybody is scored for value and churn, and what one changed profile costs.

    python -m bench.scoring --profiles 2500000 --shards 2

fills a directory (`bench.memory_fill`), makes the two built-in models champions, and starts each shard's scorer in a
process of its own, as Ray does but without Ray and without the shards, which have nothing to say here. They score at
the same time until everybody has scores. Then some people are scored again, as after events: many together, and one by
one.
Bars: 2.5 million people within 60 s on two cores, in proportion for fewer; 100 microseconds a changed profile.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from rich.console import Console
from rich.progress import Progress

from actors.band_statements import BandStatements
from actors.control import ControlStore
from actors.ingestion import Ingestion
from actors.model_asking import ModelAsker
from actors.reader import shard_path
from actors.schema import connect
from actors.score_store import scores_path
from actors.scorer import Scorer, spare_the_collector
from actors.shard_calls import ShardCalls
from bench.memory_fill import fill
from models.identity.identifiers import IdentitySettings
from models.privacy.purposes import NO_PURPOSES
from models.profile.lifecycle import LifecycleRules
from models.scoring.builtin import BUILTIN
from models.scoring.registry import AliasChange, ModelVersion
from models.scoring.settings import ScoringSettings

SECONDS_BAR = 60.0
PROFILES_BAR = 2_500_000
REFRESH_US_BAR = 100.0
_REFRESHED = 256  # people who changed at about the same time
_GROUPS = 20
_ALONE = 50
_BUYING = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}  # of the CDNOW data, as published
_SPENDING = {"p": 6.25, "q": 3.74, "v": 15.44}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "churn": {"horizon_days": 90, "purchases": _BUYING, "rival": {"base": 0.0, "terms": {}, "penalty": 1.0}},
    "lifetime_value": {"horizon_days": 90, "currency": "USD", "purchases": _BUYING, "spend": _SPENDING},
}


class ShardScoring(msgspec.Struct, frozen=True):
    """What one scorer did."""

    shard: int
    people: int
    scores: int
    bulk_s: float
    bulk_cpu_s: float  # of its process
    refresh_us: float  # a profile, of many that changed
    refresh_cpu_us: float  # of CPU of its process
    refresh_alone_us: float  # a profile that changed alone
    file_mb: float


class ScoringReport(msgspec.Struct, frozen=True):
    """All shards, which scored at the same time."""

    people: int
    bulk_s: float  # of the slowest
    cpu_us_a_person: float
    projected_s: float  # for PROFILES_BAR people, in proportion
    refresh_us: float
    refresh_cpu_us: float
    refresh_alone_us: float
    shards: list[ShardScoring]

    def met(self) -> bool:
        """Whether both bars are met."""
        return self.projected_s <= SECONDS_BAR and self.refresh_us <= REFRESH_US_BAR


class _Quiet:
    """Shards of which nobody has changed."""

    async def call(self, number: int, method: str, *arguments: object, timeout_s: float) -> tuple[list[int], int]:
        if method != "changed":
            raise ValueError(method)
        return [], 0


class _NoHosts:
    """There are built-in models alone."""

    async def score(self, model: ModelVersion, features: pa.RecordBatch) -> pa.RecordBatch:
        raise ValueError(model.reference)

    async def keep(self, models: object) -> None:
        return


def promote(data_dir: Path) -> None:
    """Makes the built-in models champions."""
    with closing(ControlStore(data_dir / "control.sqlite")) as control:
        for name, parameters in _PARAMETERS.items():
            signature = BUILTIN[name](parameters).signature
            version = control.register_model(
                ModelVersion(
                    name=name, version=0, source="builtin", target=name, signature=signature, parameters=parameters
                )
            )
            control.set_model_aliases(AliasChange(name, "champion", version.version, version.created_at, "bench"))


async def _score_shard(data_dir: Path, shard: int, shards: int) -> ShardScoring:
    with closing(connect(shard_path(data_dir, shard), shard, shards, read_only=True)) as db:
        ids = [each for (each,) in db.execute("SELECT customer_id FROM profiles LIMIT 200000")]
        (people,) = db.execute("SELECT count(*) FROM profiles").fetchone()
    control = ControlStore(data_dir / "control.sqlite")
    spare_the_collector()
    calls = ShardCalls(shards, _Quiet())
    bands = BandStatements(ScoringSettings(), NO_PURPOSES, IdentitySettings(), Ingestion(shards, _Quiet()).ingest)
    scorer = Scorer(shard, data_dir, calls, control, ModelAsker(_NoHosts()), NO_PURPOSES, LifecycleRules(), bands)
    started, cpu = time.perf_counter(), time.process_time()
    await scorer.look()
    while (await scorer.status()).everybody:
        await scorer.look()
    bulk_s, bulk_cpu_s = time.perf_counter() - started, time.process_time() - cpu
    rng = random.Random(shard)

    async def refreshed(size: int, times: int) -> tuple[float, float]:
        groups = [rng.sample(ids, min(size, len(ids))) for _ in range(times)]
        began, cpu = time.perf_counter(), time.process_time()
        for group in groups:
            await scorer.refresh(group)
        people = sum(map(len, groups))
        return (time.perf_counter() - began) / people * 1e6, (time.process_time() - cpu) / people * 1e6

    refresh_us, refresh_cpu_us = await refreshed(_REFRESHED, _GROUPS)

    found = ShardScoring(
        shard=shard,
        people=people,
        scores=await scorer.count(),
        bulk_s=bulk_s,
        bulk_cpu_s=bulk_cpu_s,
        refresh_us=refresh_us,
        refresh_cpu_us=refresh_cpu_us,
        refresh_alone_us=(await refreshed(1, _ALONE))[0],
        file_mb=scores_path(data_dir, shard).stat().st_size / 2**20,
    )
    scorer.close()
    control.close()
    return found


def measure(data_dir: Path, shards: int) -> ScoringReport:
    """Scores everybody in a filled directory, anew."""
    shutil.rmtree(data_dir / "scores", ignore_errors=True)
    command = [sys.executable, "-m", "bench.scoring", "--shards", str(shards), "--data-dir", str(data_dir)]
    running = [
        subprocess.Popen([*command, "--score-shard", str(shard)], stdout=subprocess.PIPE, text=True)
        for shard in range(shards)
    ]
    found = []
    for process in running:
        output, _ = process.communicate()
        if process.returncode:
            raise SystemExit("a scorer failed")
        found.append(msgspec.json.decode(output, type=ShardScoring))
    people = sum(each.people for each in found)
    slowest = max(each.bulk_s for each in found)
    return ScoringReport(
        people=people,
        bulk_s=slowest,
        cpu_us_a_person=sum(each.bulk_cpu_s for each in found) / people * 1e6,
        projected_s=slowest / people * PROFILES_BAR,
        refresh_us=max(each.refresh_us for each in found),
        refresh_cpu_us=max(each.refresh_cpu_us for each in found),
        refresh_alone_us=max(each.refresh_alone_us for each in found),
        shards=found,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the top of this file. Returns 1 if a bar is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench.scoring", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--profiles", type=int, default=250_000)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--data-dir", type=Path, help="fill and keep this directory (default: a temporary one)")
    parser.add_argument("--no-fill", action="store_true", help="measure --data-dir as it is")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--score-shard", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.score_shard is not None:
        found = asyncio.run(_score_shard(options.data_dir, options.score_shard, options.shards))
        print(msgspec.json.encode(found).decode())
        return 0
    data_dir = options.data_dir or Path(tempfile.mkdtemp(prefix="onefold-scoring-"))
    try:
        if not options.no_fill:
            with Progress(console=Console(stderr=True)) as bar:
                task = bar.add_task("profiles", total=options.profiles)
                now = time.time_ns() // 1_000_000
                fill(data_dir, options.shards, options.profiles, now, progress=lambda n: bar.update(task, completed=n))
            promote(data_dir)
        report = measure(data_dir, options.shards)
    finally:
        if options.data_dir is None:
            shutil.rmtree(data_dir)
    if options.json:
        print(json.dumps(msgspec.to_builtins(report), indent=2))
    else:
        Console().print(
            f"[bold]{report.people:,} people scored in {report.bulk_s:.1f} s[/] by {options.shards} scorers, "
            f"{report.cpu_us_a_person:.1f} us of CPU a person; {PROFILES_BAR:,} in proportion: "
            f"[bold]{report.projected_s:.1f} s[/] (bar {SECONDS_BAR:.0f}). A changed profile: "
            f"[bold]{report.refresh_us:.0f} us[/] of {_REFRESHED} together (bar {REFRESH_US_BAR:.0f}; "
            f"{report.refresh_cpu_us:.0f} of CPU), "
            f"{report.refresh_alone_us:,.0f} us alone",
            highlight=False,
            soft_wrap=True,
        )
    return 0 if report.met() else 1


if __name__ == "__main__":
    sys.exit(main())
