"""References between segments and computed traits: found, put in place, and refused in a circle."""

from typing import Any

import pytest

from models.segments.catalogue import Catalogue, catalogue_of, dependents, expand, expand_expression, resolve
from models.segments.criteria import AllOf, Comparison, Demographic, EventValue, Membership, Not
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
