"""Texts by position, of a column with too many different ones for codes: packed, and searched all at once.

Texts are appended; a position says which of them is its own. Full blocks are compressed, to a third of what the texts
take; a search unpacks them one after the other.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.segments.growing_array import GrowingArray, Mask

_BLOCK = 8_192  # texts
_CODEC = pa.Codec("zstd", 1)


class TextColumn:
    """Positions that were never set hold no text."""

    def __init__(self) -> None:
        self._places = GrowingArray(np.int32)  # by position: number of its text and 1; 0 for none
        self._blocks: list[tuple[int, bytes]] = []  # of _BLOCK texts each: size unpacked, packed
        self._latest: list[str] = []

    def put(self, position: int, text: str | None) -> None:
        """Sets a text; None for none."""
        if text is None:
            if position < self._places.size:
                self._places.put(position, 0)
            return
        self._latest.append(text)
        self._places.put(position, len(self._blocks) * _BLOCK + len(self._latest))
        if len(self._latest) == _BLOCK:
            self._blocks.append(_pack(self._latest))
            self._latest = []
            if len(self._blocks) * _BLOCK > 2 * self._places.size + _BLOCK:
                self._rebuild()

    def fill(self, texts: list[str | None], codes: NDArray[Any]) -> None:
        """Takes the place of all that it held: each position holds the text of its code."""
        self._places.fill_from(np.zeros(len(codes), np.int32))
        there = np.flatnonzero(np.array([text is not None for text in texts])[codes])
        self._store(there, pa.array(texts, pa.large_string()).take(pa.array(codes[there].astype(np.int32))))

    def test(self, operator: str, value: str, length: int) -> Mask:
        """`contains` or `starts_with`, at the first `length` positions."""
        search = pc.match_substring if operator == "contains" else pc.starts_with
        found = [np.zeros(1, np.bool_)]
        found += [search(texts, pattern=value).to_numpy(zero_copy_only=False) for texts in self._all()]
        answers: Mask = np.concatenate(found)[self._places.view(length)]
        return answers

    def keep(self, kept: Mask) -> None:
        """Drops the positions that are not kept."""
        self._places.keep(kept)
        self._rebuild()

    def _all(self) -> Iterable[pa.StringArray]:
        for size, packed in self._blocks:
            yield _unpack(size, packed)
        yield pa.array(self._latest, pa.string())

    def _rebuild(self) -> None:
        """Leaves out the texts that are no position's any more."""
        places = self._places.view(self._places.size)
        there = np.flatnonzero(places)
        texts = pa.chunked_array([array.cast(pa.large_string()) for array in self._all()], pa.large_string())
        self._store(there, texts.take(pa.array(places[there] - 1)))

    def _store(self, there: NDArray[Any], standing: pa.ChunkedArray | pa.Array) -> None:
        """These positions, ascending, hold these texts; no other holds one."""
        self._places.view(self._places.size)[there] = np.arange(1, len(there) + 1)
        self._blocks, self._latest = [], []
        for start in range(0, len(standing), _BLOCK):
            block = standing.slice(start, _BLOCK).to_pylist()
            if len(block) == _BLOCK:
                self._blocks.append(_pack(block))
            else:
                self._latest = block


def _pack(texts: list[str]) -> tuple[int, bytes]:
    _, offsets, data = pa.array(texts, pa.string()).buffers()
    plain = offsets.to_pybytes()[: 4 * (len(texts) + 1)] + data.to_pybytes()
    return len(plain), _CODEC.compress(plain, asbytes=True)


def _unpack(size: int, packed: bytes) -> pa.StringArray:
    plain = _CODEC.decompress(packed, size)
    offsets = plain.slice(0, 4 * (_BLOCK + 1))
    return pa.StringArray.from_buffers(_BLOCK, offsets, plain.slice(4 * (_BLOCK + 1)))
