"""Lists of fields: exact names, "name*" for all that begin so, "*" for all, dotted paths for what is inside an object.

A name on a list stands for all that is inside of it. Items of an array have the array's path.
"""

from collections.abc import Iterable
from typing import Any


class FieldList:
    """A compiled list. Raises ValueError for a name that is none."""

    def __init__(self, names: Iterable[str]) -> None:
        names = tuple(names)
        for name in names:
            if not name or "*" in name[:-1]:
                raise ValueError("expected names of fields, with * at their end only")
        self._exact = frozenset(name for name in names if not name.endswith("*"))
        self._beginnings = tuple(name[:-1] for name in names if name.endswith("*"))
        self._parents = frozenset(
            name[:place] for name in names for place, letter in enumerate(name) if letter == "." and place
        )
        self.has_all = "" in self._beginnings

    def has(self, path: str) -> bool:
        """Whether the list has a path, with all that is inside."""
        return path in self._exact or path.startswith(self._beginnings)

    def kept(self, fields: dict[str, Any], left_out: list[str], prefix: str) -> dict[str, Any]:
        """What of an object is on the list. Paths of the rest go to `left_out`, behind `prefix`."""
        if self.has_all:
            return fields
        return self._kept(fields, left_out, prefix, "")

    def _kept(self, fields: dict[str, Any], left_out: list[str], prefix: str, at: str) -> dict[str, Any]:
        found = {}
        for name, value in fields.items():
            path = at + name
            if self.has(path):
                found[name] = value
            elif path in self._parents and (inner := self._inside(value, left_out, prefix, path)):
                found[name] = inner
            elif path not in self._parents or not isinstance(value, dict | list):
                left_out.append(prefix + path)
        return found

    def _inside(self, value: Any, left_out: list[str], prefix: str, path: str) -> Any:
        if isinstance(value, dict):
            return self._kept(value, left_out, prefix, f"{path}.")
        if isinstance(value, list):
            inner = [self._inside(item, left_out, prefix, path) for item in value]
            left_out += [prefix + path for item in value if not isinstance(item, dict | list)]
            return [item for item in inner if item]
        return None
