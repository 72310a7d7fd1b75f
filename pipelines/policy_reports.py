"""Judges ways of deciding at a decision point by its log, versions that have learned of it among them."""

from collections.abc import Sequence

import numpy as np

from models.impact.policy_report import Candidate, PolicyReport, policy_report
from models.scoring.deciding import Champion, has_features, judged_values
from models.scoring.decision_point import DecisionPoint
from models.scoring.next_best_action import policy
from models.scoring.registry import ModelVersion
from pipelines.decided import Decided


def report_policies(
    name: str, point: DecisionPoint, found: Decided, versions: Sequence[ModelVersion], since: str, until: str
) -> PolicyReport:
    """The report on the decisions that were found, of a point with the features of the versions
    (`models.scoring.deciding.with_features`). `since` and `until` are as they are told."""
    notes = [] if found.share >= 1 else [f"of a sample of people: {found.share:.1%} of them"]
    judged = [each for each in versions if has_features(point, Champion.of(each).parameters)]
    notes += [f"{each.reference} has learned of a feature that is another one in the settings now: it cannot be judged"
              for each in versions if each not in judged]  # fmt: skip
    empty = PolicyReport(
        decision=name,
        value=point.value.text,
        unit=point.unit,
        since=since,
        until=until,
        horizon_days=point.horizon_days,
        decisions=None,
        people=None,
        waiting=found.waiting,
        withheld=found.withheld,
        retired=found.retired,
        left_out=found.left_out,
        notes=notes,
    )
    candidates = [_candidate(point, found, each) for each in judged]
    return policy_report(empty, list(point.actions), point.costs, found.history, candidates)


def _candidate(point: DecisionPoint, found: Decided, version: ModelVersion) -> Candidate:
    """A version without its share of chance. What came of decisions that it has learned from is no news to it: it is
    judged by those after them, and by those about people from whom nothing is learned."""
    learned = Champion.of(version).parameters
    history = found.history
    likely = policy(judged_values(point, learned, history), history.allowed, 0.0)
    unseen = found.measured | (found.at > version.learned["as_of"])
    return Candidate(version.reference, likely, np.flatnonzero(unseen))
