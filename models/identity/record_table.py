"""Records one at a time as numbers: the distinct ones, by value codes of a vocabulary that grows.

Records that are the same in every field are one node, and the node knows their ids. Any nodes can be had as `Fields`,
small columns of their own, which the bulk engine's comparer takes. A node's number is used again once all its records
are gone. Values stay in the vocabulary until the table is built anew.
"""

from bisect import insort
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.identity.columns import ABSENT, Codes, Column, distinct_records
from models.identity.fields import Field, Fields

Nodes = NDArray[np.int64]


class RecordTable:
    """Records by id; their values, in the fields of a model, by node."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._values = {field: _Values() for field in fields}
        self._node_of_row: dict[bytes, int] = {}
        self._row_of: list[bytes] = []
        self._records: list[list[str]] = []  # by node, ascending; none: the number is free
        self._free: list[int] = []
        self._node_of: dict[str, int] = {}

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self._records) - len(self._free)

    @property
    def record_count(self) -> int:
        """How many records there are."""
        return len(self._node_of)

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._node_of

    @property
    def nodes(self) -> Nodes:
        """All nodes, ascending."""
        return np.array([node for node, records in enumerate(self._records) if records], np.int64)

    def node_of(self, record_id: str) -> int:
        """The record's node; KeyError if there is no such record."""
        return self._node_of[record_id]

    def records(self, node: int) -> Sequence[str]:
        """The ids of the node's records, ascending; none for a number that is not in use."""
        return self._records[node]

    def load(self, record_ids: Sequence[str], fields: Fields) -> None:
        """Fills an empty table: records by position, which are numbered as nodes in the order of the first of each."""
        first, position = distinct_records([fields[field] for field in self._values])
        for field, values in self._values.items():
            column = fields[field]
            values.put(np.arange(len(first)), values.encode(Column(column.codes[first], column.values)))
        self._records = [[] for _ in range(len(first))]
        for record_id, node in zip(record_ids, position.tolist(), strict=True):
            self._records[node].append(record_id)
            self._node_of[record_id] = node
        for records in self._records:
            records.sort()
        self._row_of = list(self._rows([values.codes[: len(first)] for values in self._values.values()]))
        self._node_of_row = {row: node for node, row in enumerate(self._row_of)}

    def add(self, record_id: str, fields: Fields) -> tuple[int, bool]:
        """Adds one record, given as fields of one row. Its node, and whether that is new."""
        codes = [values.encode(fields[field]) for field, values in self._values.items()]
        (row,) = self._rows(codes)
        node = self._node_of_row.get(row)
        is_new = node is None
        if node is None:
            node = self._free.pop() if self._free else len(self._records)
            if node == len(self._records):
                self._records.append([])
                self._row_of.append(row)
            self._row_of[node] = row
            self._node_of_row[row] = node
            for values, code in zip(self._values.values(), codes, strict=True):
                values.put(np.array([node]), code)
        insort(self._records[node], record_id)
        self._node_of[record_id] = node
        return node, is_new

    def remove(self, record_id: str) -> tuple[int, bool]:
        """Removes one record. Its node, and whether that is gone with it. KeyError if there is no such record."""
        node = self._node_of.pop(record_id)
        self._records[node].remove(record_id)
        if self._records[node]:
            return node, False
        del self._node_of_row[self._row_of[node]]
        self._free.append(node)
        return node, True

    def fields(self, nodes: Nodes) -> Fields:
        """The nodes' values as columns, in the order given."""
        return {field: values.column(nodes) for field, values in self._values.items()}

    def _rows(self, codes: Sequence[Codes]) -> Iterator[bytes]:
        """What identifies each row: its codes, each field's with an end mark, whatever the columns' widths."""
        if all(code.shape[1] == 1 for code in codes):
            narrow = np.column_stack(codes) if codes else np.empty((0, 0), np.int32)
            yield from (row.tobytes() for row in narrow)
            return
        for parts in zip(*(code.tolist() for code in codes), strict=True):
            used = [[code for code in part if code != ABSENT] or [ABSENT] for part in parts]
            # A field's further values are marked by numbers that no code has, so that narrow rows are as above.
            flat = [number for part in used for number in (part[0], *(-2 - code for code in part[1:]))]
            yield np.array(flat, np.int32).tobytes()


class _Values:
    """One field: the texts that were ever seen, and each node's codes."""

    def __init__(self) -> None:
        self.codes: Codes = np.full((0, 1), ABSENT, np.int32)
        self._texts: list[str] = []
        self._code_of: dict[str, int] = {}

    def encode(self, column: Column) -> Codes:
        """The column's codes in this vocabulary, which takes up new texts."""
        table = np.array([*map(self._code, column.values), ABSENT], np.int32)
        return table[column.codes]

    def put(self, nodes: Nodes, codes: Codes) -> None:
        """Writes the codes of some nodes."""
        rows, width = self.codes.shape
        needed = int(nodes.max(initial=-1)) + 1
        if needed > rows or codes.shape[1] > width:
            more = max(needed, rows + rows // 4) - rows if needed > rows else 0
            wider = max(codes.shape[1] - width, 0)
            self.codes = np.pad(self.codes, ((0, more), (0, wider)), constant_values=ABSENT)
        self.codes[nodes] = ABSENT
        self.codes[nodes, : codes.shape[1]] = codes

    def column(self, nodes: Nodes) -> Column:
        """The nodes' values, numbered anew."""
        codes = self.codes[nodes]
        used, inverse = np.unique(codes, return_inverse=True)
        local: Codes = inverse.astype(np.int32).reshape(codes.shape)
        if len(used) and used[0] == ABSENT:
            local -= 1
            used = used[1:]
        return Column(local, [self._texts[code] for code in used.tolist()])

    def _code(self, text: str) -> int:
        code = self._code_of.setdefault(text, len(self._texts))
        if code == len(self._texts):
            self._texts.append(text)
        return code
