"""Runs tasks in the test's own process."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class InProcess:
    """A `pipelines.task_runner.Runner`, in the place of `pipelines.task_runner.Processes`."""

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""

    def run(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, tuple[object, ...]]]
    ) -> Iterator[tuple[Any, Any]]:
        for name, arguments in calls:
            yield name, function(*arguments)
