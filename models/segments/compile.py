"""From a definition to a function of one profile: the tree's clauses become judges, joined by all, any and not.

The verdict is computed with the time of its next flip, so that a timer there is enough to follow it. A join
that does not hold cannot hold before the last of the parts that it lacks has flipped, and one that holds
cannot fail before the first flip of the parts that it rests on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules, lifecycle
from models.profile.state import Profile
from models.segments.attributes import demographic, engagement
from models.segments.criteria import (
    AllOf,
    AnyOf,
    Behavioral,
    Clause,
    Demographic,
    Engagement,
    LifecycleStage,
    Node,
    Not,
    Relative,
    SegmentDefinition,
    Transactional,
)
from models.segments.occurrences import behavioral, transactional
from models.segments.parse import parse_criteria
from models.segments.spans import NEVER, Judge, Judgement


@dataclass(frozen=True, slots=True)
class Reads:
    """What of a profile a segment's criteria read."""

    traits: frozenset[str]  # as written in the criteria, dots included
    events: frozenset[str]
    channels: frozenset[str]
    orders: bool
    lifecycle: bool


@dataclass(frozen=True, slots=True)
class CompiledSegment:
    """A segment ready to be evaluated on one profile at a time."""

    segment_id: str
    definition: SegmentDefinition
    tree: Node
    reads: Reads
    judge: Judge
    timed: bool  # time alone may change a verdict
    exact: bool  # the judge's next flip is one of the whole, not only of a part


def compile_segment(definition: SegmentDefinition, rules: LifecycleRules = DEFAULT_RULES) -> CompiledSegment:
    """Compiles a definition. `rules` say what the lifecycle stages mean. Raises InvalidCriteria."""
    tree = parse_criteria(definition.criteria)
    return CompiledSegment(
        definition.id, definition, tree, _reads(tree), _judge(tree, rules), _is_timed(tree), _is_exact(tree)
    )


def clauses(node: Node) -> Iterator[Clause]:
    """The clauses of a tree, in order."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from clauses(part)
        case Not(part):
            yield from clauses(part)
        case _:
            yield node


def _judge(node: Node, rules: LifecycleRules) -> Judge:
    match node:
        case AllOf(parts):
            return _join([_judge(part, rules) for part in sorted(parts, key=_cost)], True)
        case AnyOf(parts):
            return _join([_judge(part, rules) for part in sorted(parts, key=_cost)], False)
        case Not(part):
            return _negation(_judge(part, rules))
        case Demographic():
            return demographic(node)
        case Behavioral():
            return behavioral(node)
        case Transactional():
            return transactional(node)
        case Engagement():
            return engagement(node)
        case LifecycleStage():
            return _lifecycle(node, rules)
    assert_never(node)


def _join(judges: list[Judge], every: bool) -> Judge:
    """`all` if `every`, else `any`: the one with true and false exchanged."""
    if len(judges) == 1:
        return judges[0]

    def judge(profile: Profile, now: int) -> Judgement:
        first, last, decided = NEVER, 0, False
        for part in judges:
            holds, flip = part(profile, now)
            if holds is every:
                if flip < first:
                    first = flip
            elif flip == NEVER:
                return not every, NEVER
            else:
                decided = True
                if flip > last:
                    last = flip
        return (not every, last) if decided else (every, first)

    return judge


def _negation(part: Judge) -> Judge:
    def judge(profile: Profile, now: int) -> Judgement:
        holds, flip = part(profile, now)
        return not holds, flip

    return judge


def _lifecycle(clause: LifecycleStage, rules: LifecycleRules) -> Judge:
    stages = frozenset(clause.stages)

    def judge(profile: Profile, now: int) -> Judgement:
        found = lifecycle(profile, now, rules)
        return found.stage in stages, NEVER if found.next_change is None else found.next_change

    return judge


def _reads(tree: Node) -> Reads:
    traits, events, channels = set(), set(), set()
    orders = stage = False
    for clause in clauses(tree):
        match clause:
            case Demographic():
                traits.add(clause.trait)
            case Behavioral():
                events.add(clause.event)
            case Engagement():
                channels.add(clause.channel)
            case Transactional():
                orders = True
            case LifecycleStage():
                stage = True
    return Reads(frozenset(traits), frozenset(events), frozenset(channels), orders, stage)


def _is_timed(node: Node) -> bool:
    """Time alone may change it. Events and orders may lie in the future, so windows are not needed for that."""
    return any(
        isinstance(clause, Behavioral | Transactional | LifecycleStage) or isinstance(clause.value, Relative)
        for clause in clauses(node)
    )


def _is_exact(node: Node) -> bool:
    """The judge's next flip is never a part's alone: clauses are exact, and joins with one timed part."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            timed = [part for part in parts if _is_timed(part)]
            return len(timed) < 2 and all(_is_exact(part) for part in timed)
        case Not(part):
            return _is_exact(part)
    # The next stage may be another of those wanted.
    return not isinstance(node, LifecycleStage)


def _cost(node: Node) -> int:
    """Rank of a part's cost: the cheap ones are asked first, and often decide."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            return max(_cost(part) for part in parts)
        case Not(part):
            return _cost(part)
        case Demographic() | Engagement():
            return 0
        case Behavioral():
            return 1
    return 2
