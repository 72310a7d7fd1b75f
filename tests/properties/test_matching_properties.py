"""The matching engine against naive twins: what it does at once for many is what its rules say for one pair."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, JaroWinkler

from models.identity import blocking, comparison, mixture
from models.identity.blocking import ANY_NAME, BOTH_NAMES, BlockingKeys, BlockingSettings, Key
from models.identity.clustering import CANNOT_LINK, cluster
from models.identity.columns import column_of, role_columns
from models.identity.comparison import DIFFERENT, EXACT, KINDS, LEVELS, MISSING, Comparer, Kind
from models.identity.drawing_waterfall import check_sum
from models.identity.fields import FIELDS, Field, Reading, normalised_fields
from models.identity.filled import both_filled
from models.identity.matcher import Matcher
from models.identity.mixture import KINSHIPS, fit, patterns_of, strangers_levels
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord, Role
from models.identity.resolve import HOPELESS, SCORE_MAX, ResolveSettings, resolve
from tests.strategies.people import households
from tests.strategies.resolving import learned

NICKNAMES = NicknameTable([("robert", "bob"), ("robert", "rob"), ("albert", "al"), ("alan", "al")])
NAMES = ["robert", "bob", "rob", "albert", "al", "alan", "r", "mary ann", "mary", "ann", "martha", "marhta", "maría"]
FIELD_OF: dict[Kind, Field] = {kind: field for field, kind in KINDS.items()}


# Comparison


def letters(alphabet: str, longest: int = 9) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=longest)


def words(word: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(word, min_size=1, max_size=3).map(" ".join)


DATES = st.builds(
    lambda year, month, day: f"{year:04d}{month:02d}{day:02d}",
    st.sampled_from([1979, 1980, 1981, 1908, 1918]),
    st.sampled_from([0, 1, 4, 9, 11, 12]),
    st.sampled_from([0, 1, 4, 9, 11, 12, 21]),
)
TEXTS: dict[Kind, st.SearchStrategy[str]] = {
    "name": st.sampled_from(NAMES) | words(letters("abr") | st.sampled_from(NAMES)),
    "text": words(letters("abst")),
    # Letters whose codes are alike in the last six bits share a bit of the engine's sketch of a text.
    "code": letters("12a!ħ"),
    "date": DATES,
    "email": st.builds(lambda a, b: f"{a}@{b}.com", letters("ab."), letters("xy", 4)),
    "exact": letters("ab", 2),
}


def naive_alike(a: str, b: str) -> int:
    similarity = np.float32(JaroWinkler.normalized_similarity(a, b))
    if similarity >= np.float32(0.92):
        return 3
    if similarity >= np.float32(0.7) and min(len(a), len(b)) >= 4 and OSA.distance(a, b) <= 1:
        return 3
    return 4 if similarity >= np.float32(0.8) else DIFFERENT


def is_contained(a: str, b: str) -> bool:
    return (" " in a or " " in b) and fuzz.token_set_ratio(a, b) >= 99


def naive_name(a: str, b: str) -> int:
    if is_contained(a, b):
        return 2
    if len(a) == 1 or len(b) == 1:
        return 5 if a[0] == b[0] else DIFFERENT
    return 2 if NICKNAMES.related(a, b) else naive_alike(a, b)


def naive_text(a: str, b: str) -> int:
    return 2 if is_contained(a, b) else naive_alike(a, b)


def naive_code(a: str, b: str) -> int:
    return {0: 3, 1: 3, 2: 4}.get(OSA.distance(a, b), DIFFERENT)


def naive_date(a: str, b: str) -> int:
    (ya, ma, da), (yb, mb, db) = ((t[:4], t[4:6], t[6:]) for t in (a, b))
    if ya == yb and all("00" in (x, y) or x == y for x, y in ((ma, mb), (da, db))):
        return 4
    if ya == yb and (ma, da) == (db, mb):
        return 2
    if (ya == yb or (ma, da) == (mb, db)) and OSA.distance(a, b) <= 1:
        return 3
    agreeing = [ya == yb, ma == mb != "00", da == db != "00"]
    if sum(agreeing) >= 2:
        return 5
    return 6 if ya == yb else DIFFERENT


def naive_email(a: str, b: str) -> int:
    edits = OSA.distance(a, b)
    if edits <= 1:
        return 2
    if a.split("@")[0] == b.split("@")[0]:
        return 3
    if edits <= 2:
        return 4
    return 5 if np.float32(JaroWinkler.normalized_similarity(a, b)) >= np.float32(0.88) else DIFFERENT


NAIVE: dict[Kind, Callable[[str, str], int]] = {
    "name": naive_name,
    "text": naive_text,
    "code": naive_code,
    "date": naive_date,
    "email": naive_email,
    "exact": lambda a, b: DIFFERENT,
}
WORST_LAST = [EXACT, 2, 3, 4, 5, 6, DIFFERENT, MISSING]


def naive_level(kind: Kind, left: Sequence[str], right: Sequence[str]) -> int:
    """The best level of any value of one with any of the other."""
    levels = [EXACT if a == b else NAIVE[kind](a, b) for a, b in product(left, right)]
    return min(levels, key=WORST_LAST.index, default=MISSING)


@pytest.mark.parametrize("kind", get_args(Kind))
@settings(max_examples=40)
@given(st.data())
def test_levels_are_those_of_each_pair_by_itself_whichever_way_round(kind: Kind, data: st.DataObject) -> None:
    records = data.draw(st.lists(st.lists(TEXTS[kind], max_size=3, unique=True), min_size=2, max_size=12))
    field = FIELD_OF[kind]
    comparer = Comparer({field: column_of(records)}, NICKNAMES)
    left, right = (side.ravel() for side in np.indices((len(records), len(records))))
    expected = [naive_level(kind, records[a], records[b]) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    assert comparer.levels(left, right)[:, 0].tolist() == expected
    assert comparer.levels(right, left)[:, 0].tolist() == expected
    with pytest.MonkeyPatch.context() as patch:  # the way of large sets: no table, all cores
        patch.setattr(comparison, "_TABLE_MAX", 0)
        patch.setattr(comparison, "_ALONE_MAX", 0)
        assert Comparer({field: column_of(records)}, NICKNAMES).levels(left, right)[:, 0].tolist() == expected


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["", *NAMES]), st.sampled_from(["", *NAMES])), min_size=2, max_size=8))
def test_exchanged_names_are_the_same_whichever_way_round(names: list[tuple[str, str]]) -> None:
    givens, families = ([[name] if name else [] for name in column] for column in zip(*names, strict=True))
    comparer = Comparer({"given_name": column_of(givens), "family_name": column_of(families)}, NICKNAMES)
    for (a, one), (b, other) in product(enumerate(names), repeat=2):
        found = comparer.levels(np.array([a]), np.array([b]))[0].tolist()
        assert found == comparer.levels(np.array([b]), np.array([a]))[0].tolist()
        plain = [naive_level("name", *([t] if t else [] for t in pair)) for pair in zip(one, other, strict=True)]
        crossed = [x == y != "" for x, y in ((one[0], other[1]), (one[1], other[0]))]
        if EXACT in plain or not any(crossed):
            assert found == plain
        elif all(crossed):
            assert found == [6, 6]
        else:
            assert found == [6 if plain[0] == DIFFERENT else plain[0], plain[1]]


# Blocking

VALUES: dict[Field, st.SearchStrategy[list[str]]] = {
    "given_name": st.lists(st.sampled_from(["anna", "ana", "bob", "b", "carla", "thomas"]), max_size=1),
    "family_name": st.lists(st.sampled_from(["lee", "leigh", "thomas", "ray"]), max_size=1),
    "birth_date": st.lists(st.sampled_from(["19800409", "19800400", "19800000", "19510409"]), max_size=1),
    "email": st.lists(st.sampled_from(["a@x.com", "b@x.com", "a@y.com", "c@z.com"]), max_size=3, unique=True),
    "phone": st.lists(st.sampled_from(["111222333", "444555666", "777888999"]), max_size=2, unique=True),
}
BLOCKED = st.lists(st.fixed_dictionaries(dict(VALUES)), min_size=2, max_size=25)


def blocking_of(records: list[dict[Field, list[str]]]) -> BlockingKeys:
    return BlockingKeys({field: column_of([record[field] for record in records]) for field in VALUES})


def naive_atoms(record: dict[Field, list[str]], name: str) -> set[str]:
    """What a record has of an atom, as text."""
    if name in (BOTH_NAMES, ANY_NAME):
        sounds = [blocking._sound(text) for field in ("given_name", "family_name") for text in record[field]]
        return set(sounds) if name == ANY_NAME else {"|".join(sorted(sounds))} if len(sounds) == 2 else set()
    atom = blocking._BY_NAME[name]
    return {part for text in record[atom.field] if (part := atom.part(text))}


def naive_pairs(records: list[dict[Field, list[str]]], key: Key, block_max: int) -> set[tuple[int, int]]:
    blocks = defaultdict(list)
    for position, record in enumerate(records):
        for values in product(*(naive_atoms(record, name) for name in key)):
            blocks[values].append(position)
    return {pair for block in blocks.values() if len(block) <= block_max for pair in combinations(block, 2)}


@pytest.fixture(scope="module", autouse=True)
def few_records_are_blocked_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "ALL_PAIRS_MAX", 0)
        yield


@settings(max_examples=60)
@given(BLOCKED, st.integers(1, 30), st.floats(0.05, 10))
def test_pairs_are_those_that_share_a_key_each_once(
    records: list[dict[Field, list[str]]], block_max: int, budget: float
) -> None:
    bounds = BlockingSettings(pairs_per_record=budget, block_max=block_max)
    found = blocking_of(records)
    keys = found.choose(bounds)
    left, right = found.pairs(keys, bounds)
    expected = set().union(*(naive_pairs(records, key, block_max) for key in keys))
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == sorted(expected)
    for key in keys:
        if key not in (("email",), ("phone",)):  # few people share these, whatever the budget
            blocks = naive_pairs(records, key, len(records))
            assert len(blocks) <= budget * len(records)


@settings(max_examples=40)
@given(BLOCKED)
def test_a_key_that_is_left_out_beside_a_coarser_one_finds_no_more_pairs(records: list[dict[Field, list[str]]]) -> None:
    found = blocking_of(records)
    everything = len(records)
    for fine in blocking._ATOMS:
        for coarse in fine.coarser:
            if fine.field in VALUES:
                fewer = naive_pairs(records, (fine.name,), everything)
                assert fewer <= naive_pairs(records, (coarse,), everything), (fine.name, coarse)
    chosen = found.choose(BlockingSettings(pairs_per_record=everything, block_max=everything))
    assert not any(blocking._covers(a, b) for a, b in product(chosen, repeat=2) if a != b and len(a) <= len(b) > 1)


# Clustering


@st.composite
def scored_pairs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, float]]]:
    count = draw(st.integers(1, 9))
    every = list(combinations(range(count), 2))
    scores = st.integers(-24, 24).map(lambda n: n / 8) | st.sampled_from([CANNOT_LINK, 40.0, -20.0])
    chosen = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    return count, [(a, b, draw(scores)) for a, b in chosen]


def clustered(count: int, pairs: Sequence[tuple[int, int, float]]) -> list[int]:
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    labels: list[int] = cluster(count, left, right, np.array([pair[2] for pair in pairs], np.float64)).tolist()
    return labels


def naive_clusters(count: int, pairs: Sequence[tuple[int, int, float]]) -> list[int]:
    """Joins the two clusters of the highest sum, of equals those of the lowest records, as long as it is positive."""
    labels = list(range(count))
    while True:
        sums: dict[tuple[int, int], float] = defaultdict(float)
        for a, b, score in pairs:
            if labels[a] != labels[b]:
                one, other = sorted((labels[a], labels[b]))
                sums[one, other] += score
        best = min(sums, key=lambda clusters: (-sums[clusters], clusters), default=None)
        if best is None or sums[best] <= 0:
            return labels
        labels = [best[0] if label == best[1] else label for label in labels]


@settings(max_examples=200)
@given(scored_pairs(), st.randoms(use_true_random=False))
def test_clusters_are_the_naive_ones_in_whatever_order(given_pairs: Any, rng: Any) -> None:
    count, pairs = given_pairs
    labels = clustered(count, pairs)
    assert labels == naive_clusters(count, pairs)
    assert labels == clustered(count, rng.sample(pairs, len(pairs)))
    assert not any(labels[a] == labels[b] for a, b, score in pairs if score == CANNOT_LINK)
    assert all(labels[label] == label <= record for record, label in enumerate(labels))


@settings(max_examples=60)
@given(scored_pairs(), scored_pairs())
def test_clusters_do_not_depend_on_what_they_are_not_linked_to(one: Any, other: Any) -> None:
    (count, pairs), (others, other_pairs) = one, other
    moved = [(a + count, b + count, score) for a, b, score in other_pairs]
    against = [(0, count, -3.0)]  # a pair that speaks against a join links nothing
    together = clustered(count + others, [*pairs, *moved, *against])
    assert together == clustered(count, pairs) + [label + count for label in clustered(others, other_pairs)]


# Mixture

LEARNED_FIELDS: tuple[Field, ...] = ("given_name", "family_name", "birth_date", "email", "city")


@st.composite
def made_up_patterns(draw: st.DrawFn) -> tuple[Any, Any, float]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pairs = draw(st.integers(1, 400))
    alike, apart = rng.dirichlet([0.5] * LEVELS), rng.dirichlet([0.5] * LEVELS)
    is_same = rng.random(pairs) < rng.random()
    shape = (pairs, len(LEARNED_FIELDS))
    levels = np.where(is_same[:, None], rng.choice(LEVELS, shape, p=alike), rng.choice(LEVELS, shape, p=apart))
    levels = levels.astype(np.uint8)
    random_pairs = rng.choice(LEVELS, (300, len(LEARNED_FIELDS)), p=apart).astype(np.uint8)
    coincidence = {field: float(rng.random() * 0.3) for field in LEARNED_FIELDS}
    strangers = strangers_levels(random_pairs, levels, coincidence, LEARNED_FIELDS)
    return patterns_of(levels), strangers, float(pairs * draw(st.sampled_from([1.0, 1.5, 100.0])))


def penalised_likelihood(found: Any, patterns: Any, strangers: Any, total: float) -> float:
    """Of the candidates, of the other pairs (which are strangers), and of what counts before anything is seen."""
    start, free = mixture._start(strangers, LEARNED_FIELDS)
    email = LEARNED_FIELDS.index("email")
    names_agree = mixture._agreements(patterns.levels, LEARNED_FIELDS)[email].tolist()
    levels, of_two = np.maximum(found.array, 1e-12), np.maximum(np.array(found.made_of["email"]), 1e-12)
    value = (total - patterns.counts.sum()) * math.log(found.shares[-1])
    for row, agreement, count in zip(patterns.levels.tolist(), names_agree, patterns.counts.tolist(), strict=True):
        odds = [
            share
            * math.prod(
                of_two[agreement, level] if kinship and field == email else levels[kinship, field, level]
                for field, level in enumerate(row)
                if level != MISSING
            )
            for kinship, share in enumerate(found.shares)
        ]
        value += count * math.log(sum(odds))
    for kinship, field in zip(*np.nonzero(free), strict=True):
        value += mixture._START_PAIRS * float((start[kinship, field] * np.log(levels[kinship, field])).sum())
    value += mixture._MADE_OF_PAIRS * float((strangers[email, 2:] * np.log(of_two[:, 2:])).sum())
    return float(value)


@settings(max_examples=25)
@given(made_up_patterns())
def test_learning_never_becomes_less_likely_and_gives_probabilities(made_up: Any) -> None:
    patterns, strangers, total = made_up
    assert strangers.sum(axis=1) == pytest.approx(np.ones(len(LEARNED_FIELDS)))
    values = []
    for iterations in (0, 1, 2, 3, 5, 10, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mixture, "ITERATIONS_MAX", iterations)
            found = fit(patterns, strangers, LEARNED_FIELDS, total, {})
        assert sum(found.shares) == pytest.approx(1, abs=1e-9)
        assert min(found.shares) > 0
        assert found.array.sum(axis=2) == pytest.approx(np.ones((len(KINSHIPS), len(LEARNED_FIELDS))))
        assert (found.array >= 0).all()
        values.append(penalised_likelihood(found, patterns, strangers, total))
    steps = np.diff(values)
    assert (steps >= -1e-6 * np.abs(values[1:])).all(), values


@settings(max_examples=25)
@given(made_up_patterns(), st.floats(0, 1))
def test_shares_of_pairs_by_what_they_have_are_probabilities(made_up: Any, counted: float) -> None:
    """Even if fewer pairs were counted than there are candidates."""
    patterns, strangers, total = made_up
    masks = both_filled(patterns.levels)
    by_filled = {int(mask): counted * float(patterns.counts[masks == mask].sum()) for mask in np.unique(masks)}
    found = fit(patterns, strangers, LEARNED_FIELDS, total, by_filled)
    assert len(found.shares_by_filled) == len(by_filled)
    for shares in found.shares_by_filled.values():
        assert sum(shares) == pytest.approx(1, abs=1e-9)
        assert min(shares) > 0


# One record and many: the same fields, keys, levels and scores

PEOPLE = households(11, 120)[0]
SHIPPED = NicknameTable.shipped()
MODEL = MatchModel.decode(learned(PEOPLE, SHIPPED).encode())
MATCHERS = {"learned": Matcher(MODEL, SHIPPED), "shipped": Matcher.shipped()}
MESSY: dict[Role, list[str]] = {
    "given_name": ["Anna", "anna maria", "Ben", "B.", "Kor"],
    "family_name": ["Baderfo", "Kor-Lem", "Baderfo Jr", "Anna"],
    "full_name": ["Baderfo, Anna M.", "Ben Korlem Sr.", "Dr. Anna Maria Baderfo"],
    "middle_name": ["M", "Maria"],
    "birth_date": ["1980-04-09", "09/04/1980", "1980", "not known"],
    "email": ["anna.baderfo@example.com", "anna.baderfo@example.org", "ben@example.com", "anna.baderfo1@example.com"],
    "street_address": ["12 bagal street", "12 Bagal St", "7 derba street Apt 3"],
    "street_name": ["bagal street", "derba street"],
    "city": ["Baderton", "badertown", "Gal Fo Ton"],
    "phone": ["+44 3814 250533", "03814 250533", "0000000"],
}


@st.composite
def messy_records(draw: st.DrawFn) -> MatchRecord:
    values: dict[Role, tuple[str, ...]] = {}
    for role, texts in MESSY.items():
        chosen = draw(st.lists(st.sampled_from(texts), max_size=2 if role in ("email", "phone") else 1, unique=True))
        if chosen:
            values[role] = tuple(chosen)
    return MatchRecord("", values)


RECORDS = messy_records() | st.sampled_from(PEOPLE)


@pytest.mark.parametrize("name", MATCHERS)
@settings(max_examples=40)
@given(st.lists(RECORDS, min_size=2, max_size=8))
def test_scores_of_single_records_are_those_of_bulk_and_add_up(name: str, records: list[MatchRecord]) -> None:
    matcher = MATCHERS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "ALL_PAIRS_MAX", 1_000)
        found = resolve(
            matcher.model.read(role_columns(records), len(records)),
            Reading(),
            SHIPPED,
            ResolveSettings(),
            model=matcher.model,
        )
    assert len(found.pairs.left) == len(found.distinct) * (len(found.distinct) - 1) // 2
    for left, right, score in zip(*(side.tolist() for side in found.pairs), strict=True):
        one, other = (records[found.distinct[position]] for position in (left, right))
        (there,), (back,) = matcher.score(one, [other]), matcher.score(other, [one])
        check_sum(there)
        assert there.score == pytest.approx(back.score, abs=1e-9)
        if score == HOPELESS:
            assert there.score <= HOPELESS + 1e-6
        else:
            assert score == pytest.approx(min(max(there.score, -SCORE_MAX), SCORE_MAX), abs=1e-6)


@pytest.mark.parametrize("name", MATCHERS)
@settings(max_examples=40)
@given(st.lists(RECORDS, min_size=2, max_size=8))
def test_records_share_a_key_exactly_if_bulk_pairs_them(name: str, records: list[MatchRecord]) -> None:
    matcher = MATCHERS[name]
    together = [set(keys) for keys in matcher.keys(records)]
    assert together == [set(matcher.keys([record])[0]) for record in records]  # a batch changes nothing
    fields = BlockingKeys(normalised_fields(role_columns(records), matcher.model.reading))
    left, right = fields.pairs(matcher.model.keys, BlockingSettings(block_max=len(records)))
    paired = set(zip(left.tolist(), right.tolist(), strict=True))
    for a, b in combinations(range(len(records)), 2):
        assert bool(together[a] & together[b]) == ((a, b) in paired)


def test_every_field_has_a_kind_and_a_twin_here() -> None:
    assert set(KINDS) == set(FIELDS)
    assert set(NAIVE) == set(TEXTS) == set(KINDS.values())
