"""Files of tests are in memory where there is room: most of a small test's time would be spent waiting for the disk."""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
FREE_BYTES_MIN = 4 << 30


def pytest_configure() -> None:
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= FREE_BYTES_MIN:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
