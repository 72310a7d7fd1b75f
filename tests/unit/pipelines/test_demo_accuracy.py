"""The clustering measures against their definitions, pair by pair, and on cases with known answers."""

import itertools
import random

import pytest

from pipelines.demo_accuracy import measure


def test_perfect() -> None:
    found = measure([(1, "a"), (1, "a"), (2, "b")])
    assert (found.records, found.people, found.profiles) == (3, 2, 2)
    assert found.unified == found.exact == found.pairwise_f1 == found.bcubed_f1 == 1.0


def test_one_person_in_two_profiles() -> None:
    found = measure([(1, "a")] * 3 + [(1, "b")])
    assert found.unified == 0.75
    assert found.exact == 0
    assert (found.pairwise_precision, found.pairwise_recall) == (1.0, 0.5)
    assert (found.bcubed_precision, found.bcubed_recall) == (1.0, (9 + 1) / 4 / 4)


def test_two_people_in_one_profile() -> None:
    found = measure([(1, "a"), (1, "a"), (2, "a"), (2, "a"), (3, "c")])
    assert found.unified == 1.0  # each is on its main profile: precision tells that it is shared
    assert found.exact == pytest.approx(1 / 3)
    assert found.pairwise_precision == pytest.approx(2 / 6)
    assert found.bcubed_precision == pytest.approx((4 * 0.5 + 1) / 5)


def test_against_the_definitions() -> None:
    rng = random.Random(3)
    for _ in range(20):
        records = [(rng.randrange(6), rng.randrange(7)) for _ in range(rng.randint(2, 40))]
        pairs = list(itertools.combinations(records, 2))
        both = sum(a == b for a, b in pairs)
        joined = sum(a[1] == b[1] for a, b in pairs)
        same = sum(a[0] == b[0] for a, b in pairs)
        found = measure(records)
        assert found.pairwise_precision == pytest.approx(both / joined if joined else 1)
        assert found.pairwise_recall == pytest.approx(both / same if same else 1)
        precision = [
            sum(b == a for b in records) / sum(b[1] == a[1] for b in records) for a in records
        ]  # fmt: skip
        assert found.bcubed_precision == pytest.approx(sum(precision) / len(records))


def test_nothing_to_measure() -> None:
    with pytest.raises(ValueError, match="at least one"):
        measure([])
