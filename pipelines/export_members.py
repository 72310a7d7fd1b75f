"""Members of a segment into a file or table: CSV, Parquet, Arrow, or a LanceDB table for ML teams.

Rows come page by page from the API and are written as they come; a trait has the type of text unless every value on the
first page is a number, or true or false.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.batch_client import ApiClient

FORMATS = ("csv", "parquet", "arrow", "lance")
_PAGE = 1_000


def export_members(client: ApiClient, segment_id: str, traits: list[str], output: Path, purpose: str = "") -> int:
    """Writes the members, by the ending of `output`; returns how many. What is written is whole or not there.

    `purpose`: what they are read for; empty for that of the key, else of the segment.

    Columns: customer_id, entered_at (UTC), held_out, and the traits, of which none may be called so ("address.city"
    looks into an object). Raises ValueError for another ending, ApiError.
    """
    kind = output.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise ValueError(f"output: expected a name that ends in one of .{', .'.join(FORMATS)}")
    batches = _batches(client, segment_id, traits, purpose)
    if kind == "lance":
        return _write_lance(batches, output)
    partial = output.with_name(output.name + ".part")
    write = {"csv": _write_csv, "parquet": _write_parquet, "arrow": _write_arrow}[kind]
    try:
        count = write(batches, partial)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _batches(client: ApiClient, segment_id: str, traits: list[str], purpose: str) -> Iterator[pa.RecordBatch]:
    """At least one batch, so that a segment of nobody has columns too."""
    cursor, schema = "", None
    headers = {"Onefold-Purpose": purpose} if purpose else {}
    while True:
        query = urlencode({"limit": _PAGE, "cursor": cursor, "traits": ",".join(traits)})
        path = f"/v1/segments/{quote(segment_id, safe='')}/members/profiles?{query}"
        page = client.request("GET", path, headers=headers)
        rows: list[dict[str, Any]] = page["data"]
        schema = schema or _schema(rows, traits)
        columns = [_column(rows, field) for field in schema]
        yield pa.record_batch(columns, schema=schema)
        cursor = page["cursor"]["next"]
        if not cursor:
            return


def _schema(rows: list[dict[str, Any]], traits: list[str]) -> pa.Schema:
    fields = [pa.field("customer_id", pa.string()), pa.field("entered_at", pa.timestamp("ms", "UTC"))]
    fields.append(pa.field("held_out", pa.bool_()))
    for trait in traits:
        values = [row[trait] for row in rows if row[trait] is not None]
        kind = pa.string()
        if values and all(isinstance(value, bool) for value in values):
            kind = pa.bool_()
        elif values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            kind = pa.float64()
        fields.append(pa.field(trait, kind))
    return pa.schema(fields)


def _column(rows: list[dict[str, Any]], field: pa.Field) -> pa.Array:
    values = [row[field.name] for row in rows]
    if pa.types.is_timestamp(field.type):
        return pa.array(values, pa.string()).cast(pa.timestamp("ms", "UTC"))
    if pa.types.is_string(field.type):
        return pa.array([value if value is None or isinstance(value, str) else str(value) for value in values])
    wanted = bool if pa.types.is_boolean(field.type) else (int, float)
    return pa.array([value if isinstance(value, wanted) else None for value in values], field.type)


def _write_csv(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for batch in batches:
            if not count:
                writer.writerow(batch.schema.names)
            texts = [[_text(value) for value in column.to_pylist()] for column in batch.columns]
            writer.writerows(zip(*texts, strict=True))
            count += batch.num_rows
    return count


def _text(value: Any) -> Any:
    """A cell. One that a spreadsheet would take for a formula is kept from it."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value.isoformat() if hasattr(value, "isoformat") else value


def _write_parquet(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    first = next(batches)
    count: int = first.num_rows
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _write_arrow(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    first = next(batches)
    count: int = first.num_rows
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _write_lance(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    """The table `path.stem` of the LanceDB database in the folder of `path`."""
    import lancedb

    database = lancedb.connect(path.parent)
    first = next(batches)
    table = database.create_table(path.stem, pa.Table.from_batches([first]), mode="overwrite")
    for batch in batches:
        table.add(pa.Table.from_batches([batch]))
    return int(table.count_rows())
