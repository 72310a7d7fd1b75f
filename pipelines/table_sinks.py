"""Tables that commands write to a folder, for its owner only: Parquet files, or tables of a LanceDB database."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

Format = Literal["parquet", "lance"]


class Sink(Protocol):
    """An open table."""

    def write(self, batch: pa.RecordBatch) -> None: ...
    def close(self) -> None: ...


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Makes a folder, for its owner only, in which all is written or nothing: after an error it is gone. Raises
    FileExistsError, and ValueError if it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise ValueError(f"--output: {folder} cannot be made: {error.strerror}") from None
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def open_sink(written_as: Format, folder: Path, name: str, schema: pa.Schema) -> Sink:
    """A new table: FOLDER/NAME.parquet, or the table NAME of the LanceDB database in the folder."""
    return _ParquetSink(folder, name, schema) if written_as == "parquet" else _LanceSink(folder, name, schema)


class _ParquetSink:
    def __init__(self, folder: Path, name: str, schema: pa.Schema) -> None:
        path = folder / f"{name}.parquet"
        path.touch(mode=0o600)
        self._writer = pq.ParquetWriter(path, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class _LanceSink:
    def __init__(self, folder: Path, name: str, schema: pa.Schema) -> None:
        import lancedb

        self._table: Any = lancedb.connect(folder).create_table(name, schema=schema)

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._table.add(pa.Table.from_batches([batch]))

    def close(self) -> None:
        """Every batch is there as soon as it is written."""
