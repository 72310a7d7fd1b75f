"""`onefold impact`: what treating people brought, and how many people it takes to know."""

import time
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from actors.control import ControlStore
from serve.cli_common import (
    USAGE,
    AsJson,
    CommandError,
    ConfigFile,
    DataDir,
    Key,
    Url,
    connect,
    emit,
)
from serve.cli_model_common import instant, plain_errors
from serve.cli_training import local_settings
from serve.decision_models import standing_versions

impact = typer.Typer(no_args_is_help=True, help="Measure what treating a segment brings.")


class Outcome(StrEnum):
    """What is measured of a person."""

    revenue = "revenue"
    orders = "orders"
    event = "event"


@impact.command("report")
def report(
    segment_id: Annotated[str, typer.Argument(metavar="SEGMENT", help="The segment's id.", show_default=False)],
    outcome: Annotated[Outcome, typer.Option("--outcome", help="What is measured of a person.")] = Outcome.revenue,
    event: Annotated[str, typer.Option("--event", help="Name of the event, for the outcome event.")] = "",
    currency: Annotated[str, typer.Option("--currency", help="Of revenue. (default: that of most people)")] = "",
    since: Annotated[
        str, typer.Option("--since", help="ISO 8601: entries from then on. (default: the first that was held out)")
    ] = "",
    within: Annotated[str, typer.Option("--within", help="How long after entering it counts.")] = "30d",
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write the picture to this file too.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """What people brought after they entered a segment, those who were held out beside the others."""
    query = {"outcome": outcome.value, "event": event, "currency": currency, "from": since, "within": within}
    path = f"/v1/segments/{quote(segment_id, safe='')}/impact?{urlencode(query)}"
    with connect(data_dir, config, url, api_key) as client:
        found = client.get(path) if as_json else client.text(f"{path}&format=text")
        picture = "" if svg is None else client.text(f"{path}&format=svg")
    if svg is not None:
        svg.write_text(picture)
    emit(as_json, found, lambda console: console.print(found, end="", markup=False, highlight=False))


@impact.command("policy")
def policy(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="The decision point.", show_default=False)],
    since: Annotated[str, typer.Option("--since", help="ISO 8601: decisions from then on. (default: all)")] = "",
    until: Annotated[str, typer.Option("--until", help="ISO 8601: decisions before then. (default: now)")] = "",
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write the picture to this file too.", show_default=False)
    ] = None,
    decisions: Annotated[int, typer.Option("--decisions", min=1, help="Most to read, a sample by person.")] = 200_000,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """What a decision brought as it was taken, and would have brought taken otherwise, from the log of decisions."""
    from models.impact.drawing_policies_svg import policies_svg
    from models.impact.policy_report import policy_text
    from serve.policy_work import PolicyQuestion, make_report

    settings, now = local_settings(data_dir, config), time.time_ns() // 1_000_000
    with closing(ControlStore(settings.control_path)) as control:
        versions = standing_versions(control, decision)
    question = PolicyQuestion(
        settings=settings,
        decision=decision,
        since=instant("--since", since) if since else 0,
        until=instant("--until", until) if until else now,
        now=now,
        versions=versions,
        decisions_max=decisions,
    )
    with plain_errors():
        found = make_report(question)
    if svg is not None:
        svg.write_text(policies_svg(found))
    emit(as_json, found, lambda console: console.print(policy_text(found), end="", markup=False, highlight=False))


@impact.command("power")
def power(
    deviation: Annotated[
        float | None, typer.Option("--deviation", help="Standard deviation of what a person brings.")
    ] = None,
    share: Annotated[
        float | None, typer.Option("--share", help="Or the share of people who do it: the outcome is a yes or no.")
    ] = None,
    effect: Annotated[
        float | None, typer.Option("--effect", help="Difference to be found: how many people does it take?")
    ] = None,
    people: Annotated[
        int | None, typer.Option("--people", help="People of both groups: which difference do they let find?")
    ] = None,
    holdout: Annotated[float, typer.Option("--holdout", help="Percent held out.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """How many people a holdout needs, or what it can tell with those that there are: 95% sure, found 8 times in 10."""
    from models.impact.power import detectable_effect, deviation_of_share, people_needed, power_of

    if (deviation is None) == (share is None):
        raise CommandError("give --deviation or --share, one of them", USAGE, "usage")
    if effect is None and people is None:
        raise CommandError("give --effect, --people, or both", USAGE, "usage")
    if share is not None and not 0 < share < 1:
        raise CommandError("--share: expected a number between 0 and 1", USAGE, "usage")
    spread = deviation if deviation is not None else deviation_of_share(share or 0.0)
    try:
        if effect is not None and people is not None:
            told = {"power": power_of(people, effect, spread, holdout / 100)}
            line = f"{people} people find a difference of {effect:g} with a probability of {told['power']:.1%}"
        elif effect is not None:
            told = {"people": people_needed(effect, spread, holdout / 100)}
            line = f"a difference of {effect:g} takes {told['people']} people, {holdout:g}% of them held out"
        else:
            told = {"effect": detectable_effect(people or 0, spread, holdout / 100)}
            line = f"{people} people, {holdout:g}% of them held out, let find a difference of {told['effect']:.4g}"
    except ValueError as error:
        raise CommandError(str(error), USAGE, "usage") from None
    emit(as_json, told, lambda console: console.print(line, highlight=False))
