"""Entity ids across runs of `onefold resolve`: what an earlier run wrote, and where its ids lead now.

Beside its clusters a run with an earlier one's writes the retired ids: of clusters.parquet, clusters.redirects.parquet
with retired_id and entity_id, which is null if all the records are gone. Those of the earlier run are carried on, so
that an id of any run before can be looked up in the latest one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.identity.entity_ids import EntityLedger
from pipelines.resolve_tables import InputError, read_table

RECORD_COLUMN, ENTITY_COLUMN, RETIRED_COLUMN = "record_id", "entity_id", "retired_id"


def redirects_path(clusters: Path) -> Path:
    """Where the redirects of a file of clusters are."""
    return clusters.with_name(f"{clusters.stem}.redirects{clusters.suffix}")


def read_ledger(clusters: Path) -> EntityLedger:
    """The entities of an earlier run, and its redirects if it wrote any. Raises InputError."""
    records, entities = _columns(clusters, RECORD_COLUMN, ENTITY_COLUMN)
    if None in entities:
        raise InputError(f'--previous: {clusters.name}: expected an "{ENTITY_COLUMN}" in every row, found none in some')
    redirects = redirects_path(clusters)
    retired, leads_to = _columns(redirects, RETIRED_COLUMN, ENTITY_COLUMN) if redirects.exists() else ([], [])
    try:
        return EntityLedger(
            dict(zip(records, entities, strict=True)),
            dict(zip(retired, leads_to, strict=True)),
        )
    except ValueError as error:
        raise InputError(f"--previous: {redirects.name}: {error}") from None


def carry_ids(ledger: EntityLedger, record_ids: Sequence[str], entities: Sequence[int]) -> list[str]:
    """The entity id of each record, kept where it can be; the ledger is brought up to date. `entities`: by record, the
    position of its entity's first record."""
    clusters: dict[int, list[str]] = {}
    for record, entity in zip(record_ids, entities, strict=True):
        clusters.setdefault(entity, []).append(record)
    ledger.update(clusters.values(), ledger.records_without(record_ids))
    return [ledger.entity_of(record) for record in record_ids]


def redirects_table(ledger: EntityLedger) -> Any:
    """The ledger's redirects as a table of texts, by retired id."""
    retired = sorted(ledger.redirects)
    leads_to = [ledger.redirects[entity] for entity in retired]
    return pa.table({RETIRED_COLUMN: pa.array(retired, pa.string()), ENTITY_COLUMN: pa.array(leads_to, pa.string())})


def _columns(path: Path, key: str, value: str) -> tuple[list[str], list[Any]]:
    """Two columns of a file: the first has distinct texts."""
    table = read_table(path).table
    for name in (key, value):
        if name not in table.column_names or table[name].type not in (pa.string(), pa.null()):
            raise InputError(f'--previous: {path.name} has no column "{name}" of texts; give what a run has written')
    keys = table[key].to_pylist()
    if None in keys or len(set(keys)) < len(keys):
        raise InputError(f'--previous: {path.name}: expected each "{key}" in one row, found some repeated or missing')
    return keys, table[value].to_pylist()
