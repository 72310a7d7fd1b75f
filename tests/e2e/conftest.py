"""End-to-end tests: one service for all tests that leave it running; others make a `RunningService` of their own."""

from collections.abc import Iterator

import pytest

from tests.e2e.service import RunningService


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A running service with two shards, shared: tests use people of their own."""
    running = RunningService(tmp_path_factory.mktemp("service") / "data")
    try:
        running.start()
        yield running
    finally:
        running.stop()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.e2e)
