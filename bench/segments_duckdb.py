"""One criterion over the same columns in Onefold and in DuckDB: the same rows, the same answer, one core each."""

import time
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bench.memory_fill import demo_profiles
from models.profile.lifecycle import ANONYMOUS_NAMESPACES
from models.profile.state import DAY_MS
from models.segments.columns import Columns
from models.segments.parse_criteria import parse_criteria
from models.segments.value_column import ValueColumn
from models.segments.vector import VectorEvaluator

PEOPLE = 20_000  # different ones; the rest are these again
RUNS = 15

_QUERY = """
SELECT count(*) FROM people
LEFT JOIN (
    SELECT slot, count(*) AS views FROM viewed WHERE moment > $month AND moment <= $now GROUP BY slot
) USING (slot)
LEFT JOIN (
    SELECT slot, sum(revenue) AS revenue FROM sales WHERE moment > $year AND moment <= $now GROUP BY slot
) USING (slot)
LEFT JOIN (SELECT DISTINCT slot, true AS gone FROM unsubscribed WHERE moment <= $now) USING (slot)
WHERE tier IS DISTINCT FROM 'none' AND country IN ('GB', 'DE', 'US', 'FR')
  AND coalesce(views, 0) >= 2 AND coalesce(revenue, 0) >= 100000000 AND gone IS NULL
"""


def compare(profiles: int, criteria: dict[str, Any], seed: int = 7) -> tuple[float, float, int]:
    """Median ms of Onefold and of DuckDB for the five criteria of `bench.segments`, and how many people meet them.

    Raises AssertionError if the two do not agree.
    """
    now = time.time_ns() // 1_000_000
    columns = _columns(profiles, now, seed)
    tree = parse_criteria(criteria)
    ours, members = [], 0
    for _ in range(RUNS):
        started = time.perf_counter()
        members = int(np.count_nonzero(VectorEvaluator(columns, _nobody, now).members(tree)))
        ours.append((time.perf_counter() - started) * 1000)
    theirs, found = _duckdb(columns, now)
    if found != members:
        raise AssertionError(f"DuckDB counts {found}, the columns {members}")
    return float(np.median(ours)), theirs, members


def _nobody(slot: int) -> Any:
    raise AssertionError("the columns are expected to know enough")


def _columns(profiles: int, now: int, seed: int) -> Columns:
    patterns = list(demo_profiles(min(PEOPLE, profiles), seed, now))
    columns = Columns(ANONYMOUS_NAMESPACES)
    for number in range(profiles):
        pattern = patterns[number % len(patterns)]
        pattern.customer_id = number + 1
        columns.put(pattern)
    return columns


def _duckdb(columns: Columns, now: int) -> tuple[float, int]:
    size = columns.size
    orders = columns.orders
    count = orders.slots.size
    database = duckdb.connect(config={"threads": 1})
    tables = {
        "people": {
            "slot": np.arange(size, dtype=np.int32),
            "tier": _texts(columns.traits["loyaltyTier"], size),
            "country": _texts(columns.traits["address.country"], size),
        },
        "sales": {
            "slot": orders.slots.view(count),
            "moment": orders.times.view(count),
            "revenue": orders.revenue.view(count),
        },
    }
    for table, event in (("viewed", "Product Viewed"), ("unsubscribed", "Email Unsubscribed")):
        column = columns.events[event]
        length = column.slots.size
        tables[table] = {"slot": column.slots.view(length), "moment": column.times.view(length)}
    for table, data in tables.items():
        database.register("arrow", pa.table(data))
        database.execute(f"CREATE TABLE {table} AS SELECT * FROM arrow")
        database.unregister("arrow")
    times = {"now": now, "month": now - 30 * DAY_MS, "year": now - 365 * DAY_MS}
    took, found = [], 0
    for _ in range(RUNS):
        started = time.perf_counter()
        row = database.execute(_QUERY, times).fetchone()
        took.append((time.perf_counter() - started) * 1000)
        assert row is not None
        found = int(row[0])
    database.close()
    return float(np.median(took)), found


def _texts(column: ValueColumn, size: int) -> Any:
    """A dictionary of texts, as the columns hold it."""
    values = pa.array([None if value is None else str(value) for value in column.values()], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(column.codes(size).astype(np.int32)), values).cast(pa.string())
