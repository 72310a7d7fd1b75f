"""Bulk resolution in stages: each a function of files, so that it runs on any node that sees them, as often as needed.

The steps are those of `models.identity.resolve`, and so is the result, whatever the number of slices and buckets. What
a stage holds is a slice or a bucket of the records or pairs, and a few bytes for each record. Every stage writes new
files, whole or not at all; `pipelines.resolve_bulk` says in which order they run.

    digests    slice   -> what each record is, as a hash, to buckets of like records
    alike      bucket  -> the first of each set of equal records, and how many they are
    settle     all     -> first.npy, copies.npy
    keys       all     -> the keys to block by (without a trained model)
    blocks     slice   -> each record's blocks, to buckets of blocks
    pairs      bucket  -> pairs that share a block, to buckets of pairs
    learn      some    -> the model (without a trained one)
    score      bucket  -> each pair once, with its score
    connect    all     -> component.npy
    gather     bucket  -> the scores of pairs, to buckets of components
    people     bucket  -> who is who
    collect    all     -> entity.npy, confidence.npy
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.identity.blocking import BlockingKeys, BlockingSettings, Key, block_pairs, distinct, sample_step
from models.identity.clustering import components
from models.identity.comparison import Comparer
from models.identity.evidence import REVIEW_CONFIDENCE
from models.identity.fields import Field, Reading
from models.identity.filled import filled, pairs_by_filled
from models.identity.mixture import bits, fit, patterns_of, strangers_levels
from models.identity.model import COMMON_MIN, MatchModel, coincidence, frequencies_of
from models.identity.nicknames import NicknameTable
from models.identity.resolve import Compared, Pairs, people_of, random_pairs, score_pairs
from pipelines.record_store import RecordStore, load, save, write_index
from pipelines.shuffle import read_bucket, write_batches, write_buckets

LEARN_PAIRS = 2_000_000  # that a model is learned from
MODEL = "model.json"
_NO_BLOCKS = np.empty(0, np.uint64)

Rows = NDArray[np.int64]


class Plan(msgspec.Struct, frozen=True):
    """What all stages know. `buckets`: of like records, of blocks, of pairs and of components alike."""

    directory: str
    slices: int
    buckets: int
    fields: list[Field]
    reading: Reading
    blocking: BlockingSettings
    link_confidence: float

    @property
    def path(self) -> Path:
        return Path(self.directory)

    def records(self) -> RecordStore:
        """The records' fields."""
        return RecordStore(self.path, self.slices, self.fields)

    def model(self) -> MatchModel:
        """The trained or learned model."""
        return MatchModel.decode((self.path / MODEL).read_bytes())

    def files(self, stage: str, count: int) -> list[Path]:
        """What a stage has written."""
        return [self.file(stage, number) for number in range(count)]

    def file(self, stage: str, number: int) -> Path:
        """What a stage writes for a slice or bucket."""
        return self.path / f"{stage}-{number:05d}.arrow"


def index(plan: Plan) -> int:
    """Where each record is; how many there are."""
    return write_index(plan.path, plan.slices)


def digests(plan: Plan, number: int) -> None:
    """A hash of all of a record that is compared: equal records, and only they, have the same."""
    records = plan.records()
    texts = records.texts(number)
    for character, escape in (("\x1e", "\x1e0"), ("\x1f", "\x1e1")):
        texts = [pc.replace_substring(column, character, escape) for column in texts]
    lines = pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in texts), "\x1f")
    hashed = b"".join(blake2b(line.encode(), digest_size=16).digest() for line in lines.to_pylist())
    high, low = np.frombuffer(hashed, np.uint64).reshape(-1, 2).T
    columns = {"high": high, "low": low, "position": records.positions(number)}
    write_buckets(plan.file("digests", number), columns, _bucket(high, plan.buckets), plan.buckets)


def alike(plan: Plan, number: int) -> None:
    """Of each record the first one that is equal to it."""
    rows = read_bucket(plan.files("digests", plan.slices), number)
    order = np.lexsort((rows["position"], rows["low"], rows["high"]))
    high, low, position = (rows[name][order] for name in ("high", "low", "position"))
    starts = np.concatenate(([True], (high[1:] != high[:-1]) | (low[1:] != low[:-1])))[: len(order)]
    group = np.cumsum(starts) - 1
    write_batches(
        plan.file("alike", number),
        [{"position": position, "first": position[starts][group], "copies": np.bincount(group)[group]}],
    )


def settle(plan: Plan) -> int:
    """`first.npy`: by position, that of the first record that is equal. `copies.npy`: how many there are, 0 for all but
    the first. Returns how many distinct records there are."""
    count = len(load(plan.path / "index.npy"))
    first, copies = np.empty(count, np.int64), np.zeros(count, np.int32)
    for path in plan.files("alike", plan.buckets):
        rows = read_bucket([path], 0)
        first[rows["position"]] = rows["first"]
        leads = rows["position"] == rows["first"]
        copies[rows["position"][leads]] = rows["copies"][leads]
    save(plan.path / "first.npy", first)
    save(plan.path / "copies.npy", copies)
    return int(np.count_nonzero(copies))


def keys(plan: Plan) -> list[Key]:
    """The keys that records are blocked by, if no model says."""
    positions = np.flatnonzero(load(plan.path / "copies.npy"))
    step = sample_step(len(positions))
    return BlockingKeys(plan.records().fields(positions[::step])).choose(plan.blocking, step)


def blocks(plan: Plan, number: int, chosen: Sequence[Key]) -> None:
    """The blocks of each distinct record."""
    records, copies = plan.records(), load(plan.path / "copies.npy")
    positions = records.positions(number)
    positions = np.sort(positions[copies[positions] > 0])
    every = BlockingKeys(records.fields(positions)).blocks(chosen)
    found = [(hashes[hashes != 0], positions[hashes != 0]) for hashes in every]
    block, position = (np.concatenate(parts) for parts in zip(*found, (_NO_BLOCKS, positions[:0]), strict=True))
    columns = {"block": block, "position": position}
    write_buckets(plan.file("blocks", number), columns, _bucket(block, plan.buckets), plan.buckets)


def pairs(plan: Plan, number: int) -> None:
    """The pairs of records that share a block, packed as left << 32 | right; one bucket has all of a left record."""
    rows = read_bucket(plan.files("blocks", plan.slices), number)
    order = np.argsort(rows["position"], kind="stable")
    packed = distinct(block_pairs(rows["position"][order], rows["block"][order], plan.blocking.block_max))
    bucket = _bucket(packed >> 32, plan.buckets)
    write_buckets(plan.file("pairs", number), {"pair": packed}, bucket, plan.buckets)


def learn(plan: Plan, chosen: list[Key]) -> None:
    """Learns a model from the pairs of some left records, up to LEARN_PAIRS, and all frequencies of values."""
    records, copies = plan.records(), load(plan.path / "copies.npy")
    nicknames = NicknameTable.shipped()
    patterns, weights, read = [], [], 0
    for number in range(plan.buckets):
        left, right, weight = _candidates(plan, number, copies)
        patterns.append(_levels(records, nicknames, left, right))
        weights.append(weight)
        read += len(left)
        if read >= LEARN_PAIRS:
            break
    found = patterns_of(np.concatenate(patterns), np.concatenate(weights) * (plan.buckets / len(patterns)))
    count = len(records)
    counts = {field: records.value_counts(field, COMMON_MIN) for field in plan.fields}
    one, other = random_pairs(count)
    first = load(plan.path / "first.npy")
    random = _levels(records, nicknames, first[one], first[other])
    chances = {field: coincidence(field, numbers) for field, (_, numbers) in counts.items()}
    strangers = strangers_levels(random, found.levels, chances, plan.fields)
    total = count * (count - 1) / 2
    mixture = fit(found, strangers, tuple(plan.fields), total, _pairs_by_filled(plan, records, copies))
    frequencies = {field: frequencies_of(common, numbers) for field, (common, numbers) in counts.items()}
    _write(plan, MatchModel(plan.reading, chosen, plan.blocking, mixture, frequencies, count))


def score(plan: Plan, number: int) -> int:
    """Scores the pairs of a bucket, and of equal records one with another; returns how many pairs there are."""
    records, model, copies = plan.records(), plan.model(), load(plan.path / "copies.npy")
    left, right, weights = _candidates(plan, number, copies)
    positions, one, other = _ends(len(records), left, right)
    fields = records.fields(positions)
    comparer = Comparer(fields, NicknameTable.shipped())
    levels = comparer.levels(one, other)
    patterns = patterns_of(levels, weights)
    scores = score_pairs(model.scorer(fields), comparer, Compared(one, other, levels), patterns)
    write_batches(plan.file("score", number), [{"left": left, "right": right, "score": scores}])
    return int(np.count_nonzero(left != right))


def connect(plan: Plan, is_new: bool) -> None:
    """`component.npy`: by position, the number of its connected component of positive pairs; -1 for all but the first
    of equal records. If the model is new, it learns how many records resemble nobody."""
    copies = load(plan.path / "copies.npy")
    positions = np.flatnonzero(copies)
    label = np.arange(len(positions))
    for path in plan.files("score", plan.buckets):
        left, right, scores = _scored(path)
        linked = (scores > 0) & (left != right)
        ends = (label[np.searchsorted(positions, rows[linked])] for rows in (left, right))
        label = components(len(positions), *ends)[label]
    component = np.full(len(copies), -1, np.int64)
    component[positions] = label
    save(plan.path / "component.npy", component)
    if is_new:
        size = np.bincount(label)
        alone = np.count_nonzero((size[label] == 1) & (copies[positions] == 1)) / max(int(copies.sum()), 1)
        _write(plan, msgspec.structs.replace(plan.model(), alone=float(alone)))


def gather(plan: Plan, number: int) -> None:
    """Brings the scores of a bucket of pairs to their components; of pairs across two of them, only the best of each
    record, as a pair with itself and `kind` 2. Equal records are `kind` 1."""
    component = load(plan.path / "component.npy")
    left, right, scores = _scored(plan.file("score", number))
    across = component[left] != component[right]
    ends = np.concatenate([left[across], right[across]])
    positions, place = np.unique(ends, return_inverse=True)
    best = np.full(len(positions), -np.inf)
    np.maximum.at(best, place, np.concatenate([scores[across]] * 2))
    columns = {
        "left": np.concatenate([left[~across], positions]),
        "right": np.concatenate([right[~across], positions]),
        "score": np.concatenate([scores[~across], best]),
        "kind": np.concatenate([(left == right)[~across].astype(np.int8), np.full(len(positions), 2, np.int8)]),
    }
    bucket = component[columns["left"]] % plan.buckets
    write_buckets(plan.file("gather", number), columns, bucket, plan.buckets)


def people(plan: Plan, number: int) -> int:
    """Who is who in a bucket of components. Returns how many pairs of different people may well be one."""
    copies, component = load(plan.path / "copies.npy"), load(plan.path / "component.npy")
    rows = read_bucket(plan.files("gather", plan.buckets), number)
    order = np.lexsort((rows["right"], rows["left"]))
    left, right, scores, kind = (rows[name][order] for name in ("left", "right", "score", "kind"))
    positions = np.flatnonzero((component % plan.buckets == number) & (component >= 0))
    one, other = (np.searchsorted(positions, ends) for ends in (left, right))
    equal, outside = np.full(len(positions), np.nan), np.full(len(positions), -np.inf)
    equal[one[kind == 1]] = scores[kind == 1]
    np.maximum.at(outside, one[kind == 2], scores[kind == 2])
    of_two = Pairs(one[kind == 0], other[kind == 0], scores[kind == 0])
    least, alone = bits(plan.link_confidence), plan.model().alone
    found = people_of(copies[positions].astype(np.int64), of_two, equal, outside, least, alone)
    columns = {
        "position": positions,
        "entity": positions[found.entities],
        "alike": found.alike,
        "confidence": found.confidence,
    }
    write_batches(plan.file("people", number), [columns])
    apart = found.entities[of_two.left] != found.entities[of_two.right]
    return int(np.count_nonzero(apart & (of_two.scores >= bits(REVIEW_CONFIDENCE))))


def collect(plan: Plan) -> None:
    """`entity.npy`: by position, that of the first record of the record's person. `confidence.npy`: that it is with
    the right ones."""
    first = load(plan.path / "first.npy")
    entity, together, confidence = (np.empty(len(first), kind) for kind in (np.int64, np.bool_, np.float64))
    for path in plan.files("people", plan.buckets):
        rows = read_bucket([path], 0)
        for array, name in ((entity, "entity"), (together, "alike"), (confidence, "confidence")):
            array[rows["position"]] = rows[name]
    positions = np.arange(len(first))
    save(plan.path / "entity.npy", np.where(together[first] | (first == positions), entity[first], positions))
    save(plan.path / "confidence.npy", confidence[first])


def _bucket(numbers: NDArray[Any], buckets: int) -> Rows:
    """A bucket for each number; neighbours have different ones."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(32)).astype(np.int64) % buckets


def _candidates(plan: Plan, number: int, copies: NDArray[np.int32]) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """The pairs of a bucket and how many pairs of records each stands for; last those of equal records, each as a
    record's pair with itself."""
    packed = distinct(read_bucket(plan.files("pairs", plan.buckets), number)["pair"])
    several = np.flatnonzero(copies > 1)
    several = several[_bucket(several, plan.buckets) == number]
    left, right = (np.concatenate([ends, several]) for ends in (packed >> 32, packed & 0xFFFFFFFF))
    one, other = copies[left].astype(np.int64), copies[right].astype(np.int64)
    return left, right, np.where(left == right, one * (one - 1) // 2, one * other).astype(np.float64)


def _levels(records: RecordStore, nicknames: NicknameTable, left: Rows, right: Rows) -> NDArray[np.uint8]:
    positions, one, other = _ends(len(records), left, right)
    return Comparer(records.fields(positions), nicknames).levels(one, other)


def _ends(count: int, left: Rows, right: Rows) -> tuple[Rows, Rows, Rows]:
    """The records that are in pairs, and where in these each end is."""
    there = np.zeros(count, np.bool_)
    there[left] = there[right] = True
    place = np.cumsum(there, dtype=np.int64) - 1
    return np.flatnonzero(there), place[left], place[right]


def _pairs_by_filled(plan: Plan, records: RecordStore, copies: NDArray[np.int32]) -> dict[int, float]:
    found: Counter[int] = Counter()
    for number in range(plan.slices):
        positions = records.positions(number)
        positions = positions[copies[positions] > 0]
        masks, place = np.unique(filled(list(records.fields(positions).values())), return_inverse=True)
        counts = np.bincount(place, copies[positions], len(masks))
        found.update(dict(zip(masks.tolist(), counts.astype(np.int64).tolist(), strict=True)))
    return pairs_by_filled(np.array(list(found), np.int64), np.array(list(found.values()), np.int64))


def _scored(path: Path) -> tuple[Rows, Rows, NDArray[np.float64]]:
    rows = read_bucket([path], 0)
    return rows["left"], rows["right"], rows["score"]


def _write(plan: Plan, model: MatchModel) -> None:
    partial = plan.path / (MODEL + ".partial")
    partial.write_bytes(model.encode())
    partial.replace(plan.path / MODEL)
