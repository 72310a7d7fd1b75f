"""Choosing at a decision point: among what is allowed, as likely as told, and by what is known of the person."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.privacy.purposes import NO_PURPOSES
from models.profile.lifecycle import DEFAULT_RULES
from models.scoring.bands import Banding
from models.scoring.deciding import Champion, choose, columns, judged_values, uniform_of
from models.scoring.decision_point import Action, DecisionPoint, check_decisions
from models.scoring.features import Feature
from models.scoring.lineup import Lineup
from models.scoring.next_best_action import History
from models.scoring.outcomes import Outcome
from models.scoring.registry import Alias, ModelVersion
from tests.strategies.decision_points import POINT, champion
from tests.strategies.purchase_models import version

EVERYBODY, REACHABLE = POINT.allowed(()), POINT.allowed({"reachable"})
GOLD, BASIC = {"plan": "gold"}, {"plan": "basic"}


def test_without_a_champion_all_that_is_allowed_is_as_likely() -> None:
    assert (EVERYBODY, REACHABLE) == (["none", "letter"], ["none", "letter", "call"])
    chosen = choose(POINT, None, GOLD, EVERYBODY, 0.7)
    assert chosen == ("letter", {"none": 0.5, "letter": 0.5}, {}, "", False)


def test_a_champion_chooses_by_the_person_and_leaves_a_share_to_chance() -> None:
    best = Champion.of(champion())
    for person, action in ((GOLD, "letter"), (BASIC, "call")):
        chosen = choose(POINT, best, person, REACHABLE, 0.5)
        assert (chosen.action, chosen.model, chosen.personal) == (action, "welcome@1", True)
        assert chosen.propensities[action] == pytest.approx(0.9 + 0.1 / 3)
        assert max(chosen.expected, key=lambda each: chosen.expected[each]) == action
    assert choose(POINT, best, BASIC, EVERYBODY, 0.5).propensities == pytest.approx({"none": 0.05, "letter": 0.95})
    assert choose(POINT, best, BASIC, EVERYBODY, 0.01).action == "none"


def test_for_somebody_who_may_not_be_looked_at_it_is_what_is_best_for_all() -> None:
    for known, features in ((champion(), None), (champion(personal=False), BASIC)):
        chosen = choose(POINT, Champion.of(known), features, REACHABLE, 0.5)
        assert (chosen.action, chosen.personal) == ("letter", False)
        assert chosen.expected == pytest.approx({"none": 0.2, "letter": 4.5, "call": 4.0})


@given(st.lists(st.tuples(st.sampled_from([GOLD, BASIC]), st.booleans(), st.booleans()), min_size=1))
def test_what_a_version_is_judged_by_is_what_it_would_have_chosen_by(
    decided: list[tuple[dict[str, str], bool, bool]],
) -> None:
    best = Champion.of(champion())
    allowed = [REACHABLE if is_reachable else EVERYBODY for _, is_reachable, _ in decided]
    propensities = np.array([[each.count(name) / len(each) for name in POINT.actions] for each in allowed])
    people, served = [person for person, _, _ in decided], np.array([is_served for _, _, is_served in decided])
    told = columns(POINT.features, people, [dict.fromkeys(each) for each in allowed])
    nothing = np.zeros(len(decided))
    history = History(told, nothing.astype(np.int64), propensities, nothing > 0, nothing, served={"plan": served})
    judged = judged_values(POINT, best.parameters, history)
    for row, (person, _, is_served) in enumerate(decided):
        chosen = choose(POINT, best, person if is_served else None, allowed[row], 0.5)
        expected = dict(zip(POINT.actions, judged[row].tolist(), strict=True))
        assert {name: expected[name] for name in allowed[row]} == pytest.approx(chosen.expected)


def test_costs_and_actions_are_those_of_the_settings() -> None:
    best = Champion.of(champion(personal=False))
    dearer = {**POINT.actions, "letter": Action(cost=3.0), "visit": Action()}
    point = msgspec.structs.replace(POINT, actions=dearer)
    chosen = choose(point, best, None, point.allowed({"reachable"}), 0.5)
    assert chosen.expected == pytest.approx({"none": 0.2, "letter": 2.0, "call": 4.0})  # of a visit nothing is known
    assert chosen.action == "call"
    assert chosen.propensities["visit"] == pytest.approx(0.025)
    point = msgspec.structs.replace(POINT, actions={"visit": Action(), "gift": Action()})
    unknown = choose(point, best, GOLD, point.allowed(()), 0.7)
    assert unknown == ("gift", {"visit": 0.5, "gift": 0.5}, {}, "", False)


def test_the_draw_is_as_likely_as_told() -> None:
    best = Champion.of(champion(personal=False))
    draws = [uniform_of(f"d{number}") for number in range(20_000)]
    assert np.histogram(draws, 10, (0, 1))[0] == pytest.approx(np.full(10, 2_000), abs=200)
    counts = Counter(choose(POINT, best, None, REACHABLE, each).action for each in draws[:3_000])
    assert counts["call"] / 3_000 == pytest.approx(0.1 / 3, abs=0.01)


@given(st.floats(0, 1, exclude_max=True), st.sampled_from([None, GOLD, BASIC, {"plan": None}]), st.booleans())
def test_propensities_are_of_what_is_allowed_and_what_is_taken_was_possible(
    uniform: float, person: dict[str, str | None] | None, reachable: bool
) -> None:
    allowed = REACHABLE if reachable else EVERYBODY
    for known in (None, Champion.of(champion()), Champion.of(champion(personal=False))):
        chosen = choose(POINT, known, person, allowed, uniform)
        assert list(chosen.propensities) == allowed
        assert sum(chosen.propensities.values()) == pytest.approx(1.0)
        assert chosen.propensities[chosen.action] > 0
        assert min(chosen.propensities.values()) >= POINT.explore / 3 - 1e-9


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"features": {}}, r"scoring\.decisions\.welcome\.features: expected 1"),
        ({"features": {"Plan": Feature(trait="plan")}}, "features: expected a lower-case letter"),
        ({"actions": {"none": Action()}}, "expected 2 to 20; to do nothing is one"),
        ({"actions": {"a": Action(segment="s"), "b": Action(segment="s")}}, "for everybody, without a segment"),
        (
            {"actions": {f"a{number}": Action() for number in range(20)}},
            "explore: expected at least 0.2 with 20 actions",
        ),
        ({"features": {"value": Feature(trait="plan")}}, r"welcome\.features: value is taken"),
        ({"response": Outcome(kind="revenue")}, "response: expected a yes or no"),
        ({"response": Outcome(kind="left", segment="s")}, "no profile tells who left"),
        ({"value": Outcome(kind="revenue")}, r"value\.currency: expected one"),
    ],
)
def test_what_does_not_fit_is_told_with_the_way_out(change: dict[str, object], told: str) -> None:
    check_decisions({"welcome": POINT})
    with pytest.raises(ValueError, match=told):
        check_decisions({"welcome": msgspec.structs.replace(POINT, **change)})
    with pytest.raises(ValueError, match="name: expected a lower-case letter"):
        check_decisions({"Wel come": POINT})


def test_a_decision_point_is_read_from_settings() -> None:
    told = {
        "features": {"often": {"history": "repeat_purchases"}},
        "actions": {"none": {}, "email": {"cost": 0.05, "segment": "mail"}},
        "response": {"kind": "event", "event": "Product Viewed"},
        "value": {"kind": "revenue", "currency": "EUR"},
    }
    point = msgspec.convert(told, DecisionPoint)
    check_decisions({"welcome": point})
    assert (point.costs, point.horizon_days, point.explore, point.unit) == ([0.0, 0.05], 14, 0.1, "EUR")


def test_a_version_that_decides_scores_nobody() -> None:
    champions: dict[tuple[str, Alias], ModelVersion] = {
        ("welcome", "champion"): champion(),
        ("welcome", "challenger"): champion(number=2),
        ("churn", "champion"): version("churn"),
    }
    lineup = Lineup(champions, NO_PURPOSES, DEFAULT_RULES, Banding({}, 0.1, NO_PURPOSES))
    assert (lineup.names("champion"), lineup.names("challenger")) == (["churn"], [])
