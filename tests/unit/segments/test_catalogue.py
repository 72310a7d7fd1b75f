"""References between segments and computed traits: found, put in place, and refused in a circle."""

from typing import Any

import msgspec
import pytest

from models.profile.state import Profile
from models.segments.catalogue import (
    CHAIN_MAX,
    Catalogue,
    catalogue_of,
    dependents,
    expand,
    expand_expression,
    resolve,
    resolve_dependents,
)
from models.segments.compile import compile_resolved
from models.segments.criteria import DEPTH_MAX, AllOf, Comparison, Demographic, EventValue, Membership, Not
from models.segments.evaluate import evaluate
from models.segments.field_reader import InvalidCriteria
from models.segments.parse_criteria import parse_criteria, parse_expression

OSLO = {"type": "demographic", "trait": "city", "operator": "equals", "value": "Oslo"}
CITY = Demographic("city", "equals", "Oslo")


def member(segment: str) -> dict[str, Any]:
    return {"type": "membership", "segment": segment}


def computed(trait: str, operator: str, value: Any = None) -> dict[str, Any]:
    clause = {"type": "computed", "trait": trait, "operator": operator}
    return clause if value is None else {**clause, "value": value}


def catalogue(segments: dict[str, Any], traits: dict[str, Any] | None = None) -> Catalogue:
    return catalogue_of(
        {key: {"id": key, "name": key, "criteria": criteria} for key, criteria in segments.items()},
        {key: {"id": key, "name": key, "expression": expression} for key, expression in (traits or {}).items()},
    )


VIEWS = {"type": "behavioral", "event": "Viewed"}
KINDS = {
    "views": VIEWS,
    "last": {**VIEWS, "measure": "last"},
    "colors": {**VIEWS, "measure": "unique", "property": "color"},
    "color": {**VIEWS, "measure": "last_value", "property": "color"},
    "is-keen": {"type": "predicate", "criteria": computed("views", "at_least", 2)},
}


def test_references_are_put_in_place() -> None:
    known = catalogue({"oslo": OSLO, "both": {"all": [member("oslo"), computed("is-keen", "equals", False)]}}, KINDS)
    tree = expand(parse_criteria({"not": member("both")}), known)
    keen = Comparison(EventValue("Viewed", "count"), "at_least", 2)
    assert tree == Not(AllOf((CITY, Not(keen))))


def test_a_segment_goes_with_all_that_it_refers_to_and_nothing_else() -> None:
    known = catalogue({"oslo": OSLO, "a": member("oslo"), "b": member("a"), "c": OSLO}, KINDS)
    resolved = resolve(known.segments["b"], known)
    assert list(resolved.catalogue.segments) == ["a", "oslo"]
    assert resolved.catalogue.traits == {}
    assert (
        expand(
            parse_criteria(member("b")),
            catalogue(
                {"b": known.segments["b"].criteria}
                | {key: segment.criteria for key, segment in resolved.catalogue.segments.items()}
            ),
        )
        == CITY
    )


def refused(segments: dict[str, Any], criteria: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(InvalidCriteria) as caught:
        expand(parse_criteria(criteria), catalogue(segments, KINDS), "segment new")
    (error,) = caught.value.errors
    return error.path, error.message


def test_cycles_and_what_is_not_there() -> None:
    assert refused({}, {"all": [OSLO, member("gone")]})[0] == "criteria.all[1].segment"
    assert refused({}, computed("gone", "exists"))[0] == "criteria.trait"
    path, message = refused({"a": member("b"), "b": {"any": [OSLO, member("new")]}, "new": member("a")}, member("a"))
    assert "segment new -> segment a -> segment b -> segment new" in message
    assert path == "criteria.any[1]"
    traits = {"x": {"type": "predicate", "criteria": computed("y", "equals", True)}}
    traits["y"] = {"type": "predicate", "criteria": computed("x", "equals", True)}
    with pytest.raises(InvalidCriteria, match="cycle"):
        expand_expression(parse_expression(traits["x"]), catalogue({}, traits), "computed trait x")


def test_too_many_clauses_together() -> None:
    wide = {"any": [OSLO] * 100}
    segments = {"s0": wide} | {f"s{n}": {"any": [member(f"s{n - 1}")] * 4} for n in range(1, 4)}
    assert "at most 1000" in refused(segments, member("s3"))[1]


def chain(references: int) -> Catalogue:
    """Segments s0, s1, ..., each as deep as it may be, and in the depth of each the one before it."""
    segments: dict[str, Any] = {"s0": within(OSLO)}
    for number in range(1, references + 1):
        segments[f"s{number}"] = within(member(f"s{number - 1}"))
    return catalogue(segments)


def within(criteria: dict[str, Any]) -> dict[str, Any]:
    for _ in range(DEPTH_MAX):
        criteria = {"all": [OSLO, criteria]}
    return criteria


def test_the_longest_chain_of_references_can_be_compiled_and_evaluated() -> None:
    known = chain(CHAIN_MAX)
    compiled = compile_resolved(resolve(known.segments[f"s{CHAIN_MAX}"], known))
    assert not evaluate(compiled, Profile(1, created_at=0), 0).member


def test_a_longer_chain_of_references_is_refused() -> None:
    known = chain(CHAIN_MAX + 1)
    with pytest.raises(InvalidCriteria) as caught:
        resolve(known.segments[f"s{CHAIN_MAX + 1}"], known)
    (error,) = caught.value.errors
    assert error.path.startswith("criteria.all[1].all[1].")
    assert error.message == "expected at most 16 references one after the other, got more: segment s16 to segment s0"


def test_computed_traits_are_links_of_a_chain_too() -> None:
    traits: dict[str, Any] = {"t0": {"type": "predicate", "criteria": member("s")}}
    for number in range(1, CHAIN_MAX - 1):
        traits[f"t{number}"] = {"type": "predicate", "criteria": computed(f"t{number - 1}", "equals", True)}
    known = catalogue({"s": OSLO}, traits)
    last = f"t{CHAIN_MAX - 2}"
    assert expand(parse_criteria(computed(last, "equals", True)), known, "segment x") == CITY
    known.segments["y"] = msgspec.structs.replace(known.segments["s"], id="y", criteria=computed(last, "equals", True))
    with pytest.raises(InvalidCriteria, match="at most 16 references"):
        expand(parse_criteria(member("y")), known, "segment z")


def test_what_a_change_breaks_is_named() -> None:
    wide = {"any": [OSLO] * 100}
    known = catalogue(
        {"base": OSLO, "dep": {"any": [member("base")] * 11}, "on": member("dep"), "other": OSLO},
        {"is-based": {"type": "predicate", "criteria": member("base")}},
    )
    resolved = resolve_dependents("segment", "base", known)
    assert [each.definition.id for each in resolved] == ["dep", "on"]
    assert list(resolved[1].catalogue.segments) == ["base", "dep"]
    known.segments["base"] = msgspec.structs.replace(known.segments["base"], criteria=wide)
    with pytest.raises(InvalidCriteria) as caught:
        resolve_dependents("segment", "base", known)
    (error,) = caught.value.errors
    assert error.path == "criteria"
    assert error.message.startswith("segment dep refers to this segment, and could not be used: criteria.any[10]")


def test_a_computed_trait_that_a_change_breaks_is_named() -> None:
    known = catalogue({}, {**KINDS, "views": {**VIEWS, "measure": "last"}})
    with pytest.raises(InvalidCriteria) as caught:
        resolve_dependents("computed trait", "views", known)
    (error,) = caught.value.errors
    assert error.path == "expression"
    assert error.message.startswith("computed trait is-keen refers to this computed trait, and could not be used: ")


@pytest.mark.parametrize(
    ("criteria", "path"),
    [
        (computed("views", "contains", "x"), "criteria.operator"),
        (computed("views", "before", "2024-01-01"), "criteria.operator"),
        (computed("last", "at_least", 1), "criteria.operator"),
        (computed("colors", "equals", "red"), "criteria.operator"),
        (computed("color", "before", {"ago": "1d"}), "criteria.value"),
        (computed("is-keen", "exists"), "criteria"),
        (computed("is-keen", "equals", "yes"), "criteria"),
    ],
)
def test_operators_that_a_computed_trait_does_not_have(criteria: dict[str, Any], path: str) -> None:
    assert refused({}, criteria)[0] == path


def test_dependents_are_told() -> None:
    known = catalogue({"a": OSLO, "b": {"not": member("a")}, "c": computed("is-keen", "equals", True)}, KINDS)
    assert dependents("segment", "a", known) == ["segment b"]
    assert dependents("computed trait", "is-keen", known) == ["segment c"]
    assert dependents("computed trait", "views", known) == ["computed trait is-keen"]
    assert dependents("segment", "c", known) == []


def test_a_reference_cannot_be_judged() -> None:
    assert parse_criteria(member("a")) == Membership("a")
