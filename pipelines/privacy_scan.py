"""The scan that shows that a person is nowhere any more: every file of a data directory, raw and decoded.

Both are needed: raw bytes show what tables have let go of (free pages, logs, transaction files), decoding shows what
compression hides. A canary is planted in a copy of each kind of store and must be found, so that a scan that sees
nothing is told from one that is blind. What cannot be read makes the scan fail, never pass.

Other tenants' directories, in that of the default tenant, are no stores of its: each tenant is scanned by itself.

Files are opened in worker processes alone: to close a SQLite file drops the locks that its process holds on it. Nothing
is written to the data directory, but for the empty side files that SQLite makes for a reader.
"""

import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from actors.tenants import DIRECTORY as TENANTS
from models.privacy.needles import Needle
from models.privacy.scan_report import ScanReport, StoreScan
from pipelines import scan_control
from pipelines.scan_findings import Findings
from pipelines.scan_job import Job, run_job
from pipelines.task_runner import Processes, Runner

BESIDE = "beside"  # the store that stands for directories outside the data directory
OTHER = "other"  # the store that stands for all names that are not those of the data directory's layout
_STORES = frozenset({"control", "deliveries", "privacy", "audit", "shards", "vectors", "reresolve", "run", "spill"})
_STORES |= {"logs", "exports", "backup-keys", "scores", "models"}
_JOB_BYTES = 32 << 20
_JOB_FILES = 200


def scan(
    data_dir: Path,
    needles: Sequence[Needle],
    control: Sequence[Needle] = (),
    beside: Sequence[Path] = (),
    runner: Runner | None = None,
) -> ScanReport:
    """Searches everything in `data_dir` for `needles`; `control` are canaries in it that must be found.

    `beside` are directories outside it that belong to it, such as that of a Ray node. `runner` does the work, by
    default a process for each core.
    """
    if runner is None:
        with Processes() as processes:
            return scan(data_dir, needles, control, beside, processes)
    started = time.monotonic()
    stores: dict[str, StoreScan] = {}
    if not data_dir.is_dir():
        _store(stores, OTHER).problems.append("there is no data directory at the path that was given")
    jobs = list(_jobs(data_dir, beside, stores))
    findings = Findings(needles, control)
    schemas: dict[tuple[str, ...], str] = {}
    everything = [*needles, *control]
    for job, results in runner.run(run_job, ((job, (job, everything)) for job in jobs)):
        store = _store(stores, job.store)
        for result in results:
            store.files += not job.lance
            store.bytes += result.bytes
            store.rows += result.rows
            store.problems += result.problems
            findings.add(job.store, result)
            if result.schema:
                schemas.setdefault(tuple(result.schema), result.file)
    for name, found in findings.found().items():
        _store(stores, name).found = found
    for name, count in findings.control_found.items():
        _store(stores, name).control_found = count
    with tempfile.TemporaryDirectory(prefix="onefold-scan-") as scratch:
        planted = scan_control.check(Path(scratch), schemas, any(job.lance for job in jobs), runner)
    ordered = [stores[name] for name in sorted(stores)]
    return ScanReport(ordered, planted, findings.control_missing(), time.monotonic() - started)


def _store(stores: dict[str, StoreScan], name: str) -> StoreScan:
    # Lists of their own: a struct's default is not shared.
    return stores.setdefault(name, StoreScan(name))


def _jobs(data_dir: Path, beside: Iterable[Path], stores: dict[str, StoreScan]) -> Iterator[Job]:
    """The work, cut into parts: the files of a store, large ones alone."""
    for root, fixed in ((data_dir, ""), *((path, BESIDE) for path in beside)):
        waiting: dict[str, tuple[list[str], int]] = {}
        for file, size, lance in _walk(root, fixed, stores):
            name = fixed or _store_of(file)
            _store(stores, name)
            if lance:
                yield Job(name, root, [file], lance=True)
                continue
            files, bytes_waiting = waiting.get(name, ([], 0))
            files, bytes_waiting = [*files, file], bytes_waiting + size
            if bytes_waiting >= _JOB_BYTES or len(files) >= _JOB_FILES:
                yield Job(name, root, files)
                files, bytes_waiting = [], 0
            waiting[name] = files, bytes_waiting
        yield from (Job(name, root, files) for name, (files, _) in waiting.items() if files)


def _store_of(file: str) -> str:
    name = Path(file).parts[0].split(".")[0]
    return name if name in _STORES else OTHER


def _walk(root: Path, fixed: str, stores: dict[str, StoreScan]) -> Iterator[tuple[str, int, bool]]:
    """Relative path, size and whether it is a Lance table, of every file and every such directory; links followed."""
    visited: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        shown = str(folder.relative_to(root))
        store = fixed or (OTHER if folder == root else _store_of(shown))
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            _store(stores, store).problems.append(f"a directory cannot be read ({type(error).__name__})")
            continue
        for entry in entries:
            relative = str(Path(entry.path).relative_to(root))
            if not fixed and relative == TENANTS:
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:
                if entry.is_symlink():
                    _store(stores, store).problems.append("a link leads nowhere that can be read")
                continue
            if stat.S_ISDIR(status.st_mode):
                if (status.st_dev, status.st_ino) not in visited:
                    visited.add((status.st_dev, status.st_ino))
                    waiting.append(Path(entry.path))
                    if entry.name.endswith(".lance") and (Path(entry.path) / "_versions").is_dir():
                        yield relative, 0, True
            elif stat.S_ISREG(status.st_mode):
                yield relative, status.st_size, False
