"""Cluster tests run on real Ray: actors on one node for all tests, a service for all tests of a module that need it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.local_node import SharedNode
from tests.e2e.service import RunningService


@pytest.fixture(scope="session")
def shared_node() -> Iterator[SharedNode]:
    made = SharedNode()
    yield made
    made.close()


@pytest.fixture
def node(shared_node: SharedNode) -> Path:
    """The directory of the files of a Ray node on which this process is a driver. Tests end the actors they start."""
    return shared_node.directory()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A running service with two shards: tests use people of their own."""
    with RunningService(tmp_path_factory.mktemp("service") / "data") as running:
        yield running
