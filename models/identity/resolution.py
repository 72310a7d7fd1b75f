"""Deterministic resolution: which profile do these identifiers belong to, and which profiles are one person.

The rule, the same for one event in the write path and for a dry run:
  1. Take the profiles that own any of the identifiers. None: a new person.
  2. If joining them, with the identifiers added, keeps every namespace within its limit and joins no two
     profiles that were set apart: the oldest takes in the others and gets the identifiers.
  3. Otherwise demote the identifier of the lowest priority (it stays where it is) and try again.
A statement that two identifiers are one person (`explicit`: alias, merge, an operator) skips step 2's checks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from models.identity.identifiers import namespace_of

Standing = Literal["free", "limits", "apart"]


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """What resolution needs to know of a profile that owns an identifier."""

    customer_id: int
    identifiers: list[str]
    lineage: list[int] = []  # customer ids merged into it
    apart: list[int] = []  # customer ids that it must not be joined with


class Plan(msgspec.Struct, frozen=True):
    """What to do: `target` 0 is a new person; `losers` are to be merged into `target`."""

    target: int
    losers: list[int]
    kept: list[str]  # identifiers, highest priority first, that are or will be the target's
    added: list[str]  # those of `kept` that nobody owned
    demoted: list[str]


def plan(
    identifiers: Sequence[str],
    owners: Mapping[str, int],
    candidates: Mapping[int, Candidate],
    limits: Mapping[str, int],
    default_limit: int,
    explicit: bool = False,
) -> Plan:
    """Applies the rule above.

    `identifiers` come highest priority first; `owners` gives each one's customer id (0 or absent for none);
    `candidates` holds every owner; `limits` the most identifiers a profile may have per namespace.
    """
    kept = list(identifiers)
    demoted: list[str] = []
    while True:
        joined = sorted({owners[i] for i in kept if owners.get(i)})
        added = [i for i in kept if not owners.get(i)]
        parts = [candidates[c] for c in joined]
        if explicit or len(kept) <= 1 or (_within_limits(parts, added, limits, default_limit) and not _apart(parts)):
            demoted.reverse()
            return Plan(joined[0] if joined else 0, joined[1:], kept, added, demoted)
        demoted.append(kept.pop())


def standing(left: Candidate, right: Candidate, limits: Mapping[str, int], default_limit: int) -> Standing:
    """Whether two profiles may become one without an explicit statement, or what forbids it."""
    parts = (left, right)
    if _apart(parts):
        return "apart"
    return "free" if _within_limits(parts, (), limits, default_limit) else "limits"


def _within_limits(
    parts: Sequence[Candidate], added: Sequence[str], limits: Mapping[str, int], default_limit: int
) -> bool:
    total = Counter(namespace_of(i) for i in added)
    largest: Counter[str] = Counter()
    for part in parts:
        counts = Counter(namespace_of(i) for i in part.identifiers)
        total.update(counts)
        for namespace, count in counts.items():
            largest[namespace] = max(largest[namespace], count)
    # A profile that is over a limit already (by an explicit merge) may go on, but not grow.
    return all(n <= max(limits.get(namespace, default_limit), largest[namespace]) for namespace, n in total.items())


def _apart(parts: Sequence[Candidate]) -> bool:
    for index, one in enumerate(parts):
        ones = {one.customer_id, *one.lineage}
        for other in parts[index + 1 :]:
            if ones.intersection(other.apart) or not set(one.apart).isdisjoint((other.customer_id, *other.lineage)):
                return True
    return False
