"""Attributes: each trait's winning observation under its merge policy, joined in any order.

Under every policy the winner is the greatest of a total order over the observations (or, for
`most_frequent`, over counts that add up), which is what makes the result independent of order.
"""

from typing import Any

import msgspec

from models.profile.policy import AttributePolicy, ProfilePolicy
from models.profile.registers import canonical_json, is_later
from models.profile.room import SIZED, SMALL, Room
from models.profile.state import Attribute, Observation, Profile

_Count = tuple[int, int, int, str]  # count; timestamp, tie and source of the latest


def room_of(profile: Profile, policy: ProfilePolicy) -> Room:
    """What the profile's attributes still take."""
    return Room(profile.attributes, "attributes", policy.limits.traits, policy.limits, profile.beyond_limits)


def observe_attribute(
    attributes: dict[str, Attribute], key: str, new: Observation, policy: AttributePolicy, room: Room
) -> bool:
    """Tells attribute `key` of an observation. Returns whether its value is another one now."""
    merge = policy.merge
    if merge == "most_frequent":
        return new.value is not None and _count(attributes, key, canonical_json(new.value), new, 1, room)
    if merge == "first" and new.value is None:
        return False
    held = attributes.get(key)
    if held is None:
        if not room.takes(key, new.value):
            return False
        attributes[key] = Attribute(new)
        return True
    held.counts = None  # of an earlier policy
    winner = held.winner
    if merge == "latest":
        wins = is_later(new, winner)
    elif merge == "first":
        wins = is_later(winner, new)
    else:
        wins = _is_better_source(new, winner, policy.sources)
    if not wins:
        return False
    value = new.value
    changed = _differ(value, winner.value)
    if changed:
        kind = type(value)
        sized = kind in SIZED and (kind is not str or len(value) > SMALL)
        if sized and not room.takes_instead(value, winner.value):
            return False
    held.winner = new
    return changed


def merge_attributes(into: Profile, other: Profile, policy: ProfilePolicy) -> None:
    """Joins the attributes of two profiles."""
    room = room_of(into, policy)
    for key, attribute in other.attributes.items():
        rule = policy.attributes.get(key, policy.default_attribute)
        if rule.merge == "most_frequent":
            for text, (count, timestamp, tie, source) in _counts_of(attribute).items():
                value = msgspec.json.decode(text)
                _count(into.attributes, key, text, Observation(timestamp, tie, value, source), count, room)
        else:
            observe_attribute(into.attributes, key, attribute.winner, rule, room)


def _is_better_source(new: Observation, held: Observation, sources: tuple[str, ...]) -> bool:
    if new.source != held.source:
        rank, held_rank = _rank(new.source, sources), _rank(held.source, sources)
        if rank != held_rank:
            return rank < held_rank
    return is_later(new, held)


def _differ(left: Any, right: Any) -> bool:
    """Whether they are different JSON values. Python takes true for 1 and 1 for 1.0, also deep inside."""
    if left != right:
        return True
    kind = type(left)
    if kind is str:
        return False
    return kind is not type(right) or (kind in (dict, list) and canonical_json(left) != canonical_json(right))


def _rank(source: str, sources: tuple[str, ...]) -> int:
    return sources.index(source) if source in sources else len(sources)


def _count(attributes: dict[str, Attribute], key: str, text: str, new: Observation, times: int, room: Room) -> bool:
    """Adds `times` observations of a value, the latest of them `new`. Returns whether another value leads now."""
    held = attributes.get(key)
    if held is None:
        if not room.takes(key, new.value):
            return False
        attributes[key] = Attribute(new, {text: (times, new.timestamp, new.tie, new.source)})
        return True
    if held.counts is None:
        held.counts = _counts_of(held)
    counts = held.counts
    stamp = (new.timestamp, new.tie, new.source)
    before = counts.get(text)
    if before is None:
        if not room.takes_count(counts, text):
            return False
        mine = counts[text] = (times, *stamp)
    else:
        mine = counts[text] = (before[0] + times, *max(stamp, before[1:]))
    # Only this value's count has grown, so it leads or the one that led before still does.
    winner = held.winner
    leader = canonical_json(winner.value)
    if leader == text:
        held.winner = Observation(mine[1], mine[2], winner.value, mine[3])
        return False
    if leader in counts and (counts[leader], leader) > (mine, text):
        return False
    held.winner = Observation(mine[1], mine[2], new.value, mine[3])
    return True


def _counts_of(attribute: Attribute) -> dict[str, _Count]:
    """Counts by value; of an attribute that was kept under another policy, its winner once."""
    if attribute.counts is not None:
        return attribute.counts
    winner = attribute.winner
    if winner.value is None:
        return {}
    return {canonical_json(winner.value): (1, winner.timestamp, winner.tie, winner.source)}
