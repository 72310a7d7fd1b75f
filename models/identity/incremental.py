"""Who is who, kept up as records come, change and go: incremental = batch.

A set of records resolved with a trained model. Each change compares the record in question with those that share a
blocking key, and clusters anew only what the change touches: the connected components of positive pairs around it.
Bulk resolution clusters each such component by itself, so the partition after any number of changes, in any order, is
the one that bulk resolution gives for the records that are there, with the same model. Only the entities' ids tell of
the past: they survive (`models.identity.entity_ids`).

What bulk resolution does as a whole is followed as well:
  - a block that outgrows its bound is no longer used, and is again once it has shrunk: its pairs are looked at anew;
  - up to ALL_PAIRS_MAX distinct records all pairs are compared. Beyond, the keys are used: the change that passes this
    number, either way, resolves everything anew.

One thing is bounded at the price of exactness: of a component of more than `component_max` distinct records, only
the entities within two positive pairs of the change are clustered anew, each of them whole. `Change.bounded` tells.

Source: Gruenheid, Dong and Srivastava, "Incremental Record Linkage", PVLDB 7, 2014: its connected component algorithm.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.identity import blocking
from models.identity.block_table import BlockTable
from models.identity.clustering import cluster, held_together, holds
from models.identity.columns import role_columns
from models.identity.comparison import Comparer, Rows, Run
from models.identity.entity_ids import EntityChanges, EntityLedger
from models.identity.evidence import LINK_CONFIDENCE
from models.identity.fields import Fields
from models.identity.matcher import Matcher
from models.identity.mixture import Floats, bits, patterns_of
from models.identity.record import MatchRecord
from models.identity.record_table import RecordTable
from models.identity.resolve import Compared, score_pairs

COMPONENT_MAX = 200  # distinct records
_CHUNK_PAIRS = 1_000_000


class Change(msgspec.Struct, frozen=True):
    """What a change did. `entity_id`: that of the record now, None if it was removed. `bounded`: the component was
    too large to be clustered as a whole."""

    record_id: str
    entity_id: str | None
    entities: EntityChanges
    bounded: bool = False


class _Neighbourhood(NamedTuple):
    """Groups of nodes to be clustered, each by itself."""

    groups: list[list[int]]
    bounded: bool


class IncrementalResolver:
    """Records and their entities under one model. Not for use by several threads at once."""

    def __init__(
        self,
        matcher: Matcher,
        *,
        ledger: EntityLedger | None = None,
        component_max: int = COMPONENT_MAX,
        link_confidence: float = LINK_CONFIDENCE,
    ) -> None:
        """`ledger`: ids from an earlier resolution, which `load` carries on. `link_confidence`: what a link must have
        to hold, as in bulk."""
        self._matcher = matcher
        self._component_max = component_max
        self._least = bits(link_confidence)
        self._table = RecordTable(matcher.model.mixture.fields)
        self._blocks = BlockTable(matcher.model.blocking.block_max)
        self._links: dict[int, dict[int, bool]] = {}  # the positive pairs, and which hold if nobody else resembles them
        self._alike: dict[int, bool] = {}  # whether equal records are one person, by node
        self._all_pairs = True
        self._ledger = ledger or EntityLedger()

    def __len__(self) -> int:
        """How many records there are."""
        return self._table.record_count

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._table

    @property
    def ledger(self) -> EntityLedger:
        """The entities' ids, and where those that went out of use lead."""
        return self._ledger

    def entity_of(self, record_id: str) -> str:
        """The record's entity. Raises KeyError if there is no such record."""
        return self._ledger.entity_of(record_id)

    def entities(self) -> Mapping[str, Sequence[str]]:
        """The records of each entity."""
        return self._ledger.entities

    def load(self, records: Sequence[MatchRecord]) -> EntityChanges:
        """Resolves many records at once, into an empty resolver. Raises ValueError if an id is there twice."""
        return self.load_fields([record.record_id for record in records], self._read(records))

    def load_fields(self, record_ids: Sequence[str], fields: Fields, run: Run = map) -> EntityChanges:
        """`load` for records that were read in bulk, by position. `fields` has all fields of the model."""
        if len(self._table):
            raise ValueError("records: expected an empty resolver; add to this one record by record")
        if len(set(record_ids)) < len(record_ids):
            raise ValueError("records: an id is there twice; expected one record an id")
        self._table.load(record_ids, fields)
        nodes = self._table.nodes
        own = self._table.fields(nodes)
        self._blocks.load(len(nodes), blocking.BlockingKeys(own).blocks(self._matcher.model.keys))
        removed = self._ledger.records_without(record_ids)
        return self._ledger.update(self._resolve_all(run), removed)

    def add(self, record: MatchRecord) -> Change:
        """Adds a record. Raises ValueError if its id is there already."""
        if record.record_id in self._table:
            raise ValueError("record_id: there is such a record already; use replace")
        return self._change(record.record_id, record)

    def remove(self, record_id: str) -> Change:
        """Removes a record: all is as if it had never been there, but for ids. Raises KeyError if there is none."""
        if record_id not in self._table:
            raise KeyError("record_id: there is no such record")
        return self._change(record_id, None)

    def replace(self, record: MatchRecord) -> Change:
        """Puts a record in the place of the one that has its id. Raises KeyError if there is none."""
        if record.record_id not in self._table:
            raise KeyError("record_id: there is no such record; use add")
        return self._change(record.record_id, record)

    def _change(self, record_id: str, record: MatchRecord | None) -> Change:
        fields = self._read([record]) if record else None
        touched: set[int] = set()
        if record_id in self._table:
            touched |= self._take_out(record_id)
        if fields is not None:
            touched |= self._put_in(record_id, fields)
        removed = () if record_id in self._table else (record_id,)
        if self._all_pairs != (len(self._table) <= blocking.ALL_PAIRS_MAX):
            entities = self._ledger.update(self._resolve_all(), removed)
            bounded = False
        else:
            near = self._neighbourhood(touched)
            entities = self._ledger.update(self._clusters(near.groups), removed)
            bounded = near.bounded
        entity_id = None if removed else self._ledger.entity_of(record_id)
        return Change(record_id, entity_id, entities, bounded)

    def _read(self, records: Sequence[MatchRecord]) -> Fields:
        """The fields of the model."""
        return self._matcher.model.read(role_columns(records), len(records))

    def _put_in(self, record_id: str, fields: Fields) -> set[int]:
        """Adds a record to the tables. The nodes whose components are no longer what they were."""
        node, is_new = self._table.add(record_id, fields)
        if not is_new:
            return self._renamed(node) if self._table.records(node)[0] == record_id else {node}
        blocks = blocking.BlockingKeys(fields).blocks(self._matcher.model.keys)
        hashes = np.array([block[0] for block in blocks if block[0]], np.uint64)
        touched: set[int] = set()
        for block in self._blocks.add(node, hashes):
            touched |= self._part(block)
        self._connect(node)
        return touched | {node}

    def _take_out(self, record_id: str) -> set[int]:
        """Removes a record from the tables. The nodes whose components are no longer what they were."""
        node = self._table.node_of(record_id)
        was_first = self._table.records(node)[0] == record_id
        of_entity = {self._table.node_of(record) for record in self._ledger.entities[self.entity_of(record_id)]}
        _, is_gone = self._table.remove(record_id)
        if not is_gone:
            return of_entity | (self._renamed(node) if was_first else {node})
        touched = self._disconnect(node) | of_entity - {node}
        self._alike.pop(node, None)
        for block in self._blocks.remove(node):
            touched |= self._join(block)
        return touched

    def _renamed(self, node: int) -> set[int]:
        """A node's first record is another one: pairs are scored with the first of the two by id on the left."""
        touched = self._disconnect(node)
        self._connect(node)
        return touched | {node}

    def _connect(self, node: int) -> None:
        others = set(self._table.nodes.tolist()) - {node} if self._all_pairs else self._blocks.candidates(node)
        candidates = np.array(sorted(others), np.int64)
        left = np.full(len(candidates), node)
        self._link(left, candidates, self._score(left, candidates))

    def _disconnect(self, node: int) -> set[int]:
        others = self._links.pop(node, {})
        for other in others:
            self._links[other].pop(node, None)
        return set(others)

    def _link(self, left: Rows, right: Rows, scores: Floats) -> None:
        """Notes which of the pairs of nodes are positive."""
        positive = scores > 0
        by_themselves = self._hold(scores[positive]).tolist()
        pairs = zip(left[positive].tolist(), right[positive].tolist(), by_themselves, strict=True)
        for one, other, by_itself in pairs:
            self._links.setdefault(one, {})[other] = by_itself
            self._links.setdefault(other, {})[one] = by_itself

    def _hold(self, scores: Floats) -> NDArray[np.bool_]:
        """Whether links of these scores hold if neither record resembles anybody else."""
        return holds(scores, np.zeros(len(scores)), self._least, self._matcher.model.alone)

    def _part(self, block: int) -> set[int]:
        """A block is no longer used: pairs that no other block has are not compared any more."""
        if self._all_pairs:
            return set()
        members = set(self._blocks.members(block))
        touched = self._together(members)
        for one in touched:
            for other in self._links[one].keys() & members:
                if one < other and not self._blocks.share_block(one, other):
                    self._links[one].pop(other, None)
                    self._links[other].pop(one, None)
        return touched

    def _join(self, block: int) -> set[int]:
        """A block is used again: all its pairs are compared."""
        if self._all_pairs:
            return set()
        members = np.array(self._blocks.members(block), np.int64)
        left, right = np.triu_indices(len(members), 1)
        self._link(members[left], members[right], self._score(members[left], members[right]))
        return self._together(set(members.tolist()))

    def _together(self, members: set[int]) -> set[int]:
        """The members of a block that have another of them in their component: only there the block's pairs count."""
        found: set[int] = set()
        seen: set[int] = set()
        for node in sorted(members.intersection(self._links)):
            if node not in seen:
                component = self._component(node)
                seen |= component
                inside = component & members
                if len(inside) > 1 or len(component) > self._component_max:
                    found |= inside
        return found

    def _score(self, left: Rows, right: Rows, run: Run = map) -> Floats:
        """Scores of pairs of nodes, as in bulk: the one whose first record comes first is on the left."""
        if not len(left):
            return np.empty(0)
        nodes, position = np.unique(np.concatenate([left, right]), return_inverse=True)
        order = sorted(range(len(nodes)), key=[self._table.records(node)[0] for node in nodes.tolist()].__getitem__)
        rank = np.empty(len(nodes), np.int64)
        rank[order] = np.arange(len(nodes))
        first, second = np.sort(rank[position].reshape(2, -1), axis=0)
        fields = self._table.fields(nodes[order])
        comparer = Comparer(fields, self._matcher.nicknames)
        scorer = self._matcher.model.scorer(fields)
        scores = []
        for start in range(0, len(first), _CHUNK_PAIRS):
            a, b = first[start : start + _CHUNK_PAIRS], second[start : start + _CHUNK_PAIRS]
            levels = comparer.levels(a, b, run)
            scores.append(score_pairs(scorer, comparer, Compared(a, b, levels), patterns_of(levels), run))
        return np.concatenate(scores)

    def _resolve_all(self, run: Run = map) -> list[list[str]]:
        """Compares and clusters everything."""
        self._all_pairs = len(self._table) <= blocking.ALL_PAIRS_MAX
        nodes = np.array(sorted(self._table.nodes.tolist(), key=lambda node: self._table.records(node)[0]), np.int64)
        model = self._matcher.model
        keys = blocking.BlockingKeys(self._table.fields(nodes))
        left, right = keys.pairs(model.keys, model.blocking, run)
        scores = self._score(nodes[left], nodes[right], run)
        self._links = {}
        self._link(nodes[left], nodes[right], scores)
        return self._people(nodes.tolist(), left, right, scores)

    def _neighbourhood(self, touched: set[int]) -> _Neighbourhood:
        """What is to be clustered anew when the components of `touched` have changed."""
        groups: list[list[int]] = []
        seen: set[int] = set()
        wide: set[int] = set()
        for start in sorted(node for node in touched if self._table.records(node)):
            if start not in seen:
                component = self._component(start)
                if len(component) > self._component_max:
                    wide.add(start)
                else:
                    seen |= component
                    groups.append(sorted(component))
        if wide:
            groups.append(sorted(self._entities_near(wide) - seen))
        return _Neighbourhood(groups, bool(wide))

    def _component(self, start: int) -> set[int]:
        """The nodes that positive pairs connect with `start`; not all of them if they are too many."""
        found, open_ends = {start}, [start]
        while open_ends and len(found) <= self._component_max:
            fresh = self._links.get(open_ends.pop(), {}).keys() - found
            found |= fresh
            open_ends.extend(fresh)
        return found

    def _entities_near(self, nodes: set[int]) -> set[int]:
        """The nodes within two positive pairs, and all others of their entities."""
        near = set(nodes)
        for _ in range(2):
            near |= {other for node in near for other in self._links.get(node, ())}
        known = (r for node in near for r in self._table.records(node) if r in self._ledger)
        entities = {self._ledger.entity_of(record) for record in known}
        members = (record for entity in entities for record in self._ledger.entities[entity] if record in self._table)
        return near | {self._table.node_of(record) for record in members}

    def _clusters(self, groups: Sequence[list[int]]) -> list[list[str]]:
        """The people in groups of nodes, as their records. A group whose pairs all hold by themselves is one person."""
        nodes: list[int] = []
        numbers: list[int] = []
        found: list[list[str]] = []
        for number, group in enumerate(groups):
            links = [self._links.get(node, {}) for node in group]
            if all(len(others) == len(group) - 1 and all(others.values()) for others in links):
                found += self._records_of(group)
            else:
                nodes += sorted(group, key=lambda node: self._table.records(node)[0])
                numbers += [number] * len(group)
        if not nodes:
            return found
        of_group = np.array(numbers)
        if self._all_pairs:
            left, right = np.triu_indices(len(nodes), 1)
            same = of_group[left] == of_group[right]
            left, right = left[same], right[same]
        else:
            left, right = self._blocks.pairs(nodes, of_group)
        array = np.array(nodes)
        return found + self._people(nodes, left, right, self._score(array[left], array[right]))

    def _people(self, nodes: Sequence[int], left: Rows, right: Rows, scores: Floats) -> list[list[str]]:
        """Clusters nodes, in the order of their first records, by the scores of pairs of positions in `nodes`."""
        copies = np.array([len(self._table.records(node)) for node in nodes], np.int64)
        labels = cluster(len(nodes), left, right, scores * (copies[left] * copies[right]).astype(np.float64))
        labels = held_together(labels, left, right, scores, self._least, self._matcher.model.alone)
        members: dict[int, list[int]] = {}
        for node, label in zip(nodes, labels.tolist(), strict=True):
            members.setdefault(label, []).append(node)
        self._compare_with_themselves([node for node, count in zip(nodes, copies.tolist(), strict=True) if count > 1])
        return [records for group in members.values() for records in self._records_of(group)]

    def _records_of(self, group: Iterable[int]) -> list[list[str]]:
        """The records of nodes that are one person, first, and of their likes that are not."""
        person: list[str] = []
        others: list[list[str]] = []
        for node in group:
            records = self._table.records(node)
            if len(records) > 1:
                self._compare_with_themselves([node])
            if len(records) == 1 or self._alike[node]:
                person += records
            else:
                person.append(records[0])
                others += [[record] for record in records[1:]]
        return [person, *others]

    def _compare_with_themselves(self, nodes: Iterable[int]) -> None:
        unknown = np.array([node for node in nodes if node not in self._alike], np.int64)
        held = self._hold(self._score(unknown, unknown))
        for node, holding in zip(unknown.tolist(), held.tolist(), strict=True):
            self._alike[node] = holding
