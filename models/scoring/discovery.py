"""Segments that suggest themselves: groups of people, told apart by few conditions, whose outcome differs from the
rest.

Groups are looked for among one half of the people and measured on the other (honest estimation: Athey and Imbens,
"Recursive partitioning for heterogeneous causal effects", PNAS 113, 2016): whoever looks for differences finds some,
and on the same people they always seem larger than they are. What is shown is of people who had no part in the finding.
The intervals of all groups hold at once (Bonferroni). Those of a yes or no count a few made-up people to either side
(Agresti and Caffo, The American Statistician 54, 2000), without which nobody's doing it would seem certain.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from models.impact.policy_value import Estimate
from models.scoring.additive import Column

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NOBODY: Floats = np.zeros(0)
DEPTH_MAX = 3
GROUP_MIN = 50  # people of each half
_THRESHOLDS = 15  # tried of each number
_GAIN_MIN = 3.84  # a split must explain more than chance would one time in twenty (chi squared, one degree of freedom)


class Condition(NamedTuple):
    """What the people of a group have in common: a number that is at least some value, a text that is some value; or,
    not `holds_so`, that this is not so, because it is another one or there is none."""

    feature: str
    value: float | str
    holds_so: bool = True

    def holds(self, column: Column) -> Mask:
        """For whom, (n,)."""
        if isinstance(column, np.ndarray):
            so: Mask = column >= float(self.value)  # which no missing number is
        else:
            so = np.fromiter((value == self.value for value in column), np.bool_, len(column))
        return so if self.holds_so else ~so


class Group(NamedTuple):
    """A group as it is among people who had no part in finding it."""

    conditions: tuple[Condition, ...]
    share: float  # of the people
    people: int  # who were measured
    mean: Estimate  # of the outcome
    difference: Estimate  # from all others


def discover(
    features: Mapping[str, Column],
    outcomes: Floats,
    finders: Mask,
    candidates: Sequence[Condition] | None = None,
    level: float = 0.95,
    people_min: int = GROUP_MIN,
) -> list[Group]:
    """Groups of n people that cover all of them, the most unlike first; none if nothing tells them apart. `finders`:
    which half looks, (n,), by chance. `candidates`: what may tell people apart; without them, `candidates_of`.
    `level`: how surely all intervals hold at once. `people_min`: of each half of each group, at least GROUP_MIN.

    Raises ValueError if there are too few people.
    """
    least = max(people_min, GROUP_MIN)
    if min(finders.sum(), (~finders).sum()) < 2 * least:
        raise ValueError(f"people: expected {2 * least} or more in each half, of {len(finders)} there are")
    tried = candidates_of(features, finders) if candidates is None else candidates
    masks = {condition: condition.holds(features[condition.feature]) for condition in tried}
    leaves = _split((), np.ones(len(outcomes), np.bool_), masks, outcomes, finders, least)
    if len(leaves) == 1:  # nothing tells people apart
        return []
    each = 1 - (1 - level) / (2 * len(leaves))  # of a mean and a difference of each group
    found = []
    for conditions, group in leaves:
        inside, others = outcomes[~finders & group], outcomes[~finders & ~group]
        mean, difference = mean_of(inside, each, others), difference_of(inside, others, each)
        found.append(Group(simplified(conditions), float(group.mean()), len(inside), mean, difference))
    return sorted(found, key=lambda group: -abs(group.difference.value))


def members(conditions: Iterable[Condition], features: Mapping[str, Column]) -> Mask:
    """Who meets all of one or more conditions, (n,)."""
    held: Mask = np.logical_and.reduce([each.holds(features[each.feature]) for each in conditions])
    return held


def simplified(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """The same people with no condition that another one implies."""
    kept: dict[tuple[str, bool, float | str], Condition] = {}
    for condition in conditions:
        feature, value, holds_so = condition
        key = (feature, holds_so, "") if not isinstance(value, str) else (feature, holds_so, value)
        before = kept.get(key, condition).value
        # Of two least values the greater one says more, of two that are not reached the smaller one.
        if isinstance(value, str) or isinstance(before, str) or value == before or (value > before) == holds_so:
            kept[key] = condition
    said = {(each.feature, each.value) for each in kept.values() if isinstance(each.value, str) and each.holds_so}
    others = {feature for feature, _ in said}
    return tuple(
        each
        for each in kept.values()
        if each.holds_so or each.feature not in others or (each.feature, each.value) in said  # is one: is no other
    )


def _split(
    conditions: tuple[Condition, ...],
    group: Mask,
    masks: Mapping[Condition, Mask],
    outcomes: Floats,
    finders: Mask,
    least: int,
) -> list[tuple[tuple[Condition, ...], Mask]]:
    looking = group & finders
    best = None
    if len(conditions) < DEPTH_MAX:
        gains = {
            condition: _gain(outcomes, looking, mask, group & ~finders, least) for condition, mask in masks.items()
        }
        best = max(gains, key=lambda condition: gains[condition], default=None)
    if best is None or gains[best] < _GAIN_MIN * np.log(max(len(masks), 3)):  # the best of many must explain more
        return [(conditions, group)]
    mask = masks[best]
    return [
        part
        for condition, side in ((best, group & mask), (best._replace(holds_so=False), group & ~mask))
        for part in _split((*conditions, condition), side, masks, outcomes, finders, least)
    ]


def _gain(outcomes: Floats, looking: Mask, mask: Mask, measured: Mask, least: int) -> float:
    """How much a split explains, in variances of what it leaves unexplained; 0 where a side would be too small."""
    inside, outside = outcomes[looking & mask], outcomes[looking & ~mask]
    held = measured & mask
    if min(len(inside), len(outside), held.sum(), measured.sum() - held.sum()) < least:
        return 0.0
    left = (inside.var() * len(inside) + outside.var() * len(outside)) / (len(inside) + len(outside))
    between = (inside.mean() - outside.mean()) ** 2 * len(inside) * len(outside) / (len(inside) + len(outside))
    return float(between / max(left, 1e-12))


def candidates_of(features: Mapping[str, Column], finders: Mask) -> list[Condition]:
    """What may tell people apart: numbers by their quantiles among those who look, and each text that many have."""
    found: list[Condition] = []
    for name, column in features.items():
        if isinstance(column, np.ndarray):
            known = column[finders & np.isfinite(column)]
            if known.size:
                cuts = np.unique(np.quantile(known, np.linspace(0, 1, _THRESHOLDS + 2)[1:-1], method="nearest"))
                found += [Condition(name, float(cut)) for cut in cuts]
            continue
        counts: dict[str, int] = {}
        for value, looks in zip(column, finders, strict=True):
            if looks and value is not None:
                counts[value] = counts.get(value, 0) + 1
        found += [Condition(name, value) for value, count in sorted(counts.items()) if count >= GROUP_MIN]
    return found


def mean_of(values: Floats, level: float = 0.95, others: Floats = NOBODY) -> Estimate:
    """The mean of n values with its interval. `others`: those of other people, which tell what kind of values they are,
    and how far they spread where all n are the same."""
    mean, error = float(values.mean()), (_variance(values, others) / len(values)) ** 0.5
    if _is_yes_or_no(values) and _is_yes_or_no(others):
        spread = float(ndtri((1 + level) / 2))
        middle, error = _share(values, spread**2)
        return Estimate(mean, max(middle - spread * error, 0.0), min(middle + spread * error, 1.0), error)
    reach = float(stdtrit(len(values) - 1, (1 + level) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, error)


def difference_of(values: Floats, others: Floats, level: float = 0.95) -> Estimate:
    """The difference between the means of people and of others, with its interval."""
    value = float(values.mean() - others.mean())
    if _is_yes_or_no(values) and _is_yes_or_no(others):
        spread = float(ndtri((1 + level) / 2))
        (one, one_error), (other, other_error) = (_share(each, spread**2 / 2) for each in (values, others))
        middle, error = one - other, float(np.hypot(one_error, other_error))
        return Estimate(value, middle - spread * error, middle + spread * error, error)
    parts = [_variance(values, others) / len(values), _variance(others, values) / len(others)]
    error = float(sum(parts) ** 0.5)
    freedom = error**4 / max(sum(p**2 / (len(e) - 1) for p, e in zip(parts, (values, others), strict=True)), 1e-300)
    reach = float(stdtrit(max(freedom, 1.0), (1 + level) / 2)) * error  # Welch's
    return Estimate(value, value - reach, value + reach, error)


def _variance(values: Floats, others: Floats) -> float:
    """Of values; of who all have the same, such as no revenue, that of others: chance may have made them alike."""
    told = float(values.var(ddof=1))
    return told if told or len(others) < 2 else float(others.var(ddof=1))


def _share(values: Floats, more: float) -> tuple[float, float]:
    """The share of a yes with so many more people, half of whom say yes, and its standard error."""
    people = len(values) + more
    share = (float(values.sum()) + more / 2) / people
    return share, (share * (1 - share) / people) ** 0.5


def _is_yes_or_no(values: Floats) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())
