"""Unit tests run without Ray: importing it while one is collected or run fails, so no such test can start it.

The hooks see only what lies under tests/unit, so a session that also runs tests/cluster is not disturbed.
"""

import gc
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


class RayBan:
    """A meta path finder that refuses `ray` and its submodules."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "ray" or name.startswith("ray."):
            raise ImportError(f"{name} must not be imported in unit tests: such tests go to tests/cluster")
        return None


@contextmanager
def ray_banned() -> Iterator[None]:
    """Within it, a first import of Ray fails."""
    ban = RayBan()
    sys.meta_path.insert(0, ban)
    try:
        yield
    finally:
        sys.meta_path.remove(ban)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    with ray_banned():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    if not item.path.is_relative_to(Path(__file__).parent):
        return (yield)  # pytest calls this one hook for every test of the session
    with ray_banned():
        return (yield)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.unit)


def pytest_collection_finish() -> None:
    # What was imported stays: looking through it again and again for cycles takes a fifteenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
