"""Criteria of discovered groups: they hold for the very people for whom the conditions do, whatever these are of."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.profile.state import DAY_MS, Attribute, Observation, Profile
from models.scoring.additive import Column
from models.scoring.discovery import Condition, members, simplified
from models.scoring.features import Feature, FeatureReader
from models.scoring.group_criteria import check_sayable, criteria_of, nearest
from models.segments.compile import compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.evaluate import evaluate
from tests.strategies.segment_strategies import (
    NOON,
    demographic,
    engagement,
    event_counts,
    event_properties,
    event_times_compared,
    histories,
    profile_of,
    transactional,
)

_OPERATORS = ("exists", "not_exists")
measured = st.one_of(event_counts, event_properties, event_times_compared, transactional)
computed = measured.map(lambda clause: {key: part for key, part in clause.items() if key not in ("operator", "value")})
features = st.one_of(
    computed.map(lambda expression: Feature(computed=expression)),
    st.one_of(demographic, engagement, measured).map(
        lambda clause: Feature(computed={"type": "predicate", "criteria": clause})
    ),
    st.builds(Feature, trait=st.sampled_from(("city", "address.city")), text=st.booleans()),
    st.just(Feature(history="stage")),
)
amounts = st.sampled_from((-1.0, 0.0, 0.4, 1.0, 1.6, 2.5, 3.0, 7.5, 10.0, 20.0, 33.3333333333))
times = st.integers(-120, 2).map(lambda days: float(NOON + days * DAY_MS // 2))
texts = st.sampled_from(("Oslo", "2", "true", "false", "known", "active", "lapsed"))


@given(st.data(), st.lists(histories, min_size=3, max_size=6))
def test_criteria_hold_for_whom_conditions_hold(data: st.DataObject, people: list[Any]) -> None:
    asked = {
        f"f{number}": feature for number, feature in enumerate(data.draw(st.lists(features, min_size=1, max_size=3)))
    }
    profiles = [profile_of(person) for person in people]
    told = FeatureReader(asked).batch(profiles, NOON)
    columns: dict[str, Column] = {
        name: told.column(name).to_pylist()
        if feature.is_text
        else np.asarray(told.column(name).to_numpy(zero_copy_only=False), np.float64)
        for name, feature in asked.items()
    }
    conditions = []
    for name, feature in asked.items():
        check_sayable(name, feature)
        own = [value for value in told.column(name).to_pylist() if value is not None]
        some = st.sampled_from(own) if own else st.nothing()
        values = texts | some if feature.is_text else amounts | times | some
        found = nearest(Condition(name, data.draw(values), data.draw(st.booleans())), feature, NOON)
        conditions += [found] if found is not None else []
    assume(conditions)
    criteria = criteria_of(simplified(conditions), asked, NOON)
    compiled = compile_segment(SegmentDefinition("g", "G", criteria))
    assert [evaluate(compiled, profile, NOON).member for profile in profiles] == members(conditions, columns).tolist()


@pytest.mark.parametrize("least", [-1.0, 0.0, 0.5, 1.0, 2.0])
def test_true_and_false_are_numbers_in_drafts_as_in_features(least: float) -> None:
    values: list[Any] = [True, False, 1, 0, 0.7, 3, "2", None]
    profiles = [
        Profile(number, 1, attributes={"vip": Attribute(Observation(1, 1, value, "web"))})
        for number, value in enumerate(values)
    ]
    feature = {"vip": Feature(trait="vip")}
    columns: dict[str, Column] = {
        "vip": np.asarray(FeatureReader(feature).batch(profiles, NOON).column("vip").to_numpy(zero_copy_only=False))
    }
    condition = Condition("vip", least)
    compiled = compile_segment(SegmentDefinition("g", "G", criteria_of([condition], feature, NOON)))
    told = [evaluate(compiled, profile, NOON).member for profile in profiles]
    assert told == members([condition], columns).tolist()
    assert told[0] == (least <= 1) and told[1] == (least <= 0)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from((1.0, 2.0, 3.0)), st.booleans()), min_size=1), st.data()
)
def test_simpler_conditions_are_met_by_the_same_people(
    drawn: list[tuple[str, float, bool]], data: st.DataObject
) -> None:
    conditions = [Condition(*each) for each in drawn]
    conditions += [
        Condition("t", value, held)
        for value, held in data.draw(st.lists(st.tuples(st.sampled_from("xy"), st.booleans())))
    ]
    cells = [0.5, 1.0, 2.5, 4.0, float("nan")]
    grid = [(a, b, t) for a in cells for b in cells for t in ("x", "y", "z")]
    columns: dict[str, Column] = {
        "a": np.array([row[0] for row in grid]),
        "b": np.array([row[1] for row in grid]),
        "t": [row[2] for row in grid],
    }
    fewer = simplified(conditions)
    assert members(fewer, columns).tolist() == members(conditions, columns).tolist()
    assert len(fewer) <= len(set(conditions))


@pytest.mark.parametrize(
    "feature",
    [
        Feature(history="repeat_purchases"),
        Feature(history="activity"),
        Feature(computed={"type": "behavioral", "event": "Viewed", "measure": "most_frequent", "property": "color"}),
        Feature(computed={"type": "behavioral", "event": "Viewed"}, text=True),
    ],
)
def test_what_no_criterion_tells_is_refused_by_name(feature: Feature) -> None:
    with pytest.raises(ValueError, match=r"features\.often: no criterion says this; give a trait"):
        check_sayable("often", feature)


def test_criteria_that_would_be_too_deep_are_refused_beforehand() -> None:
    deep: dict[str, Any] = {"type": "lifecycle", "stage": "known"}
    for _ in range(7):
        deep = {"not": deep}
    with pytest.raises(ValueError, match=r"features\.deep: .*levels"):
        check_sayable("deep", Feature(computed={"type": "predicate", "criteria": deep}))
