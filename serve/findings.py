"""What the door finds in free text, on its way to the store: one write a second, however much is found."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from actors.findings_store import FILE, FindingsStore, Found
from models.privacy.free_text import Kind, matches

_WRITE_EVERY_S = 1.0
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.$ -]{0,99}")


class Findings:
    """The findings of one replica, and those in the store of all. `now` in ms."""

    def __init__(self, data_dir: Path, now: Callable[[], int]) -> None:
        self._data_dir = data_dir
        self._now = now
        self._held: Counter[tuple[str, str, str]] = Counter()
        self._writing: asyncio.Task[None] | None = None

    @cached_property
    def _store(self) -> FindingsStore:
        return FindingsStore(self._data_dir / FILE)

    def add(self, source: str, found: Mapping[tuple[str, Kind], int]) -> None:
        """Notes what was found in a request: (path, kind) -> how often. It is in the store within a second or so."""
        for (path, kind), count in found.items():
            self._held[source, _safe(path), kind] += count
        if self._held and (self._writing is None or self._writing.done()):
            self._writing = asyncio.get_running_loop().create_task(self._write_later())

    async def all(self) -> list[Found]:
        """Everything that was found."""
        await self.flush()
        return await asyncio.to_thread(self._store.all)

    async def flush(self) -> None:
        """Writes what is held."""
        held, self._held = self._held, Counter()
        if held:
            rows = [(*place, count) for place, count in held.items()]
            await asyncio.to_thread(self._store.add, rows, self._now())

    async def _write_later(self) -> None:
        await asyncio.sleep(_WRITE_EVERY_S)
        await self.flush()


def _safe(path: str) -> str:
    """The path, unless it may be personal data itself: then the section that it is in."""
    if _NAME.fullmatch(path) and not matches(path, ""):
        return path
    return path.partition(".")[0] + ".?"
