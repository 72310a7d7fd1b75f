"""Criteria that name bands which no score has."""

from typing import Any

import pytest

from models.scoring.band_criteria import band_notes
from models.segments.parse_criteria import parse_criteria

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
    ],
)
def test_of_bands_that_there_are_nothing_is_said(good: dict[str, Any]) -> None:
    assert band_notes(parse_criteria(good), BANDS) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (clause("chrun_band"), "no score of that name has bands (scoring.bands: churn, channel)"),
        (clause("chrun_band", "exists"), "no score of that name has bands"),
        (clause("churn_band", "equals", "hihg"), "expected bands of the score (low, high)"),
        (clause("churn_band", "not_in", ["high", "hihg"]), "expected bands of the score (low, high)"),
    ],
)
def test_what_no_score_has_is_told_wherever_it_stands_and_once(wrong: dict[str, Any], said: str) -> None:
    for criteria in (wrong, {"not": wrong}, {"all": [clause("plan"), {"any": [wrong, {"not": wrong}]}]}):
        (note,) = band_notes(parse_criteria(criteria), BANDS)
        assert said in note and note.startswith(f"trait {wrong['trait']}: ") and "hihg" not in note
