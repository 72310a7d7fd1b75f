"""The partition of a re-resolution by the bulk engine in this process, for as many records as its memory holds.

Any function of `pipelines.reresolve_run.Partition` can take its place.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from models.identity.matcher import Matcher
from models.identity.record import ROLES
from models.identity.resolve import ResolveSettings, resolve
from pipelines.resolve_files import arrow_column


def partition(matcher: Matcher, records: Path, cannot_links: Path, output: Path) -> None:
    """Who is who by the matcher's model. Cannot-links are left to the plan."""
    files = [str(path) for path in sorted(records.glob("*.parquet"))]
    table = pads.dataset(files, format="parquet").to_table().sort_by("unit_id")
    units = table["unit_id"].combine_chunks()
    roles = {role: [arrow_column(table[role])] for role in ROLES if pc.count(table[role]).as_py()}
    fields = matcher.model.read(roles, len(units))
    if len(units):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            resolved = resolve(
                fields, matcher.model.reading, matcher.nicknames, ResolveSettings(), pool.map, matcher.model
            )
        entities, confidences = units.take(pa.array(resolved.entities)), pa.array(resolved.confidence)
    else:
        entities, confidences = units, pa.array([], pa.float64())
    pq.write_table(pa.table({"unit_id": units, "entity_id": entities, "confidence": confidences}), output)
