"""Fellegi-Sunter weights, learned without labels, where pairs that are not one person are of several kinds.

Fellegi and Sunter (1969) weigh an agreement by how much likelier it is among records of one person than among records
of two. Fitted by EM with two classes, that fails on customer data: two people of one household agree in family name
and address, and EM takes their pairs for one of its two classes. Here the pairs of different people are a mixture: of
households, of people who share no more than an address, of twins, of parent and child of one name, of namesakes (with
e-mail addresses made from the name, which look alike), and of strangers.
What each kind shares is set; how often, is learned. A pair's score is the log odds of "one person" against all others.

An agreement on a rare value is worth more: in a class that shares a field, the value v agrees with probability
proportional to s + (1 - s) p(v), where s is how often the field is truly shared and p(v) the value's frequency.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.identity.comparison import DIFFERENT, EXACT, LEVELS, MISSING, Comparer, Levels, Rows
from models.identity.fields import Field

Kinship = Literal["same person", "household", "same address", "twins", "parent and child", "namesakes", "strangers"]
Floats = NDArray[np.float64]

ITERATIONS_MAX = 100
_TOLERANCE = 1e-3
_SMALLEST = 1e-9  # of a probability
_SMALLEST_LEARNED = 1e-12  # likewise, while it is learned
_SMALLEST_SHARE = 1e-12  # of all pairs
_RAREST = 1e-7  # frequency of a value

_ADDRESS: frozenset[Field] = frozenset(
    {"street", "street_number", "address_line_2", "unit", "postcode", "city", "region", "country"}
)
_HOUSEHOLD: frozenset[Field] = frozenset({*_ADDRESS, "family_name", "phone", "birth_place"})
# What pairs of a kind share, what sets them apart from one person for certain, and what is alike but never the same;
# they share the rest by chance.
_SHARED: Mapping[Kinship, frozenset[Field]] = {
    "household": _HOUSEHOLD,
    "same address": frozenset({*_ADDRESS, "phone", "employer"}),
    "twins": frozenset({*_HOUSEHOLD, "birth_date"}),
    "parent and child": frozenset({*_HOUSEHOLD, "given_name"}),
    "namesakes": frozenset({"given_name", "family_name", "gender", "city", "region", "country"}),
}
_DIFFERENT: Mapping[Kinship, frozenset[Field]] = {
    "twins": frozenset({"given_name"}),
    "parent and child": frozenset({"birth_date", "name_suffix"}),
}
# A person has one of these all their life; two of them are two people, whatever else agrees.
_NEVER_DIFFERENT: frozenset[Field] = frozenset({"name_suffix"})
_ALIKE: Mapping[Kinship, frozenset[Field]] = {"namesakes": frozenset({"email"})}
KINSHIPS: tuple[Kinship, ...] = ("same person", *_SHARED, "strangers")
_STRANGERS = len(KINSHIPS) - 1
# Where learning starts from, how often the levels occur if a field is shared; and for how many pairs that counts.
_START = np.array([0, 0.8, 0.05, 0.04, 0.03, 0.01, 0.01, 0.06])
_START_ALIKE = np.array([0, 1e-5, 0.01, 0.1, 0.02, 0.3, 0, 0.57])
_START_PAIRS = 30.0


class Mixture(msgspec.Struct, frozen=True):
    """What was learned. `shares`: of all pairs, by kinship. `levels`: (kinships, fields, LEVELS) probabilities of the
    levels given that both records have a value."""

    fields: tuple[Field, ...]
    shares: list[float]
    levels: list[list[list[float]]]

    @property
    def array(self) -> Floats:
        return np.array(self.levels)


class Patterns(msgspec.Struct, frozen=True):
    """Distinct rows of comparison levels, (p, fields), how many pairs have each, and each pair's row."""

    levels: Levels
    counts: Floats
    rows: NDArray[np.int64]


def patterns_of(levels: Levels, weights: Floats | None = None) -> Patterns:
    """A few thousand patterns stand for millions of pairs. `weights`: for how many pairs each counts."""
    packed = np.zeros(len(levels), np.int64)
    for column in levels.T:
        packed = packed << 3 | column
    codes = np.sort(packed)
    codes = codes[np.concatenate(([True], codes[1:] != codes[:-1]))] if len(codes) else codes
    rows = np.searchsorted(codes, packed)
    shifts = 3 * np.arange(levels.shape[1] - 1, -1, -1)
    counts = np.bincount(rows, weights, len(codes)).astype(np.float64)
    return Patterns((codes[:, None] >> shifts & 7).astype(np.uint8), counts, rows)


def strangers_levels(
    levels: Levels, seen: Levels, coincidence: Mapping[Field, float], fields: Sequence[Field]
) -> Floats:
    """How often strangers reach each level: (fields, LEVELS).

    `levels` are those of random pairs; levels of `seen` that no random pair reached get half a pair. Exact agreement,
    rare among random pairs, is taken from the frequencies of the values: `coincidence`.
    """
    table = np.zeros((len(fields), LEVELS))
    for position, field in enumerate(fields):
        counts = np.bincount(levels[:, position], minlength=LEVELS).astype(float)
        counts += 0.5 * (np.bincount(seen[:, position], minlength=LEVELS) > 0)
        counts[[MISSING, EXACT]] = 0
        exact = min(max(coincidence[field], _RAREST), 1.0)
        table[position] = counts / (counts.sum() or 1) * (1 - exact)
        table[position, EXACT] = exact
    return table


def fit(patterns: Patterns, strangers: Floats, fields: tuple[Field, ...], total_pairs: float) -> Mixture:
    """EM over the patterns of the candidate pairs. `total_pairs`: all that the records make, candidates or not."""
    start, free = _start(strangers, fields)
    levels = start
    candidates = float(patterns.counts.sum())
    total_pairs = max(total_pairs, 1.0)  # a record alone makes none
    shares = np.full(_STRANGERS, 0.05 * max(candidates, 1.0) / total_pairs / _STRANGERS)
    shares[0] = 0.1 * max(candidates, 1.0) / total_pairs
    for _ in range(ITERATIONS_MAX):
        weights = _responsibilities(patterns.levels, levels, shares)[:_STRANGERS] * patterns.counts
        new_shares = np.maximum(weights.sum(axis=1) / total_pairs, _SMALLEST_SHARE)
        new_levels = levels.copy()
        for kinship in range(_STRANGERS):
            for position in np.flatnonzero(free[kinship]).tolist():
                counts = np.bincount(patterns.levels[:, position], weights[kinship], LEVELS).astype(np.float64)
                counts += _START_PAIRS * start[kinship, position]
                counts[MISSING] = 0
                new_levels[kinship, position] = counts / counts.sum()
        moved = np.abs(new_levels[0] - levels[0]).max() + abs(np.log(new_shares[0] / shares[0]))
        levels, shares = new_levels, new_shares
        if moved < _TOLERANCE:
            break
    for field in _NEVER_DIFFERENT.intersection(fields):
        levels[0, fields.index(field), DIFFERENT] = _SMALLEST
    return Mixture(fields, [*shares.tolist(), _rest(shares)], levels.tolist())


def _rest(shares: Floats) -> float:
    """The share of strangers: what the others leave, which may be nothing but a rounding error."""
    return max(1 - float(shares.sum()), _SMALLEST_SHARE)


def _start(strangers: Floats, fields: tuple[Field, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    """Level probabilities to begin with, and which of them are to be learned."""
    levels = np.repeat(strangers[None], len(KINSHIPS), axis=0)
    free = np.zeros((len(KINSHIPS), len(fields)), np.bool_)
    for number, kinship in enumerate(KINSHIPS[:_STRANGERS]):
        for position, field in enumerate(fields):
            alike = field in _ALIKE.get(kinship, ())
            if kinship == "same person" or alike or field in _SHARED[kinship]:
                start = (_START_ALIKE if alike else _START) * (strangers[position] > 0)
                levels[number, position] = start / start.sum()
                free[number, position] = True
            elif field in _DIFFERENT.get(kinship, ()):
                apart = strangers[position].copy()
                apart[EXACT] = 1e-4
                apart[2] = min(apart[2], 1e-3)
                levels[number, position] = apart / apart.sum()
    return levels, free


def _pattern_logs(patterns: Levels, prior: Floats, level_logs: Floats) -> Floats:
    """log P(kinship) P(pattern | kinship), from the logs of both: (kinships, p)."""
    total = np.repeat(prior[:, None], len(patterns), axis=1)
    for position, column in enumerate(patterns.T):
        total += level_logs[:, position, column]
    return total


def _responsibilities(patterns: Levels, levels: Floats, shares: Floats) -> Floats:
    level_logs = np.log(np.maximum(levels, _SMALLEST_LEARNED))
    level_logs[:, :, MISSING] = 0
    logs = _pattern_logs(patterns, np.log(np.append(shares, _rest(shares))), level_logs)
    logs -= logs.max(axis=0)
    odds: Floats = np.exp(logs)
    odds /= odds.sum(axis=0)
    return odds


class Scorer:
    """Scores pairs of records by a mixture, with the frequencies of the values they agree on."""

    def __init__(self, mixture: Mixture, frequencies: Mapping[Field, Floats]) -> None:
        """`frequencies`: by field and value code of the comparer that is scored with."""
        self.mixture = mixture
        self._levels = np.maximum(mixture.array, _SMALLEST)
        self._logs = np.log2(self._levels)
        self._logs[:, :, MISSING] = 0
        self.prior: Floats = np.log2(np.maximum(mixture.shares, 1e-30))  # by kinship
        exact, by_chance = self._levels[:, :, EXACT], self._levels[_STRANGERS, :, EXACT]
        self._truly_shared = np.maximum((exact - by_chance) / np.maximum(1 - by_chance, _SMALLEST), 0)
        self._frequencies = frequencies

    def field_logs(self, comparer: Comparer, levels: Levels, left: Rows, right: Rows) -> Floats:
        """log2 P(level and value | kinship), up to what is the same for all kinships: (fields, kinships, p)."""
        logs = np.empty((levels.shape[1], len(KINSHIPS), len(levels)))
        for position in range(levels.shape[1]):
            logs[position] = self._field(position, comparer, levels, left, right)
        return logs

    def pattern_logs(self, patterns: Levels) -> Floats:
        """log2 of P(kinship) P(levels | kinship), whatever the values: (kinships, p)."""
        return _pattern_logs(patterns, self.prior, self._logs)

    def kinship_logs(
        self, comparer: Comparer, levels: Levels, left: Rows, right: Rows, pattern_logs: Floats | None = None
    ) -> Floats:
        """log2 of P(kinship) P(levels and values | kinship): (kinships, p). `pattern_logs`, those of the pairs, if they
        are known, are changed to the result."""
        logs = self.pattern_logs(levels) if pattern_logs is None else pattern_logs
        for position in range(levels.shape[1]):
            exact = np.flatnonzero(levels[:, position] == EXACT)
            if len(exact):
                logs[:, exact] += self._exact(position, comparer, left[exact], right[exact])
                logs[:, exact] -= self._logs[:, position, EXACT, None]
        return logs

    def _field(self, position: int, comparer: Comparer, levels: Levels, left: Rows, right: Rows) -> Floats:
        column = levels[:, position]
        logs: Floats = self._logs[:, position, column]
        exact = np.flatnonzero(column == EXACT)
        if len(exact):
            logs[:, exact] = self._exact(position, comparer, left[exact], right[exact])
        return logs

    def _exact(self, position: int, comparer: Comparer, left: Rows, right: Rows) -> Floats:
        """For pairs that agree exactly: log2 P(value | kinship), up to what is the same for all."""
        frequency = np.maximum(self._frequencies[self.mixture.fields[position]], _RAREST)
        codes = comparer.agreeing_codes(position, left, right, frequency)
        shared = self._truly_shared[:, position, None]
        by_code: Floats = np.log2(shared + (1 - shared) * frequency)
        return by_code[:, codes]

    @property
    def average_weights(self) -> Floats:
        """What each level weighs for one person against strangers, whatever the value: (fields, LEVELS), bits."""
        weights: Floats = self._logs[0] - self._logs[_STRANGERS]
        return weights

    def best_possible(self, patterns: Levels) -> Floats:
        """The highest score that pairs of each pattern can have, whatever their values."""
        logs = self._logs.copy()
        logs[:, :, EXACT] = np.log2(self._truly_shared + (1 - self._truly_shared) * _RAREST)
        return odds(_pattern_logs(patterns, self.prior, logs))


def odds(kinship_logs: Floats) -> Floats:
    """log2 odds of one person against all others, in bits, from `kinship_logs`."""
    others = kinship_logs[1:]
    highest = others.max(axis=0)
    score: Floats = kinship_logs[0] - highest - np.log2(np.exp2(others - highest).sum(axis=0))
    return score


def confidence(score: Floats) -> Floats:
    """The probability of one person that log2 odds stand for."""
    return 1 / (1 + np.exp2(-np.clip(score, -60, 60)))
