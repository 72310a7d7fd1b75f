"""Entity ids that survive: when records are resolved again, people keep the ids that others know them by.

Given which entity each record was of, and a new partition of the records:
  - a new cluster takes the id of the previous entity that it shares the most records with, one to one; where two
    claims are as good, the lowest id and then the cluster with the lowest record come first;
  - an id that no cluster takes is retired. It leads to the entity that most of its records went to, or nowhere if
    its records are all gone. Ids that were retired before and led to it lead on to the same place;
  - a cluster that gets no id is named after its lowest record; "~2", "~3" and so on are added if that id was ever
    used, so that an id never comes to mean somebody else.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

NONE = -1


class Kept(NamedTuple):
    """`taken`: by cluster, the previous entity whose id it takes, or NONE. `moved`: by previous entity, the cluster
    that most of its records went to, the lowest of equals, or NONE."""

    taken: Codes
    moved: Codes


def keep_ids(previous: Codes, clusters: Codes, previous_count: int, cluster_count: int) -> Kept:
    """Who takes which id, by the rules above. For each record, the number of its previous entity (in the order of the
    ids) and of its cluster (in the order of their lowest records), or NONE; both arrays have shape (records,)."""
    known = (previous >= 0) & (clusters >= 0)
    cells, shared = np.unique(previous[known] * cluster_count + clusters[known], return_counts=True)
    old, new = np.divmod(cells, max(cluster_count, 1))
    order = np.lexsort((new, old, -shared))
    old, new = old[order], new[order]
    moved = np.full(previous_count, NONE)
    moved[old[::-1]] = new[::-1]  # the last one written stays: the first in order
    taken = np.full(cluster_count, NONE)
    undisputed = (np.bincount(old, minlength=previous_count)[old] == 1) & (
        np.bincount(new, minlength=cluster_count)[new] == 1
    )
    taken[new[undisputed]] = old[undisputed]
    given: set[int] = set()
    for entity, cluster in zip(old[~undisputed].tolist(), new[~undisputed].tolist(), strict=True):
        if taken[cluster] == NONE and entity not in given:
            taken[cluster] = entity
            given.add(entity)
    return Kept(taken, moved)


class EntityChanges(msgspec.Struct, frozen=True):
    """What an update did, as ids in ascending order. `changed`: entities that hold other records than before, new ones
    among them. `merged`: entities with records of several previous ones. `split`: previous entities whose records are
    now of several, whether their id is still in use or not. `retired`: ids out of use and where they lead (None:
    nowhere)."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    retired: Mapping[str, str | None] = {}


class EntityLedger:
    """Which entity each record is of, and where the ids that went out of use lead. `version` counts the updates that
    changed anything."""

    def __init__(
        self, previous: Mapping[str, str] | None = None, redirects: Mapping[str, str | None] | None = None
    ) -> None:
        """`previous`: record id -> entity id. `redirects`: retired id -> entity id. Raises ValueError if a retired id
        is in use."""
        self.version = 0
        self._entity_of = dict(previous or {})
        self._records: dict[str, list[str]] = {}
        for record, entity in self._entity_of.items():
            self._records.setdefault(entity, []).append(record)
        self._redirects = dict(redirects or {})
        self._leading: dict[str, list[str]] = {}  # entity -> retired ids that lead to it
        for retired, leads_to in self._redirects.items():
            if leads_to is not None:
                self._leading.setdefault(leads_to, []).append(retired)
        if not self._redirects.keys().isdisjoint(self._records):
            raise ValueError("redirects: a retired id is in use; give the redirects that belong to the assignment")

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._entity_of

    @property
    def redirects(self) -> Mapping[str, str | None]:
        """Every retired id and the entity in use that it leads to; None if its records are all gone."""
        return self._redirects

    @property
    def entities(self) -> Mapping[str, Sequence[str]]:
        """The records of every entity in use."""
        return self._records

    def entity_of(self, record_id: str) -> str:
        """The record's entity. Raises KeyError if there is no such record."""
        try:
            return self._entity_of[record_id]
        except KeyError:
            raise KeyError("record_id: there is no such record") from None

    def current(self, entity_id: str) -> str | None:
        """The id in use that an id, retired or not, stands for; None if its records are all gone. Raises KeyError for
        an id that was never given."""
        if entity_id in self._records:
            return entity_id
        if entity_id not in self._redirects:
            raise KeyError("entity_id: this id was never given")
        return self._redirects[entity_id]

    def records_without(self, record_ids: Iterable[str]) -> list[str]:
        """The records that are known here but not among these."""
        kept = set(record_ids)
        return [record for record in self._entity_of if record not in kept]

    def update(self, clusters: Iterable[Sequence[str]], removed: Iterable[str] = ()) -> EntityChanges:
        """Takes over a new partition of some records, or of all. `removed` records are gone.

        Raises ValueError if a record is in two clusters, or if it is given without all others of its entity.
        """
        ordered = sorted((sorted(cluster) for cluster in clusters if cluster), key=lambda cluster: cluster[0])
        gone = [record for record in dict.fromkeys(removed) if record in self._entity_of]
        records = [*chain.from_iterable(ordered), *gone]
        if len(set(records)) < len(records):
            raise ValueError(
                "clusters: a record is there twice; expected each in one cluster, and none that is removed"
            )
        before = [self._entity_of.get(record) for record in records]
        ids = sorted({entity for entity in before if entity is not None})
        if sum(entity is not None for entity in before) != sum(len(self._records[entity]) for entity in ids):
            raise ValueError("clusters: expected all records of an entity or none; the others must be given too")
        number = {entity: position for position, entity in enumerate(ids)}
        previous = np.array([NONE if e is None else number[e] for e in before], np.int64)
        sizes = [len(cluster) for cluster in ordered]
        numbers = np.append(np.repeat(np.arange(len(ordered)), sizes), np.full(len(gone), NONE)).astype(np.int64)
        kept = keep_ids(previous, numbers, len(ids), len(ordered))
        return self._written(ordered, gone, ids, kept, before)

    def _written(
        self, clusters: list[list[str]], gone: list[str], ids: list[str], kept: Kept, before: list[str | None]
    ) -> EntityChanges:
        old_records = {entity: self._records.pop(entity) for entity in ids}
        taken = kept.taken.tolist()
        in_use = {ids[position] for position in taken if position != NONE}
        fresh: list[str] = []
        names: list[str] = []
        for cluster, position in zip(clusters, taken, strict=True):
            name = ids[position] if position != NONE else self._fresh(cluster[0], old_records)
            if position == NONE:
                fresh.append(name)
            names.append(name)
            self._records[name] = cluster
        came_from: dict[str, set[str]] = {}
        went_to: dict[str, set[str]] = {}
        entities = iter(before)
        for name, cluster in zip(names, clusters, strict=True):
            for record, entity in zip(cluster, entities, strict=False):  # those that are gone come last
                self._entity_of[record] = name
                if entity is not None:
                    came_from.setdefault(name, set()).add(entity)
                    went_to.setdefault(entity, set()).add(name)
        for record in gone:
            del self._entity_of[record]
        retired: dict[str, str | None] = {}
        for entity, cluster in zip(ids, kept.moved.tolist(), strict=True):
            if entity not in in_use:
                retired[entity] = None if cluster == NONE else names[cluster]
        for entity, leads_to in retired.items():
            self._retire(entity, leads_to)
        changed = [name for name, c in zip(names, clusters, strict=True) if sorted(old_records.get(name, ())) != c]
        if changed or retired:
            self.version += 1
        return EntityChanges(
            new=tuple(sorted(fresh)),
            changed=tuple(sorted(changed)),
            merged=tuple(sorted(name for name, entities in came_from.items() if len(entities) > 1)),
            split=tuple(sorted(entity for entity, others in went_to.items() if len(others) > 1)),
            retired=retired,
        )

    def _fresh(self, lowest: str, old: Mapping[str, object]) -> str:
        """An id that was never used."""
        name, number = lowest, 1
        while name in self._records or name in self._redirects or name in old:
            number += 1
            name = f"{lowest}~{number}"
        return name

    def _retire(self, entity: str, leads_to: str | None) -> None:
        moved = [*self._leading.pop(entity, ()), entity]
        for retired in moved:
            self._redirects[retired] = leads_to
        if leads_to is not None:
            self._leading.setdefault(leads_to, []).extend(moved)
