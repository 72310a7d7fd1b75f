"""Distributions of when a model learned against counts of now."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scoring.contract import Output, Signature
from models.scoring.drift import DriftCounts, columns, counts, distributions, drift, live_drift, plus
from models.scoring.features import Feature, FeatureReader

NUMBERS = st.lists(st.one_of(st.just(float("nan")), st.integers(0, 6).map(float)), min_size=1, max_size=40)


def index(before: np.ndarray, now: np.ndarray) -> float:
    learned = distributions({"value": before})
    return drift(learned, counts(learned, {"value": now}))["value"]


def test_people_who_have_changed_are_noticed() -> None:
    rng = np.random.default_rng(2)
    before = rng.normal(size=10_000)
    assert index(before, rng.normal(size=10_000)) < 0.01
    assert index(before, rng.normal(1.0, 1.0, 10_000)) > 0.25
    assert index(before, np.where(rng.random(10_000) < 0.5, np.nan, before)) > 0.25
    assert index(np.zeros(10), np.zeros(10)) == 0


@given(NUMBERS, NUMBERS)
def test_the_index_is_that_of_its_definition(before: list[float], now: list[float]) -> None:
    learned = distributions({"value": np.array(before)})["value"]

    def shares(values: list[float]) -> list[float]:
        there = [value for value in values if value == value]
        ends = [-np.inf, *learned.edges, np.inf]
        groups = [sum(low <= value < high for value in there) for low, high in pairwise(ends)]
        return [max(each / len(values), 1e-4) for each in [*groups, len(values) - len(there)]]

    naive = sum((b - a) * np.log(b / a) for a, b in zip(shares(before), shares(now), strict=True))
    assert index(np.array(before), np.array(now)) == pytest.approx(naive)
    assert index(np.array(before), np.array(before)) == pytest.approx(0)


@given(NUMBERS, st.lists(NUMBERS, min_size=1, max_size=4))
def test_counts_of_batches_and_shards_add_up(before: list[float], parts: list[list[float]]) -> None:
    learned = distributions({"value": np.array(before)})
    each = [
        DriftCounts(5 + number, {"m@1": counts(learned, {"value": np.array(part)})})
        for number, part in enumerate(parts)
    ]
    total = DriftCounts()
    for one in each:
        total = plus(total, one)
    whole = counts(learned, {"value": np.array([value for part in parts for value in part])})
    assert total == DriftCounts(5, {"m@1": whole})
    found = live_drift(learned, "m@1", [*each, DriftCounts(), DriftCounts(1, {"other@1": whole})])
    assert found is not None
    assert (found.as_of, found.people, found.indices) == (5, sum(map(len, parts)), drift(learned, whole))
    assert live_drift(learned, "m@2", each) is None


def test_texts_count_by_whether_they_are_there_and_labels_by_what_they_say() -> None:
    features = {"city": Feature(trait="city", text=True)}
    signature = Signature(name="likes", features=features, output=Output(kind="label", labels=("a", "b")))

    def people(cities: list[str | None], told: list[float | str | None]) -> dict[str, np.ndarray]:
        columns_of = {"customer_id": ["c"] * len(cities), "city": cities}
        return dict(columns(signature, pa.RecordBatch.from_pydict(columns_of, FeatureReader(features).schema), told))

    then = distributions(people(["Bern", "Rome", None, "Oslo"] * 50, ["a", "b", "b", None] * 50))
    assert "Bern" not in repr(then)
    moved = drift(then, counts(then, people(["Paris", "Bonn", None, "Kiel"] * 50, ["a", "b", "b", None] * 50)))
    assert moved == {"city": 0, "value": 0}
    moved = drift(then, counts(then, people(["Paris", None, None, None] * 50, ["b", "a", "a", None] * 50)))
    assert moved["city"] > 0.25 and moved["value"] > 0.1
