"""Bands of scores: which one a score is in, around each edge a margin; and what they mean for settings."""

import random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.privacy.purposes import NO_PURPOSES, RESTRICTED, DataScope, Purpose, Purposes
from models.privacy.retention import is_empty
from models.profile.policy import AttributePolicy, ProfilePolicy
from models.profile.state import DAY_MS, Attribute, Observation, Profile
from models.scoring.bands import (
    Banding,
    Bands,
    Edges,
    check_edges,
    policy_with_bands,
    purposes_with_bands,
)
from models.scoring.statements import SCORER_SOURCE

NOW = 1_760_000_000_000
CHURN = {"churn": {"low": 0.0, "medium": 0.3, "high": 0.7}}
edges = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]), st.integers(-20, 20).map(lambda n: n / 4), min_size=1
).filter(lambda found: len(set(found.values())) == len(found))
scores = st.integers(-600, 600).map(lambda n: n / 100)
margins = st.sampled_from([0.0, 0.1, 0.25, 0.49])


def nearest(edges: Edges, edge: float) -> float:
    """The distance to the next edge."""
    return min((abs(edge - each) for each in edges.values() if each != edge), default=abs(edge))


@given(edges, margins, scores)
def test_who_is_in_no_band_comes_into_that_of_the_score(edges: Edges, margin: float, score: float) -> None:
    below = [name for name, least in edges.items() if least <= score]
    expected = max(below, key=lambda name: edges[name]) if below else None
    assert Bands(edges, margin).of(score, None) == expected
    assert Bands(edges, 0.0).of(score, "a") == expected


@given(edges, margins, st.lists(scores, max_size=12), st.randoms(use_true_random=False))
def test_nobody_changes_bands_by_less_than_a_margin(
    edges: Edges, margin: float, walk: list[float], chance: random.Random
) -> None:
    bands, held = Bands(edges, margin), None
    for score in walk:
        before, held = held, bands.of(score, held)
        natural = bands.of(score, None)
        assert bands.of(score, held) == held  # the same score again changes nothing
        if held != natural:  # for the margin alone
            assert any(abs(score - edge) <= margin * nearest(edges, edge) for edge in edges.values())
        if held != before and before is not None:
            edge = edges[held] if held is not None and edges[held] > edges[before] else None
            if edge is not None:
                assert score >= edge + margin * nearest(edges, edge) - 1e-9
            else:
                above = [each for each in edges.values() if held is None or each > edges[held]]
                assert score < min(above) - margin * nearest(edges, min(above)) + 1e-9


@pytest.mark.parametrize(
    ("edges", "problem"),
    [
        ({"": 1.0}, "names of 1 to 64 characters"),
        ({"low": 1.0, "high": 1.0}, "a different number"),
        ({"low": float("nan")}, "a different number"),
        ({"low": float("inf")}, "a different number"),
    ],
)
def test_what_is_no_band_is_refused(edges: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"scoring\.bands\.churn: .*{problem}"):
        check_edges({"churn": edges})


def person(value: Any = None, age_days: float = 0.0, source: str = SCORER_SOURCE) -> Profile:
    at = NOW - round(age_days * DAY_MS)
    held = {} if value is None else {"churn_band": Attribute(Observation(at, 1, value, source))}
    return Profile(7, NOW, first_seen=1, last_seen=NOW, attributes=held)


def changes(profile: Profile, score: float | None, purposes: Purposes = NO_PURPOSES) -> dict[str, str | None]:
    banding = Banding(CHURN, 0.1, purposes)
    standing = banding.standing(profile, True, NOW)
    assert standing is not None
    return banding.changes(standing, {} if score is None else {"churn": score}, ["churn"])


def test_only_what_differs_from_the_profile_is_stated() -> None:
    assert changes(person(), 0.9) == {"churn": "high"}
    assert changes(person("high"), 0.9) == {}
    assert changes(person("high"), 0.5) == {"churn": "medium"}
    assert changes(person("high"), None) == {}
    assert changes(person(), None) == {}
    assert changes(person(), -0.1) == {}
    assert changes(person("low"), -0.5) == {"churn": None}
    assert changes(person("high", source="web"), 0.9) == {"churn": "high"}
    assert changes(person("high", source="web"), None) == {"churn": None}
    assert changes(person("gone from the settings"), 0.9) == {"churn": "high"}
    assert changes(person(["high"]), 0.9) == {"churn": "high"}


def test_of_who_is_restricted_nothing_is_changed() -> None:
    restricted = person("high")
    restricted.consents = {RESTRICTED: Observation(NOW, 0, True)}
    assert Banding(CHURN, 0.1, NO_PURPOSES).standing(restricted, False, NOW) is None


@given(st.integers(1, 40), st.floats(0, 60), scores)
def test_a_statement_is_renewed_before_it_is_purged_and_never_twice_at_once(
    days: int, age_days: float, score: float
) -> None:
    assume(score >= 0)
    purposes = Purposes(known={"shop": Purpose(basis="contract", retention_days=days)}, default="shop")
    (band,) = changes(person(), score, purposes).values()
    again = changes(person(band, age_days), score, purposes)
    assert bool(again) == (age_days * DAY_MS > days * DAY_MS / 2 + 1) or abs(2 * age_days - days) < 1e-6
    assert changes(person(band, 0.0), score, purposes) == {}


def test_a_label_is_its_own_band() -> None:
    banding = Banding({**CHURN, "channel": {}}, 0.1, NO_PURPOSES)
    standing = banding.standing(person("high"), True, NOW)
    assert standing is not None
    assert banding.changes(standing, {"churn": 0.9, "channel": "email"}, ["churn", "channel"]) == {"channel": "email"}
    assert banding.changes(standing, {"churn": "email", "channel": 0.9}, ["churn", "channel"]) == {"churn": None}
    assert banding.misfits({"churn": True, "channel": False, "other": True}) == ["churn", "channel"]
    assert banding.misfits({"churn": False, "channel": True}) == []


def test_what_models_make_of_somebody_does_not_keep_them() -> None:
    assert is_empty(person("high")) and not is_empty(person("high", source="web"))


def test_bands_are_for_what_scores_are_for_unless_a_purpose_names_them() -> None:
    known = {
        "shop": Purpose(basis="contract"),
        "ads": Purpose(basis="consent", data=DataScope(sections=("scores",))),
        "care": Purpose(basis="contract", data=DataScope(sections=("scores",), traits=("value_band",))),
    }
    registry = purposes_with_bands(Purposes(known=known, default="shop"), ["churn", "value"])
    assert registry.serving("traits", "churn_band") == ["ads", "care"]
    assert registry.serving("traits", "value_band") == ["care"]
    assert registry.serving("traits", "plan") == ["shop"]
    plain = Purposes(known={"shop": Purpose(basis="contract")}, default="shop")
    assert purposes_with_bands(plain, ["churn"]) == plain
    assert purposes_with_bands(NO_PURPOSES, ["churn"]) == NO_PURPOSES


def test_a_policy_of_such_a_trait_is_refused() -> None:
    policy = policy_with_bands(ProfilePolicy(), ["churn"])
    assert policy.attributes["churn_band"].merge == "source_priority"
    assert policy_with_bands(policy, ["churn"]) == policy  # settings are handed on as they are in force
    with pytest.raises(ValueError, match=r"profile\.attributes\.churn_band: .*leave it out"):
        policy_with_bands(ProfilePolicy(attributes={"churn_band": AttributePolicy("first")}), ["churn"])
