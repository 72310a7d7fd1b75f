"""What holds of all tests: properties try the same examples each time, and files are in memory where there is room.

A change is to fail by what it changes and not by chance: new examples are looked for by `make search`.
"""

import os
import shutil
from pathlib import Path

from hypothesis import HealthCheck, settings

MEMORY = Path("/dev/shm")
FREE_BYTES_MIN = 4 << 30  # most of a small test's time would be spent waiting for the disk
SEARCHES = "ONEFOLD_TEST_SEARCH" in os.environ

# Without deadlines: on a loaded machine a slow example is no failure.
settings.register_profile("same", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("new", settings.get_profile("same"), derandomize=False, max_examples=1_000, print_blob=True)
settings.load_profile("new" if SEARCHES else "same")


def pytest_configure() -> None:
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= FREE_BYTES_MIN:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
