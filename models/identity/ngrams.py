"""Text to bags of hashed character n-grams: what the static embedding looks up, vectorised over whole batches.

Text is folded first, to the same words as `models.identity.fold` gives but for a whole batch at once: ASCII, lower
case, no apostrophes ("O'Brien" is "obrien"), gaps for what is not a letter or a digit. Each word is padded with a gap
on both sides, and gives its 2-, 3- and 4-grams (of "mary": " m", "ma", ..., "mary", "ary ") and itself as one more
feature, as in fastText's subwords (Bojanowski et al., 2017). Features are hashed into a fixed number of buckets (the
hashing trick, Weinberger et al., 2009): no vocabulary is kept, and a word that was never seen is no special case.

The folding and the hashes are part of a trained model: a change here needs a new model.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray

FOLDING = 1  # goes up when the same text would give other features
_GAP, _DROPPED, _RECORD_END = 0, 255, 254
_BITS = 6  # a code is 0 (gap), 1 to 26 (letters), 27 to 36 (digits)
_WORD_CHARS_MIN = 3  # shorter words are whole in one n-gram already
_WORD_TAG = np.uint32(0x5BD1E995)
_MIX = np.uint32(0x9E3779B1)  # 2^32 over the golden ratio, odd: Knuth's multiplicative hashing
_WORD_BASE = np.uint32(0x01000193)


def _codes() -> NDArray[np.uint8]:
    codes = np.zeros(256, np.uint8)
    for first, count, code in (("a", 26, 1), ("A", 26, 1), ("0", 10, 27)):
        codes[ord(first) : ord(first) + count] = np.arange(code, code + count)
    codes[[ord("'"), ord("`")]] = _DROPPED
    codes[ord("\n")] = _RECORD_END
    return codes


_CODES = _codes()


class AsciiTable(dict[int, str]):
    """For `str.translate`: the ASCII spelling of each character, looked up once. Bounded by Unicode's size."""

    def __missing__(self, codepoint: int) -> str:
        spelling = anyascii(chr(codepoint)) if codepoint > 127 else chr(codepoint)
        self[codepoint] = spelling
        return spelling


class NgramHasher:
    """Gives the hashed features of texts.

    `buckets` is a power of two, from 2^8 to 2^24. Raises ValueError for another number.
    """

    def __init__(self, buckets: int) -> None:
        bits = buckets.bit_length() - 1
        if not 8 <= bits <= 24 or buckets != 1 << bits:
            raise ValueError(f"buckets must be a power of two from 2^8 to 2^24, not {buckets}")
        self.buckets = buckets
        self._shift = np.uint32(32 - bits)
        self._ascii = AsciiTable()

    def bags(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The features of each text, repeated as often as they occur.

        Returns `(ids, offsets)`: the features of text i are `ids[offsets[i]:offsets[i + 1]]`, each in
        [0, buckets); `offsets` has `len(texts) + 1` entries. A text without letters and digits has none.
        """
        count = len(texts)
        if not count:
            return np.empty(0, np.int32), np.zeros(1, np.int64)
        codes, record = self._stream(texts)
        length = len(codes)
        wide = np.zeros(length + 4, np.uint32)
        wide[:length] = codes
        first, second, third, fourth = (wide[i : i + length] for i in range(4))
        letter_2, letter_3 = second != _GAP, third != _GAP
        # Column n - 2 holds the n-gram that starts at each place, the last one the word after a gap.
        keys = np.empty((length, 4), np.uint32)
        found = np.zeros((length, 4), np.bool_)
        pair = (first << _BITS) | second
        triple = (pair << _BITS) | third
        keys[:, 0] = pair | np.uint32(1 << 30)
        keys[:, 1] = triple | np.uint32(2 << 30)
        keys[:, 2] = (triple << _BITS) | fourth | np.uint32(3 << 30)
        found[: length - 1, 0] = True  # gaps are never adjacent, so any two codes hold a letter
        found[: max(length - 2, 0), 1] = letter_2[: max(length - 2, 0)]
        found[: max(length - 3, 0), 2] = (letter_2 & letter_3)[: max(length - 3, 0)]
        self._words(codes, keys[:, 3], found[:, 3])
        keys ^= keys >> np.uint32(15)
        keys *= _MIX
        ids = (keys >> self._shift).astype(np.int32)[found]
        # A feature belongs to the record of its second code, which a gap shares with the word before it.
        owner = np.empty(length, np.int64)
        owner[:-1], owner[-1] = record[1:], count - 1
        offsets = np.zeros(count + 1, np.int64)
        offsets[1:] = np.cumsum(np.bincount(owner, weights=found.sum(axis=1), minlength=count))
        return ids, offsets

    def _stream(self, texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The codes of all texts in one array, single gaps between words and at both ends, and each one's text."""
        plain = [text if text.isascii() else text.translate(self._ascii) for text in texts]
        joined = "\n".join(plain)
        if joined.count("\n") != len(texts) - 1:
            joined = "\n".join([text.replace("\n", " ") for text in plain])
        codes = _CODES[np.frombuffer(joined.encode("ascii"), np.uint8)]
        codes = codes[codes != _DROPPED]
        ends = codes == _RECORD_END
        record = np.zeros(len(codes) + 2, np.int64)
        np.cumsum(ends[:-1], out=record[2:-1])
        record[-1] = len(texts) - 1
        padded = np.zeros(len(codes) + 2, np.uint8)
        padded[1:-1] = np.where(ends, _GAP, codes)
        kept = np.ones(len(padded), np.bool_)
        kept[1:] = (padded[1:] != _GAP) | (padded[:-1] != _GAP)
        return padded[kept], record[kept]

    def _words(self, codes: NDArray[np.uint8], keys: Any, found: Any) -> None:
        """Writes the key of each word that is long enough at the gap before it."""
        gaps = np.flatnonzero(codes == _GAP)  # the first and the last code are gaps
        if len(gaps) < 2:
            return
        steps = np.diff(gaps)
        powers = np.full(int(steps.max()), _WORD_BASE, np.uint32)
        powers[0] = 1
        np.multiply.accumulate(powers, out=powers)
        place = np.arange(len(codes) - 1) - np.repeat(gaps[:-1], steps)
        keys[gaps[:-1]] = np.add.reduceat(codes[:-1] * powers[place], gaps[:-1]) ^ _WORD_TAG
        found[gaps[:-1]] = steps > _WORD_CHARS_MIN
