"""Vectors by customer id, and the nearest of them: for people whom no blocking key finds (typos, transliterations).

A LanceDB table of one process's own, made anew at each start: everything in it can be computed again from the shards.
Versions of the table pile up with every small write, so writes are gathered (what is still gathered is searched too),
and every so often the table is compacted and its old versions are removed. Predicates hold customer ids and nothing
else: Lance keeps them in its transaction files.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import IvfFlat
from numpy.typing import NDArray

from models.identity.record import MatchRecord

Vectors = NDArray[np.float32]

_GATHERED_MAX = 2_000  # rows and deletions until they are written
_COMPACT_WRITES = 16
# From here on a search looks at a part of the rows: at 20,000 rows of 64 numbers a full one takes 4 ms.
_INDEX_ROWS = 100_000
_IDS_OF_PREDICATE = 1_000
_OLD = timedelta(milliseconds=1)


class VectorIndex:
    """Nearest neighbours by cosine similarity. Not for several threads at once."""

    def __init__(self, path: Path, dimensions: int, index_rows: int = _INDEX_ROWS) -> None:
        """`path` is a directory of this index alone: what is in it is deleted."""
        shutil.rmtree(path, ignore_errors=True)
        self._dimensions = dimensions
        self._schema = pa.schema([("customer_id", pa.int64()), ("vector", pa.list_(pa.float32(), dimensions))])
        self._table: Any = lancedb.connect(path).create_table("vectors", schema=self._schema)
        self._written: set[int] = set()  # customer ids in the table, those in `_outdated` too
        self._outdated: set[int] = set()
        self._fresh: dict[int, Vectors] = {}
        self._writes = 0
        self._index_rows = index_rows

    def __len__(self) -> int:
        return len((self._written - self._outdated) | self._fresh.keys())

    @property
    def versions(self) -> int:
        """Versions of the table that are on disk."""
        return len(self._table.list_versions())

    def upsert(self, customer_ids: Sequence[int], vectors: Vectors) -> None:
        """Adds vectors, shape (n, dimensions), or puts them in the place of those that the customers had."""
        for customer_id, vector in zip(customer_ids, np.asarray(vectors, np.float32), strict=True):
            self._fresh[customer_id] = vector
            if customer_id in self._written:
                self._outdated.add(customer_id)
        self._write_if_full()

    def delete(self, customer_ids: Sequence[int]) -> None:
        """Removes the customers' vectors, if they have any."""
        for customer_id in customer_ids:
            self._fresh.pop(customer_id, None)
            if customer_id in self._written:
                self._outdated.add(customer_id)
        self._write_if_full()

    def nearest(self, vector: Vectors, k: int) -> list[tuple[int, float]]:
        """Up to `k` customer ids and their cosine similarity, the nearest first. None is near to zeros."""
        length = float(np.linalg.norm(vector))
        if not length:
            return []
        found: dict[int, float] = {}
        if self._written:
            search = self._table.search(np.asarray(vector, np.float32)).distance_type("cosine")
            rows = search.select(["customer_id", "_distance"]).limit(k + len(self._outdated)).to_arrow()
            for customer_id, distance in zip(
                rows["customer_id"].to_pylist(), rows["_distance"].to_pylist(), strict=True
            ):
                if customer_id not in self._outdated and distance is not None:
                    found[customer_id] = 1 - distance
        if self._fresh:
            fresh = np.stack(list(self._fresh.values()))
            lengths = np.linalg.norm(fresh, axis=1) * length
            similar = np.divide(fresh @ vector, lengths, out=np.full(len(fresh), -1.0), where=lengths > 0)
            found.update(zip(self._fresh, similar.tolist(), strict=True))
        return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:k]

    def flush(self) -> None:
        """Writes what is gathered; now and then compacts the table."""
        outdated = sorted(self._outdated)
        for start in range(0, len(outdated), _IDS_OF_PREDICATE):
            ids = ",".join(map(str, outdated[start : start + _IDS_OF_PREDICATE]))
            self._table.delete(f"customer_id IN ({ids})")
        self._written -= self._outdated
        self._outdated.clear()
        if self._fresh:
            values = pa.array(np.stack(list(self._fresh.values())).ravel())
            vectors = pa.FixedSizeListArray.from_arrays(values, self._dimensions)
            ids = pa.array(list(self._fresh), pa.int64())
            self._table.add(pa.RecordBatch.from_arrays([ids, vectors], schema=self._schema))
            self._written.update(self._fresh)
            self._fresh.clear()
        self._writes += 1
        if self._writes % _COMPACT_WRITES == 0:
            self._compact()

    def purge(self) -> None:
        """Writes what is gathered, and takes what was removed out of every file: rows, earlier versions, the index."""
        self.flush()
        dataset = self._table.to_lance()
        dataset.optimize.compact_files(materialize_deletions_threshold=0.0)
        self._table.checkout_latest()
        if self._table.list_indices():
            self._table.create_index("vector", config=IvfFlat(distance_type="cosine"), replace=True)
        self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    def _write_if_full(self) -> None:
        if len(self._fresh) + len(self._outdated) >= _GATHERED_MAX:
            self.flush()

    def _compact(self) -> None:
        if len(self._written) >= self._index_rows:
            # Made anew when the rows have doubled; until then `optimize` adds new rows to it.
            self._table.create_index("vector", config=IvfFlat(distance_type="cosine"), replace=True)
            self._index_rows = 2 * len(self._written)
        self._table.optimize(cleanup_older_than=_OLD, delete_unverified=True)


class VectorCandidates:
    """Implements `actors.matcher.Vectors`: records near to each other by what an embedder makes of their text."""

    def __init__(
        self,
        index: VectorIndex,
        text_of: Callable[[MatchRecord], str],
        embed: Callable[[Sequence[str]], Vectors],
        k: int = 10,
        similarity_min: float = 0.6,
    ) -> None:
        """`text_of` and `embed` are `models.identity.record_text` and an embedder's; at most `k` records are near."""
        self._index = index
        self._text_of = text_of
        self._embed = embed
        self._k = k
        self._similarity_min = similarity_min

    def put(self, customer_ids: Sequence[int], records: Sequence[MatchRecord]) -> None:
        """Takes in records."""
        if customer_ids:
            self._index.upsert(customer_ids, self._embed([self._text_of(record) for record in records]))

    def drop(self, customer_ids: Sequence[int]) -> None:
        """Forgets records."""
        self._index.delete(customer_ids)

    def purge(self) -> None:
        """Takes what was forgotten out of the index's files."""
        self._index.purge()

    def near(self, record: MatchRecord) -> list[int]:
        """Customer ids of the records that are near, the nearest first."""
        (vector,) = self._embed([self._text_of(record)])
        found = self._index.nearest(vector, self._k)
        return [customer_id for customer_id, similarity in found if similarity >= self._similarity_min]
