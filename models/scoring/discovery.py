"""Segments that suggest themselves: groups of people, told apart by few conditions, whose outcome differs from the
rest.

Groups are looked for among one half of the people and measured on the other (honest estimation: Athey and Imbens,
"Recursive partitioning for heterogeneous causal effects", PNAS 113, 2016): whoever looks for differences finds some,
and on the same people they always seem larger than they are. What is shown is of people who had no part in the finding.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from models.impact.policy_value import Estimate
from models.scoring.additive import Column

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

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


def discover(features: Mapping[str, Column], outcomes: Floats, finders: Mask, level: float = 0.95) -> list[Group]:
    """Groups of n people that cover all of them, the most unlike first; none if nothing tells them apart. `finders`:
    which half looks, (n,), by chance.

    Raises ValueError if there are too few people.
    """
    if min(finders.sum(), (~finders).sum()) < 2 * GROUP_MIN:
        raise ValueError(f"people: expected {2 * GROUP_MIN} or more in each half")
    masks = {condition: condition.holds(features[condition.feature]) for condition in _candidates(features, finders)}
    found: list[Group] = []
    for conditions, group in _split((), np.ones(len(outcomes), np.bool_), masks, outcomes, finders):
        if not conditions:  # nothing tells people apart
            return []
        measured = ~finders & group
        mean = _mean(outcomes[measured], level)
        rest = _mean(outcomes[~finders & ~group], level)
        found.append(Group(conditions, float(group.mean()), int(measured.sum()), mean, _difference(mean, rest, level)))
    return sorted(found, key=lambda group: -abs(group.difference.value))


def _split(
    conditions: tuple[Condition, ...], group: Mask, masks: Mapping[Condition, Mask], outcomes: Floats, finders: Mask
) -> list[tuple[tuple[Condition, ...], Mask]]:
    looking = group & finders
    best = None
    if len(conditions) < DEPTH_MAX:
        gains = {condition: _gain(outcomes, looking, mask, group & ~finders) for condition, mask in masks.items()}
        best = max(gains, key=lambda condition: gains[condition], default=None)
    if best is None or gains[best] < _GAIN_MIN * np.log(max(len(masks), 3)):  # the best of many must explain more
        return [(conditions, group)]
    mask = masks[best]
    return [
        part
        for condition, side in ((best, group & mask), (best._replace(holds_so=False), group & ~mask))
        for part in _split((*conditions, condition), side, masks, outcomes, finders)
    ]


def _gain(outcomes: Floats, looking: Mask, mask: Mask, measured: Mask) -> float:
    """How much a split explains, in variances of what it leaves unexplained; 0 where a side would be too small."""
    inside, outside = outcomes[looking & mask], outcomes[looking & ~mask]
    held = measured & mask
    if min(len(inside), len(outside), held.sum(), measured.sum() - held.sum()) < GROUP_MIN:
        return 0.0
    left = (inside.var() * len(inside) + outside.var() * len(outside)) / (len(inside) + len(outside))
    between = (inside.mean() - outside.mean()) ** 2 * len(inside) * len(outside) / (len(inside) + len(outside))
    return float(between / max(left, 1e-12))


def _candidates(features: Mapping[str, Column], finders: Mask) -> list[Condition]:
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


def _mean(values: Floats, level: float) -> Estimate:
    mean, error = float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
    reach = float(stdtrit(len(values) - 1, (1 + level) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach, error)


def _difference(one: Estimate, other: Estimate, level: float) -> Estimate:
    value = one.value - other.value
    error = float(np.hypot(one.standard_error, other.standard_error))
    reach = float(stdtrit(1e6, (1 + level) / 2)) * error
    return Estimate(value, value - reach, value + reach, error)
