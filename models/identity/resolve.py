"""Bulk resolution: from the fields of many records to people, in one pass and without labels.

Collapse (records that are the same), block (which pairs to compare), compare (how far they agree), learn (what that is
worth), score, cluster, and take apart what is in doubt. Each step is a module of its own; this one puts them together.
Pairs are worked on in chunks by `run`, which may be `map`, or the map of a pool of threads: most of the time goes into
code that lets other threads run.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from msgspec.structs import replace
from numpy.typing import NDArray

from models.identity.blocking import BlockingKeys, BlockingSettings, sample_step
from models.identity.clustering import CANNOT_LINK, MUST_LINK, cluster, held_together, holds, share_alone
from models.identity.columns import distinct_records, rows_of
from models.identity.comparison import Comparer, Levels, Rows, Run
from models.identity.evidence import LINK_CONFIDENCE
from models.identity.fields import Fields, Reading
from models.identity.filled import filled, pairs_by_filled
from models.identity.labels import Labels, by_node, find
from models.identity.mixture import Floats, Patterns, Scorer, bits, confidence, fit, odds, patterns_of, strangers_levels
from models.identity.model import MatchModel, coincidences, count_frequencies
from models.identity.nicknames import NicknameTable

CHUNK_PAIRS = 4_000_000  # that are compared at a time: the same values meet often in so many
SCORED_PAIRS = 200_000  # that are scored at a time
RANDOM_PAIRS = 200_000  # to learn how strangers compare
HOPELESS = -20.0  # bits; pairs that cannot reach it are not scored, and have this score
SCORE_MAX = 40.0  # bits; beyond, a pair's score says nothing more
NO_LABELS = Labels(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))
_SEED = 20


class Pairs(NamedTuple):
    """Scored pairs of distinct records: positions in `Resolved.distinct`, left < right, and scores in bits: MUST_LINK
    or CANNOT_LINK for those with a label."""

    left: Rows
    right: Rows
    scores: Floats


class Compared(NamedTuple):
    """Compared pairs of records: positions and comparison levels, (p, fields)."""

    left: Rows
    right: Rows
    levels: Levels


class Resolved(NamedTuple):
    """`entities`: the first record of each record's person. `confidence`: by record, that it is with the right ones:
    with another record of its person or, alone, with nobody. `distinct`: the first of each set of records that are the
    same in every field, ascending. Such records are worked on once, and count as many: they are one person if a record
    is one with its like (a common name and no more is not)."""

    entities: Rows
    confidence: Floats
    distinct: Rows
    pairs: Pairs
    model: MatchModel


class People(NamedTuple):
    """`entities`: the first record of each distinct record's person. `alike`: whether the records that it stands for
    are one person. `confidence`: that it is with the right ones."""

    entities: Rows
    alike: NDArray[np.bool_]
    confidence: Floats


class ResolveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be set; the defaults are meant for any data. `link_confidence`: what a link must have to hold.
    `memory_records`: up to so many are worked on in memory, more in stages on disk."""

    blocking: BlockingSettings = BlockingSettings()
    memory_records: Annotated[int, Meta(ge=0)] = 500_000
    link_confidence: Annotated[float, Meta(ge=0.5, lt=1)] = LINK_CONFIDENCE


def resolve(
    fields: Fields,
    reading: Reading,
    nicknames: NicknameTable,
    settings: ResolveSettings,
    run: Run = map,
    model: MatchModel | None = None,
    also: Callable[[Rows], tuple[Rows, Rows]] | None = None,
    labels: Labels = NO_LABELS,
    progress: Callable[[str], None] = lambda step: None,
) -> Resolved:
    """Resolves the records. With `model` nothing is learned. `also` finds further pairs to compare, which no key finds:
    from the positions of the distinct records, pairs of positions in these, left < right. `labels`: what is known.

    The result is the same for any order of the same records as long as their positions are sorted by something that
    belongs to them, such as their ids. Raises ValueError without any field, ContraryLabels.
    """
    if not fields:
        raise ValueError("fields: expected at least one; records without any cannot be matched")
    progress("block")
    first, position = distinct_records(list(fields.values()))
    copies = np.bincount(position, minlength=len(first))
    distinct = rows_of(fields, first)
    blocking = BlockingKeys(distinct)
    step = sample_step(len(first))
    sample = rows_of(distinct, slice(None, None, step))
    keys = model.keys if model else BlockingKeys(sample).choose(settings.blocking, step)
    left, right = blocking.pairs(keys, model.blocking if model else settings.blocking, run)
    if also is not None:
        left, right = _union(left, right, *also(first))
    labels = by_node(labels, position)
    distinct_pair = labels.left < labels.right
    left, right = _union(left, right, labels.left[distinct_pair], labels.right[distinct_pair])
    repeated = np.flatnonzero(copies > 1)  # pairs of equal records, each as a record's pair with itself
    left, right = np.concatenate([left, repeated]), np.concatenate([right, repeated])
    weights = (copies[left] * copies[right]).astype(np.float64)
    weights[len(left) - len(repeated) :] = (copies * (copies - 1) // 2)[repeated]
    progress("compare")
    comparer = Comparer(distinct, nicknames)
    parts = [comparer.levels(left[chunk], right[chunk], run) for chunk in _chunks(len(left), CHUNK_PAIRS)]
    levels = np.concatenate([*parts, np.empty((0, len(comparer.fields)), np.uint8)])
    label = find(labels, left, right)
    patterns = patterns_of(levels, np.where(label < 0, weights, 0))
    is_new = model is None
    if model is None:
        progress("learn")
        one, other = random_pairs(len(position))
        random = comparer.levels(position[one], position[other], run)
        strangers = strangers_levels(random, patterns.levels, coincidences(fields), comparer.fields)
        total = len(position) * (len(position) - 1) / 2
        masks, row = np.unique(filled(list(distinct.values())), return_inverse=True)
        by_filled = pairs_by_filled(masks, np.bincount(row, copies, len(masks)).astype(np.int64))
        known = levels[label >= 0], labels.same[label[label >= 0]]
        mixture = fit(patterns, strangers, comparer.fields, total, by_filled, known)
        model = MatchModel(reading, keys, settings.blocking, mixture, count_frequencies(fields), len(position))
    progress("score")
    scorer = model.scorer(distinct)
    scores = score_pairs(scorer, comparer, Compared(left, right, levels), patterns, run)
    scores[label >= 0] = np.where(labels.same[label[label >= 0]], MUST_LINK, CANNOT_LINK)
    progress("cluster")
    of_two = slice(0, len(left) - len(repeated))
    pairs = Pairs(left[of_two], right[of_two], scores[of_two])
    alike = np.full(len(first), np.nan)
    alike[repeated] = scores[len(pairs.left) :]
    if is_new:
        model = replace(model, alone=share_alone(copies, pairs.left, pairs.right, pairs.scores))
    people = people_of(copies, pairs, alike, np.full(len(first), -np.inf), bits(settings.link_confidence), model.alone)
    together = people.alike[position] | (first[position] == np.arange(len(position)))
    everyone = np.where(together, first[people.entities[position]], np.arange(len(position)))
    return Resolved(everyone, people.confidence[position], first, pairs, model)


def people_of(copies: Rows, pairs: Pairs, alike: Floats, outside: Floats, least: float, alone: float) -> People:
    """Who is who among distinct records: whole connected components of positive pairs, or all of them.

    `copies`: how many records each one stands for, and `alike` the score of two of them, nan for one. `outside`: the
    best score of each with a record that is not among these. `least`: bits that a link must have, given that a share
    of `alone` of all records resembles nobody.
    """
    weights = (copies[pairs.left] * copies[pairs.right]).astype(np.float64)
    entities = cluster(len(copies), pairs.left, pairs.right, pairs.scores * weights)
    entities = held_together(entities, pairs.left, pairs.right, pairs.scores, least, alone)
    one_person = (copies == 1) | holds(alike, np.zeros(len(copies)), least, alone)
    # The best pair within the record's person; for a record alone, that its best pair is none.
    inside = entities[pairs.left] == entities[pairs.right]
    best_inside, best_other = np.fmax(alike, -np.inf), outside.copy()
    for rows in (pairs.left, pairs.right):
        np.maximum.at(best_inside, rows[inside], pairs.scores[inside])
        np.maximum.at(best_other, rows[~inside], pairs.scores[~inside])
    is_alone = (np.bincount(entities, minlength=len(entities))[entities] == 1) & (best_inside <= 0)
    best_other = np.maximum(best_other, best_inside)  # an equal record that is another person is a pair, too
    sure = np.where(is_alone, 1 - confidence(best_other), confidence(best_inside))
    return People(entities, one_person, sure)


def score_pairs(scorer: Scorer, comparer: Comparer, compared: Compared, patterns: Patterns, run: Run = map) -> Floats:
    """The scores of pairs, between -SCORE_MAX and SCORE_MAX bits; those that cannot reach HOPELESS get that."""
    rows = np.flatnonzero((scorer.best_possible(patterns.levels) > HOPELESS)[patterns.rows])
    by_pattern = scorer.pattern_logs(patterns.levels)

    def score(chunk: slice) -> Floats:
        some = rows[chunk]
        known = by_pattern[:, patterns.rows[some]]
        levels = compared.levels[some]
        return odds(scorer.kinship_logs(comparer, levels, compared.left[some], compared.right[some], known))

    scores = np.full(len(compared.left), HOPELESS)
    scored = np.concatenate([*run(score, _chunks(len(rows), SCORED_PAIRS)), np.empty(0)])
    scores[rows] = np.clip(scored, -SCORE_MAX, SCORE_MAX)
    return scores


def _union(left: Rows, right: Rows, more_left: Rows, more_right: Rows) -> tuple[Rows, Rows]:
    """Pairs of both kinds, each once and in ascending order; the first are so already."""
    if not len(more_left):
        return left, right
    packed = np.unique(np.concatenate([left << 32 | right, more_left << 32 | more_right]))
    return packed >> 32, packed & 0xFFFFFFFF


def _chunks(length: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, length, size)]


def random_pairs(count: int) -> tuple[Rows, Rows]:
    """Pairs of records to learn from how strangers compare: positions below `count`."""
    sample = np.random.default_rng(_SEED).integers(0, count, (2, RANDOM_PAIRS if count else 0))
    left, right = sample[:, sample[0] != sample[1]]
    return left, right
