"""Re-resolution's work as Ray tasks: on every node that sees the plan's directory, a bounded number at a time.

Arguments and answers are small (names of files, counts, plans of ids); records go from the shards into files and never
through the driver. A task gives way to the service: it has a low priority and takes no place in Ray's bookkeeping.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.cluster import RayShards
from actors.errors import Unavailable
from actors.shard_calls import ShardCalls
from models.identity.identifiers import IdentitySettings
from models.identity.online import PairMatcher
from models.identity.reresolution import Group
from pipelines import reresolve_report
from pipelines.reresolve_extract import ShardPlatform, Slice, extract_slice
from pipelines.reresolve_report import Example
from pipelines.reresolve_steps import Apply, GroupResult, RollBack

LoadMatcher = Callable[[str | None], PairMatcher]
"""Gives the matcher of a model's file, the shipped one for None (see `actors.match_models.load_matcher`)."""

_NICENESS = 10
_PROBE_S = 30.0

A = TypeVar("A")


class Tasks:
    """Runs functions on the cluster, `parallel` at a time (0: one for every two cores)."""

    def __init__(self, directory: Path, parallel: int = 0) -> None:
        """Finds out which nodes see `directory`. Raises Unavailable if none does. Ray must have been initialised."""
        self._nodes = _nodes_with(directory)
        cores = int(ray.cluster_resources().get("CPU", 1))
        self.parallel = parallel or max(1, cores // 2)

    def run(
        self, function: Callable[..., Any], calls: Iterable[tuple[A, tuple[object, ...]]]
    ) -> Iterator[tuple[A, Any]]:
        """Calls `function` with each of the arguments; gives what each call is named by and its answer, as they come.

        `calls` is asked for the next one only when there is room. Raises what a call raised.
        """
        remote = ray.remote(_politely)
        waiting: dict[Any, A] = {}
        turn = 0
        source = iter(calls)
        more = True
        while more or waiting:
            while more and len(waiting) < self.parallel:
                following = next(source, None)
                if following is None:
                    more = False
                    break
                name, arguments = following
                node = NodeAffinitySchedulingStrategy(self._nodes[turn % len(self._nodes)], soft=False)
                turn += 1
                waiting[
                    remote.options(num_cpus=0, max_retries=3, scheduling_strategy=node).remote(function, *arguments)
                ] = name
            if waiting:
                (done,), _ = ray.wait(list(waiting), num_returns=1)
                name = waiting.pop(done)
                try:
                    answer = ray.get(done)
                except RayTaskError as error:
                    raise error.cause from None
                except RayError as error:
                    kind = type(error).__name__
                    raise Unavailable(f"a task was lost ({kind}): run the command again, it goes on") from None
                yield name, answer

    def one(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Calls `function` once."""
        ((_, answer),) = self.run(function, [(None, arguments)])
        return answer


class Mapped(NamedTuple):
    """What tasks that take steps need."""

    shards: int
    source: str
    model: str
    load_matcher: LoadMatcher


def extract(shards: int, shard: int, after: int, profiles: int, directory: str, name: str) -> Slice:
    """Writes a slice of a shard."""
    return asyncio.run(extract_slice(ShardCalls(shards, _shards()), shard, after, profiles, Path(directory), name))


def identity_settings(shards: int) -> IdentitySettings:
    """The limits that the shards resolve by."""
    return asyncio.run(ShardPlatform(ShardCalls(shards, _shards())).settings()).identity


def examples(directory: str, groups: Sequence[Group], model: str, load_matcher: LoadMatcher) -> list[Example]:
    """See `pipelines.reresolve_report.examples`."""
    return reresolve_report.examples(Path(directory), groups, load_matcher(model or None))


def apply(work: Mapped, groups: Sequence[tuple[Group, bool]]) -> list[GroupResult]:
    """Takes the steps of some groups, each with whether it was begun before."""

    async def all_groups() -> list[GroupResult]:
        platform = ShardPlatform(ShardCalls(work.shards, _shards()))
        matcher = work.load_matcher(work.model or None)
        return [await Apply(platform, matcher, work.source, each, resumed).run() for each, resumed in groups]

    return asyncio.run(all_groups())


def roll_back(work: Mapped, groups: Sequence[tuple[Group, bool]]) -> list[GroupResult]:
    """Takes the steps of some groups back."""

    async def all_groups() -> list[GroupResult]:
        platform = ShardPlatform(ShardCalls(work.shards, _shards()))
        matcher = work.load_matcher(work.model or None)
        return [await RollBack(platform, matcher, work.source, each).run() for each, _ in groups]

    return asyncio.run(all_groups())


def _shards() -> RayShards:
    """The shards of the tenant in whose namespace this work runs."""
    return RayShards(ray.get_runtime_context().namespace)


def _politely(function: Callable[..., Any], *arguments: object) -> Any:
    """Calls a function in a process that gives way to the service's."""
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    return function(*arguments)


def _sees(directory: str) -> bool:
    return Path(directory, "plan.sqlite").exists()


def _nodes_with(directory: Path) -> list[str]:
    """The ids of the nodes on which the directory is."""
    probe = ray.remote(_sees)
    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[probe.options(num_cpus=0, scheduling_strategy=strategy).remote(str(directory))] = node["NodeID"]
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_PROBE_S)
    found = sorted(asked[reference] for reference in ready if ray.get(reference))
    if not found:
        raise Unavailable("data_dir: no node of the cluster sees the plan's directory; run this where the service runs")
    return found
