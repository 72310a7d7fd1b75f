"""The report on a decision point: what a decision brought as it was taken, and would have brought if taken otherwise.

Told from the log alone: how likely each action was when it was decided stands in it, so that the decisions that a
policy would have taken too speak for it, weighed by how likely they were (`models.impact.policy_value`).
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from models.impact.policy_value import Estimate, PolicyValue, policy_difference, policy_value
from models.impact.sequential import Verdict
from models.scoring.next_best_action import Floats, History, guess_values, policy

LEVEL = 0.95
DECISIONS_MIN = 100  # fewer tell nothing
EFFECTIVE_MIN = 100.0  # people whom a policy is judged by: the mean of fewer is nowhere near normal
_UNCOVERED_MAX = 0.01  # share of decisions for which a policy would do what was (nearly) never done
AS_DECIDED = "as decided"


class PolicyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision is worth if taken so, after costs. Null where nothing can be said."""

    policy: Annotated[str, Meta(examples=[AS_DECIDED, "always letter", "welcome@2"])]
    decisions: Annotated[int, Meta(description="that it is judged by")]
    effective: Annotated[float, Meta(description="how many people decided about so these are worth")]
    uncovered: Annotated[float, Meta(description="share for which it would do what was (nearly) never done")]
    value: float | None
    low: float | None
    high: float | None
    difference: Annotated[float | None, Meta(description="from what was decided, on the same decisions")] = None
    difference_low: float | None = None
    difference_high: float | None = None
    verdict: Verdict | None = None


class PolicyReport(msgspec.Struct, frozen=True, kw_only=True):
    """Ways of deciding side by side. Numbers are of one decision, in `unit`."""

    decision: str
    value: str
    unit: str
    since: Annotated[str, Meta(description="of the decisions; empty: all that there are")]
    until: Annotated[str, Meta(description="they are from before then")]
    horizon_days: int
    decisions: int | None
    people: int | None
    taken: Annotated[dict[str, int], Meta(description="decisions by action")] = {}
    policies: list[PolicyFigures] = []
    level: float = LEVEL
    waiting: Annotated[int | None, Meta(description="decisions whose horizon is not over")] = None
    withheld: Annotated[int | None, Meta(description="decisions about people who may not be scored")] = 0
    retired: Annotated[int | None, Meta(description="decisions for an action that is not in the settings any more")] = 0
    left_out: Annotated[
        int | None, Meta(description="decisions about people who are not in the sample that was read")
    ] = 0
    notes: list[str] = []


class Candidate(NamedTuple):
    """A way of deciding that is to be judged."""

    name: str
    likely: Floats  # (n, k), how likely it takes each action
    rows: NDArray[np.int64]  # of decisions that it has not learned from


def policy_report(
    empty: PolicyReport, actions: Sequence[str], costs: Sequence[float], history: History, versions: Sequence[Candidate]
) -> PolicyReport:
    """The report with its figures. `empty` says what it is about; `history` has the decisions, n of k actions."""
    n = len(history.taken)
    taken = dict(zip(actions, np.bincount(history.taken, minlength=len(actions)).tolist(), strict=True))
    about = np.arange(n) if history.people is None else history.people
    report = msgspec.structs.replace(empty, decisions=n, people=len(np.unique(about)), taken=taken)
    if n < DECISIONS_MIN:
        return _noting(report, f"fewer than {DECISIONS_MIN} decisions whose horizon is over: nothing can be said yet")
    everything = np.arange(n)
    candidates = [Candidate(AS_DECIDED, history.propensities, everything)]
    candidates += [Candidate(f"always {name}", _always(place, history), everything)
                   for place, name in enumerate(actions) if history.allowed[:, place].any()]  # fmt: skip
    for each in versions:
        if len(each.rows) >= DECISIONS_MIN:
            candidates.append(each)
        else:
            unseen = f"{len(each.rows)} of these decisions"
            report = _noting(report, f"{each.name} has not learned from {unseen}: too few to judge it by")
    guesses = guess_values(history, costs)
    report = msgspec.structs.replace(report, policies=[_figures(each, history, costs, guesses) for each in candidates])
    for told in report.policies:
        if told.value is None:
            report = _noting(report, f"{told.policy}: too few people were decided about so, nothing can be said")
        elif told.uncovered > _UNCOVERED_MAX:
            share = f"for {told.uncovered:.1%} of decisions it would do what was never done"
            report = _noting(report, f"{told.policy}: {share}; that part is a model's guess")
    return report


def _always(place: int, history: History) -> Floats:
    """One action for all whom it is for; for the others the first that is for everybody."""
    allowed = history.allowed
    base = int(np.flatnonzero(allowed.all(0))[0]) if allowed.all(0).any() else place
    preferences = np.zeros(allowed.shape)
    preferences[:, base] = 1.0
    preferences[:, place] = 2.0
    return policy(preferences, allowed, 0.0)


def _figures(candidate: Candidate, history: History, costs: Sequence[float], guesses: Floats) -> PolicyFigures:
    rows = candidate.rows
    decisions = history.of(rows).decisions(costs, guesses[rows])
    likely = candidate.likely[rows]
    worth = policy_value(decisions, likely, LEVEL)
    difference = None
    if candidate.name != AS_DECIDED:
        difference = policy_difference(decisions, likely, decisions.propensities, LEVEL)
    return _told(candidate.name, len(rows), worth, difference)


def _told(name: str, decisions: int, worth: PolicyValue, difference: Estimate | None) -> PolicyFigures:
    found = PolicyFigures(
        policy=name,
        decisions=decisions,
        effective=worth.effective_people,
        uncovered=worth.uncovered,
        value=None,
        low=None,
        high=None,
    )
    if worth.effective_people < EFFECTIVE_MIN:
        return found
    value = worth.estimate
    found = msgspec.structs.replace(found, value=value.value, low=value.low, high=value.high)
    if difference is None:
        return found
    return msgspec.structs.replace(
        found,
        difference=difference.value,
        difference_low=difference.low,
        difference_high=difference.high,
        verdict="better" if difference.low > 0 else "worse" if difference.high < 0 else "not distinguishable",
    )


def _noting(report: PolicyReport, note: str) -> PolicyReport:
    return msgspec.structs.replace(report, notes=[*report.notes, note])


def withheld_policies(report: PolicyReport) -> PolicyReport:
    """The same without figures, for those who may not see counts this small."""
    return msgspec.structs.replace(
        report, decisions=None, people=None, taken={}, policies=[], waiting=None, withheld=None, retired=None,
        left_out=None, notes=["too few people to be told of"],
    )  # fmt: skip


def policy_text(report: PolicyReport) -> str:
    """The report for a terminal."""
    when = f"since {report.since} " if report.since else ""
    lines = [
        f"{report.decision}: {report.value} within {report.horizon_days} days, after costs, of decisions "
        f"{when}before {report.until}"
    ]
    if report.decisions is not None:
        taken = ", ".join(f"{count} {action}" for action, count in report.taken.items())
        lines.append(f"  {report.decisions} decisions about {report.people} people: {taken}")
    for each in report.policies:
        if each.value is not None:
            lines.append(f"  {each.policy:<20} {_interval(each.value, each.low, each.high, '')} {report.unit}")
        if each.difference is not None:
            told = _interval(each.difference, each.difference_low, each.difference_high, "+")
            lines.append(f"  {'':<20} {told} than as decided: {each.verdict}")
    for count, what in (
        (report.waiting, "decisions do not count yet: their horizon is not over"),
        (report.withheld, "decisions about people who may not be scored do not count"),
        (report.retired, "decisions for actions that the settings do not have any more do not count"),
        (report.left_out, "decisions about people who are not in the sample were left out"),
    ):
        if count:
            lines.append(f"  {count} {what}")
    return "\n".join([*lines, *(f"  note: {note}" for note in report.notes)]) + "\n"


def _interval(value: float, low: float | None, high: float | None, sign: str) -> str:
    return f"{value:{sign}.4g}  ({LEVEL:.0%}: {low:{sign}.4g} to {high:{sign}.4g})"
