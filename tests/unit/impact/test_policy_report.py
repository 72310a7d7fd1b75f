"""The report on a decision point: true where the truth is known, and silent where nothing can be known."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest

from models.impact.drawing_policies_svg import policies_svg
from models.impact.policy_report import (
    AS_DECIDED,
    Candidate,
    PolicyFigures,
    PolicyReport,
    policy_report,
    policy_text,
    withheld_policies,
)
from models.scoring.additive import Column
from models.scoring.next_best_action import Floats, History, draw, policy

ACTIONS = ("none", "letter", "call")
COSTS = (0.0, 0.5, 1.0)
EMPTY = PolicyReport(
    decision="welcome", value="revenue in EUR", unit="EUR", since="", until="2026-03-01T00:00:00.000Z",
    horizon_days=14, decisions=None, people=None,
)  # fmt: skip
_RATES = np.array([[0.1, 0.5, 0.1], [0.1, 0.1, 0.5]])  # by kind of people
_WORTH = np.array([10.0, 20.0])  # of a response, by whether a call is for them


class World(NamedTuple):
    """Decisions, each about another, and what each action would have brought of each on average."""

    history: History
    means: Floats  # (n, k), after costs
    personal: Floats  # (n, k), the best for each


def world(seed: int, n: int = 3_000) -> World:
    """Half were decided by chance and half by a champion that takes letters, with a tenth left to chance. A call is for
    two of three people, who bring more whatever is done."""
    rng = np.random.default_rng(seed)
    kind, reachable = rng.integers(0, 2, n), rng.random(n) < 2 / 3
    allowed = np.column_stack([np.ones((n, 2), bool), reachable])
    by_chance = policy(np.zeros((n, 3)), allowed, 1.0)
    by_champion = policy(np.tile([0.0, 1.0, 0.5], (n, 1)), allowed, 0.1)
    propensities = np.where((np.arange(n) % 2 == 0)[:, None], by_chance, by_champion)
    taken = draw(propensities, rng.random(n))
    responded = rng.random(n) < _RATES[kind, taken]
    worth = _WORTH[reachable.astype(int)]
    values = np.where(responded, rng.gamma(2.0, worth / 2), 0.0)
    features: dict[str, Column] = {
        "kind": ["ab"[each] for each in kind],
        "allowed:call": ["yes" if each else "no" for each in reachable],
    }
    means = _RATES[kind] * worth[:, None] - np.array(COSTS)
    history = History(features, taken, propensities, responded, values.astype(np.float64))
    return World(history, means, policy(means, allowed, 0.0))


def reported(made: World, rows: Sequence[int] | None = None) -> dict[str, PolicyFigures]:
    unseen = np.arange(len(made.history.taken)) if rows is None else np.array(rows, np.int64)
    found = policy_report(EMPTY, ACTIONS, COSTS, made.history, [Candidate("welcome@2", made.personal, unseen)])
    return {each.policy: each for each in found.policies}


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held: dict[str, list[bool]] = {}
    for seed in range(120):
        made = world(seed, 2_400)
        allowed = made.history.allowed
        base = np.zeros(allowed.shape)
        truths = {AS_DECIDED: made.history.propensities, "welcome@2": made.personal}
        for place, action in enumerate(ACTIONS):
            base[:] = [1.0, 0.0, 0.0]
            base[:, place] = 2.0
            truths[f"always {action}"] = policy(base, allowed, 0.0)
        decided = (made.means * made.history.propensities).sum(1).mean()
        for name, figures in reported(made).items():
            truth = (made.means * truths[name]).sum(1).mean()
            assert figures.low is not None and figures.high is not None
            held.setdefault(name, []).append(bool(figures.low <= truth <= figures.high))
            if figures.difference_low is not None and figures.difference_high is not None:
                difference = truth - decided
                inside = figures.difference_low <= difference <= figures.difference_high
                held.setdefault(f"{name}, difference", []).append(bool(inside))
    assert len(held) == 9
    shares = {name: float(np.mean(each)) for name, each in held.items()}
    # Of policies that were seldom followed, and rarely answered, somewhat less often.
    assert min(shares.values()) >= 0.85 and np.mean(list(shares.values())) >= 0.91, shares


def test_what_is_better_and_what_is_worse_is_told_and_a_guess_is_not() -> None:
    found = reported(world(1))
    assert found["welcome@2"].verdict == "better"
    assert found["always none"].verdict == "worse"
    assert found[AS_DECIDED].verdict is None and found[AS_DECIDED].difference is None
    assert found[AS_DECIDED].effective == pytest.approx(3_000)
    assert found["always call"].effective < found["always letter"].effective < 3_000


def test_a_champion_is_judged_by_what_it_has_not_learned_from() -> None:
    made = world(3)
    some = reported(made, rows=range(0, 3_000, 3))
    assert (some["welcome@2"].decisions, some["always letter"].decisions) == (1_000, 3_000)
    few = policy_report(EMPTY, ACTIONS, COSTS, made.history, [Candidate("welcome@2", made.personal, np.arange(20))])
    assert [each.policy for each in few.policies] == [AS_DECIDED, "always none", "always letter", "always call"]
    assert few.notes == ["welcome@2 has not learned from 20 of these decisions: too few to judge it by"]


def test_of_what_was_never_done_nothing_is_said() -> None:
    made = world(4, 2_000)
    always = policy(np.tile([0.0, 1.0, 0.5], (2_000, 1)), made.history.allowed, 0.0)
    only = made.history._replace(taken=np.ones(2_000, np.int64), propensities=always)
    sure = policy_report(EMPTY, ACTIONS, COSTS, only, [Candidate("welcome@2", made.personal, np.arange(2_000))])
    assert [each.policy for each in sure.policies] == [AS_DECIDED, "always letter", "welcome@2"]
    assert sure.policies[2].uncovered > 0.2
    assert any("do what was never done; that part is a model's guess" in note for note in sure.notes)
    rare = np.tile([0.994, 0.003, 0.003], (2_000, 1))
    seldom = made.history._replace(taken=draw(rare, np.random.default_rng(5).random(2_000)), propensities=rare)
    told = policy_report(EMPTY, ACTIONS, COSTS, seldom, [])
    assert [each.value is None for each in told.policies] == [False, False, True, True]
    assert told.notes[0] == "always letter: too few people were decided about so, nothing can be said"
    none = policy_report(EMPTY, ACTIONS, COSTS, world(6, 99).history, [])
    assert none.policies == [] and "fewer than 100 decisions" in none.notes[0]
    assert policy_report(EMPTY, ACTIONS, COSTS, world(7, 0).history, []).decisions == 0


def test_it_is_read_as_text_and_seen_as_a_picture() -> None:
    made = world(8)
    report = policy_report(
        msgspec.structs.replace(EMPTY, since="2026-01-01T00:00:00.000Z", waiting=7, withheld=2, retired=3),
        ACTIONS, COSTS, made.history, [Candidate("welcome@2", made.personal, np.arange(3_000))],
    )  # fmt: skip
    told = policy_text(report)
    for part in ("since 2026-01-01", "3000 decisions about 3000 people", "always call", "than as decided: better"):
        assert part in told
    for part in ("7 decisions do not count yet", "2 decisions about people", "3 decisions for actions"):
        assert part in told
    picture = ET.fromstring(policies_svg(report))
    seen = "".join(picture.itertext())
    for each in report.policies:
        assert each.policy in seen and f"{each.value:.4g}".replace("-", "\u2212") in seen
    hidden = withheld_policies(report)
    assert not any(each in policy_text(hidden) + policies_svg(hidden) for each in ("3000", "welcome@2"))
    assert "too few people to be told of" in policy_text(hidden)
    assert "nothing can be told yet" in policies_svg(hidden)
