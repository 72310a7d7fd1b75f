"""Bulk resolution of files: records in CSV or Parquet, who is who out, without a running service.

The work is that of `models.identity.resolve`, on a pool of threads, or for many records in stages on disk
(`pipelines.resolve_files_bulk`); this module reads, writes and tells of progress.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.identity.columns import ABSENT, VALUES_MAX, Column
from models.identity.embedding import NgramEmbedder
from models.identity.evidence import REVIEW_CONFIDENCE, Explanation
from models.identity.fields import Fields, Reading, guess_reading, normalised_fields
from models.identity.labels import ContraryLabels
from models.identity.matcher import Matcher
from models.identity.mixture import confidence
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import ROLES, MatchRecord, Role
from models.identity.record_text import record_text
from models.identity.resolve import NO_LABELS, ResolveSettings, resolve
from pipelines.resolve_bulk import TooFew
from pipelines.resolve_files_bulk import fingerprint_of, resolve_on_disk
from pipelines.resolve_ids import (
    ENTITY_COLUMN,
    RECORD_COLUMN,
    carry_ids,
    read_ledger,
    redirects_path,
    redirects_table,
)
from pipelines.resolve_input import NO_FIELDS, ResolveInput, read_input
from pipelines.resolve_labels import read_labels
from pipelines.resolve_report import ResolveReport
from pipelines.resolve_tables import InputError
from pipelines.vector_pairs import nearest_pairs


class Prepared(msgspec.Struct, frozen=True):
    """Records ready to be resolved: sorted by id, so that the result does not depend on the files' order."""

    record_ids: Any  # pa.Array of strings
    order: Any  # pa.Array: the records' positions in the input
    fields: Fields
    reading: Reading


def resolve_files(
    paths: Sequence[Path],
    output: Path,
    *,
    id_column: str,
    source_column: str | None = None,
    columns: str = "",
    config: Path | None = None,
    model: Path | None = None,
    save_model: Path | None = None,
    embeddings: bool = False,
    previous: Path | None = None,
    labels: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> ResolveReport:
    """Resolves the records of files and writes record_id, entity_id and confidence to `output`, a Parquet or CSV file.

    An entity's id is that of its first record by id. `model` is a trained model's file; without one, a model is
    learned from the records. With `embeddings`, records that resemble each other as a whole are compared too, whether
    they share a key or not. `previous` is what an earlier run wrote: entities keep the ids they have there, and
    what became of the others is written beside `output` (`pipelines.resolve_ids`). `labels` are pairs that somebody
    has looked at (`pipelines.resolve_labels`): they hold in the result, and teach the model.

    More than `memory_records` of the settings are worked on by other processes: a script that calls this has to be
    importable (`if __name__ == "__main__"`). Raises InputError, and `pipelines.task_runner.WorkerDied`.
    """
    for option, path in (("--output", output), ("--save-model", save_model)):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"{option}: there is no directory for {path.name}; make it first")
    clock = _Clock(progress)
    settings = read_settings(config)
    trained = read_model(model) if model else None
    ledger = read_ledger(previous) if previous else None
    clock.step("read")
    found = read_input(paths, id_column, source_column, columns)
    if labels or embeddings or len(found.record_ids) <= settings.memory_records:
        clock.step("normalise")
        outcome = _in_memory(found, settings, trained, embeddings, labels, clock.step)
    else:
        asked = fingerprint_of(paths, id_column, source_column, columns, settings, trained and trained.version)
        outcome = _on_disk(found, work_directory(output), asked, settings, trained, clock)
    clock.step("write")
    entity_ids = outcome.record_ids.take(pa.array(outcome.entities))
    kept = None
    if ledger is not None:
        before = set(ledger.entities)
        entity_ids = pa.array(carry_ids(ledger, outcome.record_ids.to_pylist(), outcome.entities.tolist()))
        kept = len(before.intersection(ledger.entities))
        write_table(redirects_path(output), redirects_table(ledger))
    write_clusters(output, outcome.record_ids, entity_ids, outcome.confidence)
    if save_model:
        save_model.write_bytes(outcome.model.encode())
    shutil.rmtree(work_directory(output), ignore_errors=True)
    clock.step("")
    sizes = np.bincount(outcome.entities)
    return ResolveReport(
        records=len(outcome.record_ids),
        sources=found.source_count,
        entities=int((sizes > 0).sum()),
        largest=int(sizes.max(initial=0)),
        uncertain=outcome.uncertain,
        compared_pairs=outcome.compared_pairs,
        keys=outcome.model.keys,
        model_version=outcome.model.version,
        seconds=clock.seconds,
        roles=found.roles,
        kept_ids=kept,
        redirects=len(ledger.redirects) if ledger is not None else None,
    )


def work_directory(output: Path) -> Path:
    """Where the work on an output is, if it is done on disk."""
    return output.with_name(output.name + ".work")


class _Outcome(NamedTuple):
    """Who is who: the records' ids in order, the first record of each one's person, and how sure that is."""

    record_ids: Any  # pa.StringArray
    entities: NDArray[np.int64]
    confidence: NDArray[np.float64]
    model: MatchModel
    compared_pairs: int
    uncertain: int


def _in_memory(
    found: ResolveInput,
    settings: ResolveSettings,
    trained: MatchModel | None,
    embeddings: bool,
    labels: Path | None,
    progress: Callable[[str], None],
) -> _Outcome:
    prepared = prepare(found, trained)
    known = read_labels(labels, prepared.record_ids) if labels else NO_LABELS
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            resolved = resolve(
                prepared.fields,
                prepared.reading,
                NicknameTable.shipped(),
                settings,
                pool.map,
                trained,
                partial(_resembling, found, prepared) if embeddings else None,
                known,
                progress,
            )
        except ContraryLabels as error:
            raise InputError(f"--{error}") from None
    pairs, entity = resolved.pairs, resolved.entities[resolved.distinct]
    apart = entity[pairs.left] != entity[pairs.right]
    uncertain = int((apart & (confidence(pairs.scores) >= REVIEW_CONFIDENCE)).sum())
    return _Outcome(
        prepared.record_ids, resolved.entities, resolved.confidence, resolved.model, len(pairs.left), uncertain
    )


def _on_disk(
    found: ResolveInput,
    directory: Path,
    fingerprint: str,
    settings: ResolveSettings,
    trained: MatchModel | None,
    clock: "_Clock",
) -> _Outcome:
    record_ids, order = _by_id(found)

    def roles(positions: NDArray[np.int64]) -> dict[Role, list[Column]]:
        return _roles(found, order.take(pa.array(positions)))

    reading = trained.reading if trained else guess_reading(_roles(found, order, ("birth_date",)))
    try:
        report, entities, sure = resolve_on_disk(
            directory, fingerprint, len(record_ids), roles, reading, settings, trained, clock.task
        )
    except TooFew:
        return _in_memory(found, settings, trained, False, None, clock.step)
    return _Outcome(record_ids, entities, sure, report.model, report.compared_pairs, report.uncertain)


def explain_files(
    paths: Sequence[Path],
    left: str,
    right: str,
    *,
    id_column: str,
    source_column: str | None = None,
    columns: str = "",
    config: Path | None = None,
    model: Path | None = None,
) -> Explanation:
    """The evidence on two records of files, by their ids, with a trained model or one learned from the files."""
    found = read_input(paths, id_column, source_column, columns)
    trained = read_model(model) if model else None
    prepared = prepare(found, trained)
    rows = [pc.index(prepared.record_ids, record).as_py() for record in (left, right)]
    for option, row in zip("AB", rows, strict=True):
        if row < 0:
            raise InputError(f"{option}: no record has this id; ids are those of --id-column")
    nicknames = NicknameTable.shipped()
    if trained is None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            settings = read_settings(config)
            trained = resolve(prepared.fields, prepared.reading, nicknames, settings, pool.map).model
    first, second = (np.array([row], np.int64) for row in rows)
    return Matcher(trained, nicknames).explain(prepared.fields, first, second)[0]


def prepare(found: ResolveInput, model: MatchModel | None = None) -> Prepared:
    """The records' fields, those of `model` if there is one. Raises InputError if nothing can be matched on."""
    record_ids, order = _by_id(found)
    roles = _roles(found, order)
    reading = model.reading if model else guess_reading(roles)
    fields = model.read(roles, len(record_ids)) if model else normalised_fields(roles, reading)
    if not fields:
        raise InputError(NO_FIELDS)
    return Prepared(record_ids, order, fields, reading)


def _by_id(found: ResolveInput) -> tuple[Any, Any]:
    """The records' ids in order (pa.StringArray), and the positions of these in the input (pa.UInt64Array)."""
    record_ids = found.record_ids.combine_chunks()
    order = pc.sort_indices(record_ids)
    return record_ids.take(order), order


def _roles(found: ResolveInput, rows: Any, only: Sequence[Role] = ROLES) -> dict[Role, list[Column]]:
    """The values by role of the records at `rows` (pa.Array of positions in the input)."""
    by_role = {role: columns for role, columns in found.by_role().items() if role in only}
    return {role: [arrow_column(column.take(rows)) for column in columns] for role, columns in by_role.items()}


def arrow_column(column: Any) -> Column:
    """A column (pa.ChunkedArray of strings or of lists of strings) as codes."""
    array = column.combine_chunks()
    if not pa.types.is_list(array.type):
        encoded = array.dictionary_encode()
        codes = encoded.indices.fill_null(ABSENT).to_numpy(zero_copy_only=False).astype(np.int32)
        return Column(codes.reshape(-1, 1), encoded.dictionary.to_pylist())
    encoded = array.flatten().dictionary_encode()
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    flat = np.append(encoded.indices.to_numpy(zero_copy_only=False), ABSENT).astype(np.int32)
    width = min(max(int(lengths.max(initial=1)), 1), VALUES_MAX)
    places = np.arange(width)
    positions = np.where(places < lengths[:, None], starts[:, None] + places, len(flat) - 1)
    return Column(flat[positions], encoded.dictionary.to_pylist())


def _resembling(
    found: ResolveInput, prepared: Prepared, distinct: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = prepared.order.take(pa.array(distinct))
    order = prepared.reading.date_order
    return nearest_pairs([record_text(record, order) for record in match_records(found, rows)], NgramEmbedder.shipped())


def match_records(found: ResolveInput, rows: Any) -> list[MatchRecord]:
    """The records at `rows` (pa.Array of positions in the input), as the live platform would have them."""
    values: list[dict[Role, tuple[str, ...]]] = [{} for _ in range(len(rows))]
    for role, columns in found.by_role().items():
        for column in columns:
            for record, value in zip(values, column.take(rows).to_pylist(), strict=True):
                if value is not None:
                    record[role] = record.get(role, ()) + ((value,) if isinstance(value, str) else tuple(value))
    ids = found.record_ids.take(rows).to_pylist()
    return [MatchRecord(record_id, record) for record_id, record in zip(ids, values, strict=True)]


def write_clusters(output: Path, record_ids: Any, entity_ids: Any, sure: NDArray[np.float64]) -> None:
    """Writes record_id, entity_id, confidence."""
    table = pa.table(
        {
            RECORD_COLUMN: record_ids,
            ENTITY_COLUMN: entity_ids,
            "confidence": pa.array(sure.round(6)),
        }
    )
    write_table(output, table)


def write_table(output: Path, table: Any) -> None:
    """Writes a Parquet or CSV file (pa.Table), which is there whole or not at all."""
    partial = output.with_name(output.name + ".partial")
    if output.suffix.lower() == ".csv":
        pacsv.write_csv(table, partial)
    else:
        pq.write_table(table, partial)
    partial.replace(output)


def read_settings(path: Path | None) -> ResolveSettings:
    """The settings of a TOML file; the defaults without one. Raises InputError."""
    if path is None:
        return ResolveSettings()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=ResolveSettings)
    except OSError as error:
        raise InputError(f"--config: cannot read {path.name}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise InputError(f"--config: {path.name}: {error}") from None


def read_model(path: Path) -> MatchModel:
    """A trained model's file. Raises InputError."""
    try:
        return MatchModel.decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"--model: cannot read {path.name}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"--model: {path.name} is {error}") from None


class _Clock:
    """Seconds by step."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._step, self._since = "", perf_counter()

    def task(self, step: str, done: int, of: int) -> None:
        """Tells how many tasks of a step are done, which it begins if it has not."""
        if step != self._step:
            self.step(step)
        self._progress(f"{step} {done}/{of}")

    def step(self, name: str) -> None:
        """Ends the step under way and begins another; "" only ends it."""
        now = perf_counter()
        if self._step:
            self.seconds[self._step] = round(now - self._since, 3)
        self._step, self._since = name, now
        if name:
            self._progress(name)
