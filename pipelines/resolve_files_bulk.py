"""Bulk resolution of files that are too large for pairs in memory: the records into slices on disk, and the stages on
all cores.

The work is in a directory beside the output (`clusters.parquet.work`), which only its owner can read and which is gone
when the work is done. After a kill, the same command goes on with it; after any change of what is asked, it is done
anew.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.identity.columns import Column
from models.identity.fields import FIELDS, Field, Reading, normalised_fields
from models.identity.model import MatchModel
from models.identity.record import Role
from models.identity.resolve import ResolveSettings
from pipelines.record_store import load, write_slice
from pipelines.resolve_bulk import SLICE_RECORDS, BulkReport, buckets_for, resolve_bulk
from pipelines.resolve_input import NO_FIELDS
from pipelines.resolve_stages import Plan
from pipelines.resolve_tables import InputError
from pipelines.task_runner import Processes, Progress

_PLAN = "plan.json"


class _Asked(msgspec.Struct, frozen=True):
    """A plan, and what it was made from."""

    fingerprint: str
    plan: Plan


def resolve_on_disk(
    directory: Path,
    fingerprint: str,
    count: int,
    roles: Callable[[NDArray[np.int64]], Mapping[Role, Sequence[Column]]],
    reading: Reading,
    settings: ResolveSettings,
    model: MatchModel | None,
    progress: Progress,
) -> tuple[BulkReport, NDArray[np.int64], NDArray[np.float64]]:
    """Resolves `count` records, which `roles` reads by position. `fingerprint` tells whether the directory holds the
    beginnings of the same work. Returns a report, the position of the first record of each one's person, and its
    confidence. Raises InputError, and `pipelines.resolve_bulk.TooFew`."""
    plan = _begun(directory, fingerprint)
    if plan is None:
        progress("slice", 0, 1)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        try:
            plan = _sliced(directory, count, roles, reading, settings, model)
        except InputError:
            shutil.rmtree(directory)
            raise
        partial = directory / (_PLAN + ".partial")
        partial.write_bytes(msgspec.json.encode(_Asked(fingerprint, plan)))
        partial.replace(directory / _PLAN)
    with Processes() as runner:
        report = resolve_bulk(plan, runner, model, progress)
    return report, np.array(load(directory / "entity.npy")), np.array(load(directory / "confidence.npy"))


def fingerprint_of(paths: Sequence[Path], *options: object) -> str:
    """Changes with the files, by name, size and time, with the options, and with what reads them."""
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return blake2b(msgspec.json.encode([version("onefold"), stats, *options]), digest_size=16).hexdigest()


def _begun(directory: Path, fingerprint: str) -> Plan | None:
    """The plan of work that was begun for the same."""
    path = directory / _PLAN
    if not path.exists():
        return None
    asked = msgspec.json.decode(path.read_bytes(), type=_Asked)
    return asked.plan if asked.fingerprint == fingerprint else None


def _sliced(
    directory: Path,
    count: int,
    roles: Callable[[NDArray[np.int64]], Mapping[Role, Sequence[Column]]],
    reading: Reading,
    settings: ResolveSettings,
    model: MatchModel | None,
) -> Plan:
    there: set[Field] = set()
    starts = range(0, count, SLICE_RECORDS)
    for number, start in enumerate(starts):
        positions = np.arange(start, min(start + SLICE_RECORDS, count))
        fields = normalised_fields(roles(positions), reading)
        there.update(fields)
        write_slice(directory, number, positions, fields)
    names = list(model.mixture.fields) if model else [field for field in FIELDS if field in there]
    if not names:
        raise InputError(NO_FIELDS)
    blocking = model.blocking if model else settings.blocking
    return Plan(str(directory), len(starts), buckets_for(count), names, reading, blocking, settings.link_confidence)
