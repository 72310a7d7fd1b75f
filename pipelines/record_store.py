"""The fields of many records on disk, and those of any few of them in memory.

Records have positions, from 0. They are in slices, files of any records in any order; the index says where each is.
Slices are mapped into memory: what is read of them is shared by all processes of a machine, and let go under pressure.

    slices/00000.arrow ...   `position`, and the columns of the fields: "email.0", "email.1", ... for its values
    index.npy                by position: slice << 32 | row
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.identity.columns import ABSENT, VALUES_MAX, Column, rows_of
from models.identity.fields import Field, Fields

Rows = NDArray[np.int64]

_TEXT = pa.string()


def write_slice(directory: Path, number: int, positions: Rows, fields: Fields) -> None:
    """Writes the slice of this number: the records at `positions`, in the order of `fields`."""
    columns: dict[str, Any] = {"position": pa.array(positions)}
    for field, column in fields.items():
        values = pa.array(column.values, _TEXT)
        for place in range(column.codes.shape[1]):
            codes = column.codes[:, place]
            columns[f"{field}.{place}"] = values.take(pa.array(codes, mask=codes == ABSENT))
    folder = directory / "slices"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = _slice_path(directory, number)
    partial = path.with_name(path.name + ".partial")
    table = pa.table(columns)
    with pa.ipc.new_file(str(partial), table.schema) as writer:
        writer.write_table(table)
    partial.replace(path)


def write_index(directory: Path, slices: int) -> int:
    """Writes where each record is, and returns how many there are. Raises ValueError if a position is missing."""
    parts = [_mapped(directory, number)["position"].to_numpy() for number in range(slices)]
    count = sum(map(len, parts))
    index = np.full(count, -1, np.int64)
    for number, positions in enumerate(parts):
        index[positions] = (number << 32) + np.arange(len(positions))
    if (index < 0).any():
        raise ValueError("records: expected each position from 0 once")
    save(directory / "index.npy", index)
    return count


def save(path: Path, array: NDArray[Any]) -> None:
    """Saves an array, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.save(file, array)
    partial.replace(path)


def load(path: Path) -> NDArray[Any]:
    """An array that `save` wrote, mapped into memory."""
    array: NDArray[Any] = np.load(path, mmap_mode="r")
    return array


class RecordStore:
    """Reads the records of a directory."""

    def __init__(self, directory: Path, slices: int, fields: Sequence[Field]) -> None:
        """`fields`: those that are read, in this order, whether any record has them or not."""
        self._slices = [_mapped(directory, number) for number in range(slices)]
        self._index = load(directory / "index.npy")
        self._fields = fields

    def __len__(self) -> int:
        return len(self._index)

    def positions(self, number: int) -> Rows:
        """The positions of a slice's records."""
        positions: Rows = self._slices[number]["position"].to_numpy()
        return positions

    def texts(self, number: int) -> list[Any]:
        """A slice's columns of values (pa.StringArray), the same for every slice."""
        table = self._slices[number]
        there = {name for other in self._slices for name in other.column_names}
        names = (f"{field}.{place}" for field in self._fields for place in range(VALUES_MAX))
        return [
            table[name].combine_chunks() if name in table.column_names else pa.nulls(table.num_rows, _TEXT)
            for name in names
            if name in there
        ]

    def fields(self, positions: Rows) -> dict[Field, Column]:
        """The fields of the records at `positions`, in this order."""
        at = self._index[positions]
        order = np.argsort(at)
        bounds = np.searchsorted(at[order] >> 32, np.arange(len(self._slices) + 1))
        parts = []
        for table, start, end in zip(self._slices, bounds, bounds[1:], strict=False):
            if start < end:
                parts.append(table.drop_columns(["position"]).take(pa.array(at[order[start:end]] & 0xFFFFFFFF)))
        if not parts:
            parts = [table.slice(0, 0) for table in self._slices[:1]]
        table = pa.concat_tables(parts, promote_options="default")
        found = {field: _column(table, field) for field in self._fields}
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return rows_of(found, back)

    def value_counts(self, field: Field, common_min: int) -> tuple[dict[str, int], NDArray[np.int64]]:
        """How many records have each of a field's values: those by name that `common_min` have at least, and all."""
        counted = [
            pa.table(table[name].combine_chunks().drop_null().value_counts().flatten(), ["value", "count"])
            for table in self._slices
            for name in table.column_names
            if name.partition(".")[0] == field
        ]
        if not counted:
            return {}, np.empty(0, np.int64)
        total = pa.concat_tables(counted).group_by("value").aggregate([("count", "sum")])
        common = total.filter(pc.field("count_sum") >= common_min)
        named = dict(zip(common["value"].to_pylist(), common["count_sum"].to_pylist(), strict=True))
        return named, total["count_sum"].to_numpy()


def _column(table: Any, field: Field) -> Column:
    names = [name for name in table.column_names if name.partition(".")[0] == field]
    if not names:
        return Column(np.full((table.num_rows, 1), ABSENT, np.int32), [])
    every = pa.concat_arrays([table[name].combine_chunks().cast(_TEXT) for name in names]).dictionary_encode()
    codes = every.indices.fill_null(ABSENT).to_numpy(zero_copy_only=False).astype(np.int32)
    return Column(codes.reshape(len(names), -1).T.copy(), every.dictionary.to_pylist())


def _mapped(directory: Path, number: int) -> Any:
    return pa.ipc.open_file(pa.memory_map(str(_slice_path(directory, number)))).read_all()


def _slice_path(directory: Path, number: int) -> Path:
    return directory / "slices" / f"{number:05d}.arrow"
