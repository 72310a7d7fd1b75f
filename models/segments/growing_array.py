"""Arrays that grow, and the kinds of arrays that columns are made of."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Int64s = NDArray[np.int64]


class GrowingArray:
    """An array that grows by a quarter. Positions that were never set hold `fill`."""

    __slots__ = ("_cells", "_data", "fill", "size")

    def __init__(self, dtype: Any, fill: Any = 0) -> None:
        self.fill = fill
        self.size = 0
        self.data = np.full(16, fill, dtype)

    @property
    def data(self) -> NDArray[Any]:
        """All of it, beyond `size` too."""
        return self._data

    @data.setter
    def data(self, data: NDArray[Any]) -> None:
        self._data = data
        self._cells = memoryview(cast(Any, data))  # sets one cell in half the time of the array

    def put(self, position: int, value: Any) -> None:
        try:
            self._cells[position] = value
        except IndexError:
            self._reserve(position + 1)
            self._cells[position] = value
        if position >= self.size:
            self.size = position + 1

    def append(self, value: Any) -> None:
        self.put(self.size, value)

    def view(self, length: int) -> NDArray[Any]:
        """The first `length` positions; not a copy."""
        if length > len(self._data):
            self._reserve(length)
        return self._data[:length]

    def fill_from(self, values: NDArray[Any]) -> None:
        """Takes the place of all that it held."""
        self.data = values.copy()
        self.size = len(values)

    def keep(self, kept: Mask) -> None:
        """Drops the positions that are not kept."""
        self.fill_from(self.view(len(kept))[kept])

    def _reserve(self, length: int) -> None:
        grown = np.full(max(length, len(self._data) * 5 // 4, 16), self.fill, self._data.dtype)
        grown[: len(self._data)] = self._data
        self.data = grown
