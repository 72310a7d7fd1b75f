"""Fellegi-Sunter weights, learned without labels, where pairs that are not one person are of several kinds.

Fellegi and Sunter (1969) weigh an agreement by how much likelier it is among records of one person than among records
of two. Fitted by EM with two classes, that fails on customer data: two people of one household agree in family name
and address, and EM takes their pairs for one of its two classes. Here the pairs of different people are a mixture: of
households, of people who share no more than an address, of twins, of parent and child of one name, of namesakes (with
e-mail addresses made from the name, which look alike), and of strangers.
What each kind shares is set; how often, is learned. A pair's score is the log odds of "one person" against all others.

An agreement on a rare value is worth more: in a class that shares a field, the value v agrees with probability
proportional to s + (1 - s) p(v), where s is how often the field is truly shared and p(v) the value's frequency. What
namesakes have in common is coincidence: with probability proportional to p(v), so that they have common names.

Two things are not independent of the rest, and are not taken to be. How many pairs are of one person depends on which
fields both records have, since that tells of where they come from: each such combination has shares of its own. And
an e-mail address is made of its owner's name: how alike two people's are depends on how alike their names are.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.identity.comparison import DIFFERENT, EXACT, LEVELS, MISSING, Comparer, Levels, Rows
from models.identity.fields import Field
from models.identity.filled import both_filled, fields_of, mask_of

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
# What pairs of a kind share, and what sets them apart from one person for certain; the rest they share by chance.
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
# Fields that are made of others; no two people share one.
_MADE_OF: Mapping[Field, tuple[Field, ...]] = {"email": ("given_name", "family_name")}
KINSHIPS: tuple[Kinship, ...] = ("same person", *_SHARED, "strangers")
_STRANGERS = len(KINSHIPS) - 1
_COINCIDENTAL = KINSHIPS.index("namesakes")
# Where learning starts from, how often the levels occur if a field is shared; and for how many pairs that counts.
_START = np.array([0, 0.8, 0.05, 0.04, 0.03, 0.01, 0.01, 0.06])
_START_PAIRS = 30.0
_MADE_OF_PAIRS = 20.0  # likewise, that a field does not depend on those that it is made of
_FILLED_PAIRS = 3_000.0  # pairs of one person that say that shares do not depend on which fields are filled


class Mixture(msgspec.Struct, frozen=True):
    """What was learned. `shares`: of all pairs, by kinship. `levels`: (kinships, fields, LEVELS) probabilities of the
    levels given that both records have a value. `made_of`: (agreements, LEVELS), those of fields that are made of
    others, for two people, by which of the others agree (`_agreements`). `shares_by_filled`: `shares` of the pairs
    that have just these fields, joined by commas, filled in both records; those of any others are as all are."""

    fields: tuple[Field, ...]
    shares: list[float]
    levels: list[list[list[float]]]
    made_of: dict[Field, list[list[float]]]
    shares_by_filled: dict[str, list[float]]

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


def fit(
    patterns: Patterns,
    strangers: Floats,
    fields: tuple[Field, ...],
    total_pairs: float,
    pairs_by_filled: Mapping[int, float],
    known: tuple[Levels, NDArray[np.bool_]] | None = None,
) -> Mixture:
    """EM over the patterns of the candidate pairs. `total_pairs`: all that the records make, candidates or not;
    `pairs_by_filled`: by which fields both records have, most of them at least. `known`: levels of further pairs, and
    whether they are one person."""
    others = len(patterns.levels)
    if known is not None:
        patterns = Patterns(
            np.concatenate([patterns.levels, known[0]]),
            np.concatenate([patterns.counts, np.ones(len(known[1]))]),
            patterns.rows,
        )
    start, free = _start(strangers, fields)
    levels = start
    total_pairs = max(total_pairs, 1.0)  # a record alone makes none
    filled = np.array(sorted(pairs_by_filled), np.int64)
    stratum_pairs = np.array([*(pairs_by_filled[mask] for mask in filled.tolist()), 0.0])
    stratum = _positions(filled, both_filled(patterns.levels))
    candidates = max(float(patterns.counts.sum()), 1.0)
    shares = np.full(_STRANGERS, 0.05 * candidates / total_pairs / _STRANGERS)
    shares[0] = 0.1 * candidates / total_pairs
    by_stratum = np.repeat(shares[:, None], len(stratum_pairs), axis=1)
    agreements = _agreements(patterns.levels, fields)
    made_of = {
        position: _learned_made_of(patterns.levels[:, position], of, patterns.counts, strangers[position])
        for position, of in agreements.items()
    }
    for _ in range(ITERATIONS_MAX):
        prior = np.log(_with_strangers(by_stratum))[:, stratum]
        logs = _joint_logs(patterns.levels, prior, _logs(levels), {p: _logs(t) for p, t in made_of.items()}, agreements)
        if known is not None:
            logs[1:, others:][:, known[1]] = -np.inf
            logs[0, others:][~known[1]] = -np.inf
        weights = _responsibilities(logs) * patterns.counts
        new_shares = np.maximum(weights[:_STRANGERS].sum(axis=1) / total_pairs, _SMALLEST_SHARE)
        by_stratum = _learned_shares(weights[:_STRANGERS], new_shares, stratum, stratum_pairs)
        new_levels = levels.copy()
        for kinship in range(_STRANGERS):
            for position in np.flatnonzero(free[kinship]).tolist():
                counts = np.bincount(patterns.levels[:, position], weights[kinship], LEVELS).astype(np.float64)
                counts += _START_PAIRS * start[kinship, position]
                counts[MISSING] = 0
                new_levels[kinship, position] = counts / counts.sum()
        two_people = weights[1:].sum(axis=0)
        for position, of in agreements.items():
            made_of[position] = _learned_made_of(patterns.levels[:, position], of, two_people, strangers[position])
        moved = np.abs(new_levels[0] - levels[0]).max() + abs(np.log(new_shares[0] / shares[0]))
        levels, shares = new_levels, new_shares
        if moved < _TOLERANCE:
            break
    for field in _NEVER_DIFFERENT.intersection(fields):
        levels[0, fields.index(field), DIFFERENT] = _SMALLEST
    with_strangers = _with_strangers(np.column_stack([by_stratum[:, :-1], shares])).T.tolist()
    return Mixture(
        fields,
        with_strangers[-1],
        levels.tolist(),
        {fields[position]: table.tolist() for position, table in made_of.items()},
        dict(zip((",".join(fields_of(mask, fields)) for mask in filled.tolist()), with_strangers, strict=False)),
    )


def _with_strangers(shares: Floats) -> Floats:
    """(kinships, strata): strangers have what the others leave, which may be nothing but a rounding error."""
    return np.vstack([shares, np.maximum(1 - shares.sum(axis=0), _SMALLEST_SHARE)])


def _start(strangers: Floats, fields: tuple[Field, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    """Level probabilities to begin with, and which of them are to be learned."""
    levels = np.repeat(strangers[None], len(KINSHIPS), axis=0)
    free = np.zeros((len(KINSHIPS), len(fields)), np.bool_)
    for number, kinship in enumerate(KINSHIPS[:_STRANGERS]):
        for position, field in enumerate(fields):
            if kinship == "same person" or field in _SHARED[kinship]:
                start = _START * (strangers[position] > 0)
                levels[number, position] = start / start.sum()
                free[number, position] = True
            elif field in _DIFFERENT.get(kinship, ()):
                apart = strangers[position].copy()
                apart[EXACT] = 1e-4
                apart[2] = min(apart[2], 1e-3)
                levels[number, position] = apart / apart.sum()
    return levels, free


def _learned_shares(weights: Floats, shares: Floats, stratum: Rows, stratum_pairs: Floats) -> Floats:
    """Shares of the kinships but strangers by stratum, (kinships, strata): those of its own pairs, and of as many
    others as have _FILLED_PAIRS of one person."""
    found = np.stack([np.bincount(stratum, row, len(stratum_pairs)) for row in weights])
    others = _FILLED_PAIRS / shares[0]
    pairs = np.maximum(stratum_pairs, found.sum(axis=0))
    by_stratum: Floats = np.maximum((found + others * shares[:, None]) / (pairs + others), _SMALLEST_SHARE)
    by_stratum[:, -1] = shares  # of combinations that were not counted
    return by_stratum


def _learned_made_of(column: NDArray[np.uint8], agreement: Rows, weights: Floats, strangers: Floats) -> Floats:
    """Level probabilities of a field that is made of others, for two people, by which of the others agree:
    (agreements, LEVELS). Exact agreement is as rare as among strangers."""
    prior = strangers.copy()
    prior[EXACT] = 0
    table = np.zeros((agreement.max(initial=0) + 1, LEVELS))
    np.add.at(table, (agreement, column), weights)
    table[:, [MISSING, EXACT]] = 0
    table += _MADE_OF_PAIRS * prior
    total = table.sum(axis=1, keepdims=True)
    table *= (1 - strangers[EXACT]) / np.where(total > 0, total, 1)
    table[:, EXACT] = strangers[EXACT]
    return table


def _agreements(levels: Levels, fields: Sequence[Field]) -> dict[int, Rows]:
    """By position of a field that is made of others: which of these agree in each row, at least roughly, as bits."""
    found = {}
    for field, parts in _MADE_OF.items():
        if field in fields:
            agreement = np.zeros(len(levels), np.int64)
            for bit, part in enumerate(parts):
                if part in fields:
                    column = levels[:, fields.index(part)]
                    agreement |= ((column != MISSING) & (column != DIFFERENT)).astype(np.int64) << bit
            found[fields.index(field)] = agreement
    return found


def _positions(known: Rows, wanted: Rows) -> Rows:
    """Where each of `wanted` is in the ascending `known`; len(known) if it is not."""
    at = np.searchsorted(known, wanted)
    return np.where(np.append(known, -1)[at] == wanted, at, len(known))


def _joint_logs(
    levels: Levels, prior: Floats, level_logs: Floats, made_of: Mapping[int, Floats], agreements: Mapping[int, Rows]
) -> Floats:
    """log P(kinship) P(levels | kinship), (kinships, p), from the logs of P(kinship), (kinships, p), and of the tables
    of levels."""
    total = prior.copy()
    for position, column in enumerate(levels.T):
        if position in made_of:
            total[0] += level_logs[0, position, column]
            total[1:] += made_of[position][agreements[position], column]
        else:
            total += level_logs[:, position, column]
    return total


def _logs(table: Floats) -> Floats:
    """Natural logs of probabilities of levels; a missing value says nothing."""
    logs: Floats = np.log(np.maximum(table, _SMALLEST_LEARNED))
    logs[..., MISSING] = 0
    return logs


def _responsibilities(logs: Floats) -> Floats:
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
        self._made_of: dict[int, Floats] = {}
        for field, table in mixture.made_of.items():
            logs = np.log2(np.maximum(np.array(table), _SMALLEST))
            logs[:, MISSING] = 0
            self._made_of[mixture.fields.index(field)] = logs
        by_filled = {mask_of(names.split(","), mixture.fields): s for names, s in mixture.shares_by_filled.items()}
        self._filled = np.array(sorted(by_filled), np.int64)
        shares = [*(by_filled[mask] for mask in self._filled.tolist()), mixture.shares]
        self._priors: Floats = np.log2(np.maximum(np.array(shares).T, 1e-30))
        exact, by_chance = self._levels[:, :, EXACT], self._levels[_STRANGERS, :, EXACT]
        self._truly_shared = np.maximum((exact - by_chance) / np.maximum(1 - by_chance, _SMALLEST), 0)
        self._frequencies = frequencies

    def prior(self, levels: Levels) -> Floats:
        """log2 P(kinship) of pairs, by which fields both records have: (kinships, p)."""
        found: Floats = self._priors[:, _positions(self._filled, both_filled(levels))]
        return found

    def field_logs(self, comparer: Comparer, levels: Levels, left: Rows, right: Rows) -> Floats:
        """log2 P(level and value | kinship), up to what is the same for all kinships: (fields, kinships, p)."""
        agreements = _agreements(levels, self.mixture.fields)
        logs = np.empty((levels.shape[1], len(KINSHIPS), len(levels)))
        for position, column in enumerate(levels.T):
            logs[position] = self._logs[:, position, column]
            if position in self._made_of:
                logs[position, 1:] = self._made_of[position][agreements[position], column]
            exact = np.flatnonzero(column == EXACT)
            if len(exact):
                logs[position][:, exact] = self._exact(position, comparer, left[exact], right[exact])
        return logs

    def pattern_logs(self, patterns: Levels) -> Floats:
        """log2 of P(kinship) P(levels | kinship), whatever the values: (kinships, p)."""
        return self._pattern_logs(patterns, self._logs)

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

    def _pattern_logs(self, patterns: Levels, level_logs: Floats) -> Floats:
        agreements = _agreements(patterns, self.mixture.fields)
        return _joint_logs(patterns, self.prior(patterns), level_logs, self._made_of, agreements)

    def _exact(self, position: int, comparer: Comparer, left: Rows, right: Rows) -> Floats:
        """For pairs that agree exactly: log2 P(value | kinship), up to what is the same for all."""
        frequency = np.maximum(self._frequencies[self.mixture.fields[position]], _RAREST)
        codes = comparer.agreeing_codes(position, left, right, frequency)
        return self._value_logs(position, frequency)[:, codes]

    def _value_logs(self, position: int, frequency: Floats) -> Floats:
        """`_exact` of values of these frequencies: (kinships, values)."""
        shared = self._truly_shared[:, position, None]
        logs: Floats = np.log2(shared + (1 - shared) * frequency)
        if self.mixture.fields[position] in _SHARED[KINSHIPS[_COINCIDENTAL]]:
            exact = self._logs[[_COINCIDENTAL, _STRANGERS], position, EXACT]
            logs[_COINCIDENTAL] = exact[0] - exact[1] + np.log2(frequency)
        return logs

    def exact_weights(self, frequencies: Sequence[float]) -> list[float]:
        """What exact agreement on a value of such a frequency weighs for one person against strangers, by field."""
        logs = (self._value_logs(position, np.array([f]))[:, 0] for position, f in enumerate(frequencies))
        return [float(by_kinship[0] - by_kinship[_STRANGERS]) for by_kinship in logs]

    def best_possible(self, patterns: Levels) -> Floats:
        """The highest score that pairs of each pattern can have, whatever their values."""
        logs = self._logs.copy()
        for position in range(logs.shape[1]):
            logs[:, position, EXACT] = self._value_logs(position, np.array([_RAREST]))[:, 0]
        return odds(self._pattern_logs(patterns, logs))


def odds(kinship_logs: Floats) -> Floats:
    """log2 odds of one person against all others, in bits, from `kinship_logs`."""
    others = kinship_logs[1:]
    highest = others.max(axis=0)
    score: Floats = kinship_logs[0] - highest - np.log2(np.exp2(others - highest).sum(axis=0))
    return score


def confidence(score: Floats) -> Floats:
    """The probability of one person that log2 odds stand for."""
    return 1 / (1 + np.exp2(-np.clip(score, -60, 60)))


def bits(probability: float) -> float:
    """The log2 odds of a probability: the inverse of `confidence`."""
    return float(np.log2(probability / (1 - probability)))
