"""Brings the structured log lines of all worker processes to this process's standard error.

Ray keeps each worker's standard error in a file of its own session. Only lines that `serve.logs` wrote are passed
on: whatever else ends up in those files (a library's traceback, say) may quote somebody's data.
"""

import sys
import threading
from pathlib import Path
from typing import TextIO

_OURS = b'{"time":"'
_POLL_S = 0.5
_READ_BYTES_MAX = 1 << 20  # of one file at a time


class LogRelay:
    """Follows the files in a thread, from `start` to `stop`, and once more at the stop."""

    def __init__(self, ray_dir: Path, output: TextIO | None = None) -> None:
        self._ray_dir = ray_dir
        self._output = output or sys.stderr
        self._offsets: dict[Path, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log-relay", daemon=True)

    def start(self) -> None:
        """Begins to follow, files that appear later too."""
        self._thread.start()

    def stop(self) -> None:
        """Passes on what is there, and ends."""
        self._stopping.set()
        self._thread.join()
        self.pass_on()

    def pass_on(self) -> None:
        """Passes on every whole line that is new."""
        for path in sorted(self._ray_dir.glob("session_*/logs/worker-*.err")):
            if path.parent.parent.is_symlink():
                continue  # session_latest: the same files again
            for line in self._new_lines(path):
                if line.startswith(_OURS):
                    self._output.write(line.decode(errors="replace"))
        self._output.flush()

    def _follow(self) -> None:
        while not self._stopping.wait(_POLL_S):
            self.pass_on()

    def _new_lines(self, path: Path) -> list[bytes]:
        offset = self._offsets.get(path, 0)
        try:
            if path.stat().st_size < offset:
                offset = 0  # Ray began the file anew
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(_READ_BYTES_MAX)
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offsets[path] = offset + len(whole)
        return whole.splitlines(keepends=True)
