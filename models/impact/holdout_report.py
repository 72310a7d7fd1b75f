"""The report on a segment's holdout: what being treated brought, how sure that is, and what could have been told."""

from math import sqrt
from statistics import NormalDist
from typing import Annotated

import msgspec

from models.impact.holdout_outcomes import Measure, Sums
from models.impact.power import detectable_effect, people_needed
from models.impact.sequential import PEOPLE_MIN, Bounds, Verdict, compare, width

_NORMAL = NormalDist()
LEVEL = 0.95
POWER = 0.8
_SMALL_EFFECT = 0.05  # of the holdout's mean, for which people are counted
_SHARE_SURPRISE = 0.001  # probability under which groups are not of the sizes that the holdout makes


class GroupFigures(msgspec.Struct, frozen=True):
    """One group."""

    people: int
    total: float
    mean: float


class ImpactReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment's treatment brought. Numbers are of one person, in `unit`; null where nothing can be said."""

    segment_id: str
    outcome: str
    unit: str
    since: Annotated[str, msgspec.Meta(description="the first entry that counts")]
    within_days: float
    treated: GroupFigures | None
    holdout: GroupFigures | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    relative: Bounds | None = None  # difference, low and high, as shares of the holdout's mean
    verdict: Verdict | None
    level: float = LEVEL
    detectable: float | None = None  # difference that would have been found with probability POWER
    people_needed: int | None = None  # for a difference of 5% of the holdout's mean
    waiting: int | None = None  # people whose time is not over
    withheld: Annotated[int | None, msgspec.Meta(description="people who may not be looked at for the purpose")] = 0
    notes: list[str] = []


def impact_report(
    segment_id: str, measure: Measure, sums: Sums, currency: str, since: str, holdout_percent: float
) -> ImpactReport:
    """The report on what was found. `currency`: of revenue; "" for the one that most people spent in."""
    others = [name for name in sums.currencies if name]
    chosen = (currency or (others[0] if others else "")) if measure.outcome == "revenue" else ""
    treated, holdout = sums.groups(chosen)
    told = compare(treated, holdout, LEVEL)
    notes = _notes(sums, holdout_percent, chosen, others)
    detectable = needed = None
    people = treated.people + holdout.people
    deviation = sqrt(max(treated.variance, holdout.variance))
    if min(treated.people, holdout.people) >= PEOPLE_MIN and deviation > 0:
        share = holdout.people / people
        wider = width(people, 1 - LEVEL, 10_000) / _NORMAL.inv_cdf((1 + LEVEL) / 2)
        detectable = detectable_effect(people, deviation, share, 1 - LEVEL, POWER) * wider
        if holdout.mean > 0:
            effect = _SMALL_EFFECT * holdout.mean
            needed = people_needed(effect, deviation * wider, share, 1 - LEVEL, POWER)
    if told.verdict is not None and told.relative is None:
        notes.append("what the held out bring is not surely above nothing: the difference is not told in percent")
    return ImpactReport(
        segment_id=segment_id,
        outcome=measure.event or measure.outcome,
        unit={"revenue": chosen, "orders": "orders", "event": "share of people"}[measure.outcome],
        since=since,
        within_days=measure.within / 86_400_000,
        treated=GroupFigures(*treated[:2], treated.mean),
        holdout=GroupFigures(*holdout[:2], holdout.mean),
        difference=None if told.verdict is None else told.difference,
        low=None if told.verdict is None else told.low,
        high=None if told.verdict is None else told.high,
        relative=told.relative,
        verdict=told.verdict,
        detectable=detectable,
        people_needed=needed,
        waiting=sums.waiting,
        withheld=sums.withheld,
        notes=notes,
    )


def _notes(sums: Sums, holdout_percent: float, currency: str, others: list[str]) -> list[str]:
    treated, holdout = sums.people
    notes = []
    if min(treated, holdout) < PEOPLE_MIN:
        notes.append(f"fewer than {PEOPLE_MIN} people in a group: nothing can be said yet")
    people, share = treated + holdout, holdout_percent / 100
    if people and 0 < share < 1:
        off = abs(holdout - people * share) / sqrt(people * share * (1 - share))
        if off > _NORMAL.inv_cdf(1 - _SHARE_SURPRISE / 2):
            notes.append(
                f"{holdout / people:.1%} were held out where {share:.1%} should be: the holdout was another one "
                "meanwhile, or people are missing; the groups may not be alike"
            )
    if len(others) > 1:
        rest = ", ".join(name for name in others if name != currency)
        notes.append(f"what was spent in other currencies does not count: {rest}")
    return notes


def withheld_report(report: ImpactReport) -> ImpactReport:
    """The same without figures, for those who may not see counts this small."""
    return msgspec.structs.replace(
        report, treated=None, holdout=None, difference=None, low=None, high=None, relative=None, verdict=None,
        detectable=None, people_needed=None, waiting=None, notes=["too few people to be told of"],
    )  # fmt: skip


def text(report: ImpactReport) -> str:
    """The report for a terminal."""
    lines = [f"{report.segment_id}: {report.outcome} within {report.within_days:g} days of entering, "
             f"people who entered since {report.since}"]  # fmt: skip
    for name, group in (("treated", report.treated), ("held out", report.holdout)):
        if group is not None:
            lines.append(f"  {name:<9} {group.people:>9} people   {group.mean:>12.4f} {report.unit} each")
    if report.difference is not None and report.low is not None and report.high is not None:
        lines.append(f"  difference {_interval(report.difference, report.low, report.high)} {report.unit} a person")
    if report.relative is not None:
        lines.append(f"  relative   {_interval(*(100 * each for each in report.relative))} %")
    if report.verdict is not None:
        lines.append(f"  verdict    {report.verdict}")
    if report.detectable is not None:
        lines.append(f"  a difference of {report.detectable:.4g} is found with a probability of {POWER:.0%}")
    if report.people_needed is not None:
        lines.append(f"  one of {_SMALL_EFFECT:.0%} would need {report.people_needed} people")
    if report.waiting:
        lines.append(f"  {report.waiting} people do not count yet: their time is not over")
    if report.withheld:
        lines.append(f"  {report.withheld} people may not be looked at for this purpose")
    return "\n".join([*lines, *(f"  note: {note}" for note in report.notes)]) + "\n"


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:+.4g}  ({LEVEL:.0%}: {low:+.4g} to {high:+.4g})"
