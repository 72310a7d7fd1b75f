"""Planning from files: what is left out, what stays together, what is counted; the same plan however it is sliced."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.errors import Invalid
from models.identity.identifiers import IdentitySettings
from models.identity.reresolution import Group
from pipelines.reresolve_divide import bodies, deal, group, plan_bucket, settle, slice_names
from pipelines.reresolve_extract import RECORDS, UNITS
from pipelines.reresolve_report import ConsentCounts, Counts

SETTINGS = IdentitySettings(limits={"user_id": 1}, limit_default=50)


def unit(unit_id: int, profile: int = 0, winner: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "unit_id": unit_id,
        "profile_id": profile or unit_id,
        "winner": winner,
        "order": unit_id,
        "digest": unit_id + 100,
        "profile_digest": (profile or unit_id) + 1000,
        "has_record": True,
        "namespaces": [],
        "lineage": [],
        "apart": [],
        "segments": [],
        "consents": [],
    } | more


def write(directory: Path, slices: list[list[dict[str, Any]]]) -> None:
    for name in ("records", "units"):
        (directory / name).mkdir()
    for number, rows in enumerate(slices):
        pq.write_table(pa.Table.from_pylist(rows, schema=UNITS), directory / "units" / f"{number}.parquet")
        records = [{"unit_id": row["unit_id"], "exclusive": []} for row in rows if row["has_record"]]
        pq.write_table(pa.Table.from_pylist(records, schema=RECORDS), directory / "records" / f"{number}.parquet")


def decide(directory: Path, entities: dict[int, str], buckets: int = 2) -> tuple[list[Group], Counts]:
    table = {"unit_id": list(entities), "entity_id": list(entities.values()), "confidence": [1.0] * len(entities)}
    pq.write_table(pa.table(table), directory / "entities.parquet")
    group(directory)
    for name in slice_names(directory):
        deal(directory, name, buckets)
    counts = Counts()
    found = []
    for number in range(buckets):
        counts.add(plan_bucket(directory, number, SETTINGS))
        for page in bodies(directory, number, 1):
            found += [msgspec.msgpack.decode(body, type=Group) for _, body in page]
    return found, counts


def test_profiles_that_moved_meanwhile_are_left_out_and_partings_name_units(tmp_path: Path) -> None:
    rows = [
        [unit(1), unit(2, 1, winner=1), unit(3, lineage=[30])],
        [unit(2), unit(4, apart=[30, 99]), unit(5, apart=[4]), unit(6)],
    ]
    write(tmp_path, rows)
    assert settle(tmp_path) == (4, 4, 2, 2)
    assert settle(tmp_path).moved == 0  # again: nothing is there twice
    left = [
        row["unit_id"] for path in sorted((tmp_path / "units").iterdir()) for row in pq.read_table(path).to_pylist()
    ]
    assert left == [3, 4, 5, 6]
    assert pq.read_table(tmp_path / "cannot_links.parquet").to_pylist() == [
        {"left": 3, "right": 4},
        {"left": 4, "right": 5},
    ]


def test_a_partition_must_name_every_unit_once(tmp_path: Path) -> None:
    write(tmp_path, [[unit(1), unit(2), unit(3, has_record=False)]])
    with pytest.raises(Invalid, match="lacks 1 unit"):
        decide(tmp_path, {1: "a"})
    pq.write_table(
        pa.table({"unit_id": [1, 1, 2], "entity_id": ["a", "b", "b"], "confidence": [1.0] * 3}),
        tmp_path / "entities.parquet",
    )
    with pytest.raises(Invalid, match="twice"):
        group(tmp_path)


def test_a_plan_counts_whom_it_touches_and_is_the_same_however_it_is_sliced(tmp_path: Path) -> None:
    rows = [
        unit(1, segments=["vip"], consents=["ads=1", "mail=1"], namespaces=["user_id=1"]),
        unit(2, segments=["vip", "new"], consents=["ads=0"]),
        unit(3, namespaces=["user_id=1"], consents=["mail=0"]),
        unit(4, segments=["vip"]),
        unit(5, 4, winner=4),
        unit(6, 4, winner=5, has_record=False),  # too little to go by: it stays with 5
        unit(7, segments=["vip"]),
        unit(8, apart=[1]),
        unit(9),
    ]
    entities = {1: "a", 2: "a", 3: "a", 4: "b", 5: "c", 7: "d", 8: "a", 9: "a"}
    plans = []
    for number, slices in enumerate([[rows], [rows[:2], rows[2:5], rows[5:]]]):
        directory = tmp_path / str(number)
        directory.mkdir()
        write(directory, slices)
        plans.append(decide(directory, entities, buckets=1 + number))
    assert plans[0] == plans[1]
    groups, counts = plans[0]
    assert [[(u.unit, u.person) for u in g.units] for g in groups] == [
        [(1, 1), (2, 1), (3, 3), (8, 3), (9, 1)],
        [(4, 4), (5, 5), (6, 5)],
    ]
    assert groups[1].digests == {4: 1004} and [u.digest for u in groups[1].units] == [104, 105, 106]
    assert (counts.groups, counts.joins, counts.restores, counts.profiles) == (2, 3, 1, 6)
    assert (counts.people_joined, counts.profiles_split, counts.largest) == (2, 1, 3)
    assert (counts.kept_apart_by_limits, counts.kept_apart_by_partings) == (1, 0)
    assert counts.segments == {"vip": 3, "new": 1}
    assert counts.consents == {
        "ads": ConsentCounts(granted=1, refused=1, disagreeing=1),
        "mail": ConsentCounts(granted=1, refused=1),
    }


def test_what_nobody_may_join_is_no_plan(tmp_path: Path) -> None:
    write(tmp_path, [[unit(1, apart=[2]), unit(2)]])
    groups, counts = decide(tmp_path, {1: "a", 2: "a"})
    assert groups == [] and (counts.groups, counts.kept_apart_by_partings) == (0, 1)
