"""Teaches a decision point from its own decisions, and measures versions by what they would have brought.

The decisions about three of ten people are never learned from: by these a version is measured, and beside it the
champion.
"""

import time
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.impact.policy_value import policy_difference, policy_value
from models.profile.state import DAY_MS
from models.scoring.comparison import Comparison
from models.scoring.deciding import DecisionParameters, has_features, judged_values, net_values
from models.scoring.decision_point import DecisionPoint
from models.scoring.evaluation import Report
from models.scoring.next_best_action import Floats, History, fit_actions, guess_values, policy
from models.scoring.registry import NEXT_BEST_ACTION, Evaluation, ModelVersion
from pipelines.decided import Decided
from pipelines.train_models import TooFew

ACTION_MIN = 100  # people who got an action and are learned from
RESPONSES_MIN = 10  # of them with a response, and as many without
VALUE = "value"  # the measure
MEASURED_MIN = 30  # people who are measured with
_TIMED = 200  # people who are decided about one by one, to see how long that takes


def train_actions(name: str, point: DecisionPoint, found: Decided) -> ModelVersion:
    """What to do for whom at a decision point. Raises TooFew, and ValueError if there is nothing to learn."""
    learn, measure = np.flatnonzero(~found.measured), np.flatnonzero(found.measured)
    _check_enough(name, point, found, learn)
    _check_measured(name, found, measure)
    history = found.history.of(learn)
    parameters = DecisionParameters(
        name=name,
        features=point.features,
        response=point.response,
        value=point.value,
        horizon_days=point.horizon_days,
        model=fit_actions(tuple(point.actions), history, point.costs),
    )
    last = int(found.at[learn].max())
    return ModelVersion(
        name=name,
        version=0,
        source="builtin",
        target=NEXT_BEST_ACTION,
        signature=parameters.signature,
        parameters=msgspec.to_builtins(parameters),
        learned={
            "as_of": last,
            "until": last + point.horizon_days * DAY_MS,
            "people": len(np.unique(found.people[learn])),
            "decisions": len(learn),
            "withheld": found.withheld,
        },
        report=measure_actions(point, found, measure, parameters),
    )


def evaluate_actions(
    point: DecisionPoint, found: Decided, versions: Mapping[int, DecisionParameters], name: str, now: int
) -> Evaluation:
    """Versions side by side, on the decisions that none has learned from; the first is compared with the second, if
    there is one. `point` has the features of the versions (`models.scoring.deciding.with_features`). Raises TooFew, and
    ValueError for a version that knows a feature as another one."""
    for number, each in versions.items():
        if not has_features(point, each):
            raise ValueError(
                f"{name}@{number} has learned of a feature that is another one in the settings now: train anew"
            )
    rows = np.flatnonzero(found.measured)
    _check_measured(name, found, rows)
    return Evaluation(
        name=name,
        at=now,
        as_of=int(found.at[rows].max()),
        until=int(found.at[rows].max()) + point.horizon_days * DAY_MS,
        outcome=point.value.text,
        asked=len(np.unique(found.people[rows])),
        comparison=_comparison(point, found, rows, list(versions.items())),
        reports={number: measure_actions(point, found, rows, each) for number, each in versions.items()},
    )


def measure_actions(
    point: DecisionPoint, found: Decided, rows: NDArray[np.int64], learned: DecisionParameters
) -> Report:
    """What a version would have brought of a decision, of those that it has not learned from, after costs: by its
    choices, and by the same for all (`rival_value`). `gain` is what choosing person by person adds, as it was when it
    learned."""
    history = found.history.of(rows)
    decisions = history.decisions(point.costs, guess_values(history, point.costs))
    worth = policy_value(decisions, _choices(history, judged_values(point, learned, history)))
    same = policy_value(decisions, _choices(history, net_values(point, learned, None, len(rows))))
    measures = {
        VALUE: worth.estimate.value,
        "value_low": worth.estimate.low,
        "value_high": worth.estimate.high,
        "rival_value": same.estimate.value,
        "rival_value_low": same.estimate.low,
        "rival_value_high": same.estimate.high,
        "uncovered": worth.uncovered,
        "personal": float(learned.model.is_personal),
    }
    if (gain := learned.model.gain) is not None:
        measures |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
    return Report(
        people=len(np.unique(found.people[rows])),
        measures=measures,
        drift={},
        milliseconds=_milliseconds(point, found, rows, learned),
    )


def _choices(history: History, expected: Floats) -> Floats:
    """What is chosen for each, (n, k), by what is expected, (n, k), without a share of chance."""
    return policy(expected, history.allowed, 0.0)


def _comparison(
    point: DecisionPoint, found: Decided, rows: NDArray[np.int64], versions: Sequence[tuple[int, DecisionParameters]]
) -> Comparison | None:
    if len(versions) < 2:
        return None
    history = found.history.of(rows)
    decisions = history.decisions(point.costs, guess_values(history, point.costs))
    mine, theirs = (_choices(history, judged_values(point, learned, history)) for _, learned in versions[:2])
    told = policy_difference(decisions, mine, theirs)
    return Comparison(
        version=versions[0][0],
        champion=versions[1][0],
        measure=VALUE,
        difference=told.value,
        low=told.low,
        high=told.high,
    )


def _check_enough(name: str, point: DecisionPoint, found: Decided, learn: NDArray[np.int64]) -> None:
    history, who = found.history.of(learn), found.people[learn]
    for number, action in enumerate(point.actions):
        got, responded = history.taken == number, history.responded
        people, yes, no = (len(np.unique(who[each])) for each in (got, got & responded, got & ~responded))
        if people < ACTION_MIN or min(yes, no) < RESPONSES_MIN:
            raise TooFew(
                f"{name}: {people} people got {action} and their horizon is over, {yes} of them responded, {no} did "
                f"not; {ACTION_MIN} are needed, {RESPONSES_MIN} of them with a response and {RESPONSES_MIN} without"
            )


def _check_measured(name: str, found: Decided, rows: NDArray[np.int64]) -> None:
    people = len(np.unique(found.people[rows]))
    if people < MEASURED_MIN:
        raise TooFew(f"{name}: decisions about {people} people to measure with; {MEASURED_MIN} are needed")


def _milliseconds(point: DecisionPoint, found: Decided, rows: NDArray[np.int64], learned: DecisionParameters) -> float:
    """How long it takes to decide about one person, at the 99th percentile."""
    took = []
    for row in rows[:_TIMED]:
        one = found.history.of(np.array([row]))
        started = time.perf_counter()
        net_values(point, learned, one.features, 1)
        took.append(1000 * (time.perf_counter() - started))
    return float(np.quantile(took, 0.99))
