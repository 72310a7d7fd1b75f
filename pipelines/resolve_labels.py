"""Labels for `onefold resolve`: a file of pairs of record ids, and whether the two are one person.

left,right,same
crm/17,shop/4,yes
crm/17,crm/18,no
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.identity.labels import Labels
from pipelines.resolve_tables import InputError, read_table

COLUMNS = ("left", "right", "same")
_YES, _NO = ("true", "yes", "y", "1"), ("false", "no", "n", "0")


def read_labels(path: Path, record_ids: Any) -> Labels:
    """The labels of a CSV or Parquet file, as positions in `record_ids` (pa.Array of texts). Raises InputError."""
    table = read_table(path).table
    for name in COLUMNS:
        if name not in table.column_names or table[name].type != pa.string():
            raise InputError(f'--labels: {path.name} has no column "{name}" of texts; expected {", ".join(COLUMNS)}')
    left, right = (pc.index_in(table[name].combine_chunks(), value_set=record_ids) for name in COLUMNS[:2])
    same = pc.utf8_lower(table["same"].combine_chunks())
    is_same = pc.is_in(same, value_set=pa.array(_YES))
    _require(path, pc.and_(left.is_valid(), right.is_valid()), '"left" and "right" to be ids of records')
    _require(path, pc.or_(is_same, pc.is_in(same, value_set=pa.array(_NO))), '"same" to be yes or no')
    _require(path, pc.not_equal(left, right), '"left" and "right" to be two records')
    one, other = (np.asarray(ids.to_numpy(), np.int64) for ids in (left, right))
    return Labels(one, other, np.asarray(is_same.to_numpy(zero_copy_only=False), np.bool_))


def _require(path: Path, holds: Any, what: str) -> None:
    wrong = np.flatnonzero(~holds.to_numpy(zero_copy_only=False))
    if len(wrong):
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise InputError(f"--labels: {path.name}: expected {what}; not so in row {wrong[0] + 1}{more}")
