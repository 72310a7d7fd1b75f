"""Criteria that name bands which no score has."""

from typing import Any

import pytest

from models.scoring.band_criteria import band_notes
from models.segments.parse_criteria import parse_criteria

SCORES = ("churn", "channel", "lifetime_value")
BANDS: dict[str, dict[str, float]] = {"churn": {"low": 0.0, "high": 0.7}, "channel": {}}


def clause(trait: str, operator: str = "equals", value: Any = "high") -> dict[str, Any]:
    told = {} if operator in ("exists", "not_exists") else {"value": value}
    return {"type": "demographic", "trait": trait, "operator": operator, **told}


@pytest.mark.parametrize(
    "good",
    [
        clause("churn_band"),
        clause("churn_band", "in", ["low", "high"]),
        clause("churn_band", "exists"),
        clause("channel_band", value="email"),  # labels are those of the model
        clause("churn", value="x"),
        clause("band", value="x"),
        clause("age_band", value="40 to 50"),  # a customer's own
    ],
)
def test_of_bands_that_there_are_nothing_is_said(good: dict[str, Any]) -> None:
    assert band_notes(parse_criteria(good), BANDS, SCORES) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (clause("chrun_band"), "no score is called chrun: was churn_band meant?"),
        (clause("chrun_band", "exists"), "was churn_band meant?"),
        (clause("lifetime_value_band"), "only events can tell it: set scoring.bands.lifetime_value"),
        (clause("lifetime_vlaue_band"), "was lifetime_value_band meant?"),
        (clause("churn_band", "equals", "hihg"), "expected bands of the score (low, high)"),
        (clause("churn_band", "not_in", ["high", "hihg"]), "expected bands of the score (low, high)"),
    ],
)
def test_what_no_score_has_is_told_wherever_it_stands_and_once(wrong: dict[str, Any], said: str) -> None:
    for criteria in (wrong, {"not": wrong}, {"all": [clause("plan"), {"any": [wrong, {"not": wrong}]}]}):
        (note,) = band_notes(parse_criteria(criteria), BANDS, SCORES)
        assert said in note and note.startswith(f"trait {wrong['trait']}: ") and "hihg" not in note
