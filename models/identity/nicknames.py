"""Which given names may be the same person's: short forms, and forms of one name in other languages.

The relation is many-to-many, so a name is never rewritten: Al may be Albert or Alan, and these two are different
people. A name stands for a set of keys - itself, the full names it is short for, and the names that stand for
all variants of any of these - and two names are related if they share a key.
"""

from collections.abc import Iterable, Mapping

import nicknames

from models.identity.fold import fold
from models.identity.name_variants import NOT_RELATED, SHORT_FORMS, VARIANTS


class NicknameTable:
    """An immutable table of related names. All names are in folded form (`models.identity.fold`)."""

    def __init__(self, short_forms: Iterable[tuple[str, str]], variants: Iterable[Iterable[str]] = ()) -> None:
        """`short_forms`: pairs (full name, a short form of it). `variants`: groups of forms of one name, of which
        the first stands for the group."""
        full_names: dict[str, set[str]] = {}
        for full, short in short_forms:
            full_names.setdefault(short, set()).add(full)
        leaders: dict[str, set[str]] = {}
        for group in variants:
            leader, *others = group
            for name in (leader, *others):
                leaders.setdefault(name, set()).add(leader)
        keys: dict[str, tuple[str, ...]] = {}
        for name in full_names.keys() | leaders.keys():
            meant = {name} | full_names.get(name, set())
            keys[name] = tuple(sorted(meant.union(*(leaders.get(one, ()) for one in meant))))
        self._keys: Mapping[str, tuple[str, ...]] = keys
        self._key_sets: Mapping[str, frozenset[str]] = {name: frozenset(names) for name, names in keys.items()}

    @classmethod
    def shipped(cls) -> "NicknameTable":
        """The table that comes with Onefold: the `nicknames` package's English names and our own supplement.

        Reads the package's data file: load it once and keep it.
        """
        pairs = [
            (fold(row.name1), fold(row.name2))
            for row in nicknames.name_triplets()
            if row.relationship == "has_nickname" and (row.name1, row.name2) not in NOT_RELATED
        ]
        for line in SHORT_FORMS.strip().splitlines():
            full, *shorts = line.split()
            pairs += [(full, short) for short in shorts]
        return cls(pairs, [line.split() for line in VARIANTS.strip().splitlines()])

    def related(self, a: str, b: str) -> bool:
        """Whether `a` and `b` can be forms of one name. Every name is related to itself."""
        if a == b:
            return True
        keys = self._key_sets
        keys_a = keys.get(a)
        keys_b = keys.get(b)
        if keys_a is None:
            return keys_b is not None and a in keys_b
        if keys_b is None:
            return b in keys_a
        return not keys_a.isdisjoint(keys_b)

    def canonical_keys(self, name: str) -> tuple[str, ...]:
        """The names that `name` may stand for, itself among them, sorted. Related names share at least one."""
        return self._keys.get(name) or (name,)
