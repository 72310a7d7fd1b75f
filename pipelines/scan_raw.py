"""Raw bytes of files, searched in blocks that overlap, and what compressed files hold.

Bytes are what is really on the disk: free pages, write-ahead logs, transaction files, logs. What is compressed hides
from this search: `pipelines.scan_tables` opens tables, and packed profiles are unpacked here wherever they lie.
"""

import gzip
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from models.privacy.needles import FLANK_BYTES, Hit, Search
from models.profile.packing import packed_within

BLOCK_BYTES = 1 << 20
_PACKED_BYTES_MAX = 64 << 10  # of a profile in one piece; SQLite cuts it at its pages, of 4 KiB
_TOUCHED_MAX = 1_000  # different longer texts in one file; whole needles count without limit

Hits = Counter[Hit]


def search_stream(stream: BinaryIO, search: Search) -> tuple[Hits, int]:
    """Hits and the number of bytes of a stream."""
    hits: Hits = Counter()
    overlap = search.longest + 2 * FLANK_BYTES
    held = b""  # the end of what was searched: its last FLANK_BYTES may still have context to come
    searched = 0  # of `held`
    size = 0
    while True:
        block = stream.read(BLOCK_BYTES)
        size += len(block)
        window = held + block
        until = len(window) - FLANK_BYTES if block else len(window)
        if until > searched:
            _count(hits, search.in_bytes(window, searched, until))
            searched = until
        if not block:
            return hits, size
        dropped = max(0, len(window) - overlap)
        held, searched = window[dropped:], searched - dropped


def search_raw(path: Path, search: Search) -> tuple[Hits, int]:
    """Hits and the number of bytes of a file. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return search_stream(cast(BinaryIO, file), search)


def search_packed(path: Path, search: Search) -> Hits:
    """Hits in packed profiles wherever they lie in a file: what logs and free pages keep. Raises OSError."""
    hits: Hits = Counter()
    with path.open("rb", buffering=0) as file:
        held = b""
        while True:
            block = file.read(BLOCK_BYTES)
            window = held + block
            until = len(window) - _PACKED_BYTES_MAX if block else len(window)
            for unpacked in packed_within(window, max(0, until)):
                _count(hits, search.in_message_pack(unpacked))
            if not block:
                return hits
            held = window[max(0, until) :]


def search_compressed(path: Path, search: Search, kind: str) -> Hits:
    """Hits in what a "gzip", "zstd" or "zip" file holds. Raises OSError and ValueError if it cannot be read."""
    hits: Hits = Counter()
    try:
        if kind == "gzip":
            with gzip.open(path) as opened:
                hits.update(search_stream(cast(BinaryIO, opened), search)[0])
        elif kind == "zstd":
            with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, "zstd") as opened:
                hits.update(search_stream(opened, search)[0])
        else:
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    _count(hits, search.in_bytes(member.filename.encode()))
                    with archive.open(member) as opened:
                        hits.update(search_stream(cast(BinaryIO, opened), search)[0])
    except (EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"not a whole {kind} file") from error
    return hits


def _count(hits: Hits, found: Iterator[Hit]) -> None:
    for hit in found:
        if hit.touched and hit not in hits and len(hits) > _TOUCHED_MAX:
            hit = Hit(hit.needle)
        hits[hit] += 1
