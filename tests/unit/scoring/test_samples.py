"""Whose scores are kept, and as of when versions are compared."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.scoring.samples import PEOPLE_MAX, Sample, are_kept, kept_percent, latest_of_all
from pipelines.people_as_of import is_measured

KEYS = st.sets(st.tuples(st.integers(1, 4), st.integers(0, 5)), max_size=12)


def test_who_is_kept_is_measured_stays_so_as_people_grow_fewer_and_is_bounded() -> None:
    ids = np.random.default_rng(4).integers(0, 1 << 62, 200_000)
    kept = are_kept(ids, kept_percent(len(ids)))
    assert abs(int(kept.sum()) - PEOPLE_MAX) < 300
    assert not (kept & ~are_kept(ids, kept_percent(1_000))).any()
    assert are_kept(ids[:500], kept_percent(500)).tolist() == [is_measured(each) for each in ids[:500].tolist()]


@given(st.lists(KEYS, min_size=1, max_size=3), st.integers(0, 5))
def test_versions_are_compared_as_of_the_latest_time_of_all(keys: list[set[tuple[int, int]]], until: int) -> None:
    found = latest_of_all([dict.fromkeys(each, Sample(0.5, 0.5)) for each in keys], until)
    for person in range(1, 5):
        times = [{at for each, at in version if each == person and at <= until} for version in keys]
        chosen = set.intersection(*times) or set.union(*times)
        assert found.get(person, -1) == max(chosen, default=-1)
