"""Clusters from a file against the truth from another: `onefold evaluate`.

Each file is CSV or Parquet and has a column of record ids and one of entity ids; the files are joined on the record
id. Ids are compared as text without white space around it, so a whole number in Parquet equals its digits in CSV.
A record that is in one file only stops the evaluation, unless the caller allows it; then the report counts it.
Errors count rows from 1, without the header and blank lines, and never quote a value.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from models.identity.evaluation import ClusterScores, evaluate
from pipelines.import_readers import sniff_delimiter, split_record

RECORD_COLUMN, ENTITY_COLUMN = "record_id", "entity_id"
_CSV_ENDINGS, _PARQUET_ENDINGS = (".csv", ".tsv", ".txt"), (".parquet", ".pq")
_HEAD_BYTES = 64 * 1024
_SNIFF_LINES = 200
_BLOCK_BYTES = 16 * 1024 * 1024  # the longest row that a CSV file may have


class EvaluationError(Exception):
    """A file cannot be used, or the two do not fit together. `code` is the stable word for programs."""

    def __init__(self, message: str, code: str = "file") -> None:
        super().__init__(message)
        self.message, self.code = message, code


class ReadFile(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one file."""

    path: str
    record_column: str
    entity_column: str
    records: int
    left_out: int  # records that the other file does not have


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The scores over the records that both files have, and what was read to get them."""

    clusters: ReadFile
    truth: ReadFile
    scores: ClusterScores


class _Labels(NamedTuple):
    """One file: an entity for each record."""

    record_column: str
    entity_column: str
    records: pa.LargeStringArray  # distinct
    entities: npt.NDArray[np.int32]  # numbers that stand for the entity ids


def evaluate_files(
    clusters: Path,
    truth: Path,
    *,
    record_column: str = "",
    entity_column: str = "",
    truth_record_column: str = "",
    truth_entity_column: str = "",
    allow_missing: bool = False,
) -> Evaluation:
    """Scores the clusters in one file by the truth in another, which may be the same file with other columns.

    A column that is not given is record_id or entity_id; where there is none, a file of two columns has the record
    first, and the truth's record column is the one named as in the clusters. Raises EvaluationError.
    """
    found = _read(clusters, "clusters", record_column, entity_column)
    true = _read(truth, "truth", truth_record_column, truth_entity_column, found.record_column)
    positions = pc.index_in(found.records, value_set=true.records)
    in_both = positions.is_valid().to_numpy(zero_copy_only=False)
    shared = int(np.count_nonzero(in_both))
    unknown, unclustered = len(found.records) - shared, len(true.records) - shared
    if not shared:
        raise EvaluationError(
            f'no record is in both files: "{found.record_column}" of the clusters and "{true.record_column}" of the '
            "truth hold different ids; name the columns that hold the same ones",
            "missing_records",
        )
    if (unknown or unclustered) and not allow_missing:
        raise EvaluationError(
            f"records in the clusters only: {unknown}; in the truth only: {unclustered}; in both: {shared}. "
            "Give files of the same records, or --allow-missing to measure those in both",
            "missing_records",
        )
    scores = evaluate(found.entities[in_both], true.entities[positions.drop_null().to_numpy()])
    return Evaluation(clusters=_told(clusters, found, unknown), truth=_told(truth, true, unclustered), scores=scores)


def _told(path: Path, labels: _Labels, left_out: int) -> ReadFile:
    return ReadFile(
        path=str(path),
        record_column=labels.record_column,
        entity_column=labels.entity_column,
        records=len(labels.records),
        left_out=left_out,
    )


def report_lines(evaluation: Evaluation) -> list[str]:
    """The evaluation as text, a line each."""
    scores = evaluation.scores
    lines = []
    for name, file in (("clusters", evaluation.clusters), ("truth", evaluation.truth)):
        lines.append(
            f"{name:<9} {file.path}: {file.records:,} records (columns {file.record_column}, {file.entity_column})"
        )
    if evaluation.clusters.left_out or evaluation.truth.left_out:
        lines.append(
            f"left out  {evaluation.clusters.left_out:,} records in the clusters only, "
            f"{evaluation.truth.left_out:,} in the truth only"
        )
    wrong, missed = scores.pairs_predicted - scores.pairs_both, scores.pairs_true - scores.pairs_both
    lines += [
        "",
        f"{'':<14}{'precision':>10}{'recall':>10}{'F1':>10}",
        f"{'pairwise':<14}{scores.pairwise_precision:>10.4f}{scores.pairwise_recall:>10.4f}{scores.pairwise_f1:>10.4f}"
        f"    {wrong:,} pairs wrong, {missed:,} missed",
        f"{'B-cubed':<14}{scores.bcubed_precision:>10.4f}{scores.bcubed_recall:>10.4f}{scores.bcubed_f1:>10.4f}",
        f"{'adjusted Rand':<14}{'':>20}{scores.adjusted_rand:>10.4f}",
        "",
        _counted("records", scores.records),
        _counted("true entities", scores.entities),
        _counted("  exactly right", scores.entities_exact, scores.entities_exact_share),
        _counted("  split", scores.entities_split, scores.entities_split_share),
        _counted("clusters", scores.clusters),
        _counted("  over-merged", scores.clusters_over_merged, scores.clusters_over_merged_share),
    ]
    return lines


def _counted(name: str, count: int, share: float | None = None) -> str:
    return f"{name:<18}{count:>13,}" + ("" if share is None else f"{share:>10.2%}")


def _read(path: Path, role: str, record_column: str, entity_column: str, like: str = "") -> _Labels:
    """Reads two columns of a file. `role` names it in errors; `like` is what the record column may be called too."""
    try:
        if path.suffix.lower() in _PARQUET_ENDINGS:
            with pq.ParquetFile(path) as file:
                names = [str(name) for name in file.schema_arrow.names]
                record, entity = _columns(role, names, record_column, entity_column, like)
                table = file.read(columns=[record, entity])
        elif path.suffix.lower() in _CSV_ENDINGS:
            names, delimiter = _csv_header(path, role)
            record, entity = _columns(role, names, record_column, entity_column, like)
            table = _csv_table(path, role, names, delimiter, [record, entity])
        else:
            raise EvaluationError(
                f'{role}: the ending "{path.suffix}" says nothing; expected one of '
                + " ".join(_CSV_ENDINGS + _PARQUET_ENDINGS)
            )
    except OSError as error:
        raise EvaluationError(f"{role}: cannot read {path}: {error.strerror or type(error).__name__}") from None
    except pa.ArrowInvalid:  # its message may quote the file
        raise EvaluationError(f"{role}: {path} is not a Parquet file, or not CSV in UTF-8") from None
    if not table.num_rows:
        raise EvaluationError(f"{role}: expected at least one record, found none in {path}")
    records, entities = (_ids(table.column(name), role, name) for name in (record, entity))
    first_seen = _codes(records)
    # A code greater than all before it is new: codes are given out in the order of rows.
    repeated = first_seen <= np.maximum.accumulate(np.concatenate(([-1], first_seen[:-1])))
    if repeated.any():
        raise EvaluationError(
            f'{role}: expected each record once; rows where "{record}" repeats an earlier id: {int(repeated.sum())}, '
            f"the first is row {int(repeated.argmax()) + 1}; remove them, or name another record column"
        )
    return _Labels(record, entity, records, _codes(entities))


def _columns(role: str, names: Sequence[str], record: str, entity: str, like: str) -> tuple[str, str]:
    """The record's and the entity's column: as given, else by name, else of two columns the one that is left."""
    if len(set(names)) != len(names):
        raise EvaluationError(f"{role}: two columns have the same name; give distinct names", "columns")
    option = "--truth-" if role == "truth" else "--"
    for wanted, what in ((record, "record"), (entity, "entity")):
        if wanted and wanted not in names:
            raise EvaluationError(
                f'{option}{what}-column: there is no column "{wanted}"; the columns are {", ".join(names)}', "columns"
            )
    record = record or next((name for name in (RECORD_COLUMN, like) if name in names and name != entity), "")
    entity = entity or (ENTITY_COLUMN if ENTITY_COLUMN in names and record != ENTITY_COLUMN else "")
    if len(names) == 2:
        record = record or next(name for name in names if name != entity)
        entity = entity or next(name for name in names if name != record)
    for chosen, what, usual in ((record, "record", RECORD_COLUMN), (entity, "entity", ENTITY_COLUMN)):
        if not chosen:
            raise EvaluationError(
                f'{role}: there is no column "{usual}"; say with {option}{what}-column which one it is of '
                + ", ".join(names),
                "columns",
            )
    if record == entity:
        raise EvaluationError(f'{role}: record and entity are both column "{record}"; name two columns', "columns")
    return record, entity


def _csv_header(path: Path, role: str) -> tuple[list[str], str]:
    """The columns' names and the delimiter."""
    with path.open("rb") as stream:
        lines = stream.read(_HEAD_BYTES).decode("utf-8-sig", "ignore").splitlines()
    if not lines or not lines[0].strip():
        raise EvaluationError(f"{role}: expected a header line with the columns' names first in {path}")
    delimiter = sniff_delimiter([line for line in lines[:_SNIFF_LINES] if line.strip()])
    delimiter = "," if delimiter == " " else delimiter
    try:
        return [name.strip() for name in split_record(lines[0], delimiter)], delimiter
    except csv.Error:
        raise EvaluationError(f"{role}: the quotes in the header line of {path} do not pair") from None


def _csv_table(path: Path, role: str, names: list[str], delimiter: str, columns: list[str]) -> pa.Table:
    bad_rows: list[int] = []

    def note(row: Any) -> str:
        bad_rows.append(row.number)
        return "skip"

    table = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(
            column_names=names,
            skip_rows=1,
            block_size=_BLOCK_BYTES,
            use_threads=False,  # rows have numbers only then
        ),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
        convert_options=pa_csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.large_string())
        ),
    )
    if bad_rows:
        raise EvaluationError(
            f"{role}: expected {len(names)} fields in every row, as in the header; rows with another number: "
            f"{len(bad_rows)}, the first is row {bad_rows[0] - 1}"  # the reader counts the header
        )
    return table


def _ids(column: pa.ChunkedArray, role: str, name: str) -> pa.LargeStringArray:
    """A column as text without white space around it; every row must have a value."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (text or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise EvaluationError(f'{role}: column "{name}" holds {kind}; expected text or whole numbers')
    values = pc.utf8_trim_whitespace(column.cast(kind).cast(pa.large_string()).combine_chunks())
    missing = pc.fill_null(pc.equal(values, ""), True).to_numpy(zero_copy_only=False)
    if missing.any():
        raise EvaluationError(
            f'{role}: rows where "{name}" is empty: {int(missing.sum())}, the first is row '
            f"{int(missing.argmax()) + 1}; every record needs an id and an entity, be it one of its own"
        )
    return values


def _codes(values: pa.LargeStringArray) -> npt.NDArray[np.int32]:
    codes: npt.NDArray[np.int32] = values.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return codes
