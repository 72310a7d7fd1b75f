"""Engagement: one number that decays, against the sum that it stands for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scoring.engagement import NEVER, add, decayed, joined, scale_of

HALF_LIFE = 30.0
DEEDS = st.lists(st.tuples(st.floats(0, 1_000), st.floats(0.01, 100)), max_size=30)


def level_of(deeds: list[tuple[float, float]]) -> float:
    level = NEVER
    for at, weight in deeds:
        level = add(level, at, weight, HALF_LIFE)
    return level


@given(DEEDS)
def test_the_level_stands_for_the_decayed_sum(deeds: list[tuple[float, float]]) -> None:
    naive = math.fsum(weight * 0.5 ** ((1_000 - at) / HALF_LIFE) for at, weight in deeds)
    assert decayed(level_of(deeds), 1_000, HALF_LIFE) == pytest.approx(naive, rel=1e-9, abs=1e-300)


@given(DEEDS, DEEDS)
def test_order_does_not_matter_and_people_add_up(
    one: list[tuple[float, float]], other: list[tuple[float, float]]
) -> None:
    together = level_of([*one, *other])
    assert level_of([*reversed(other), *one]) == pytest.approx(together)
    assert joined(level_of(one), level_of(other), HALF_LIFE) == pytest.approx(together)


def test_scores_are_shares_of_people_who_do_less() -> None:
    levels = [float(number) for number in range(10_000)]
    scale = scale_of([*levels, NEVER], 10_000)
    assert len(scale.levels) == 1_000
    assert scale.score(NEVER, 10_000) == 0
    assert scale.score(20_000.0, 10_000) == 100
    for share in (1, 25, 50, 99):
        assert scale.score(share * 100.0, 10_000) == pytest.approx(share, abs=0.2)
    assert scale.score(5_000.0, 12_000) < scale.score(5_000.0, 10_000)  # who does nothing more falls back
    assert scale_of([3.0, 3.0], 5).score(3.0, 5) == 50
