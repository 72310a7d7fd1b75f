"""Labels that were found elsewhere, in a CSV or Parquet file: customer_id, label, and where there is one as_of.

The files of labels that training sets have are such. A label is 1 or 0 for yes and no, or a number.
"""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from models.identity.customer_id import from_text
from models.scoring.features import CUSTOMER
from pipelines.training_sets import AS_OF, LABEL

_TIME = pa.timestamp("ms", "UTC")


class Labels(NamedTuple):
    """What came of people, by customer id, and as of when, ms, if the file says so."""

    of: dict[int, float]
    as_of: int | None

    def followed(self, merged_into: Mapping[int, int]) -> "Labels":
        """The labels of those who people are today: customer id -> whom it leads to, if it was merged away. Two who
        are one person have the label that both have, and none (NaN) if theirs are different ones."""
        found: dict[int, float] = {}
        for customer_id, label in self.of.items():
            today = merged_into.get(customer_id, customer_id)
            found[today] = label if found.get(today, label) == label else nan
        return Labels(found, self.as_of)


def read_labels(path: Path, as_of: int | None = None) -> Labels:
    """The labels of a file, of one time if it has several: `as_of`, ms. Rows without a label are none.

    Raises ValueError, which names the column and the row.
    """
    table = _read(path)
    for name in (CUSTOMER, LABEL, AS_OF):
        count = table.column_names.count(name)
        if count > 1 or (not count and name != AS_OF):
            raise ValueError(f"labels: expected one column {name}, as the first row or the schema names it")
    times: list[int | None] = [as_of] * table.num_rows
    try:
        customers = table[CUSTOMER].cast(pa.string()).to_pylist()
        labels = table[LABEL].cast(pa.float64()).to_pylist()
        if AS_OF in table.column_names:
            times = table[AS_OF].cast(_TIME).cast(pa.int64()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # its words quote what is in the file
        raise ValueError(
            f"labels: expected texts in {CUSTOMER}, numbers in {LABEL}, times of ISO 8601 to the millisecond in {AS_OF}"
        ) from None
    if AS_OF in table.column_names:
        as_of = _one_time(times, as_of)
    found: dict[int, float] = {}
    for row, (customer, label, at) in enumerate(zip(customers, labels, times, strict=True), 1):
        if label is None or at != as_of:
            continue
        if not isfinite(label):
            raise ValueError(f"labels: {LABEL} of row {row} is no number")
        try:
            customer_id = from_text(customer or "")
        except ValueError:
            raise ValueError(f"labels: {CUSTOMER} of row {row} is no customer id") from None
        if customer_id in found:
            raise ValueError(f"labels: {CUSTOMER} of row {row} was there before: one label a person and time")
        found[customer_id] = label
    if not found:
        raise ValueError("labels: there is none of that time")
    return Labels(found, as_of)


def _one_time(times: Sequence[int | None], as_of: int | None) -> int | None:
    """The time that is asked for, or the only one."""
    if None in times:
        raise ValueError(f"labels: {AS_OF} of row {times.index(None) + 1} is missing")
    several = set(times)
    if as_of is None and len(several) > 1:
        raise ValueError(f"labels: they are of {len(several)} times: choose one with --as-of")
    return as_of if as_of is not None or not times else times[0]


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.ParquetFile(path).read()
        if path.suffix == ".csv":
            as_text = pyarrow.csv.ConvertOptions(column_types={CUSTOMER: pa.string()})
            return pyarrow.csv.read_csv(path, convert_options=as_text)
    except OSError as error:
        raise ValueError(f"labels: {path}: {error.strerror or 'it is no file that can be read'}") from None
    except pa.ArrowInvalid:  # its words quote what is in the file
        raise ValueError(f"labels: {path} cannot be read as {path.suffix}") from None
    raise ValueError("labels: expected a name that ends in .csv or .parquet")
