"""Bulk resolution whose memory does not grow with the number of pairs: the stages, in their order, each by many tasks.

The tasks run where the runner has them: on the cores of this machine (`pipelines.task_runner.Processes`), or on the
nodes of a Ray cluster (`pipelines.reresolve_tasks.Tasks`). Between them are files in one directory that all of them
see. The driver holds counts. What is done is noted beside the files: after a kill, the same call goes on with the tasks
that were cut short.
"""

import msgspec

from models.identity.blocking import ALL_PAIRS_MAX, Key
from models.identity.model import MatchModel
from pipelines import resolve_stages as stages
from pipelines.resolve_stages import MODEL, Plan
from pipelines.task_runner import Progress, Runner, Stages

SLICE_RECORDS = 250_000
BUCKET_RECORDS = 100_000  # records for each of which a bucket has some twenty pairs


class BulkReport(msgspec.Struct, frozen=True):
    """What was done. `uncertain`: pairs of records of different people that may well be one."""

    records: int
    distinct: int
    compared_pairs: int
    uncertain: int
    keys: list[Key]
    model: MatchModel


class TooFew(ValueError):
    """So few records are resolved as a whole: all their pairs are compared."""


def buckets_for(records: int) -> int:
    """How many buckets to divide the work on so many records into."""
    return max(1, -(-records // BUCKET_RECORDS))


def resolve_bulk(
    plan: Plan,
    runner: Runner,
    model: MatchModel | None = None,
    progress: Progress = lambda stage, done, of: None,
) -> BulkReport:
    """Resolves the records of which the slices are in the plan's directory, as `models.identity.resolve.resolve` does.

    Who is who is there when it is done: `entity.npy` and `confidence.npy` (see `pipelines.resolve_stages.collect`).
    With `model` nothing is learned, and the plan's settings have to be the model's. Raises TooFew for up to
    ALL_PAIRS_MAX distinct records.
    """
    run = Stages(plan.path, runner, progress)
    if model is not None and not (plan.path / MODEL).exists():
        (plan.path / MODEL).write_bytes(model.encode())
    slices, buckets = range(plan.slices), range(plan.buckets)
    records = run.one("index", stages.index, plan)
    run.many("digests", stages.digests, {n: (plan, n) for n in slices})
    run.many("alike", stages.alike, {n: (plan, n) for n in buckets})
    distinct = run.one("settle", stages.settle, plan)
    run.drop("digests", "alike")
    if distinct <= ALL_PAIRS_MAX:
        raise TooFew(f"records: expected more than {ALL_PAIRS_MAX} different ones")
    keys = model.keys if model else [tuple(key) for key in run.one("keys", stages.keys, plan)]
    run.many("blocks", stages.blocks, {n: (plan, n, keys) for n in slices})
    run.many("pairs", stages.pairs, {n: (plan, n) for n in buckets})
    run.drop("blocks")
    if model is None:
        run.one("learn", stages.learn, plan, keys)
    compared = sum(run.many("score", stages.score, {n: (plan, n) for n in buckets}))
    run.drop("pairs")
    run.one("connect", stages.connect, plan, model is None)
    run.many("gather", stages.gather, {n: (plan, n) for n in buckets})
    run.drop("score")
    uncertain = sum(run.many("people", stages.people, {n: (plan, n) for n in buckets}))
    run.drop("gather")
    run.one("collect", stages.collect, plan)
    run.drop("people")
    return BulkReport(records, distinct, compared, uncertain, keys, plan.model())
