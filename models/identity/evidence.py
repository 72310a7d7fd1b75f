"""Why two records are (not) one person: weights by field that add up to the score.

Weights are log2 Bayes factors (bits), after Fellegi and Sunter (1969): a weight of 3 makes the match 8 times as
likely. `prior + sum of the fields' weights = score`, and `confidence` is the calibrated probability of that score.
"""

from typing import Literal

import msgspec

Method = Literal["exact", "probabilistic", "operator"]
Decision = Literal["link", "review", "new"]

LINK_CONFIDENCE = 0.8  # at least this much links by itself
REVIEW_CONFIDENCE = 0.5  # at least this much is shown to a person


class FieldEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one comparison says. `frequency` is the part of `weight` that is owed to how rare the value is."""

    field: str  # the comparison's name, such as "given_name" or "birth_date"
    level: str  # the comparison level reached, such as "exact", "nickname", "missing"
    weight: float  # bits
    frequency: float = 0.0  # bits, included in weight
    left: str = ""  # the values compared, as normalised
    right: str = ""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence on one pair of records."""

    method: Method
    model_version: str
    prior: float  # bits
    fields: tuple[FieldEvidence, ...]
    score: float  # bits: prior + the fields' weights
    confidence: float  # [0, 1]


class Edge(msgspec.Struct, frozen=True):
    """Two records of a cluster (positions in `ClusterGraph.nodes`) and what speaks for their being one person."""

    left: int
    right: int
    score: float  # bits
    confidence: float


class ClusterGraph(msgspec.Struct, frozen=True):
    """A cluster to be drawn. `weakest` is the position of the edge whose removal the cluster survives least: the
    one of lowest score on the maximum spanning tree; -1 if there is none."""

    entity_id: str
    nodes: tuple[str, ...]  # labels
    edges: tuple[Edge, ...]
    weakest: int = -1
