"""Comparisons that may be looked at every day, and how many people they need."""

from collections.abc import Callable
from math import inf, isclose

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.impact.power import detectable_effect, deviation_of_share, people_needed, power_of
from models.impact.sequential import PEOPLE_MIN, Bounds, Group, compare, width

LOOKS = 100


def looks(values: np.ndarray, treated: np.ndarray) -> list[tuple[Group, Group]]:
    """Both groups at each look."""
    sums = [np.cumsum(part) for t in (treated, ~treated) for part in (t, values * t, values**2 * t)]
    at = np.linspace(100, len(values), LOOKS).astype(int) - 1
    return [
        (Group(*(int(sums[0][i]), sums[1][i], sums[2][i])), Group(*(int(sums[3][i]), sums[4][i], sums[5][i])))
        for i in at
    ]


@pytest.mark.parametrize("held_out", [0.5, 0.1])
@pytest.mark.parametrize("kind", ["spend", "visits", "normal"])
def test_nothing_is_found_where_there_is_nothing_however_often_one_looks(kind: str, held_out: float) -> None:
    rng = np.random.default_rng(1)
    draw: dict[str, Callable[[], np.ndarray]] = {
        "spend": lambda: (rng.random(20_000) < 0.01) * rng.gamma(1.0, 100.0, 20_000),
        "visits": lambda: (rng.random(20_000) < 0.1) * 1.0,
        "normal": lambda: rng.normal(size=20_000),
    }
    found = 0
    for _ in range(300):
        values, treated = draw[kind](), rng.random(20_000) >= held_out
        found += any(compare(*groups).verdict in ("better", "worse") for groups in looks(values, treated))
    assert found / 300 <= 0.05


def test_what_is_there_is_found() -> None:
    rng = np.random.default_rng(2)
    treated = rng.random(40_000) < 0.5
    values = np.asarray(rng.normal(1 + 0.1 * treated, 1.0))
    *_, (ours, theirs) = looks(values, treated)
    told = compare(ours, theirs)
    assert told.verdict == "better"
    assert compare(theirs, ours).verdict == "worse"
    assert told.low < 0.1 < told.high
    relative = told.relative
    assert relative is not None
    assert relative[0] == pytest.approx(0.1, abs=0.03)


def test_of_few_people_nothing_is_said() -> None:
    few = Group(PEOPLE_MIN - 1, 1e9, 1e18)
    told = compare(few, Group(10_000, 0.0, 0.0))
    assert (told.low, told.high, told.verdict, told.relative) == (-inf, inf, None, None)


@pytest.mark.parametrize("times", [0.2, 1.0, 4.0])
def test_the_relative_interval_holds_the_truth_however_often_one_looks(times: float) -> None:
    rng = np.random.default_rng(4)
    missed, told = 0, 0
    for _ in range(300):
        treated = rng.random(10_000) < 0.9
        values = np.where(treated, times, 1.0) + rng.normal(size=10_000)
        found = [compare(*groups).relative for groups in looks(values, treated)]
        told += sum(each is not None for each in found)
        missed += any(each is not None and not each[1] <= times - 1 <= each[2] for each in found)
    assert missed / 300 <= 0.05
    assert told / 300 >= 0.9 * LOOKS


@given(
    st.tuples(st.integers(PEOPLE_MIN, 10_000), st.floats(0.01, 100), st.floats(0.01, 100)),
    st.tuples(st.integers(PEOPLE_MIN, 10_000), st.floats(0.01, 100), st.floats(0.01, 100)),
)
def test_the_relative_interval_holds_nothing_where_the_difference_does(
    treated: tuple[int, float, float], holdout: tuple[int, float, float]
) -> None:
    ours, theirs = (Group(n, n * mean, n * (mean**2 + sd**2)) for n, mean, sd in (treated, holdout))
    told = compare(ours, theirs)
    assume(not any(isclose(bound, 0, abs_tol=1e-6) for bound in (told.low, told.high)))
    if told.relative is not None:
        ratio, low, high = told.relative
        assert low <= ratio <= high
        assert (low > 0, high < 0) == (told.low > 0, told.high < 0)


def test_a_share_of_what_may_be_nothing_is_not_told() -> None:
    def relative(people: int) -> Bounds | None:
        spends = Group(people, 0.1 * people, 10.0 * people)
        return compare(spends, spends).relative

    assert relative(1_000) is None
    assert relative(1_000_000) is not None


def test_the_interval_is_tightest_where_it_was_planned() -> None:
    widths = {people: width(people, 0.05, 10_000) for people in (100, 1_000, 10_000, 100_000, 1_000_000)}
    assert min(widths, key=lambda people: widths[people]) in (10_000, 100_000)
    assert widths[10_000] < 3.1 < 1.6 * 1.96 < widths[100]


def test_people_who_are_needed_find_it_as_often_as_they_should() -> None:
    rng = np.random.default_rng(3)
    people = people_needed(0.2, 1.0, holdout=0.3)
    found = 0
    for _ in range(2_000):
        held = rng.random(people) < 0.3
        values = rng.normal(0.2 * ~held, 1.0)
        error = np.sqrt(values[held].var() / held.sum() + values[~held].var() / (~held).sum())
        found += abs(values[~held].mean() - values[held].mean()) > 1.96 * error
    assert found / 2_000 == pytest.approx(0.8, abs=0.03)
    assert power_of(people, 0.2, 1.0, 0.3) == pytest.approx(0.8, abs=0.005)
    assert detectable_effect(people, 1.0, 0.3) == pytest.approx(0.2, rel=0.01)
    assert deviation_of_share(0.5) == 0.5


def test_what_is_not_possible_is_refused() -> None:
    for arguments in ((0.0, 1.0), (0.1, 0.0), (0.1, 1.0, 1.0), (0.1, 1.0, 0.5, 2.0), (0.1, 1.0, 0.5, 0.05, 1.0)):
        with pytest.raises(ValueError, match="expected"):
            people_needed(*arguments)
    with pytest.raises(ValueError, match="two"):
        detectable_effect(1, 1.0)
