"""Which records are worth comparing: those that share a blocking key.

A key is made of one to three atoms, parts of fields such as a name's sound or a year of birth. Which combinations are
used is not written down for any kind of data but chosen from the records: every combination, the coarsest first, that
gives no more pairs for each record than a budget allows. So a set with few fields gets coarse keys, a large set gets
fine ones, and the number of pairs grows with the number of records, not with its square.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import combinations, product
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.identity.columns import Column
from models.identity.comparison import Run
from models.identity.fields import Field, Fields

Hashes = NDArray[np.uint64]  # one a record; 0: it has none

ATOMS_MAX = 3  # of one key
SAMPLE_MAX = 12_000  # records that numbers of pairs are estimated from
ALL_PAIRS_MAX = 1_500  # records of which all pairs are compared


class BlockingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`pairs_per_record`: the most that one key may give, on average. `block_max`: records that may share a key; the
    key's larger blocks are left out."""

    pairs_per_record: float = 3.0
    block_max: int = 250


def sample_step(count: int) -> int:
    """Of so many records every how many-th is enough to choose keys by."""
    return max(1, -(-count // SAMPLE_MAX))


class _Atom(NamedTuple):
    """A part of a field. `coarser`: names of the atoms that are the same whenever this one is. `identifies`: few
    people share a value, so that the atom is a key by itself whatever the budget."""

    name: str
    field: Field
    part: Callable[[str], str]
    coarser: tuple[str, ...] = ()
    identifies: bool = False


_VOWELS = str.maketrans("", "", "aeiouyhw")


def _sound(name: str) -> str:
    """The first word's consonants, doubled ones once: rough, but the same for most misspellings."""
    word = name.partition(" ")[0]
    letters = word[:1]
    for letter in word[1:].translate(_VOWELS):
        if letter != letters[-1]:
            letters += letter
    return letters[:5]


def _whole(text: str) -> str:
    return text


def _long(text: str) -> str:
    return text if len(text) > 1 else ""


_ATOMS: tuple[_Atom, ...] = (
    _Atom("given_name", "given_name", _long, ("given_name[:4]", "given_name~", "given_name[:1]", "any_name~")),
    _Atom("given_name[:4]", "given_name", lambda t: t[:4] if len(t) > 1 else "", ("given_name[:1]",)),
    _Atom("given_name~", "given_name", lambda t: _sound(t) if len(t) > 1 else "", ("given_name[:1]", "any_name~")),
    _Atom("given_name[:1]", "given_name", lambda t: t[:1]),
    _Atom("middle_name", "middle_name", _long, ("middle_name[:1]",)),
    _Atom("middle_name[:1]", "middle_name", lambda t: t[:1]),
    _Atom("family_name", "family_name", _long, ("family_name[:4]", "family_name~", "family_name[:2]", "any_name~")),
    _Atom("family_name[:4]", "family_name", lambda t: t[:4], ("family_name[:2]",)),
    _Atom("family_name~", "family_name", _sound, ("any_name~",)),
    _Atom("family_name[:2]", "family_name", lambda t: t[:2]),
    _Atom(
        "birth_date",
        "birth_date",
        lambda t: t if t[6:] != "00" else "",
        ("birth_date[:6]", "birth_date[4:]", "birth_date[:4]"),
    ),
    _Atom("birth_date[:6]", "birth_date", lambda t: t[:6] if t[4:6] != "00" else "", ("birth_date[:4]",)),
    _Atom("birth_date[4:]", "birth_date", lambda t: t[4:] if t[6:] != "00" else ""),
    _Atom("birth_date[:4]", "birth_date", lambda t: t[:4]),
    _Atom("email", "email", _whole, ("email@",), identifies=True),
    _Atom("email@", "email", lambda t: t.partition("@")[0]),
    _Atom("phone", "phone", _whole, identifies=True),
    _Atom("national_id", "national_id", _whole, identifies=True),
    _Atom("other_id", "other_id", _whole, identifies=True),
    _Atom("postcode", "postcode", _whole),
    _Atom("street", "street", _whole),
    _Atom("street_number", "street_number", _whole),
    _Atom("address_line_2", "address_line_2", _whole),
    _Atom("city", "city", _whole),
    _Atom("birth_place", "birth_place", _whole),
    _Atom("employer", "employer", _whole),
    _Atom("occupation", "occupation", _whole),
)
_BY_NAME = {atom.name: atom for atom in _ATOMS}
# Names whichever way round they are written: both sounds in alphabetical order, and either of them.
BOTH_NAMES, ANY_NAME = "name~", "any_name~"

Key = tuple[str, ...]  # names of atoms, in alphabetical order


class BlockingKeys:
    """The atoms of a set of records, each made when it is first needed, and the keys made of them."""

    def __init__(self, fields: Fields) -> None:
        self.count = len(next(iter(fields.values())).codes) if fields else 0
        self._fields = fields
        self._names = [atom.name for atom in _ATOMS if atom.field in fields]
        if "given_name" in fields and "family_name" in fields:
            self._names += [BOTH_NAMES, ANY_NAME]
        self._made: dict[str, list[Hashes]] = {}

    def _atom(self, name: str) -> list[Hashes]:
        """The records' hashes of an atom."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> list[Hashes]:
        if name in (BOTH_NAMES, ANY_NAME):
            givens, families = (_hashes(self._fields[f], "name", _sound) for f in ("given_name", "family_name"))
            if name == ANY_NAME:
                return [*givens, *families]
            return [_mixed(np.minimum(one, two), np.maximum(one, two)) for one in givens for two in families]
        atom = _BY_NAME[name]
        return _hashes(self._fields[atom.field], atom.name, atom.part)

    def choose(self, settings: BlockingSettings, step: int = 1) -> list[Key]:
        """The keys that the budget allows, by the rule above, if these records are every `step`-th of all
        (`sample_step`)."""
        sample = {name: self._atom(name) for name in self._names}
        budget = settings.pairs_per_record * self.count / step
        chosen: list[Key] = [(name,) for name in self._names if _identifies(name)]
        for size in range(1, ATOMS_MAX + 1):
            estimates = []
            for key in combinations(sorted(sample), size):
                if _about_different_things(key) and not any(_covers(other, key) for other in chosen):
                    pairs = _pair_count(*_postings(list(_key_hashes(sample, key))))
                    if pairs <= budget:
                        estimates.append((-pairs, key))
            for _, key in sorted(estimates):
                if not any(_covers(other, key) for other in chosen):
                    chosen.append(key)
        return sorted(chosen)

    def hashes(self, key: Key) -> Iterator[Hashes]:
        """The records' hashes of one key: several arrays if the records may have several values. Nothing if the
        records lack a field of it."""
        if all(name in self._names for name in key):
            yield from _key_hashes({name: self._atom(name) for name in key}, key)

    def blocks(self, keys: Sequence[Key]) -> Iterator[Hashes]:
        """The blocks that `pairs` pairs records in: records of one hash (0: none), in whatever arrays, are a block. No
        record has a hash twice and no two keys have one in common, so that one index can hold them all; they do not
        depend on other records."""
        for key in keys:
            salt = np.uint64(int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "little"))
            earlier: list[Hashes] = []
            for hashes in self.hashes(key):
                fresh = hashes != 0
                for others in earlier:
                    fresh &= hashes != others
                earlier.append(hashes)
                yield np.where(fresh, hashes ^ salt, np.uint64(0))

    def pairs(
        self, keys: Sequence[Key], settings: BlockingSettings, run: Run = map
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All pairs of records, left < right, that share a key; each once, in ascending order. `run` works on keys."""
        if self.count <= ALL_PAIRS_MAX:
            left, right = np.triu_indices(self.count, 1)
            return left.astype(np.int64), right.astype(np.int64)
        every = (hashes for key in keys if (hashes := list(self.hashes(key))))
        packed = list(run(lambda hashes: block_pairs(*_postings(hashes), settings.block_max), every))
        found = distinct(np.concatenate(packed)) if packed else np.empty(0, np.int64)
        return found >> 32, found & 0xFFFFFFFF


def _identifies(name: str) -> bool:
    return name in _BY_NAME and _BY_NAME[name].identifies


def _fields_of(name: str) -> tuple[str, ...]:
    return ("given_name", "family_name") if name in (BOTH_NAMES, ANY_NAME) else (_BY_NAME[name].field,)


def _about_different_things(key: Key) -> bool:
    fields = [field for name in key for field in _fields_of(name)]
    return len(fields) == len(set(fields))


def _covers(coarse: Key, fine: Key) -> bool:
    """Whether records that share `fine` share `coarse` too."""
    return all(any(c == f or (f in _BY_NAME and c in _BY_NAME[f].coarser) for f in fine) for c in coarse)


def _hashes(column: Column, salt: str, part: Callable[[str], str]) -> list[Hashes]:
    """One array for each value that a record may have."""
    known: dict[str, int] = {}
    table = np.zeros(len(column.values) + 1, np.uint64)  # the last stands for ABSENT
    for position, value in enumerate(column.values):
        text = part(value)
        if text:
            if text not in known:
                digest = blake2b(text.encode(), digest_size=8, person=salt.encode()[:16]).digest()
                known[text] = int.from_bytes(digest, "little") | 1
            table[position] = known[text]
    return [table[column.codes[:, place]] for place in range(column.codes.shape[1])]


def _key_hashes(atoms: Mapping[str, Sequence[Hashes]], key: Key) -> Iterator[Hashes]:
    for parts in product(*(atoms[name] for name in key)):
        hashes = parts[0]
        for other in parts[1:]:
            hashes = _mixed(hashes, other)
        yield hashes


def _mixed(first: Hashes, second: Hashes) -> Hashes:
    """A hash of both (multiplication after Knuth, TAOCP 6.4); 0 where either is."""
    mixed = (first ^ (second >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15) + second
    return np.where((first != 0) & (second != 0), mixed | np.uint64(1), np.uint64(0))


def _postings(hashes: Sequence[Hashes]) -> tuple[NDArray[np.int64], Hashes]:
    """Rows and their hashes of one key, rows in ascending order. Where records have several values, any of one is to
    meet any of another."""
    if len(hashes) == 1:
        rows = np.flatnonzero(hashes[0])
        return rows, hashes[0][rows]
    every = np.column_stack(hashes)
    rows, places = np.nonzero(every)
    return rows, every[rows, places]


def _pair_count(rows: NDArray[np.int64], hashes: Hashes) -> int:
    _, ordered = _grouped(rows, hashes)
    if not len(ordered):
        return 0
    sizes = np.diff(np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True]))))
    return int((sizes * (sizes - 1) // 2).sum())


def _grouped(rows: NDArray[np.int64], hashes: Hashes) -> tuple[NDArray[np.int64], Hashes]:
    """Sorted by hash, then row, each combination once."""
    order = np.argsort(hashes, kind="stable")
    rows, hashes = rows[order], hashes[order]
    repeated = (rows[1:] == rows[:-1]) & (hashes[1:] == hashes[:-1])
    if repeated.any():
        fresh = np.concatenate(([True], ~repeated))
        rows, hashes = rows[fresh], hashes[fresh]
    return rows, hashes


def block_pairs(rows: NDArray[np.int64], hashes: Hashes, block_max: int) -> NDArray[np.int64]:
    """Pairs of rows of one hash, packed as left << 32 | right, once for each hash that they share. `rows` are in
    ascending order; hashes that more than `block_max` have are left out."""
    if not len(rows):
        return np.empty(0, np.int64)
    rows, ordered = _grouped(rows, hashes)
    bounds = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    starts, sizes = bounds[:-1], np.diff(bounds)
    packed = []
    for size in np.unique(sizes[(sizes > 1) & (sizes <= block_max)]).tolist():
        block = rows[starts[sizes == size][:, None] + np.arange(size)]  # in ascending order: the sort is stable
        first, second = np.triu_indices(size, 1)
        packed.append((block[:, first] << 32 | block[:, second]).ravel())
    return np.concatenate(packed) if packed else np.empty(0, np.int64)


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each value once, in ascending order. `values` are sorted in place."""
    values.sort()
    return values[np.concatenate(([True], values[1:] != values[:-1]))] if len(values) else values
