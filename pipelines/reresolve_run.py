"""Bulk re-resolution of the live platform, as its driver sees it: plan, apply, roll back.

Every stage and every group is written down before it begins and after it ends (`pipelines.reresolve_store`), so each of
these functions, run again after a kill at any point, goes on where it was. Nothing here holds records: the work is done
by tasks (`pipelines.reresolve_tasks`), and what they answer are counts and ids.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from actors.errors import Conflict
from models.identity.reresolution import Group
from pipelines import reresolve_divide, reresolve_tasks
from pipelines.reresolve_divide import BUCKET_GROUPS, bodies, slice_names
from pipelines.reresolve_report import Counts
from pipelines.reresolve_store import FOLDER, GroupState, Phase, PlanStore, drop_records, plan_directory
from pipelines.reresolve_tasks import LoadMatcher, Mapped, Tasks
from pipelines.task_runner import Progress as Progressed
from pipelines.task_runner import Runner

Partition = Callable[[Path, Path, Path, Runner, Progressed], None]
"""`partition(records, cannot_links, output, runner, progress)`: who is who.

`records` is a directory of Parquet files of records: unit_id (int64, each once), a column of lists of strings for each
role of `models.identity.record`, and `exclusive`: identifiers of namespaces of which one person has only one.
`cannot_links` is a Parquet file of pairs that must not be of one entity (left, right: unit ids). It writes `output`, a
Parquet file of unit_id (int64), entity_id (any type) and confidence (float), with every unit once. `runner` runs its
tasks on the cluster. Called again after a kill, it goes on. The plan holds to cannot-links and to identifier limits
whether the partition does or not.
"""

SLICE_PROFILES = 20_000
EXAMPLE_GROUPS = 100
_BODIES = 1_000
_AFTER_ALL = 1 << 62

Stage = Literal["extract", "partition", "divide", "ready", "applied", "rolling_back", "rolled_back"]
"""How far a plan is: "applied" and "rolled_back" once nothing is left to do."""


class PlanOptions(msgspec.Struct, frozen=True):
    """How a plan is made. `model` is a trained model's path, "" for the shipped one."""

    shards: int
    model: str = ""
    slice_profiles: int = SLICE_PROFILES
    bucket_groups: int = BUCKET_GROUPS


class Summary(msgspec.Struct, frozen=True):
    """What `show` and `status` tell of a plan."""

    plan_id: str
    stage: Stage
    created_at: int  # ms
    model: str
    profiles: int
    units: int
    moved: int  # profiles left out because they were merged while the records were read
    cannot_links: int
    counts: Counts
    groups: dict[str, int]  # by state
    steps: dict[str, int]  # taken, by "phase:kind"


def create(data_dir: Path, options: PlanOptions) -> str:
    """Makes an empty plan and returns its id."""
    plan_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    (data_dir / FOLDER).mkdir(mode=0o700, exist_ok=True)
    store = PlanStore.create(plan_directory(data_dir, plan_id))
    store.put_fact("options", options)
    store.put_fact("created_at", _now())
    store.put_fact("stage", "extract")
    store.close()
    return plan_id


def plan(
    data_dir: Path,
    plan_id: str,
    partition: Partition,
    load_matcher: LoadMatcher,
    parallel: int = 0,
    console: Console | None = None,
) -> None:
    """Makes the plan, or finishes it. Nothing changes on the platform. Ray must have been initialised.

    Raises Conflict if another process works on it, and what `partition` raises.
    """
    store = PlanStore(plan_directory(data_dir, plan_id))
    try:
        with store.claim(), _progress(console) as bar:
            _Planning(store, Tasks(store.directory, parallel), bar).run(partition, load_matcher)
    finally:
        store.close()


def apply(
    data_dir: Path,
    plan_id: str,
    load_matcher: LoadMatcher,
    parallel: int = 0,
    batch: int = 50,
    groups_max: int = 0,
    pause_s: float = 0.0,
    console: Console | None = None,
) -> None:
    """Takes the plan's steps, `batch` groups to a task and `groups_max` in all (0: all), with a pause after each batch.

    Raises Conflict if the plan is not ready or was rolled back.
    """
    store = PlanStore(plan_directory(data_dir, plan_id))
    try:
        with store.claim(), _progress(console) as bar:
            if store.fact("stage") not in ("ready", "applied"):
                raise Conflict("plan: it is not ready, or was rolled back; `onefold reresolve status` tells")
            store.put_fact("stage", "ready")
            work = _Work(store, Tasks(store.directory, parallel), bar, plan_id, load_matcher)
            if work.run("apply", batch, groups_max, pause_s):
                store.put_fact("stage", "applied")
    finally:
        store.close()


def roll_back(
    data_dir: Path,
    plan_id: str,
    load_matcher: LoadMatcher,
    parallel: int = 0,
    batch: int = 50,
    console: Console | None = None,
) -> None:
    """Takes back what the plan did, the last groups first; the plan cannot be applied any more. Raises Conflict."""
    store = PlanStore(plan_directory(data_dir, plan_id))
    try:
        with store.claim(), _progress(console) as bar:
            if store.fact("stage") not in ("ready", "applied", "rolling_back", "rolled_back"):
                raise Conflict("plan: it is not ready; there is nothing to roll back")
            store.put_fact("stage", "rolling_back")
            work = _Work(store, Tasks(store.directory, parallel), bar, plan_id, load_matcher)
            if work.run("rollback", batch, 0, 0.0):
                store.put_fact("stage", "rolled_back")
    finally:
        store.close()


def summary(data_dir: Path, plan_id: str) -> Summary:
    """What the plan is and how far it has come. Raises NotFound."""
    store = PlanStore(plan_directory(data_dir, plan_id))
    try:
        settled = store.fact("settled") or [store.extracted(), 0, 0, 0]
        return Summary(
            plan_id,
            store.fact("stage"),
            store.fact("created_at"),
            store.fact("options", PlanOptions).model,
            profiles=settled[0],
            units=settled[1],
            cannot_links=settled[2],
            moved=settled[3],
            counts=store.fact("counts", Counts) or Counts(),
            groups=store.counts(),
            steps=store.steps_taken(),
        )
    finally:
        store.close()


def source_of(plan_id: str) -> str:
    """What the merges of a plan say that they are from."""
    return f"reresolve {plan_id}"


class _Planning:
    """The stages of a plan."""

    def __init__(self, store: PlanStore, tasks: Tasks, bar: Progress) -> None:
        self._store = store
        self._tasks = tasks
        self._bar = bar
        self._directory = store.directory
        self._options = store.fact("options", PlanOptions)

    def run(self, partition: Partition, load_matcher: LoadMatcher) -> None:
        store, directory = self._store, self._directory
        if store.fact("stage") == "extract":
            self._extract()
            store.put_fact("settled", list(self._tasks.one(reresolve_divide.settle, directory)))
            store.put_fact("stage", "partition")
        if store.fact("stage") == "partition":
            task = self._bar.add_task("resolve", total=None)

            def tell(stage: str, done: int, of: int) -> None:
                self._bar.update(task, description=f"resolve: {stage}", completed=done, total=of)

            output = directory / "entities.new"
            partition(directory / "records", directory / "cannot_links.parquet", output, self._tasks, tell)
            output.rename(directory / "entities.parquet")
            self._bar.update(task, description="resolve", total=1, completed=1)
            store.put_fact("stage", "divide")
        if store.fact("stage") == "divide":
            self._divide()
            chosen = store.groups("planned", -1, EXAMPLE_GROUPS)
            if chosen:
                work = (str(directory), chosen, self._options.model, load_matcher)
                store.put_examples([msgspec.json.encode(e) for e in self._tasks.one(reresolve_tasks.examples, *work)])
            store.put_fact("stage", "ready")
        drop_records(directory)  # which the plan does not need any more

    def _extract(self) -> None:
        """Shards side by side, the slices of each one after the other."""
        store, options = self._store, self._options
        written = store.slices()
        task = self._bar.add_task("read profiles", total=None, completed=store.extracted())
        starts = {shard: written.get(shard, (0, 0)) for shard in range(options.shards)}
        due = {shard: at for shard, at in starts.items() if shard not in written or at[1]}
        (self._directory / "records").mkdir(mode=0o700, exist_ok=True)
        while due:
            calls = []
            for shard, (number, after) in due.items():
                name = f"{shard:03d}-{number:06d}"
                arguments = (options.shards, shard, after, options.slice_profiles, str(self._directory), name)
                calls.append(((shard, number), arguments))
            due = {}
            for (shard, number), found in self._tasks.run(reresolve_tasks.extract, calls):
                store.put_slice(shard, number, found.following, found.profiles)
                self._bar.advance(task, found.profiles)
                if found.following:
                    due[shard] = (number + 1, found.following)
        self._bar.update(task, total=store.extracted())

    def _divide(self) -> None:
        store, directory = self._store, self._directory
        groups = self._tasks.one(reresolve_divide.group, directory)
        buckets = max(1, -(-groups // self._options.bucket_groups))
        names = slice_names(directory)
        task = self._bar.add_task("compare with what is", total=len(names) + buckets)
        for _ in self._tasks.run(reresolve_divide.deal, ((name, (directory, name, buckets)) for name in names)):
            self._bar.advance(task)
        counts = Counts()
        settings = self._tasks.one(reresolve_tasks.identity_settings, self._options.shards)
        calls = ((number, (directory, number, settings)) for number in range(buckets))
        for number, found in self._tasks.run(reresolve_divide.plan_bucket, calls):
            counts.add(found)
            for page in bodies(directory, number, _BODIES):
                store.put_groups(page)
            self._bar.advance(task)
        store.put_fact("counts", counts)


class _Work:
    """Groups that are applied or rolled back."""

    def __init__(self, store: PlanStore, tasks: Tasks, bar: Progress, plan_id: str, load_matcher: LoadMatcher) -> None:
        self._store = store
        self._tasks = tasks
        self._bar = bar
        options = store.fact("options", PlanOptions)
        self._mapped = Mapped(options.shards, source_of(plan_id), options.model, load_matcher)

    def run(self, phase: Phase, batch: int, groups_max: int, pause_s: float) -> bool:
        """Works on all groups, or on some `groups_max`. Whether none is left."""
        left = self._store.left(phase)
        task = self._bar.add_task("apply" if phase == "apply" else "roll back", total=min(left, groups_max or left))
        function = reresolve_tasks.apply if phase == "apply" else reresolve_tasks.roll_back
        for resumed, results in self._tasks.run(function, self._batches(phase, batch, groups_max, pause_s)):
            for result in results:
                self._store.finish(result, phase, result.number in resumed, _now())
                self._bar.advance(task)
        return not self._store.left(phase)

    def _batches(
        self, phase: Phase, batch: int, groups_max: int, pause_s: float
    ) -> Iterator[tuple[set[int], tuple[object, ...]]]:
        """The next groups, which are noted as begun before they are given out."""
        given = 0
        for page, begun in self._pages(phase, batch):
            groups = page[: groups_max - given] if groups_max else page
            if not groups:
                return
            if given and pause_s:
                time.sleep(pause_s)
            given += len(groups)
            numbers = [group.number for group in groups]
            self._store.start(numbers, "started" if phase == "apply" else "rolling")
            yield set(numbers) if begun else set(), (self._mapped, [(group, begun) for group in groups])

    def _pages(self, phase: Phase, batch: int) -> Iterator[tuple[list[Group], bool]]:
        """Pages of groups, and whether they were begun before: those come first, since they may be half done."""
        if phase == "rollback":
            before = _AFTER_ALL
            while page := self._store.to_roll_back(before, batch):
                before = page[-1].number
                yield page, False
            return
        states: tuple[GroupState, ...] = ("started", "planned")
        for state in states:
            after = -1
            while page := self._store.groups(state, after, batch):
                after = page[-1].number
                yield page, state == "started"


def _progress(console: Console | None) -> Progress:
    shown = console or Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=shown,
        transient=not shown.is_terminal,
    )


def _now() -> int:
    """ms since 1970."""
    return time.time_ns() // 1_000_000
