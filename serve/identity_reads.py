"""What HTTP and gRPC both ask about identity: dry runs with traits, the graph of a person, and drawings."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from actors.errors import Invalid, NotFound
from actors.matching import DryRun
from models.identity.drawing_graph import graph_text
from models.identity.drawing_graph_svg import graph_svg
from models.identity.drawing_waterfall import waterfall_text
from models.identity.drawing_waterfall_svg import waterfall_svg
from models.identity.evidence import ClusterGraph, Explanation
from models.identity.profile_record import traits_record
from models.shard.cluster import Cluster, cluster_of
from models.shard.protocol import Resolution
from serve.http_identity_schemas import IDENTIFIERS_MAX
from serve.request_context import RequestContext

Drawing = Literal["text", "svg"]


async def dry_run(
    context: RequestContext, identifiers: Sequence[str], traits: Mapping[str, Any] | None
) -> tuple[Resolution, DryRun | None]:
    """What somebody with these normalised identifiers and traits would become; without traits (None), by the
    identifiers alone. As in an event, traits such as email are identifiers too. Raises Invalid."""
    if len(identifiers) > IDENTIFIERS_MAX or not (identifiers or traits):
        raise Invalid(f"identifiers: expected 1 to {IDENTIFIERS_MAX}, such as email:jane@example.com, or else traits")
    router = context.services.router
    if traits is None:
        return await router.resolve(list(identifiers)), None
    carried = list(dict.fromkeys([*identifiers, *_trait_identifiers(context, traits)]))
    found = await router.resolve_dry_run(traits_record(traits, carried), carried)
    return found.exact, found


def people_of(exact: Resolution, found: DryRun | None) -> list[int]:
    """Whom a dry run tells of."""
    resembling = [] if found is None else [found.customer_id, *(each.customer_id for each in found.candidates)]
    return list(dict.fromkeys([exact.customer_id, *exact.merges, *resembling]))


async def person_graph(context: RequestContext, key: str) -> Cluster:
    """The graph of the person with this normalised key. Raises NotFound."""
    router = context.services.router
    profile = await router.profile(key)
    if profile is None:
        raise NotFound("key: nobody has this key")
    return cluster_of(profile, await router.merges(key), context.services.settings.identity.rank)


async def explain(context: RequestContext, left: str, right: str) -> tuple[Explanation, list[int]]:
    """Why the people with these normalised keys are (not) one, and who they are. Raises NotFound."""
    found = await context.services.reads.get_many([left, right])
    explanation = await context.services.router.explain(left, right)
    return explanation, [profile.customer_id for profile in found if profile is not None]


async def merge_evidence(context: RequestContext, merge_id: str) -> tuple[Explanation, list[int]]:
    """What a merge was made on, and whose it was. Raises NotFound, also for one that was made without evidence by
    field."""
    record = await context.services.router.merge_record(merge_id)
    if record.evidence is None:
        raise NotFound(
            "merge_id: this merge has no evidence by field: an event showed it or somebody stated it; the person's "
            "merges say which"
        )
    return record.evidence, [record.winner, record.loser]


def draw_evidence(explanation: Explanation, drawing: Drawing) -> str:
    """The waterfall of an explanation."""
    return waterfall_svg(explanation) if drawing == "svg" else waterfall_text(explanation)


def draw_graph(graph: ClusterGraph, drawing: Drawing) -> str:
    """The graph with its weakest edge marked. Takes seconds for thousands of nodes."""
    return graph_svg(graph) if drawing == "svg" else graph_text(graph)


def _trait_identifiers(context: RequestContext, traits: Mapping[str, Any]) -> list[str]:
    """Those that the traits of an event would make; values that make none are told to the sender of an event."""
    normaliser = context.intake.normaliser
    found = []
    for trait, namespace in normaliser.settings.trait_identifiers.items():
        if (value := traits.get(trait)) is not None:
            identifier, _ = normaliser.normalise(namespace, value)
            if identifier is not None:
                found.append(identifier)
    return found
