"""A person as a graph: the profiles that became one, and the merges that joined them.

A merge that matching found has the score of its evidence. What an event showed or a person stated has no score: its
edge gets one more bit than the strongest of those that were found, and at least `STATED_BITS`, so that it is never the
weakest beside one of them. The merges of a person form a tree, which falls in two without its weakest edge.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from models.identity.customer_id import to_text
from models.identity.evidence import ClusterGraph, Edge
from models.identity.spanning_tree import weakest_edge
from models.profile.state import Profile, decode_profile
from models.shard.protocol import MergeRecord

STATED_BITS = 20.0  # odds of a million to one


class Cluster(msgspec.Struct, frozen=True):
    """`graph.nodes[i]` is the profile `members[i]`, `graph.edges[i]` the merge `merges[i]`."""

    graph: ClusterGraph
    members: tuple[int, ...]  # customer ids, the present one first
    merges: tuple[MergeRecord, ...]


def cluster_of(profile: Profile, merges: Sequence[MergeRecord], rank: Callable[[str], Any]) -> Cluster:
    """The graph of a person with all of their merges. Each member is labelled with the identifier of its own that comes
    first by `rank` (see `IdentitySettings.rank`), with its customer id if it has none."""
    members = tuple(dict.fromkeys([profile.customer_id, *profile.absorbed]))
    position = {customer_id: number for number, customer_id in enumerate(members)}
    standing = tuple(
        record
        for record in sorted(merges, key=lambda record: (record.at, record.sequence, record.merge_id))
        if not record.undone_at and record.winner in position and record.loser in position
    )
    own = _own_states(profile, standing)
    labels = tuple(_label(customer_id, own.get(customer_id), rank) for customer_id in members)
    found = [record.evidence.score for record in standing if is_found(record) and record.evidence is not None]
    stated = max([STATED_BITS, *(score + 1 for score in found)])
    edges = tuple(_edge(record, position, stated) for record in standing)
    graph = ClusterGraph(to_text(profile.customer_id), labels, edges, weakest_edge(labels, edges))
    return Cluster(graph, members, standing)


def is_found(record: MergeRecord) -> bool:
    """Whether matching made this merge by itself: it is as good as its evidence."""
    return record.method == "probabilistic"


def _edge(record: MergeRecord, position: dict[int, int], stated: float) -> Edge:
    score, confidence = stated, 1.0
    if is_found(record) and record.evidence is not None:
        score, confidence = record.evidence.score, record.evidence.confidence
    return Edge(position[record.winner], position[record.loser], score, confidence)


def _own_states(profile: Profile, standing: Sequence[MergeRecord]) -> dict[int, Profile]:
    """Each member as it was before it took in any other; `standing` comes oldest first."""
    own: dict[int, Profile] = {}
    for record in standing:
        for customer_id, state in ((record.winner, record.winner_before), (record.loser, record.loser_before)):
            if customer_id not in own:
                own[customer_id] = decode_profile(state)
    return own or {profile.customer_id: profile}


def _label(customer_id: int, state: Profile | None, rank: Callable[[str], Any]) -> str:
    if state is None or not state.identifiers:
        return to_text(customer_id)
    return min(state.identifiers, key=rank)
