"""How sure a difference of two versions is: intervals that hold what is true, and no verdict where there is none."""

import numpy as np
import pytest

from models.scoring.comparison import Comparison, differences, gain
from models.scoring.evaluation import NUMBER, PROBABILITY, Report
from models.scoring.gate import Gate
from models.scoring.registry import obstacles

ERROR = "mean_absolute_error"


def compared(found: tuple[float, float, float]) -> Comparison:
    difference, low, high = found
    return Comparison(version=2, champion=1, measure="m", difference=difference, low=low, high=high)


def test_the_interval_holds_the_true_difference_nearly_always() -> None:
    held, verdicts = 0, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        outcomes = rng.normal(size=300)
        hard = rng.normal(size=300)  # what both find hard
        one, other = (outcomes + hard + rng.normal(size=300) for _ in range(2))
        found = differences(ERROR, NUMBER[ERROR], one, other, outcomes)
        assert found is not None
        held += found[1] <= 0 <= found[2]
        verdicts.append(compared(found).verdict)
    assert held >= 52 and verdicts.count("not distinguishable") == held


def test_what_is_better_is_told_as_such_and_the_same_each_time() -> None:
    rng = np.random.default_rng(3)
    likely = rng.random(2_000)
    yes = (rng.random(2_000) < likely).astype(np.float64)
    noisy = np.clip(likely + rng.normal(0, 0.5, 2_000), 0, 1)

    for measure in ("auc", "brier"):
        found = differences(measure, PROBABILITY[measure], likely, noisy, yes)
        assert found is not None and found == differences(measure, PROBABILITY[measure], likely, noisy, yes)
        assert compared(found).verdict == "better"
        turned = differences(measure, PROBABILITY[measure], noisy, likely, yes)
        assert turned is not None and turned == pytest.approx((-found[0], -found[2], -found[1]))
        assert compared(turned).verdict == "worse"
    assert differences("auc", PROBABILITY["auc"], likely, noisy, np.ones(2_000)) is None


def test_no_bias_is_best() -> None:
    assert gain("bias", -0.1, 0.3) == gain("bias", 0.1, -0.3) == pytest.approx(0.2)


def test_of_few_who_did_something_chance_is_not_taken_for_sure() -> None:
    outcomes = np.zeros(200)
    outcomes[:20] = 1.0
    rng = np.random.default_rng(4)
    auc, brier = PROBABILITY["auc"], PROBABILITY["brier"]
    verdicts = []
    for _ in range(12):
        one, other = rng.random((2, 200))
        found = differences("auc", auc, one, other, outcomes)
        assert found is not None
        verdicts.append(compared(found).verdict)
        assert differences("auc", auc, one[1:], other[1:], outcomes[1:]) is None  # 19 of them
    assert verdicts.count("not distinguishable") >= 10
    assert differences("brier", brier, np.array([0.9]), np.array([0.5]), np.ones(1)) is None


def test_a_gate_may_ask_for_what_is_sure() -> None:
    gate = Gate(measure="auc", sure=True, gain=0.01)
    mine, theirs = (Report(people=5_000, measures={"auc": auc}) for auc in (0.8, 0.75))

    def why(low: float) -> list[str]:
        found = Comparison(version=2, champion=1, measure="auc", difference=0.05, low=low, high=0.1)
        return obstacles(gate, mine, theirs, found)

    assert why(0.02) == []
    assert why(0.005) == obstacles(gate, mine, theirs) == ["auc 0.8 and the champion's 0.75 are not distinguishable"]
    assert obstacles(gate, mine, None) == []
    assert obstacles(Gate(measure="auc", gain=-0.1), theirs, mine) != []  # whatever is asked for, worse is not enough
