"""The incremental benchmark, whole, on few made-up people: all that it compares with bulk resolution agrees."""

import csv
from pathlib import Path

from bench.incremental import measure
from tests.strategies.people import households


def test_figures_of_few_people(tmp_path: Path) -> None:
    records, _ = households(3, 120)
    roles = sorted({role for record in records for role in record.values})
    path = tmp_path / "people.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", *roles))
        rows.writerows((r.record_id, *("".join(r.values.get(role, ())) for role in roles)) for r in records)
    figures = measure(path, "id", "", adds=40, orders=2)
    assert (figures.records, figures.adds, figures.bounded) == (len(records), 40, 0)
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.max_ms
    assert (figures.f1, figures.adjusted_rand, figures.unmerge) == (1, [1, 1], 1)
    assert (figures.kept_unchanged, figures.kept_unaffected, figures.redirects_complete) == (1, 1, True)
