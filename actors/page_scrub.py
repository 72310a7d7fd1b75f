"""Zeros in the unused bytes of the pages of a SQLite file.

`secure_delete` overwrites what is deleted. But when rows move from one page to another, to make room, their bytes stay
in the first one, in the space between the page's list of cells and its cells; a row that is deleted later is then still
there. This writes zeros into that space. It changes nothing that SQLite reads.

    python -m actors.page_scrub FILE        in a process of its own, asked by `PageScrubber`

In a process of its own, because to close a file drops all locks that its process holds on it. Nobody may write to the
file meanwhile, and no connection that writes may hold pages of it: see `actors.store.Store.scrub`.
"""

import os
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

PAGES_AT_ONCE = 4096
_INTERIOR, _LEAF = (2, 5), (10, 13)  # kinds of pages of tables and indices
_HEADER_AT = 100  # in the first page
_PAGES_MAX = 1 << 25  # beyond, the number of a page may look like a kind of page
_TIMEOUT_S = 60.0


class Scrubbed(NamedTuple):
    """`next`: the first page that is still to be looked at, -1 at the end; `pages` in which there was something."""

    next: int
    pages: int


def blank(page: bytearray, header_at: int = 0) -> bool:
    """Zeros the unused space of a page; whether there was anything in it. Pages of other kinds stay as they are."""
    kind = page[header_at]
    if kind not in _INTERIOR and kind not in _LEAF:
        return False
    cells, content = struct.unpack_from(">HH", page, header_at + 3)
    content = content or 65_536
    cells_at = header_at + (12 if kind in _INTERIOR else 8)
    unused_at = cells_at + 2 * cells
    if not unused_at <= content <= len(page):
        return False
    if cells and min(struct.unpack_from(f">{cells}H", page, cells_at)) < content:
        return False
    unused = page[unused_at:content]
    if not unused.strip(b"\0"):
        return False
    page[unused_at:content] = bytes(len(unused))
    return True


def scrub_pages(descriptor: int, first: int) -> Scrubbed:
    """Scrubs PAGES_AT_ONCE pages of an open file from page `first` (counted from 0) on. Raises ValueError if it is no
    SQLite file, or too large a one."""
    head = os.pread(descriptor, _HEADER_AT, 0)
    if not head.startswith(b"SQLite format 3\0"):
        raise ValueError("not a SQLite file")
    (size,) = struct.unpack_from(">H", head, 16)
    size = 65_536 if size == 1 else size
    total = os.fstat(descriptor).st_size // size
    if total > _PAGES_MAX:
        raise ValueError(f"more than {_PAGES_MAX} pages")
    data = os.pread(descriptor, PAGES_AT_ONCE * size, first * size)
    changed = 0
    for number in range(len(data) // size):
        page = bytearray(data[number * size : (number + 1) * size])
        if blank(page, _HEADER_AT if first + number == 0 else 0):
            os.pwrite(descriptor, page, (first + number) * size)
            changed += 1
    if changed:
        os.fsync(descriptor)
    after = first + PAGES_AT_ONCE
    return Scrubbed(after if after < total else -1, changed)


class PageScrubber:
    """The process that scrubs one file."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "actors.page_scrub", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> "PageScrubber":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._questions.close()
        self._answers.close()
        self._process.wait(_TIMEOUT_S)

    def scrub(self, first: int) -> Scrubbed:
        """`scrub_pages` there. Raises OSError if the process has failed."""
        self._questions.write(f"{first}\n")
        answer = self._answers.readline().split()
        if len(answer) != 2:
            raise OSError("the process that scrubs pages has failed")
        return Scrubbed(int(answer[0]), int(answer[1]))


def main() -> None:
    descriptor = os.open(sys.argv[1], os.O_RDWR)
    for line in sys.stdin:
        scrubbed = scrub_pages(descriptor, int(line))
        print(scrubbed.next, scrubbed.pages, flush=True)


if __name__ == "__main__":
    main()
