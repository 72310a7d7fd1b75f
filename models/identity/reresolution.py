"""Re-resolution: from the people that there are to those that a new partition wants, in the fewest steps.

A *unit* is what a profile would be without merges by likeness: itself, and each profile that such a merge took in. A
merge that an event showed or that an operator stated is never undone, nor is one that lies beneath it: what it took in
is part of its unit. A unit's id is its customer id. *Ties* are the merges between units; those of one profile are a
tree. There are two steps: to restore a unit (its tie goes) and to join two profiles.

The fewest restores: every tie between units that are to be of different people must go. A merge can only be taken back
at a profile that stands by itself, so all ties on the way up to the profile go too, and those of the same person are
made again. Of what is left, every person is joined into one. The state is read anew after every restore, since an
unmerge deals out later merges by their identifiers: `restores` of the new state says what is left to do.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from models.identity.resolution import Candidate, standing

Ids = NDArray[np.int64]


class Merge(msgspec.Struct, frozen=True, array_like=True):
    """A merge that stands: `winner` took in `loser`. `order` ascends with time among the merges of one winner."""

    winner: int
    loser: int
    order: int
    by_likeness: bool
    merge_id: str = ""
    source: str = ""


class Block(msgspec.Struct, frozen=True):
    """Units of one profile that are to stay together, as the rules of joining see them: all that they are."""

    units: tuple[int, ...]
    candidate: Candidate


class Allocated(NamedTuple):
    """Blocks by person, the person with the oldest unit first; and how many joins the rules kept from being made."""

    people: list[list[Block]]
    limits: int
    apart: int


class Groups(NamedTuple):
    """For each unit the group that it is of, numbered from 0, or -1 where nothing changes; and how many groups."""

    number: Ids
    groups: int


class PlannedUnit(msgspec.Struct, frozen=True, array_like=True):
    """A unit of a group: which profile it was part of when the plan was made, and which person it is to be."""

    unit: int
    profile: int
    person: int  # the oldest unit of that person
    winner: int  # the unit that it is tied to; 0 for the profile itself
    order: int
    digest: int  # of its record as a profile of its own


class Group(msgspec.Struct, frozen=True, array_like=True):
    """What is changed together, and depends on nothing else: all units of some profiles, which become some people."""

    number: int
    units: list[PlannedUnit]
    digests: dict[int, int]  # profile -> digest of its record when the plan was made

    def before(self) -> dict[int, int]:
        """The profile of each unit."""
        return {unit.unit: unit.profile for unit in self.units}

    def after(self) -> dict[int, int]:
        """The person of each unit."""
        return {unit.unit: unit.person for unit in self.units}

    def ties(self, profile: int) -> list[Merge]:
        """A profile's ties when the plan was made."""
        mine = [u for u in self.units if u.profile == profile and u.winner]
        return separable(profile, [Merge(u.winner, u.unit, u.order, True) for u in mine])


class Steps(NamedTuple):
    """What a group is planned to take: units to restore, and for each person the profiles to be joined."""

    restores: list[Merge]
    joins: list[list[int]]


def planned_steps(group: Group) -> Steps:
    """The fewest steps from the profiles of a group to its people."""
    after = group.after()
    gone: list[Merge] = []
    roots: list[int] = []
    for profile in sorted(group.digests):
        ties = group.ties(profile)
        lost = restores(profile, ties, after)
        gone += lost
        roots += [piece[0] for piece in pieces(profile, ties, lost)]
    return Steps(gone, joins(roots, after))


def separable(profile: int, merges: Iterable[Merge]) -> list[Merge]:
    """The ties of a profile: its merges by likeness that can be taken back, the upper ones before those beneath them,
    and the earlier ones before the later ones of the same winner."""
    by_winner: dict[int, list[Merge]] = {}
    for merge in merges:
        if merge.by_likeness:
            by_winner.setdefault(merge.winner, []).append(merge)
    ties: list[Merge] = []
    reached = [profile]
    for winner in reached:
        below = sorted(by_winner.pop(winner, ()), key=lambda merge: merge.order)
        ties += below
        reached += [merge.loser for merge in below]
    return ties


def restores(profile: int, ties: Sequence[Merge], person_of: Mapping[int, int]) -> list[Merge]:
    """Those of a profile's `ties` (as `separable` gives them) that must go, in an order in which they can.

    `person_of` gives the person that each unit is to be of. A unit that it does not know stays with what took it in. A
    tie whose winner is the younger goes too (an unmerge that deals out a later merge can make one), so that the oldest
    survives.
    """
    person = {profile: person_of.get(profile, 0)}
    for tie in ties:
        person[tie.loser] = person_of.get(tie.loser, person[tie.winner])
    above = {tie.loser: tie for tie in ties}
    due: set[int] = set()
    for tie in ties:
        if person[tie.winner] != person[tie.loser] or (tie.winner > tie.loser and tie.loser in person_of):
            at: Merge | None = tie
            while at is not None and at.loser not in due:
                due.add(at.loser)
                at = above.get(at.winner)
    return [tie for tie in ties if tie.loser in due]


def pieces(profile: int, ties: Sequence[Merge], gone: Iterable[Merge]) -> list[list[int]]:
    """The units of a profile, by the profiles that they are once the ties in `gone` are no more. The first unit of each
    piece is the one that the others were taken into."""
    lost = {tie.loser for tie in gone}
    piece_of = {profile: [profile]}
    found = [piece_of[profile]]
    for tie in ties:
        if tie.loser in lost:
            piece_of[tie.loser] = [tie.loser]
            found.append(piece_of[tie.loser])
        else:
            piece_of[tie.loser] = piece_of[tie.winner]
            piece_of[tie.winner].append(tie.loser)
    return found


def joins(roots: Iterable[int], person_of: Mapping[int, int]) -> list[list[int]]:
    """The profiles that are to become one, each list ascending: the first survives."""
    groups: dict[int, list[int]] = {}
    for root in roots:
        groups.setdefault(person_of.get(root, root), []).append(root)
    return [sorted(group) for _, group in sorted(groups.items()) if len(group) > 1]


def allocate(blocks: Sequence[Block], limits: Mapping[str, int], default_limit: int) -> Allocated:
    """Divides what a partition calls one person so that no identifier limit is passed and nothing is joined that was
    set apart. Every block goes to the first person, of those with the oldest units, that it may be joined to."""
    people: list[list[Block]] = []
    joined: list[Candidate] = []
    refused = {"limits": 0, "apart": 0}
    for block in sorted(blocks, key=lambda block: min(block.units)):
        answer = ""
        for number, candidate in enumerate(joined):
            answer = standing(candidate, block.candidate, limits, default_limit)
            if answer == "free":
                people[number].append(block)
                joined[number] = _both(candidate, block.candidate)
                break
        if answer != "free":
            if answer:
                refused[answer] += 1
            people.append([block])
            joined.append(block.candidate)
    return Allocated(people, refused["limits"], refused["apart"])


def changed_groups(units: Ids, profiles: Ids, entities: Ids) -> Groups:
    """Which units must be looked at together: those linked by a common profile or a common entity, as far as profiles
    and entities are not the same already. All arrays have shape (units,); `units` has each id once.

    Groups are numbered by their oldest unit, so that the same input gives the same plan.
    """
    count = len(units)
    if not count:
        return Groups(np.empty(0, np.int64), 0)
    profile, profile_count = _codes(profiles)
    entity, entity_count = _codes(entities)
    ones = np.ones(count, np.int8)
    graph = coo_array((ones, (profile, profile_count + entity)), shape=(profile_count + entity_count,) * 2)
    _, component = connected_components(graph, directed=False)
    of_unit = component[profile]
    # A component with one profile and one entity is as it should be.
    parts = np.bincount(component, minlength=component.max() + 1)
    changed = parts[of_unit] > 2
    oldest = np.full(len(parts), np.iinfo(np.int64).max)
    np.minimum.at(oldest, of_unit, units)
    keys = np.unique(oldest[of_unit[changed]])
    number = np.full(count, -1, np.int64)
    number[changed] = np.searchsorted(keys, oldest[of_unit[changed]])
    return Groups(number, len(keys))


def _codes(values: Ids) -> tuple[Ids, int]:
    distinct, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.int64), len(distinct)


def _both(left: Candidate, right: Candidate) -> Candidate:
    return Candidate(
        min(left.customer_id, right.customer_id),
        [*left.identifiers, *right.identifiers],
        [*left.lineage, *right.lineage, max(left.customer_id, right.customer_id)],
        [*left.apart, *right.apart],
    )
