"""Where tasks run that are functions of files, and what is noted of them.

On the cores of this machine (`Processes`), or wherever a runner has them, such as on the nodes of a Ray cluster
(`pipelines.reresolve_tasks.Tasks`). `Stages` runs many of them, and after a kill only those that were not done.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

import msgspec

A = TypeVar("A")
Progress = Callable[[str, int, int], None]
"""Told of a stage's name, how many of its tasks are done, and how many there are."""


def _end_with_parent() -> None:
    """Ends this process when the one that started it does, even if that was killed."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class WorkerDied(RuntimeError):
    """A process that worked on a task ended before it."""


class Runner(Protocol):
    """Calls functions somewhere."""

    def run(
        self, function: Callable[..., Any], calls: Iterable[tuple[A, tuple[object, ...]]]
    ) -> Iterator[tuple[A, Any]]:
        """Calls `function` with each of the arguments; gives what each call is named by, and its answer, as they
        come. Raises what a call raised."""


class Processes:
    """Runs functions in processes of this machine, one a core."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _end_with_parent)

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(
        self, function: Callable[..., Any], calls: Iterable[tuple[A, tuple[object, ...]]]
    ) -> Iterator[tuple[A, Any]]:
        """See `Runner`."""
        waiting: dict[Future[Any], A] = {self._pool.submit(function, *arguments): name for name, arguments in calls}
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    yield waiting.pop(future), future.result()
                except BrokenProcessPool:
                    raise WorkerDied(
                        "a worker process was killed, perhaps for lack of memory: run the same command again, it goes "
                        "on where it was"
                    ) from None


class Stages:
    """Runs tasks, stage by stage, and notes in a directory which are done and what they answered (as JSON)."""

    def __init__(self, directory: Path, runner: Runner, progress: Progress) -> None:
        self._directory = directory
        self._runner = runner
        self._progress = progress

    def one(self, stage: str, function: Callable[..., Any], *arguments: object) -> Any:
        """Runs a stage of one task; its answer."""
        return self.many(stage, function, {0: arguments})[0]

    def many(self, stage: str, function: Callable[..., Any], calls: Mapping[int, tuple[object, ...]]) -> list[Any]:
        """Runs a stage of many tasks, with their arguments by number; their answers in the order of `calls`."""
        notes = {number: self._directory / f"{stage}-{number:05d}.done" for number in calls}
        answers = {n: msgspec.json.decode(note.read_bytes()) for n, note in notes.items() if note.exists()}
        self._progress(stage, len(answers), len(calls))
        due = [(number, arguments) for number, arguments in calls.items() if number not in answers]
        for number, answer in self._runner.run(function, due):
            partial = notes[number].with_suffix(".partial")
            partial.write_bytes(msgspec.json.encode(answer))
            partial.replace(notes[number])
            answers[number] = answer
            self._progress(stage, len(answers), len(calls))
        return [answers[number] for number in calls]

    def drop(self, *done: str) -> None:
        """Deletes the files of stages that no other one needs any more."""
        for stage in done:
            for path in self._directory.glob(f"{stage}-*.arrow"):
                path.unlink()
