"""Judges of demographic and engagement clauses: what a profile holds one value of, compared with a value or a time."""

from collections.abc import Callable
from typing import Any

from models.events.clock import parse_time
from models.profile.engagement import engagement_score
from models.profile.state import ChannelStats, Profile
from models.segments.criteria import TIME_OPERATORS, Demographic, Engagement
from models.segments.scalars import COMPARE, scalar_test
from models.segments.spans import NEVER, Judge, Judgement, count_bounds, judge_moment

Read = Callable[[Profile], Any]


def demographic(clause: Demographic) -> Judge:
    """The judge of a clause on a trait."""
    read, operator, moment = trait_reader(clause.trait), clause.operator, clause.value
    if operator not in TIME_OPERATORS:
        test = scalar_test(operator, clause.value)
        return lambda profile, now: (test(read(profile)), NEVER)

    def judge(profile: Profile, now: int) -> Judgement:
        at = parse_time(read(profile))
        return (False, NEVER) if at is None else judge_moment(at, operator, moment, now)

    return judge


def engagement(clause: Engagement) -> Judge:
    """The judge of a clause on a channel's count (of an action, if given), first or last time, or on the score."""
    if clause.measure == "score":
        return _score(clause)
    action, measure, operator, moment = clause.action, clause.measure, clause.operator, clause.value
    read = channel_reader(clause.channel)
    if operator in TIME_OPERATORS:

        def judge_time(profile: Profile, now: int) -> Judgement:
            stats = read(profile)
            if stats is None:
                return False, NEVER
            return judge_moment(stats.last if measure == "last" else stats.first, operator, moment, now)

        return judge_time
    low, high, wanted = count_bounds(operator, clause.value)

    def judge_count(profile: Profile, now: int) -> Judgement:
        stats = read(profile)
        count = 0 if stats is None else stats.actions.get(action, 0) if action else stats.count
        return (low <= count <= high) == wanted, NEVER

    return judge_count


def _score(clause: Engagement) -> Judge:
    compare, value = COMPARE[clause.operator], clause.value

    def judge(profile: Profile, now: int) -> Judgement:
        score, changes = engagement_score(profile, now)
        return compare(score, value), changes or NEVER

    return judge


def channel_reader(channel: str) -> Callable[[Profile], ChannelStats | None]:
    """Reads a channel's statistics, or those of all together if none is named."""
    if channel:
        return lambda profile: profile.channels.get(channel)

    def read(profile: Profile) -> ChannelStats | None:
        stats = list(profile.channels.values())
        if not stats:
            return None
        actions: dict[str, int] = {}
        for each in stats:
            for action, count in each.actions.items():
                actions[action] = actions.get(action, 0) + count
        return ChannelStats(
            sum(each.count for each in stats),
            min(each.first for each in stats),
            max(each.last for each in stats),
            actions,
        )

    return read


def trait_reader(trait: str) -> Read:
    """Reads a trait's value, None if it is not there. A dot leads into an object, unless a trait has that very name."""
    if "." not in trait:

        def read(profile: Profile) -> Any:
            attribute = profile.attributes.get(trait)
            return None if attribute is None else attribute.winner.value

        return read
    root, *keys = trait.split(".")

    def read_nested(profile: Profile) -> Any:
        attribute = profile.attributes.get(trait)
        if attribute is not None:
            return attribute.winner.value
        attribute = profile.attributes.get(root)
        value = None if attribute is None else attribute.winner.value
        for key in keys:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    return read_nested
