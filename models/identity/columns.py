"""Texts of many records as numbers: each distinct text once, and a code for every record that has it.

All that is read of records in bulk is read once for each distinct value, whatever their number; the rest is array work.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.identity.record import MatchRecord, Role

ABSENT = -1  # the code of "no value"
VALUES_MAX = 4  # of one field of a record that are compared

Codes = NDArray[np.int32]
F = TypeVar("F", bound=str)


class Column(NamedTuple):
    """One field of n records, up to k values each. `codes`: (n, k), positions in `values` or ABSENT (no gaps before a
    value). `values`: distinct texts."""

    codes: Codes
    values: list[str]


RoleColumns = Mapping[Role, Sequence[Column]]


def column_of(texts: Iterable[Sequence[str]]) -> Column:
    """A column of the records' texts, at most VALUES_MAX of each."""
    seen: dict[str, int] = {}
    rows = [[seen.setdefault(text, len(seen)) for text in row[:VALUES_MAX]] for row in texts]
    return Column(_matrix(rows), list(seen))


def role_columns(records: Sequence[MatchRecord]) -> dict[Role, list[Column]]:
    """The records' values by role: each role's values are one column."""
    roles = dict.fromkeys(role for record in records for role in record.values)
    return {role: [column_of(record.values.get(role, ()) for record in records)] for role in roles}


def mapped(column: Column, convert: Callable[[str], str]) -> Column:
    """The column with each value converted; what is converted to "" is absent."""
    (result,) = split(column, lambda text: (convert(text),), 1)
    return result


def split(column: Column, convert: Callable[[str], Sequence[str]], parts: int) -> list[Column]:
    """Several columns from one: `convert` gives a value's `parts` texts, "" for none."""
    seen: list[dict[str, int]] = [{} for _ in range(parts)]
    code = np.full((parts, len(column.values) + 1), ABSENT, np.int32)  # the last stands for ABSENT
    for position, value in enumerate(column.values):
        for part, text in enumerate(convert(value)):
            if text:
                code[part, position] = seen[part].setdefault(text, len(seen[part]))
    return [_packed(Column(code[part][column.codes], list(seen[part]))) for part in range(parts)]


def coalesced(columns: Sequence[Column]) -> Column | None:
    """For each record the values of the first column that has any. None without columns."""
    if not columns:
        return None
    merged = columns[0]
    for other in columns[1:]:
        values, codes = _common(merged, other)
        width = max(merged.codes.shape[1], codes.shape[1])
        first, second = _widened(merged.codes, width), _widened(codes, width)
        merged = Column(np.where(first[:, :1] == ABSENT, second, first), values)
    return merged


def only_without(column: Column, others: Sequence[Column]) -> Column:
    """The column, absent for records that have a value in any of the others."""
    codes = column.codes.copy()
    for other in others:
        codes[other.codes[:, 0] != ABSENT] = ABSENT
    return Column(codes, column.values)


def only_beside(column: Column, others: Sequence[Column]) -> Column:
    """The column, absent for records that have no value in any of the others."""
    codes = np.full_like(column.codes, ABSENT)
    for other in others:
        beside = other.codes[:, 0] != ABSENT
        codes[beside] = column.codes[beside]
    return Column(codes, column.values)


def together(columns: Sequence[Column]) -> Column | None:
    """For each record the distinct values of all columns, at most VALUES_MAX. None without columns."""
    if not columns:
        return None
    merged = columns[0]
    for other in columns[1:]:
        values, codes = _common(merged, other)
        merged = _packed(Column(np.hstack([merged.codes, codes]), values))
    return merged


def combined(columns: Sequence[Column], combine: Callable[..., str]) -> Column:
    """One value a record from the first values of several columns; `combine` gets None for an absent one. It is called
    once for each distinct combination."""
    rows, inverse = np.unique(np.column_stack([c.codes[:, 0] for c in columns]), axis=0, return_inverse=True)
    texts = [
        combine(*(c.values[code] if code >= 0 else None for c, code in zip(columns, row, strict=True)))
        for row in rows.tolist()
    ]
    return mapped(Column(inverse.reshape(-1, 1).astype(np.int32), texts), str)


def rows_of(columns: Mapping[F, Column], rows: NDArray[np.int64] | slice) -> dict[F, Column]:
    """The columns of some records."""
    return {name: Column(column.codes[rows], column.values) for name, column in columns.items()}


def distinct_records(columns: Sequence[Column]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first of each set of records that are the same in all columns, ascending, and each record's position among
    these."""
    packed = np.zeros(len(columns[0].codes) if columns else 0, np.int64)
    for codes in (column.codes[:, place] for column in columns for place in range(column.codes.shape[1])):
        # Never more numbers than records, so that two of them fit into one.
        packed = np.unique(packed << 32 | (codes.astype(np.int64) + 1), return_inverse=True)[1]
    _, first, position = np.unique(packed, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[position]


def _matrix(rows: Sequence[Sequence[int]]) -> Codes:
    codes = np.full((len(rows), max([1, *map(len, rows)])), ABSENT, np.int32)
    for position, row in enumerate(rows):
        codes[position, : len(row)] = row
    return codes


def _packed(column: Column) -> Column:
    """Repeated values of a record gone, no gaps before a value, at most VALUES_MAX."""
    codes = column.codes
    if codes.shape[1] == 1:
        return column
    codes = codes.copy()
    for place in range(1, codes.shape[1]):
        repeated = (codes[:, :place] == codes[:, place : place + 1]).any(axis=1)
        codes[repeated, place] = ABSENT
    order = np.argsort(codes == ABSENT, axis=1, kind="stable")
    codes = np.take_along_axis(codes, order, axis=1)[:, :VALUES_MAX]
    used = max(1, int((codes != ABSENT).any(axis=0).sum()))
    return Column(np.ascontiguousarray(codes[:, :used]), column.values)


def _widened(codes: Codes, width: int) -> Codes:
    return np.pad(codes, ((0, 0), (0, width - codes.shape[1])), constant_values=ABSENT)


def _common(first: Column, second: Column) -> tuple[list[str], Codes]:
    """One list of values for both, and the second's codes in it."""
    seen = {value: code for code, value in enumerate(first.values)}
    code = np.array([*(seen.setdefault(value, len(seen)) for value in second.values), ABSENT], np.int32)
    return list(seen), code[second.codes]
