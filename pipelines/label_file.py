"""Labels that were found elsewhere, in a CSV or Parquet file: customer_id, label, and where there is one as_of.

The files of labels that training sets have are such. A label is 1 or 0 for yes and no, or a number.
"""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
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


def read_labels(path: Path, as_of: int | None = None) -> Labels:
    """The labels of a file, of one time if it has several: `as_of`, ms. Rows without a label are none.

    Raises ValueError, which names the column and the row.
    """
    table = _read(path)
    for name in (CUSTOMER, LABEL):
        if name not in table.column_names:
            raise ValueError(f"labels: expected a column {name}; there are {', '.join(table.column_names)}")
    try:
        columns = {CUSTOMER: table[CUSTOMER].cast(pa.string()), LABEL: table[LABEL].cast(pa.float64())}
        if AS_OF in table.column_names:
            columns[AS_OF] = table[AS_OF].cast(_TIME).cast(pa.int64())
    except pa.ArrowInvalid:  # its words quote what is in the file
        raise ValueError(
            f"labels: expected texts in {CUSTOMER}, numbers in {LABEL}, times of ISO 8601 in {AS_OF}"
        ) from None
    table = pa.table(columns)
    if AS_OF in columns:
        times = pc.unique(table[AS_OF]).to_pylist()
        if as_of is None and len(times) > 1:
            raise ValueError(f"labels: they are of {len(times)} times: choose one with --as-of")
        as_of = as_of if as_of is not None or not times else times[0]
        table = table.filter(pc.equal(table[AS_OF], as_of))
    found: dict[int, float] = {}
    for row, (customer, label) in enumerate(zip(*(table[each].to_pylist() for each in (CUSTOMER, LABEL)), strict=True)):
        if label is None:
            continue
        try:
            customer_id = from_text(customer or "")
        except ValueError:
            raise ValueError(f"labels: {CUSTOMER} of row {row + 1} is no customer id") from None
        if customer_id in found:
            raise ValueError(f"labels: {CUSTOMER} of row {row + 1} was there before: one label a person and time")
        found[customer_id] = label
    if not found:
        raise ValueError("labels: there is none of that time")
    return Labels(found, as_of)


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        if path.suffix == ".csv":
            as_text = pyarrow.csv.ConvertOptions(column_types={CUSTOMER: pa.string()})
            return pyarrow.csv.read_csv(path, convert_options=as_text)
    except OSError as error:
        raise ValueError(f"labels: {path}: {error.strerror}") from None
    except pa.ArrowInvalid:  # its words quote what is in the file
        raise ValueError(f"labels: {path} cannot be read as {path.suffix}") from None
    raise ValueError("labels: expected a name that ends in .csv or .parquet")
