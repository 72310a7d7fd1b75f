"""Comparisons that may be looked at every day, and how many people they need."""

from collections.abc import Callable
from math import inf

import numpy as np
import pytest

from models.impact.power import detectable_effect, deviation_of_share, people_needed, power_of
from models.impact.sequential import PEOPLE_MIN, Group, compare, width

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
        found += any(compare(*groups).verdict != "not distinguishable" for groups in looks(values, treated))
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
    assert (told.low, told.high, told.verdict) == (-inf, inf, "not distinguishable")
    assert told.relative is None


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
