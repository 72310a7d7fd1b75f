"""The report on a decision point: true where the truth is known, and silent where nothing can be known."""

from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest

from models.impact.drawing_policies_svg import policies_svg
from models.impact.policy_report import (
    AS_DECIDED,
    Candidate,
    policy_report,
    policy_text,
    withheld_policies,
)
from models.scoring.next_best_action import draw, policy
from tests.strategies.policy_worlds import ACTIONS, COSTS, EMPTY, reported, world


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
