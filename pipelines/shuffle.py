"""Tables between tasks: a task writes a file that is divided into buckets, another reads one bucket of all files.

A file is Arrow IPC with one record batch a bucket, so that a bucket is read without the rest. It is there whole or not
at all.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]


def write_buckets(path: Path, columns: Columns, bucket: NDArray[np.int64], buckets: int) -> None:
    """Writes the rows of `columns` (n,) to a file, each to its `bucket` (n,), from 0 to `buckets` - 1."""
    order = np.argsort(bucket, kind="stable")
    bounds = np.searchsorted(bucket[order], np.arange(buckets + 1))
    table = {name: column[order] for name, column in columns.items()}
    write_batches(path, ({name: c[start:end] for name, c in table.items()} for start, end in pairwise(bounds)))


def write_batches(path: Path, batches: Iterable[Columns]) -> None:
    """Writes a file of these buckets, of which there must be one at least."""
    partial = path.with_name(path.name + ".partial")
    writer = None
    for batch in batches:
        arrays = pa.record_batch({name: pa.array(column) for name, column in batch.items()})
        if writer is None:
            writer = pa.ipc.new_file(str(partial), arrays.schema)
        writer.write_batch(arrays)
    assert writer is not None
    writer.close()
    partial.replace(path)


def read_bucket(paths: Iterable[Path], bucket: int) -> dict[str, NDArray[Any]]:
    """The rows of one bucket in all files, in the files' order, of which there must be one at least."""
    parts = []
    for path in paths:
        with pa.memory_map(str(path)) as source:
            batch = pa.ipc.open_file(source).get_batch(bucket)
            parts.append({name: batch[name].to_numpy(zero_copy_only=False).copy() for name in batch.schema.names})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
