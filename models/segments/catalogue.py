"""Segments and computed traits that criteria refer to: found, checked for cycles, put in the place of the reference.

A segment goes to the shards together with the definitions that it refers to (`Resolved`), so that it is compiled from
what it holds alone, and is another one as soon as any of these is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from models.segments.computed import kind_of
from models.segments.criteria import (
    TIME_OPERATORS,
    AllOf,
    AnyOf,
    Comparison,
    Computed,
    ComputedTrait,
    Expression,
    Instant,
    Membership,
    Node,
    Not,
    Predicate,
    SegmentDefinition,
)
from models.segments.field_reader import CriteriaError, InvalidCriteria
from models.segments.parse_criteria import parse_criteria, parse_expression

EXPANDED_MAX = 1000  # clauses of a segment with those of all that it refers to
CHAIN_MAX = 16  # references that lead to each other: what is in their place is walked by functions that call themselves


class Catalogue(msgspec.Struct, frozen=True):
    """Definitions that may be referred to, by id."""

    segments: dict[str, SegmentDefinition] = {}
    traits: dict[str, ComputedTrait] = {}


EMPTY = Catalogue()

Key = tuple[str, str]  # "segment" or "computed trait", id


class Resolved(msgspec.Struct, frozen=True):
    """A segment with the definitions that it refers to, directly or not."""

    definition: SegmentDefinition
    catalogue: Catalogue = EMPTY


def catalogue_of(segments: Mapping[str, dict[str, Any]], traits: Mapping[str, dict[str, Any]]) -> Catalogue:
    """The catalogue of definitions as they are stored (JSON)."""
    return Catalogue(
        {key: msgspec.convert(value, SegmentDefinition) for key, value in segments.items()},
        {key: msgspec.convert(value, ComputedTrait) for key, value in traits.items()},
    )


def resolve(definition: SegmentDefinition, catalogue: Catalogue) -> Resolved:
    """The segment with all that it refers to. Raises InvalidCriteria for what is not there, and for cycles."""
    expand(parse_criteria(definition.criteria), catalogue, f"segment {definition.id}")
    segments, traits = _referred(parse_criteria(definition.criteria), catalogue)
    return Resolved(
        definition,
        Catalogue(
            {key: catalogue.segments[key] for key in sorted(segments)},
            {key: catalogue.traits[key] for key in sorted(traits)},
        ),
    )


def expand(tree: Node, catalogue: Catalogue, name: str = "") -> Node:
    """The tree without references. `name` ("segment x") is what it is the tree of. Raises InvalidCriteria."""
    expander = _Expander(catalogue)
    return expander.node(tree, "criteria", (name,))


def expand_expression(expression: Expression, catalogue: Catalogue, name: str = "") -> Expression:
    """A computed trait without references. Raises InvalidCriteria."""
    if not isinstance(expression, Predicate):
        return expression
    return Predicate(_Expander(catalogue).node(expression.tree, "expression.criteria", (name,)))


def resolve_dependents(kind: str, key: str, catalogue: Catalogue) -> list[Resolved]:
    """The segments that refer to the "segment" or "computed trait" `key`, directly or not, each with all that it
    refers to. Raises InvalidCriteria if one of them, or a computed trait between, cannot be used with it as it is."""
    links = _links(catalogue)
    found: set[Key] = set()
    waiting = [(kind, key)]
    while waiting:
        wanted = waiting.pop()
        more = {one for one, referred in links.items() if wanted in referred} - found
        found |= more
        waiting += more
    resolved = []
    for one, name in sorted(found):
        try:
            if one == "segment":
                resolved.append(resolve(catalogue.segments[name], catalogue))
            else:
                expand_expression(parse_expression(catalogue.traits[name].expression), catalogue, f"{one} {name}")
        except InvalidCriteria as error:
            place = "criteria" if kind == "segment" else "expression"
            raise _invalid(place, f"{one} {name} refers to this {kind}, and could not be used: {error}") from None
    return resolved


def dependents(kind: str, key: str, catalogue: Catalogue) -> list[str]:
    """What refers to the "segment" or "computed trait" `key` itself, as "segment x" or "computed trait y"."""
    return [f"{one} {name}" for (one, name), referred in _links(catalogue).items() if (kind, key) in referred]


class _Expander:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._clauses = 0

    def node(self, node: Node, path: str, chain: tuple[str, ...]) -> Node:
        """`chain`: what is being expanded, outermost first: what the whole is of, and then each reference."""
        match node:
            case AllOf(parts):
                return AllOf(tuple(self.node(part, f"{path}.all[{i}]", chain) for i, part in enumerate(parts)))
            case AnyOf(parts):
                return AnyOf(tuple(self.node(part, f"{path}.any[{i}]", chain) for i, part in enumerate(parts)))
            case Not(part):
                return Not(self.node(part, f"{path}.not", chain))
            case Membership(segment):
                found = self._catalogue.segments.get(segment)
                if found is None:
                    raise _invalid(f"{path}.segment", "expected the id of a segment that exists")
                return self.node(parse_criteria(found.criteria), path, _longer(chain, f"segment {segment}", path))
            case Computed():
                return self._computed(node, path, chain)
        self._clauses += 1
        if self._clauses > EXPANDED_MAX:
            raise _invalid(path, f"expected at most {EXPANDED_MAX} criteria with those of all that is referred to")
        return node

    def _computed(self, clause: Computed, path: str, chain: tuple[str, ...]) -> Node:
        found = self._catalogue.traits.get(clause.trait)
        if found is None:
            raise _invalid(f"{path}.trait", "expected the id of a computed trait that exists")
        expression = parse_expression(found.expression)
        if isinstance(expression, Predicate):
            if clause.operator not in ("equals", "not_equals") or not isinstance(clause.value, bool):
                raise _invalid(path, 'expected "equals" or "not_equals" with true or false: the trait is a predicate')
            tree = self.node(expression.tree, path, _longer(chain, f"computed trait {clause.trait}", path))
            return tree if (clause.operator == "equals") == clause.value else Not(tree)
        kind = kind_of(expression)
        if kind in ("whole", "amount") and clause.operator in (*TIME_OPERATORS, "contains", "starts_with"):
            raise _invalid(f"{path}.operator", "expected an operator on numbers: the trait is one")
        if kind == "time" and clause.operator not in (*TIME_OPERATORS, "exists", "not_exists"):
            raise _invalid(f"{path}.operator", 'expected "before", "after", "exists" or "not_exists": it is a time')
        if kind == "list" and clause.operator not in ("contains", "exists", "not_exists"):
            raise _invalid(f"{path}.operator", 'expected "contains", "exists" or "not_exists": the trait is a list')
        if kind == "scalar" and clause.operator in TIME_OPERATORS and not isinstance(clause.value, Instant):
            raise _invalid(f"{path}.value", "expected a fixed time: the trait is any value")
        return self.node(Comparison(expression, clause.operator, clause.value), path, chain)


def _longer(chain: tuple[str, ...], name: str, path: str) -> tuple[str, ...]:
    if name in chain:
        raise _invalid(path, f"expected no cycle, got {' -> '.join([*chain[chain.index(name) :], name])}")
    if len(chain) > CHAIN_MAX:
        raise _invalid(
            path, f"expected at most {CHAIN_MAX} references one after the other, got more: {chain[1]} to {name}"
        )
    return (*chain, name)


def _invalid(path: str, message: str) -> InvalidCriteria:
    return InvalidCriteria([CriteriaError(path, message)])


def _links(catalogue: Catalogue) -> dict[Key, set[Key]]:
    """What each definition refers to itself."""
    links = {
        ("segment", key): set(_references(parse_criteria(each.criteria))) for key, each in catalogue.segments.items()
    }
    for key, trait in catalogue.traits.items():
        expression = parse_expression(trait.expression)
        links["computed trait", key] = set(_references(expression.tree)) if isinstance(expression, Predicate) else set()
    return links


def _references(node: Node) -> Iterator[Key]:
    """The references of a tree itself."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _references(part)
        case Not(part):
            yield from _references(part)
        case Membership(segment):
            yield "segment", segment
        case Computed(trait=trait):
            yield "computed trait", trait


def _referred(tree: Node, catalogue: Catalogue) -> tuple[set[str], set[str]]:
    """Ids of the segments and computed traits that a tree refers to, directly or not."""
    segments: set[str] = set()
    traits: set[str] = set()
    waiting = [tree]
    while waiting:
        for kind, key in _references(waiting.pop()):
            if kind == "segment" and key not in segments:
                segments.add(key)
                waiting.append(parse_criteria(catalogue.segments[key].criteria))
            elif kind != "segment" and key not in traits:
                traits.add(key)
                expression = parse_expression(catalogue.traits[key].expression)
                if isinstance(expression, Predicate):
                    waiting.append(expression.tree)
    return segments, traits
