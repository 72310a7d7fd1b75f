"""From a definition to a function of one profile: the tree's clauses become judges, joined by all, any and not.

The verdict is computed with the time of its next flip, so that a timer there is enough to follow it. A join
that does not hold cannot hold before the last of the parts that it lacks has flipped, and one that holds
cannot fail before the first flip of the parts that it rests on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules, lifecycle
from models.profile.state import Profile
from models.segments.attributes import demographic, engagement
from models.segments.catalogue import EMPTY, Catalogue, Resolved, expand, expand_expression
from models.segments.computed import Read, comparison, kind_of, value_reader
from models.segments.criteria import (
    AllOf,
    AnyOf,
    Behavioral,
    Clause,
    Comparison,
    Demographic,
    Engagement,
    EventValue,
    Expression,
    LifecycleStage,
    Node,
    Not,
    OrderValue,
    Predicate,
    Relative,
    SegmentDefinition,
    Sequence,
    Transactional,
)
from models.segments.events import behavioral
from models.segments.orders import transactional
from models.segments.parse_criteria import parse_criteria, parse_expression
from models.segments.sequences import sequence
from models.segments.spans import NEVER, Judge, Judgement


@dataclass(frozen=True, slots=True)
class Reads:
    """What of a profile a segment's criteria read."""

    traits: frozenset[str]  # as written in the criteria, dots included
    events: frozenset[str]
    channels: frozenset[str]  # "" for all of them
    orders: bool
    lifecycle: bool


@dataclass(frozen=True, slots=True)
class CompiledSegment:
    """A segment ready to be evaluated on one profile at a time."""

    segment_id: str
    definition: SegmentDefinition
    tree: Node  # without references to other segments and computed traits
    reads: Reads
    judge: Judge
    timed: bool  # time alone may change a verdict
    exact: bool  # the judge's next flip is one of the whole, not only of a part


@dataclass(frozen=True, slots=True)
class TraitReader:
    """A computed trait ready to be read of one profile at a time."""

    kind: str  # of its values: see `models.segments.computed.kind_of`, or "boolean"
    read: Read
    reads: Reads


def compile_segment(
    definition: SegmentDefinition, rules: LifecycleRules = DEFAULT_RULES, catalogue: Catalogue = EMPTY
) -> CompiledSegment:
    """Compiles a definition. `rules` say what the lifecycle stages mean, `catalogue` what it refers to. Raises
    InvalidCriteria."""
    tree = expand(parse_criteria(definition.criteria), catalogue, f"segment {definition.id}")
    return CompiledSegment(
        definition.id, definition, tree, reads_of(tree), judge_of(tree, rules), _is_timed(tree), _is_exact(tree)
    )


def compile_resolved(resolved: Resolved, rules: LifecycleRules = DEFAULT_RULES) -> CompiledSegment:
    """Compiles a definition that comes with what it refers to. Raises InvalidCriteria."""
    return compile_segment(resolved.definition, rules, resolved.catalogue)


def trait_readers(catalogue: Catalogue, rules: LifecycleRules = DEFAULT_RULES) -> dict[str, TraitReader]:
    """Readers of all computed traits, by id."""
    readers: dict[str, TraitReader] = {}
    for trait_id, trait in catalogue.traits.items():
        expression = expand_expression(parse_expression(trait.expression), catalogue, f"computed trait {trait_id}")
        readers[trait_id] = trait_reader(expression, rules)
    return readers


def trait_reader(expression: Expression, rules: LifecycleRules = DEFAULT_RULES) -> TraitReader:
    """The reader of an expression that refers to no other."""
    if isinstance(expression, Predicate):
        tree = expression.tree
        return TraitReader("boolean", judge_of(tree, rules), reads_of(tree))
    return TraitReader(kind_of(expression), value_reader(expression), reads_of(Comparison(expression, "exists")))


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


def judge_of(node: Node, rules: LifecycleRules) -> Judge:
    """The judge of a tree without references."""
    match node:
        case AllOf(parts):
            return _join([judge_of(part, rules) for part in sorted(parts, key=_cost)], True)
        case AnyOf(parts):
            return _join([judge_of(part, rules) for part in sorted(parts, key=_cost)], False)
        case Not(part):
            return _negation(judge_of(part, rules))
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
        case Sequence():
            return sequence(node)
        case Comparison():
            return comparison(node)
    raise TypeError(f"{type(node).__name__} is a reference: expand the tree first")


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


def reads_of(tree: Node) -> Reads:
    """What a tree without references reads."""
    traits, events, channels = set(), set(), set()
    orders = stage = False
    for clause in clauses(tree):
        match clause:
            case Demographic():
                traits.add(clause.trait)
            case Behavioral(event=event) | Comparison(expression=EventValue(event=event)):
                events.add(event)
            case Sequence():
                events.update(step.event for step in clause.steps)
            case Engagement():
                channels.add(clause.channel)
            case Transactional() | Comparison(expression=OrderValue()):
                orders = True
            case LifecycleStage():
                stage = True
    return Reads(frozenset(traits), frozenset(events), frozenset(channels), orders, stage)


def _is_timed(node: Node) -> bool:
    """Time alone may change it. Events and orders may lie in the future, so windows are not needed for that."""
    return any(not isinstance(clause, Demographic | Engagement) or _moves(clause) for clause in clauses(node))


def _moves(clause: Demographic | Engagement) -> bool:
    return isinstance(clause.value, Relative) or (isinstance(clause, Engagement) and clause.measure == "score")


def _is_exact(node: Node) -> bool:
    """The judge's next flip is never a part's alone: clauses are exact, and joins with one timed part."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            timed = [part for part in parts if _is_timed(part)]
            return len(timed) < 2 and all(_is_exact(part) for part in timed)
        case Not(part):
            return _is_exact(part)
        case Behavioral(measure=measure):
            return measure not in ("distinct", "min", "max")
        case Engagement(measure=measure):
            return measure != "score"
    # The next stage may be another of those wanted, and the others tell when something moves, not what.
    return not isinstance(node, LifecycleStage | Sequence | Comparison)


def _cost(node: Node) -> int:
    """Rank of a part's cost: the cheap ones are asked first, and often decide."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            return max(_cost(part) for part in parts)
        case Not(part):
            return _cost(part)
        case Demographic() | Engagement():
            return 0
        case Behavioral(where=()):
            return 1
        case Sequence():
            return 3
    return 2
