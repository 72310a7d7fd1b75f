"""A Ray node for tests of actors, without the service."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ray

from actors.namespaces import NAMESPACE


@contextmanager
def local_node() -> Iterator[Path]:
    """A node of its own on loopback, which ends with the block; gives the directory of its files."""
    with tempfile.TemporaryDirectory(prefix="onefold-ray-") as directory:
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            namespace=NAMESPACE,
            object_store_memory=100 << 20,
            _node_ip_address="127.0.0.1",
            _temp_dir=directory,
        )
        try:
            yield Path(directory)
        finally:
            ray.shutdown()


class SharedNode:
    """One node for all tests that leave it running; after one that has not, there is another."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._directory = Path()

    def directory(self) -> Path:
        """The directory of the files of the node that runs now. This process is a driver on it."""
        if not ray.is_initialized():
            self.close()
            self._directory = self._running.enter_context(local_node())
        return self._directory

    def close(self) -> None:
        """Ends the node."""
        self._running.close()
