"""A small real partition for tests of re-resolution: correlation clustering of the additive matcher's scores."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from models.identity.clustering import CANNOT_LINK, cluster
from models.identity.record import ROLES, MatchRecord
from pipelines.task_runner import Progress, Runner
from tests.strategies.additive_matcher import AdditiveMatcher


def partition(records: Path, cannot_links: Path, output: Path, runner: Runner, progress: Progress) -> None:
    """Implements `pipelines.reresolve_run.Partition`."""
    table = pads.dataset([str(p) for p in sorted(records.glob("*.parquet"))], format="parquet").to_table()
    rows = table.sort_by("unit_id").to_pylist()
    units = [row["unit_id"] for row in rows]
    found = [MatchRecord(str(row["unit_id"]), {r: tuple(row[r]) for r in ROLES if row[r]}) for row in rows]
    matcher = AdditiveMatcher()
    by_key: dict[int, list[int]] = {}
    for number, keys in enumerate(matcher.keys(found)):
        for key in keys:
            by_key.setdefault(key, []).append(number)
    pairs = {pair for numbers in by_key.values() for pair in combinations(sorted(set(numbers)), 2)}
    scores = {(left, right): matcher.score(found[left], [found[right]])[0].score for left, right in sorted(pairs)}
    number_of = {unit: number for number, unit in enumerate(units)}
    for row in pq.read_table(cannot_links).to_pylist():
        if row["left"] in number_of and row["right"] in number_of:
            scores[number_of[row["left"]], number_of[row["right"]]] = CANNOT_LINK
    ordered = sorted(scores)
    labels = cluster(
        len(units),
        np.array([left for left, _ in ordered], np.int64),
        np.array([right for _, right in ordered], np.int64),
        np.array([scores[pair] for pair in ordered], np.float64),
    )
    entities = [units[label] for label in labels.tolist()]
    pq.write_table(pa.table({"unit_id": units, "entity_id": entities, "confidence": [1.0] * len(units)}), output)
