"""How far two records agree in each field: comparison levels.

A level is a small number, 0 where a record has no value, EXACT where both have the same, and DIFFERENT where nothing
is alike; between them lie the ways in which one person's values differ (a short form, a typo, day and month swapped).
What a level is worth is not decided here but learned (`models.identity.mixture`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA, JaroWinkler

from models.identity.columns import Column
from models.identity.fields import Field, Fields
from models.identity.nicknames import NicknameTable


class Run(Protocol):
    """`map`, or something that works like it, such as the map of a pool of threads."""

    def __call__(self, work: Callable[[Any], Any], items: Iterable[Any], /) -> Iterable[Any]: ...


Kind = Literal["name", "text", "code", "date", "email", "exact"]
Levels = NDArray[np.uint8]
Rows = NDArray[np.int64]

LEVELS = 8
MISSING, EXACT, DIFFERENT = 0, 1, 7

KINDS: Mapping[Field, Kind] = {
    "given_name": "name",
    "middle_name": "name",
    "family_name": "name",
    "name_suffix": "exact",
    "birth_date": "date",
    "gender": "exact",
    "email": "email",
    "phone": "code",
    "street": "text",
    "street_number": "code",
    "address_line_2": "text",
    "unit": "exact",
    "city": "text",
    "region": "code",
    "postcode": "code",
    "country": "exact",
    "birth_place": "text",
    "national_id": "code",
    "other_id": "exact",
    "employer": "text",
    "occupation": "exact",
}
# What the levels of a kind say, by number; levels that a kind does not have are "".
LEVEL_NAMES: Mapping[Kind, tuple[str, ...]] = {
    "name": ("missing", "exact", "variant", "close", "similar", "initial", "exchanged", "different"),
    "text": ("missing", "exact", "contained", "close", "similar", "", "", "different"),
    "code": ("missing", "exact", "", "one edit", "two edits", "", "", "different"),
    "date": ("missing", "exact", "swapped", "one digit", "as far as known", "two parts", "year", "different"),
    "email": ("missing", "exact", "one edit", "same local part", "two edits", "similar", "", "different"),
    "exact": ("missing", "exact", "", "", "", "", "", "different"),
}
# The order of levels from worst to best, to choose among several values of a record.
_RANK = np.array([0, 9, 8, 7, 6, 5, 4, 1], np.uint8)

_CLOSE, _SIMILAR, _SIMILAR_EMAIL = 0.92, 0.80, 0.88  # Jaro-Winkler similarity; .92 and .8 as in Winkler (1990)
_SIMILAR_MIN = 0.7
_ALONE_MAX = 50_000  # comparisons of strings for which other cores are not worth waking
# Tables of all values by all values, to compare each two once.
_TABLE_MAX = 100_000_000  # cells of one byte
_TABLE_SHARE = 64  # cells for each pair of records
_CONTAINED = 99.0  # token set ratio of [0, 100]


class Comparer:
    """Compares the records of a set of fields. Shapes: pairs are two arrays (p,) of record positions; levels are
    (p, number of fields)."""

    def __init__(self, fields: Fields, nicknames: NicknameTable) -> None:
        self.fields: tuple[Field, ...] = tuple(fields)
        self._values = {field: _Values(column, KINDS[field], nicknames) for field, column in fields.items()}
        self._names = _exchangeable(fields) if {"given_name", "family_name"} <= set(fields) else None

    def levels(self, left: Rows, right: Rows, run: Run = map) -> Levels:
        """The comparison levels of each pair; `run` works on the fields."""
        fields = run(lambda field: self._best(self._values[field], left, right), self.fields)
        levels = np.column_stack(list(fields))
        if self._names is not None:
            self._mark_exchanged(levels, left, right)
        return levels

    def agreeing_codes(
        self, position: int, left: Rows, right: Rows, frequencies: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """The code of the value that both records of each pair have in a field, the rarest of several; every pair must
        have one. `frequencies` are by code."""
        codes = self._values[self.fields[position]].codes
        found: NDArray[np.int32] = codes[left, 0].copy()
        if codes.shape[1] > 1:
            same = codes[left][:, :, None] == codes[right][:, None, :]
            same &= (codes[left] >= 0)[:, :, None]
            rarity = np.where(same.any(axis=2), frequencies[codes[left]], np.inf)
            found = codes[left, rarity.argmin(axis=1)]
        return found

    def text(self, field: Field, record: int) -> str:
        """What a record has in a field, as compared; several values are joined by commas."""
        return self._values[field].text(record)

    def _best(self, values: "_Values", left: Rows, right: Rows) -> Levels:
        codes = values.codes
        best = values.levels(codes[left, 0], codes[right, 0])
        width = codes.shape[1]
        for a in range(width):
            for b in range(width):
                if a == b == 0:
                    continue
                rows = np.flatnonzero((codes[left, a] >= 0) & (codes[right, b] >= 0))
                if len(rows):
                    levels = values.levels(codes[left[rows], a], codes[right[rows], b])
                    best[rows] = np.where(_RANK[levels] > _RANK[best[rows]], levels, best[rows])
        return best

    def _mark_exchanged(self, levels: Levels, left: Rows, right: Rows) -> None:
        """A given name in the family name's place, on either side or both. On one side it is one fact, and counts once:
        the given names are marked, the family names stay as they are."""
        assert self._names is not None
        given_column, family_column = self.fields.index("given_name"), self.fields.index("family_name")
        given, family = self._names
        there, back = given[left] == family[right], family[left] == given[right]
        rows = np.flatnonzero((there | back) & (levels[:, given_column] != EXACT) & (levels[:, family_column] != EXACT))
        both = (there & back)[rows]
        for column in (given_column, family_column):
            old = levels[rows, column]
            once = (old == DIFFERENT) & (column == given_column)
            levels[rows, column] = np.where(both | once, 6, old)


def _exchangeable(fields: Fields) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the records' given and family names, the same for the same text; absent ones equal nothing."""
    known: dict[str, int] = {}
    numbers = []
    for absent, column in ((-1, fields["given_name"]), (-2, fields["family_name"])):
        number = np.array([*(known.setdefault(v, len(known)) for v in column.values), absent], np.int64)
        numbers.append(number[column.codes[:, 0]])
    return numbers[0], numbers[1]


class _Values:
    """The distinct values of a field, and what comparing them needs, computed once when it is first needed."""

    def __init__(self, column: Column, kind: Kind, nicknames: NicknameTable) -> None:
        self.codes = column.codes
        self._texts = column.values
        self._nicknames = nicknames
        self._compare: Callable[[NDArray[np.int32], NDArray[np.int32]], Levels] = getattr(self, f"_{kind}")

    def text(self, record: int) -> str:
        return ", ".join(self._texts[code] for code in self.codes[record].tolist() if code >= 0)

    def levels(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        levels = np.zeros(len(left), np.uint8)
        both = (left >= 0) & (right >= 0)
        same = left == right
        levels[both & same] = EXACT
        rows = np.flatnonzero(both & ~same)
        if len(rows):
            levels[rows] = self._compare_once(left[rows], right[rows])
        return levels

    def _compare_once(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        """The same two values meet in many pairs of records: they are compared once, if a table of them is not too
        large."""
        count = len(self._texts)
        if count * count > min(_TABLE_MAX, _TABLE_SHARE * len(left)):
            return self._compare(left, right)
        cells = np.minimum(left, right).astype(np.int64) * count + np.maximum(left, right)
        table = np.zeros(count * count, np.uint8)
        table[cells] = DIFFERENT
        needed = np.flatnonzero(table)
        table[needed] = self._compare((needed // count).astype(np.int32), (needed % count).astype(np.int32))
        return table[cells]

    def _exact(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        return np.full(len(left), DIFFERENT, np.uint8)

    def _code(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        return _by_edits(self._edits(left, right))

    def _name(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        levels = self._alike(left, right)
        single = (self._length[left] == 1) | (self._length[right] == 1)
        levels[single] = np.where(self._initial[left[single]] == self._initial[right[single]], 5, DIFFERENT)
        levels[~single & self._are_related(left, right)] = 2
        self._mark_contained(levels, left, right)
        return levels

    def _text(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        levels = self._alike(left, right)
        self._mark_contained(levels, left, right)
        return levels

    def _date(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        (ya, ma, da), (yb, mb, db) = self._date_parts[:, left], self._date_parts[:, right]
        year, month, day = ya == yb, (ma == mb) & (ma > 0), (da == db) & (da > 0)  # months and days may be unknown: 0
        levels = np.full(len(left), DIFFERENT, np.uint8)
        levels[year] = 6
        levels[(year & month) | (year & day) | (month & day)] = 5
        near = np.flatnonzero(year | ((ma == mb) & (da == db)))
        levels[near[self._edits(left[near], right[near]) <= 1]] = 3
        levels[year & (ma == db) & (da == mb)] = 2
        known_month = month | (ma == 0) | (mb == 0)
        known_day = day | (da == 0) | (db == 0)
        levels[year & known_month & known_day] = 4
        return levels

    def _email(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        levels = np.full(len(left), DIFFERENT, np.uint8)
        levels[self._similarity(left, right) >= _SIMILAR_EMAIL] = 5
        edits = self._edits(left, right)
        levels[edits <= 2] = 4
        levels[self._local_part[left] == self._local_part[right]] = 3
        levels[edits <= 1] = 2
        return levels

    def _alike(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Levels:
        """close, similar or different, by Jaro-Winkler; one edit in four letters or more is close."""
        similarity = self._similarity(left, right)
        levels = np.full(len(left), DIFFERENT, np.uint8)
        levels[similarity >= _SIMILAR] = 4
        levels[similarity >= _CLOSE] = 3
        length = np.minimum(self._length[left], self._length[right])
        rows = np.flatnonzero((levels != 3) & (similarity >= _SIMILAR_MIN) & (length >= 4))
        levels[rows[self._edits(left[rows], right[rows]) <= 1]] = 3
        return levels

    def _mark_contained(self, levels: Levels, left: NDArray[np.int32], right: NDArray[np.int32]) -> None:
        """All words of one are words of the other."""
        rows = np.flatnonzero(self._several_words[left] | self._several_words[right])
        if len(rows):
            ratio = self._apply(fuzz.token_set_ratio, left[rows], right[rows], score_cutoff=_CONTAINED)
            levels[rows[ratio >= _CONTAINED]] = 2

    def _similarity(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.float32]:
        """Jaro-Winkler similarity; 0 stands for less than _SIMILAR_MIN.

        Letters that only one text has cannot match: that bounds the similarity, and most pairs end there. Equal first
        letters may add up to .4 of what lacks to 1.
        """
        only_left, only_right = self._letters_apart(left, right)
        length_left, length_right = self._length[left], self._length[right]
        matches = np.minimum(length_left - only_left, length_right - only_right)
        bound = (matches / length_left + matches / length_right + 1) / 3
        bound += np.where(self._initial[left] == self._initial[right], 0.4 * (1 - bound), 0)
        rows = np.flatnonzero((matches > 0) & (bound >= _SIMILAR_MIN))
        similarity = np.zeros(len(left), np.float32)
        similarity[rows] = self._apply(JaroWinkler.normalized_similarity, left[rows], right[rows], _SIMILAR_MIN)
        return similarity

    def _edits(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.float32]:
        """Insertions, deletions, substitutions and exchanges of neighbours; 3 stands for more than 2."""
        only_left, only_right = self._letters_apart(left, right)
        near = np.abs(self._length[left] - self._length[right]) <= 2
        rows = np.flatnonzero((only_left <= 2) & (only_right <= 2) & near)
        edits = np.full(len(left), 3, np.float32)
        edits[rows] = self._apply(OSA.distance, left[rows], right[rows], 2)
        return edits

    def _letters_apart(
        self, left: NDArray[np.int32], right: NDArray[np.int32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """At least how many letters of each text the other one lacks."""
        a, b = self._letters[left], self._letters[right]
        return np.bitwise_count(a & ~b), np.bitwise_count(b & ~a)

    def _apply(
        self, scorer: Callable[..., float], left: NDArray[np.int32], right: NDArray[np.int32], score_cutoff: float
    ) -> NDArray[np.float32]:
        if not len(left):
            return np.zeros(0, np.float32)
        texts = self._array
        scores: NDArray[np.float32] = process.cpdist(
            texts[left].tolist(),
            texts[right].tolist(),
            scorer=scorer,
            score_cutoff=score_cutoff,
            dtype=np.float32,
            workers=-1 if len(left) > _ALONE_MAX else 1,
        )
        return scores

    def _are_related(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.bool_]:
        related = self._related
        if not len(related):
            return np.zeros(len(left), np.bool_)
        packed = _packed(left, right)
        found = np.minimum(np.searchsorted(related, packed), len(related) - 1)
        is_related: NDArray[np.bool_] = related[found] == packed
        return is_related

    @cached_property
    def _array(self) -> NDArray[Any]:
        return np.array(self._texts, object)

    @cached_property
    def _length(self) -> NDArray[np.int32]:
        return np.fromiter(map(len, self._texts), np.int32, len(self._texts))

    @cached_property
    def _characters(self) -> NDArray[np.uint32]:
        """The code points of all texts, one text after the other."""
        return np.frombuffer("".join(self._texts).encode("utf-32-le"), np.uint32)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each text begins in `_characters`; no text is empty."""
        return np.cumsum(self._length, dtype=np.int64) - self._length

    @cached_property
    def _initial(self) -> NDArray[np.uint32]:
        return self._characters[self._starts]

    @cached_property
    def _letters(self) -> NDArray[np.uint64]:
        """The letters of each text as bits; different letters may share a bit."""
        bits = np.uint64(1) << (self._characters & 63).astype(np.uint64)
        letters: NDArray[np.uint64] = np.bitwise_or.reduceat(bits, self._starts)
        return letters

    @cached_property
    def _several_words(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.logical_or.reduceat(self._characters == ord(" "), self._starts)
        return found

    @cached_property
    def _date_parts(self) -> NDArray[np.int32]:
        packed = np.array([int(text) for text in self._texts], np.int32)
        return np.stack([packed // 10_000, packed // 100 % 100, packed % 100])

    @cached_property
    def _local_part(self) -> NDArray[np.int32]:
        known: dict[str, int] = {}
        return np.array([known.setdefault(t.partition("@")[0], len(known)) for t in self._texts], np.int32)

    @cached_property
    def _related(self) -> NDArray[np.int64]:
        """Pairs of different values that are forms of one name, packed and sorted."""
        by_key: dict[str, list[int]] = {}
        for code, text in enumerate(self._texts):
            for key in self._nicknames.canonical_keys(text):
                by_key.setdefault(key, []).append(code)
        pairs = [_all_pairs(codes) for codes in by_key.values() if len(codes) > 1]
        return np.unique(np.concatenate(pairs)) if pairs else np.empty(0, np.int64)


def _by_edits(edits: NDArray[np.float32]) -> Levels:
    levels = np.full(len(edits), DIFFERENT, np.uint8)
    levels[edits <= 2] = 4
    levels[edits <= 1] = 3
    return levels


def _packed(left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.minimum(left, right).astype(np.int64) << 32 | np.maximum(left, right)


def _all_pairs(codes: Sequence[int]) -> NDArray[np.int64]:
    array = np.array(codes, np.int32)
    first, second = np.triu_indices(len(array), 1)
    return _packed(array[first], array[second])
