"""Cluster tests run on real Ray: one service for all tests of a module that leave it running."""

from collections.abc import Iterator

import pytest

from tests.e2e.service import RunningService


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A running service with two shards: tests use people of their own."""
    running = RunningService(tmp_path_factory.mktemp("service") / "data")
    try:
        running.start()
        yield running
    finally:
        running.stop()
