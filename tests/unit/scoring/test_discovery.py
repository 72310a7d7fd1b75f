"""Discovery: what differs is found, and groups cover everybody."""

import numpy as np
import pytest

from models.scoring.discovery import Condition, discover
from tests.strategies.discovered_people import people


def test_a_group_that_differs_is_found_with_its_conditions() -> None:
    features, outcomes, finders = people(1, effect=10.0)
    first = discover(features, outcomes, finders)[0]
    assert Condition("plan", "b") in first.conditions
    assert {condition.feature for condition in first.conditions} == {"plan", "age"}
    assert first.difference.low < 10 < first.difference.high + 1
    assert first.share == pytest.approx(1 / 3 * 0.9 * 22 / 62, abs=0.03)


def test_groups_cover_everybody_once() -> None:
    features, outcomes, finders = people(2, effect=10.0)
    held = sum(
        np.logical_and.reduce([condition.holds(features[condition.feature]) for condition in group.conditions])
        for group in discover(features, outcomes, finders)
    )
    assert (np.asarray(held) == 1).all()


def test_too_few_people_are_refused() -> None:
    features, outcomes, finders = people(3, 1.0, 100)
    with pytest.raises(ValueError, match="100 or more"):
        discover(features, outcomes, finders)
