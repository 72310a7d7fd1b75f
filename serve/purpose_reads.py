"""What of events and of the evidence on identity is for a purpose, whatever the transport.

Each function leaves out the people for whom the purpose has no basis at this moment, and the fields that do not serve
it, and says how much that was: {"events": 2}. People are looked at after the data was read, so that whoever has
withdrawn by then is left out.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from actors.errors import NotFound
from actors.matching import DryRun, DryRunCandidate
from models.identity.customer_id import to_text
from models.identity.evidence import Explanation
from models.identity.identifiers import CUSTOMER_ID
from models.privacy.visibility import EVERYTHING, may_read, serves, shown_event, shown_evidence
from models.shard.cluster import Cluster
from models.shard.protocol import Link, MergeRecord, Resolution, Review, StoredEvent
from serve.identity_reads import dry_run, explain, merge_evidence, person_graph
from serve.profile_reads import NOBODY
from serve.request_context import RequestContext

Withheld = Counter[str]
Shown = TypeVar("Shown", Link, MergeRecord)


async def events_for(
    context: RequestContext, events: Sequence[StoredEvent], purpose: str
) -> tuple[list[StoredEvent], Withheld]:
    """What of these events is for the purpose. An event is of everybody who has one of its identifiers now: after an
    unmerge, what happened while two were one is in the log of one of them."""
    unknown = not context.purposes.is_on
    owners = {f"{CUSTOMER_ID}:{to_text(stored.customer_id)}" for stored in events}
    keys = owners.union(*(stored.event.identifiers for stored in events))
    readable = await context.basis.keys(keys, purpose)
    shown: list[StoredEvent] = []
    withheld: Withheld = Counter()
    for stored in events:
        owner = f"{CUSTOMER_ID}:{to_text(stored.customer_id)}"
        is_readable = readable.get(owner, unknown) and all(readable.get(key, True) for key in stored.event.identifiers)
        event = shown_event(stored.event, context.purposes, purpose) if is_readable else None
        withheld["events"] += event is not stored.event
        if event is not None:
            shown.append(StoredEvent(stored.shard, stored.sequence, stored.customer_id, event))
    return shown, withheld


async def links_for(context: RequestContext, key: str, purpose: str) -> tuple[list[Link], Withheld]:
    """The edges of a person's identity graph: all or, if identifiers are not for the purpose, none. Raises NotFound."""
    links = await context.services.router.links(key)
    if not await _is_readable(context, key, purpose):
        return [], Counter({EVERYTHING: 1})
    if not serves(context.purposes, purpose, "sections", "identities"):
        return [], Counter({"identities": len(links)})
    withheld: Withheld = Counter()
    return [_with_evidence(context, link, purpose, withheld) for link in links], withheld


async def merges_for(context: RequestContext, key: str, purpose: str) -> tuple[list[MergeRecord], Withheld]:
    """The merges of a person, without those of two who are two again and of whom one may not be read. Raises
    NotFound."""
    merges = await context.services.router.merges(key)
    if not await _is_readable(context, key, purpose):
        return [], Counter({EVERYTHING: 1})
    readable = await context.basis.people((each for merge in merges for each in (merge.winner, merge.loser)), purpose)
    shown = [merge for merge in merges if {merge.winner, merge.loser} <= readable]
    withheld: Withheld = Counter({"merges": len(merges) - len(shown)})
    if not serves(context.purposes, purpose, "sections", "identities"):
        withheld["identities"] += len(shown)
        shown = [msgspec.structs.replace(merge, identifiers=[]) for merge in shown]
    return [_with_evidence(context, merge, purpose, withheld) for merge in shown], withheld


async def graph_for(context: RequestContext, key: str, purpose: str) -> tuple[Cluster, Withheld]:
    """The graph of a person; nodes have customer ids for labels if identifiers are not for the purpose. Raises
    NotFound, also for somebody who may not be read."""
    cluster = await person_graph(context, key)
    if not await _is_readable(context, key, purpose):
        raise _nothing("key", purpose)
    if serves(context.purposes, purpose, "sections", "identities"):
        return cluster, Counter()
    labels = tuple(to_text(customer_id) for customer_id in cluster.members)
    graph = msgspec.structs.replace(cluster.graph, nodes=labels)
    return msgspec.structs.replace(cluster, graph=graph), Counter({"identities": len(labels)})


async def reviews_for(
    context: RequestContext, reviews: Sequence[Review], purpose: str
) -> tuple[list[Review], Withheld]:
    """The reviews of two people who may both be read."""
    readable = await context.basis.people((each for review in reviews for each in (review.left, review.right)), purpose)
    shown = [review for review in reviews if {review.left, review.right} <= readable]
    withheld: Withheld = Counter({"reviews": len(reviews) - len(shown)})
    told: list[Review] = []
    for review in shown:
        evidence = msgspec.msgpack.encode(_evidence(context, review.explanation, purpose, withheld))
        told.append(msgspec.structs.replace(review, evidence=evidence))
    return told, withheld


async def review_for(context: RequestContext, review: Review, purpose: str) -> tuple[Review, Withheld]:
    """A review of two people who may both be read. Raises NotFound."""
    shown, withheld = await reviews_for(context, [review], purpose)
    if not shown:
        raise _nothing("review_id", purpose)
    return shown[0], withheld


async def explanation_for(
    context: RequestContext, left: str, right: str, purpose: str
) -> tuple[Explanation, list[int], Withheld]:
    """Why two people are (not) one, and who they are. Raises NotFound, also for somebody who may not be read."""
    explanation, people = await explain(context, left, right)
    readable = await context.basis.keys([left, right], purpose)
    if not (readable.get(left) and readable.get(right)):
        raise _nothing("left and right", purpose)
    withheld: Withheld = Counter()
    return _evidence(context, explanation, purpose, withheld), people, withheld


async def merge_evidence_for(
    context: RequestContext, merge_id: str, purpose: str
) -> tuple[Explanation, list[int], Withheld]:
    """What a merge was made on, and whose it was. Raises NotFound, also for somebody who may not be read."""
    explanation, people = await merge_evidence(context, merge_id)
    if await context.basis.people(people, purpose) != set(people):
        raise _nothing("merge_id", purpose)
    withheld: Withheld = Counter()
    return _evidence(context, explanation, purpose, withheld), people, withheld


async def dry_run_for(
    context: RequestContext, identifiers: Sequence[str], traits: dict[str, Any] | None, purpose: str
) -> tuple[Resolution, DryRun | None, Withheld]:
    """A dry run without those who resemble and may not be read; who has the identifiers is told, which is that they
    exist. Raises Invalid."""
    exact, found = await dry_run(context, identifiers, traits)
    withheld: Withheld = Counter()
    if found is None:
        return exact, found, withheld
    readable = await context.basis.people((each.customer_id for each in found.candidates), purpose)
    shown = [each for each in found.candidates if each.customer_id in readable]
    withheld["candidates"] = len(found.candidates) - len(shown)
    candidates = [
        DryRunCandidate(each.customer_id, each.standing, _evidence(context, each.explanation, purpose, withheld))
        for each in shown
    ]
    if found.customer_id not in (0, exact.customer_id, *readable):
        # Whom somebody resembles is not told, nor how much.
        found = msgspec.structs.replace(found, decision="new", customer_id=0, confidence=0.0)
    return exact, msgspec.structs.replace(found, candidates=candidates), withheld


async def _is_readable(context: RequestContext, key: str, purpose: str) -> bool:
    profile = await context.services.reads.get(key)
    if profile is None:
        raise NotFound(NOBODY)
    return may_read(profile, context.purposes, purpose, context.services.now())


def _with_evidence(context: RequestContext, record: Shown, purpose: str, withheld: Withheld) -> Shown:
    if record.evidence is None:
        return record
    return msgspec.structs.replace(record, evidence=_evidence(context, record.evidence, purpose, withheld))


def _evidence(context: RequestContext, explanation: Explanation, purpose: str, withheld: Withheld) -> Explanation:
    shown = shown_evidence(explanation, context.purposes, purpose)
    if shown is not explanation:
        withheld["evidence"] += 1
    return shown


def _nothing(field: str, purpose: str) -> NotFound:
    return NotFound(f"{field}: nothing is told of this: the purpose {purpose} has no basis for somebody whom it is of")
