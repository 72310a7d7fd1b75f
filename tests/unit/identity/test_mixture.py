"""What is learned from patterns of comparison levels, and what it makes of values."""

from typing import Any

import numpy as np
import pytest

from models.identity.columns import column_of
from models.identity.comparison import DIFFERENT, EXACT, LEVELS, MISSING, Comparer
from models.identity.fields import Field
from models.identity.mixture import KINSHIPS, Mixture, Scorer, confidence, fit, odds, patterns_of, strangers_levels
from models.identity.nicknames import NicknameTable

FIELDS: tuple[Field, ...] = ("given_name", "family_name", "birth_date", "name_suffix")
COINCIDENCE = dict.fromkeys(FIELDS, 0.0002)


def made_up(same: int, household: int, strangers: int, seed: int = 1) -> Any:
    """Levels of pairs of one person, of one household, and of strangers."""
    rng = np.random.default_rng(seed)
    exact, other = np.array([0, 0.9, 0, 0.06, 0, 0, 0, 0.04]), np.array([0, 0.0002, 0, 0, 0.02, 0, 0, 0.9798])
    rows = []
    for count, shared in ((same, (1, 1, 1, 1)), (household, (0, 1, 0, 0)), (strangers, (0, 0, 0, 0))):
        columns = [rng.choice(LEVELS, count, p=exact if is_shared else other) for is_shared in shared]
        columns[-1][rng.random(count) < 0.9] = MISSING  # hardly anybody has a suffix
        rows.append(np.column_stack(columns))
    return np.concatenate(rows).astype(np.uint8)


def learned(levels: Any, total: float) -> Mixture:
    random_pairs = made_up(0, 0, 20_000, seed=2)
    return fit(patterns_of(levels), strangers_levels(random_pairs, levels, COINCIDENCE, FIELDS), FIELDS, total, {})


def test_patterns_stand_for_all_pairs() -> None:
    levels = np.array([[1, 7, 0], [1, 7, 0], [7, 7, 7], [0, 0, 0]], np.uint8)
    patterns = patterns_of(levels)
    assert (patterns.levels[patterns.rows] == levels).all()
    assert sorted(patterns.counts.tolist()) == [1.0, 1.0, 2.0]
    weighted = patterns_of(levels, np.array([1.0, 10.0, 3.0, 0.0]))
    assert weighted.counts[weighted.rows].tolist() == [11.0, 11.0, 3.0, 0.0]


def test_patterns_of_as_many_fields_as_there_are() -> None:
    rng = np.random.default_rng(4)
    levels = rng.integers(0, LEVELS, (500, 21)).astype(np.uint8)
    levels[0], levels[1] = LEVELS - 1, 0
    patterns = patterns_of(levels)
    assert (patterns.levels[patterns.rows] == levels).all()
    assert len(patterns.levels) == len(np.unique(levels, axis=0))


def test_no_pairs_have_no_patterns() -> None:
    patterns = patterns_of(np.empty((0, 3), np.uint8))
    assert patterns.levels.shape == (0, 3)
    assert len(patterns.counts) == len(patterns.rows) == 0


def test_strangers_agree_as_often_as_values_coincide() -> None:
    random_pairs = np.array([[1], [1], [7], [7], [7], [4], [0]], np.uint8)
    seen = np.array([[3], [1]], np.uint8)
    (table,) = strangers_levels(random_pairs, seen, {"city": 0.2}, ("city",))
    assert table[EXACT] == 0.2
    assert table[MISSING] == 0
    # Three different, one similar, and half a pair for what was only seen among candidates.
    assert table[[7, 4, 3]] == pytest.approx(np.array([3, 1, 0.5]) / 4.5 * 0.8)


def test_a_level_that_only_candidates_reach_leaves_probabilities() -> None:
    (table,) = strangers_levels(np.zeros((9, 1), np.uint8), np.array([[7]], np.uint8), {"city": 0.2}, ("city",))
    assert table.sum() == pytest.approx(1)


def test_one_person_is_told_from_those_who_share_a_family_name() -> None:
    """Two classes would not do: EM would take the 900 for the one that is not chance."""
    mixture = learned(made_up(400, 900, 2_000), 500_000)
    assert mixture.shares[0] == pytest.approx(400 / 500_000, rel=0.1)
    assert sum(mixture.shares[1:-1]) == pytest.approx(900 / 500_000, rel=0.3)
    assert mixture.levels[0][FIELDS.index("given_name")][EXACT] > 0.8
    same, family_only = odds(Scorer(mixture, {}).pattern_logs(np.array([[1, 1, 1, 0], [7, 1, 7, 0]], np.uint8)))
    assert same > 5 and family_only < -5


def test_pairs_that_are_all_one_person_leave_nothing_undefined() -> None:
    levels = np.full((1_000, len(FIELDS)), EXACT, np.uint8)
    found = fit(patterns_of(levels), strangers_levels(levels, levels, COINCIDENCE, FIELDS), FIELDS, 1_000.0, {})
    assert np.isfinite(found.array).all()
    assert min(found.shares) > 0
    assert sum(found.shares) == pytest.approx(1)


@pytest.mark.parametrize("total", [0.0, 1.0, 1e6])
def test_without_candidates_nobody_is_expected(total: float) -> None:
    none = np.empty((0, len(FIELDS)), np.uint8)
    found = fit(patterns_of(none), strangers_levels(none, none, COINCIDENCE, FIELDS), FIELDS, total, {})
    assert sum(found.shares[:-1]) < 1e-6
    assert np.isfinite(found.array).all()


def test_two_suffixes_are_never_one_person() -> None:
    mixture = learned(made_up(400, 100, 2_000), 500_000)
    levels = np.array([[EXACT, EXACT, EXACT, EXACT], [EXACT, EXACT, EXACT, DIFFERENT]], np.uint8)
    same, suffixes_apart = odds(Scorer(mixture, {}).pattern_logs(levels))
    assert same > 0 > suffixes_apart


def test_an_agreement_on_a_rare_value_is_worth_more() -> None:
    mixture = learned(made_up(400, 900, 2_000), 500_000)
    columns = {field: column_of([("common",), ("common",), ("rare",), ("rare",)]) for field in FIELDS}
    frequencies = {field: np.array([0.2, 0.00001]) for field in FIELDS}
    comparer = Comparer(columns, NicknameTable([]))
    scorer = Scorer(mixture, frequencies)
    left, right = np.array([0, 2]), np.array([1, 3])
    logs = scorer.kinship_logs(comparer, comparer.levels(left, right), left, right)
    common, rare = odds(logs)
    assert rare > common + 5
    by_field = scorer.field_logs(comparer, comparer.levels(left, right), left, right)
    assert scorer.prior(comparer.levels(left, right)) + by_field.sum(axis=0) == pytest.approx(logs)


def test_namesakes_have_common_names() -> None:
    """Two records that share a name and no more: the rarer it is, the less can chance have brought them together."""
    fields: tuple[Field, ...] = ("given_name", "family_name")
    even = [[0, 0.9, 0, 0, 0, 0, 0, 0.1]] * 2
    strangers = [[0, 0.01, 0, 0, 0, 0, 0, 0.99]] * 2
    levels = [even if kinship in ("same person", "namesakes") else strangers for kinship in KINSHIPS]
    shares = [1e-4 if kinship in ("same person", "namesakes") else 1e-9 for kinship in KINSHIPS]
    columns = {field: column_of([("common",), ("common",), ("rare",), ("rare",)]) for field in fields}
    scorer = Scorer(Mixture(fields, shares, levels, {}, {}), dict.fromkeys(fields, np.array([0.03, 0.0003])))
    comparer = Comparer(columns, NicknameTable([]))
    left, right = np.array([0, 2]), np.array([1, 3])
    common, rare = odds(scorer.kinship_logs(comparer, comparer.levels(left, right), left, right))
    assert rare > 5 > 0 > common
    best = scorer.best_possible(comparer.levels(left, right))
    assert (best >= [common, rare]).all()


def test_an_address_like_the_name_is_no_evidence_beside_the_name() -> None:
    """Most pairs of namesakes have similar addresses, and hardly any other strangers."""
    fields: tuple[Field, ...] = ("given_name", "family_name", "email")
    same, namesakes, apart = [[1, 1, 1]] * 300 + [[1, 1, 7]] * 20, [[1, 1, 3]] * 200, [[7, 7, 7]] * 3_000
    levels = np.array([*same, *namesakes, *apart], np.uint8)
    random_pairs = np.array([[7, 7, 7]] * 5_000, np.uint8)
    coincidence: dict[Field, float] = {"given_name": 0.01, "family_name": 0.01, "email": 1e-6}
    strangers = strangers_levels(random_pairs, levels, coincidence, fields)
    found = fit(patterns_of(levels), strangers, fields, 1e6, {})
    neither, _, _, both = found.made_of["email"]
    assert both[3] > 0.5 > 0.1 > neither[3]
    patterns = np.array([[1, 1, 3], [1, 1, 0], [7, 7, 3], [7, 7, 0]], np.uint8)
    names_alike, names_alone, names_apart, nothing = odds(Scorer(found, {}).pattern_logs(patterns))
    assert names_apart - nothing > names_alike - names_alone + 3


def test_what_records_have_tells_how_likely_they_are_one_person() -> None:
    """Records of one source that has no e-mail addresses are each of another person."""
    fields: tuple[Field, ...] = ("given_name", "email")
    levels = np.array([[1, 1]] * 8_000 + [[1, 7]] * 8_000 + [[1, 0]] * 8_000, np.uint8)
    strangers = strangers_levels(np.array([[7, 7]] * 999, np.uint8), levels, {"given_name": 0.4, "email": 1e-6}, fields)
    found = fit(patterns_of(levels), strangers, fields, 2e6, {0b11: 1e6, 0b01: 1e6})
    both, names = (found.shares_by_filled[key] for key in ("given_name,email", "given_name"))
    assert both[0] > 2 * names[0]
    patterns = np.array([[1, 0], [0, 0]], np.uint8)
    prior = Scorer(found, {}).prior(patterns)
    assert prior[:, 0] == pytest.approx(np.log2(names))
    assert prior[:, 1] == pytest.approx(np.log2(found.shares))  # there were no such pairs


def test_no_value_says_nothing() -> None:
    mixture = learned(made_up(400, 900, 2_000), 500_000)
    nothing = Scorer(mixture, {}).pattern_logs(np.zeros((1, len(FIELDS)), np.uint8))
    assert odds(nothing)[0] == pytest.approx(np.log2(mixture.shares[0] / (1 - mixture.shares[0])))


def test_confidence_is_the_probability_of_the_odds() -> None:
    assert confidence(np.array([0.0, 1.0, -1.0, np.log2(9)])) == pytest.approx([0.5, 2 / 3, 1 / 3, 0.9])
    least, most = confidence(np.array([-np.inf, np.inf]))
    assert 0 < least < 1e-15 and most == 1
