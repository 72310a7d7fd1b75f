"""The commands `onefold reresolve`: everybody resolved anew with a matching model, on the running service.

They join the service's own Ray cluster, so they run where the service does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from serve import instance, ray_node
from serve.cli_common import (
    NOT_RUNNING,
    PARTLY,
    USAGE,
    AsJson,
    CommandError,
    ConfigFile,
    DataDir,
    emit,
    settings_of,
    table,
)
from serve.command_audit import record_command
from serve.settings import Settings

reresolve = typer.Typer(
    no_args_is_help=True, help="Resolve everybody anew with another matching model: plan, look, apply, roll back."
)

Plan = Annotated[str, typer.Argument(metavar="[PLAN]", help="Id of a plan. (default: the latest)", show_default=False)]
Parallel = Annotated[int, typer.Option("--parallel", min=0, help="Tasks at once. (default: one for every two cores)")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@reresolve.command("plan")
def make_plan(
    plan_id: Annotated[
        str, typer.Option("--resume", help="Finish this plan, which was interrupted.", metavar="PLAN")
    ] = "",
    model: Annotated[
        Path | None, typer.Option("--model", help="Trained model to match with. (default: the service's)")
    ] = None,
    parallel: Parallel = 0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a plan: who would be merged and who split. Changes nothing."""
    settings = settings_of(data_dir, config).settings
    with _cluster(settings) as record:
        from actors.match_models import load_matcher
        from pipelines import reresolve_partition, reresolve_run

        path = str(model.resolve()) if model else settings.matching.model
        if plan_id:
            path = reresolve_run.summary(settings.data_path, plan_id).model
        try:
            matcher = load_matcher(path)
        except (OSError, ValueError) as error:
            raise CommandError(f"--model: it cannot be read: {error}", USAGE, "input") from None
        chosen = plan_id or reresolve_run.create(
            settings.data_path, reresolve_run.PlanOptions(shards=record.shards, model=path)
        )
        record_command(settings, "reresolve plan", plan_id=chosen)
        engine = partial(reresolve_partition.partition, matcher, settings.matching.link_confidence)
        Console(stderr=True).print(f"plan {chosen}: if this is interrupted, `onefold reresolve plan --resume {chosen}`")
        reresolve_run.plan(settings.data_path, chosen, engine, load_matcher, parallel)
    _show(settings, chosen, 5, 1, as_json)


@reresolve.command("show")
def show(
    plan_id: Plan = "",
    examples: Annotated[int, typer.Option("--examples", min=0, max=1000, help="Examples to a page.")] = 10,
    page: Annotated[int, typer.Option("--page", min=1, help="Which page of examples.")] = 1,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what a plan would do, and examples with their evidence. Opaque ids only."""
    settings = settings_of(data_dir, config).settings
    _show(settings, _chosen(settings, plan_id), examples, page, as_json)


@reresolve.command("apply")
def apply_plan(
    plan_id: Plan = "",
    groups: Annotated[int, typer.Option("--groups", min=0, help="Stop after some that many groups. (0: all)")] = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, max=10_000, help="Groups to a task.")] = 50,
    pause: Annotated[float, typer.Option("--pause", min=0, help="Seconds to wait between batches.")] = 0.0,
    parallel: Parallel = 0,
    yes: Yes = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Apply a plan, while the service runs. Interrupted, it goes on where it was when it is run again."""
    settings = settings_of(data_dir, config).settings
    chosen = _chosen(settings, plan_id)
    if not yes:
        typer.confirm(f"Apply plan {chosen}?", abort=True, err=True)
    with _cluster(settings):
        from actors.match_models import load_matcher
        from pipelines import reresolve_run

        record_command(settings, "reresolve apply", plan_id=chosen)
        reresolve_run.apply(settings.data_path, chosen, load_matcher, parallel, batch, groups, pause)
    _status(settings, [chosen], as_json)
    _exit_if_partly(settings, chosen)


@reresolve.command("rollback")
def roll_back_plan(
    plan_id: Plan = "",
    batch: Annotated[int, typer.Option("--batch", min=1, max=10_000, help="Groups to a task.")] = 50,
    parallel: Parallel = 0,
    yes: Yes = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take back what a plan did. It cannot be applied again; make a new one."""
    settings = settings_of(data_dir, config).settings
    chosen = _chosen(settings, plan_id)
    if not yes:
        typer.confirm(f"Roll back plan {chosen}?", abort=True, err=True)
    with _cluster(settings):
        from actors.match_models import load_matcher
        from pipelines import reresolve_run

        record_command(settings, "reresolve rollback", plan_id=chosen)
        reresolve_run.roll_back(settings.data_path, chosen, load_matcher, parallel, batch)
    _status(settings, [chosen], as_json)
    _exit_if_partly(settings, chosen)


@reresolve.command("status")
def status(
    plan_id: Annotated[
        str, typer.Argument(metavar="[PLAN]", help="Id of a plan. (default: all)", show_default=False)
    ] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the plans and how far each has come."""
    from pipelines.reresolve_store import plans

    settings = settings_of(data_dir, config).settings
    _status(settings, [plan_id] if plan_id else plans(settings.data_path), as_json)


def _exit_if_partly(settings: Settings, plan_id: str) -> None:
    """Exit code 6 if some groups were left as they are."""
    from pipelines.reresolve_run import summary

    groups = summary(settings.data_path, plan_id).groups
    if groups.get("skipped", 0) or groups.get("kept", 0):
        raise typer.Exit(PARTLY)


@contextmanager
def _cluster(settings: Settings) -> Iterator[instance.Record]:
    """Joins the running service's cluster."""
    record = instance.running(settings.service_path)
    if record is None or not record.ready:
        raise CommandError(
            f"no service runs on {settings.service_path}: start it with `onefold serve`", NOT_RUNNING, "not_running"
        )
    ray_node.join(settings)
    import ray

    try:
        yield record
    finally:
        ray.shutdown()


def _chosen(settings: Settings, plan_id: str) -> str:
    from pipelines.reresolve_store import plans

    if plan_id:
        return plan_id
    known = plans(settings.data_path)
    if not known:
        raise CommandError("plan: there is none; `onefold reresolve plan` makes one", USAGE, "usage")
    return known[-1]


def _show(settings: Settings, plan_id: str, examples: int, page: int, as_json: bool) -> None:
    from pipelines.reresolve_run import Summary, summary
    from pipelines.reresolve_store import PlanStore, plan_directory

    told: Summary = summary(settings.data_path, plan_id)
    store = PlanStore(plan_directory(settings.data_path, plan_id))
    found = [msgspec.json.decode(body) for body in store.examples((page - 1) * examples, examples)]
    store.close()
    data = msgspec.to_builtins(told) | {"examples": found}
    emit(as_json, data, lambda console: _print_plan(console, data))


def _print_plan(console: Console, plan: dict[str, Any]) -> None:
    counts = plan["counts"]
    console.print(
        f"Plan {plan['plan_id']} ({plan['stage']}), model {plan['model'] or 'as shipped'}: {plan['profiles']:,} "
        f"profiles are {plan['units']:,} without merges by likeness.",
        highlight=False,
    )
    console.print(
        f"{counts['joins']:,} merges make {counts['people_joined']:,} people of several profiles, the largest of "
        f"{counts['largest']:,}; {counts['restores']:,} unmerges split {counts['profiles_split']:,} profiles. "
        f"{counts['profiles']:,} profiles are touched, in {counts['groups']:,} independent groups.",
        highlight=False,
    )
    console.print(
        f"Not joined: {counts['kept_apart_by_limits']:,} for identifier limits, {counts['kept_apart_by_partings']:,} "
        f"because they were set apart. Left out since they moved meanwhile: {plan['moved']:,}.",
        highlight=False,
    )
    segments = sorted(counts["segments"].items())
    table(console, ("SEGMENT", "MEMBERS TOUCHED"), segments, "no members of segments are touched")
    consents = [(c, v["granted"], v["refused"], v["disagreeing"]) for c, v in sorted(counts["consents"].items())]
    columns = ("CONSENT", "GRANTED BY", "REFUSED BY", "PEOPLE WHO SAID BOTH")
    table(console, columns, consents, "no owners of consents are touched")
    rows = [
        (
            example["kind"],
            example["left"],
            example["right"],
            f"{example['confidence']:.3f}",
            ", ".join(f"{f['field']} {f['level']} {f['weight']:+.1f}" for f in example["fields"] if f["weight"]),
        )
        for example in plan["examples"]
    ]
    table(console, ("STEP", "CUSTOMER", "AND", "CONFIDENCE", "EVIDENCE (BITS)"), rows, "no examples on this page")


def _status(settings: Settings, plan_ids: list[str], as_json: bool) -> None:
    from pipelines.reresolve_run import summary

    found = [msgspec.to_builtins(summary(settings.data_path, plan_id)) for plan_id in plan_ids]
    rows = [
        (
            plan["plan_id"],
            plan["stage"],
            f"{plan['counts']['joins']:,}",
            f"{plan['counts']['restores']:,}",
            ", ".join(f"{name} {count:,}" for name, count in sorted(plan["groups"].items())) or "-",
            ", ".join(f"{name} {count:,}" for name, count in sorted(plan["steps"].items())) or "-",
        )
        for plan in found
    ]
    columns = ("PLAN", "STAGE", "MERGES", "UNMERGES", "GROUPS", "STEPS TAKEN")
    emit(as_json, found, lambda console: table(console, columns, rows, "no plans"))
