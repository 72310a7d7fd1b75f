"""Criteria from JSON: what is taken, and that each error names its place and what was expected there."""

from typing import Any

import jsonschema
import pytest

from models.segments.criteria import (
    CLAUSES_MAX,
    DEPTH_MAX,
    LIST_MAX,
    Absolute,
    AllOf,
    AnyOf,
    Behavioral,
    Demographic,
    Instant,
    LifecycleStage,
    Not,
    Relative,
    Rolling,
    Transactional,
)
from models.segments.field_reader import InvalidCriteria
from models.segments.parse import parse_definition
from models.segments.parse_criteria import parse_criteria
from models.segments.schema import CRITERIA_SCHEMA

CITY = {"type": "demographic", "trait": "city", "operator": "equals", "value": "Oslo"}
VIEWED = {"type": "behavioral", "event": "Viewed", "operator": "at_least", "value": 2}
STEP = {"event": "Viewed"}
TEST = {"property": "p", "operator": "equals", "value": "x"}
MANY = {"operator": "at_least", "value": 2}
REVENUE = {"type": "transactional", "measure": "revenue", "operator": "at_least", "value": 19.99}
EMAIL = {"type": "engagement", "channel": "email", "operator": "exists"}


Case = tuple[object, str, str]  # criteria, path of the error, words of its message
WRONG: list[Case] = [
    (None, "criteria", "expected an object, got null"),
    ([CITY], "criteria", "got a list"),
    ({}, "criteria", '"all", "any" or "not", or with a "type"'),
    ({"type": "psychic"}, "criteria.type", 'expected one of "demographic"'),
    ({"all": []}, "criteria.all", "at least one criterion, got an empty list"),
    ({"any": CITY}, "criteria.any", "got an object"),
    ({"all": [CITY], "any": [CITY]}, "criteria", 'expected "all" alone'),
    ({"not": [CITY]}, "criteria.not", "got a list"),
    ({"all": [CITY, {"any": [{"not": 5}]}]}, "criteria.all[1].any[0].not", "got a number"),
    ({**CITY, "vlaue": 1}, "criteria.vlaue", "unknown field"),
    ({**CITY, "trait": ""}, "criteria.trait", "got empty text"),
    ({**CITY, "trait": "x" * 1001}, "criteria.trait", "got 1001 characters"),
    ({"type": "demographic", "operator": "exists"}, "criteria.trait", "got nothing"),
    ({**CITY, "operator": "like"}, "criteria.operator", '"starts_with"'),
    ({"type": "demographic", "trait": "a"}, "criteria.operator", "got nothing"),
    ({**CITY, "value": None}, "criteria.value", "got null"),
    ({**CITY, "value": {}}, "criteria.value", "got an object"),
    ({"type": "demographic", "trait": "a", "operator": "equals"}, "criteria.value", "got nothing"),
    ({**CITY, "operator": "exists"}, "criteria.value", '"exists" compares with nothing'),
    ({**CITY, "operator": "in"}, "criteria.value", "a list of 1 to 1000 values, got text"),
    ({**CITY, "operator": "in", "value": []}, "criteria.value", "got 0 values"),
    ({**CITY, "operator": "in", "value": [1] * (LIST_MAX + 1)}, "criteria.value", "got 1001 values"),
    ({**CITY, "operator": "in", "value": [1, None]}, "criteria.value[1]", "got null"),
    ({**CITY, "operator": "starts_with", "value": 1}, "criteria.value", "expected text"),
    ({**CITY, "operator": "at_least"}, "criteria.value", "expected a number"),
    ({**CITY, "operator": "at_least", "value": True}, "criteria.value", "got true or false"),
    ({**CITY, "operator": "at_least", "value": 10**400}, "criteria.value", "expected a number"),
    ({**CITY, "operator": "before"}, "criteria.value", "ISO 8601"),
    ({**CITY, "operator": "before", "value": {"ago": "1y"}}, "criteria.value.ago", "s, m, h, d or w"),
    ({**CITY, "operator": "before", "value": {"ago": "1d", "ahead": "1d"}}, "criteria.value", '{"ahead": "30d"}'),
    ({"type": "behavioral", "operator": "exists"}, "criteria.event", "got nothing"),
    ({**VIEWED, "measure": "median"}, "criteria.measure", '"count", "distinct", "sum"'),
    ({**VIEWED, "measure": "sum"}, "criteria.property", "got nothing"),
    ({**VIEWED, "property": "price"}, "criteria.property", '"where" filters occurrences'),
    ({**VIEWED, "measure": "distinct", "property": "p", "operator": "exists"}, "criteria.operator", "none of them"),
    ({**VIEWED, "operator": "before"}, "criteria.operator", "none of them"),
    ({**VIEWED, "value": 1.5}, "criteria.value", "a whole number"),
    ({**VIEWED, "value": -1}, "criteria.value", "a whole number"),
    (
        {**VIEWED, "measure": "last", "operator": "after", "value": {"ahead": "1d"}},
        "criteria.value",
        '{"ago": "30d"}',
    ),
    ({**VIEWED, "where": {}}, "criteria.where", "at least one test of a property"),
    ({**VIEWED, "where": ["x"]}, "criteria.where[0]", "expected an object"),
    (
        {**VIEWED, "where": [{**TEST, "value": {"step": 0, "property": "p"}}]},
        "criteria.where[0].value",
        "got an object",
    ),
    ({**VIEWED, "where": [{**TEST, "operator": "after", "value": {"ago": "1d"}}]}, "criteria.where[0].value", "ISO"),
    ({**VIEWED, "where": [TEST] * 11}, "criteria.where", "at most 10 tests"),
    ({"type": "sequence", "steps": [STEP]}, "criteria.steps", "2 to 5 steps"),
    ({"type": "sequence", "steps": [STEP, "B"]}, "criteria.steps[1]", "expected an object"),
    ({"type": "sequence", "steps": [STEP, {**STEP, "within": "soon"}]}, "criteria.steps[1].within", "a duration"),
    ({"type": "sequence", "steps": [STEP, STEP], "operator": "exists"}, "criteria.operator", "unknown field"),
    ({"type": "membership", "segment": "Big Spenders"}, "criteria.segment", "the id of a segment"),
    ({"type": "computed", "trait": "t"}, "criteria.operator", "got nothing"),
    ({"type": "engagement", "measure": "score", "channel": "email", **MANY}, "criteria.channel", "of all channels"),
    ({**VIEWED, "window": "30d"}, "criteria.window", '{"last": "30d"}'),
    ({**VIEWED, "window": {}}, "criteria.window", "an empty object"),
    ({**VIEWED, "window": {"last": 30}}, "criteria.window.last", "got a number"),
    ({**VIEWED, "window": {"last": "0d"}}, "criteria.window.last", "a duration"),
    ({**VIEWED, "window": {"last": "1d", "to": "2024-01-01"}}, "criteria.window.to", "unknown field"),
    ({**VIEWED, "window": {"since": "2024-01-01"}}, "criteria.window.since", "unknown field"),
    ({**VIEWED, "window": {"from": "yesterday"}}, "criteria.window.from", "ISO 8601"),
    ({**REVENUE, "operator": "exists"}, "criteria.operator", "none of them"),
    ({**REVENUE, "value": "19.99"}, "criteria.value", "got text"),
    ({**REVENUE, "product": 7}, "criteria.product", "got a number"),
    ({**REVENUE, "measure": "refunds", "product": "p"}, "criteria.product", "refunds are known by order only"),
    ({**EMAIL, "channel": None}, "criteria.channel", "got null"),
    ({**EMAIL, "window": {"last": "1d"}}, "criteria.window", "unknown field"),
    ({**EMAIL, "measure": "last", "action": "opened"}, "criteria.action", "only counts are kept by action"),
    ({"type": "lifecycle"}, "criteria.stage", "got nothing"),
    ({"type": "lifecycle", "stage": []}, "criteria.stage", '"at_risk"'),
    ({"type": "lifecycle", "stage": "vip"}, "criteria.stage", "none of them"),
    ({"type": "lifecycle", "stage": ["loyal", ["x"]]}, "criteria.stage[1]", "got a list"),
]
# What a JSON Schema cannot tell: not-a-number, the calendar, the order of two times, a newline at the end.
WRONG_FOR_THE_PARSER_ONLY: list[Case] = [
    ({**CITY, "operator": "at_least", "value": float("nan")}, "criteria.value", "expected a number"),
    ({**CITY, "operator": "before", "value": "2024-02-30"}, "criteria.value", "ISO 8601"),
    ({"type": "sequence", "steps": [{**STEP, "within": "1h"}, STEP]}, "criteria.steps[0].within", "expected none"),
    (
        {"type": "sequence", "steps": [STEP, {**STEP, "within": "1h", "absent": True}, STEP]},
        "criteria.steps[1].absent",
        "at the last step only",
    ),
    ({"type": "sequence", "steps": [STEP, {**STEP, "absent": True}]}, "criteria.steps[1].within", "how long"),
    (
        {
            "type": "sequence",
            "steps": [STEP, {**STEP, "where": [{**TEST, "value": {"step": 1, "property": "p"}}]}],
        },
        "criteria.steps[1].where[0].value.step",
        "an earlier step",
    ),
    ({**VIEWED, "window": {"last": "30d\n"}}, "criteria.window.last", "a duration"),
    ({**VIEWED, "window": {"last": "3651d"}}, "criteria.window.last", "at most 3650d"),
    ({**VIEWED, "window": {"from": "2024-01-02", "to": "2024-01-02"}}, "criteria.window.to", 'after "from"'),
]


def errors_of(criteria: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidCriteria) as caught:
        parse_criteria(criteria)
    return [(error.path, error.message) for error in caught.value.errors]


def test_tree() -> None:
    tree = parse_criteria({"all": [CITY, {"any": [{**VIEWED, "window": {"last": "30d"}}, REVENUE]}, {"not": CITY}]})
    city = Demographic("city", "equals", "Oslo")
    viewed = Behavioral("Viewed", "count", "at_least", 2, Rolling(30 * 86_400_000))
    revenue = Transactional("revenue", "at_least", 19_990_000)
    assert tree == AllOf((city, AnyOf((viewed, revenue)), Not(city)))


def test_times() -> None:
    since = {"from": "2024-05-01", "to": "2024-05-01T12:00:00+02:00"}
    assert parse_criteria({**VIEWED, "window": since}) == Behavioral(
        "Viewed", "count", "at_least", 2, Absolute(1_714_521_600_000, 1_714_557_600_000)
    )
    first = {"type": "behavioral", "event": "Viewed", "measure": "first", "operator": "before"}
    assert parse_criteria({**first, "value": {"ago": "90m"}}) == Behavioral(
        "Viewed", "first", "before", Relative(-90 * 60_000)
    )
    until = {"type": "demographic", "trait": "until", "operator": "after"}
    assert parse_criteria({**until, "value": {"ahead": "1w"}}) == Demographic("until", "after", Relative(604_800_000))
    assert parse_criteria({**until, "value": "1970-01-02"}) == Demographic("until", "after", Instant(86_400_000))


def test_one_stage_or_several() -> None:
    assert parse_criteria({"type": "lifecycle", "stage": "loyal"}) == LifecycleStage(("loyal",))
    assert parse_criteria({"type": "lifecycle", "stage": ["loyal", "active"]}) == LifecycleStage(("loyal", "active"))


@pytest.mark.parametrize(("criteria", "path", "words"), WRONG + WRONG_FOR_THE_PARSER_ONLY)
def test_error_names_the_place_and_what_was_expected(criteria: object, path: str, words: str) -> None:
    [(found_path, message)] = errors_of(criteria)
    assert found_path == path
    assert words in message


def test_every_error_is_told_at_once() -> None:
    wrong = {"all": [{**CITY, "trait": 1}, {**VIEWED, "value": "2", "window": {"last": "x"}}]}
    assert [path for path, _ in errors_of(wrong)] == [
        "criteria.all[0].trait",
        "criteria.all[1].value",
        "criteria.all[1].window.last",
    ]


def test_errors_never_repeat_values() -> None:
    secret = "ola@example.com"
    for criteria in (
        {**CITY, "value": [secret]},
        {**CITY, "operator": secret},
        {**CITY, secret: 1},
        {**VIEWED, "window": {"last": secret}},
        {"type": secret},
        {"type": "lifecycle", "stage": secret},
    ):
        assert secret not in str(errors_of(criteria))


def test_limits_of_depth_and_size() -> None:
    nested: dict[str, Any] = CITY
    for _ in range(DEPTH_MAX):
        nested = {"not": nested}
    parse_criteria(nested)
    [(path, message)] = errors_of({"not": nested})
    assert path == "criteria" + ".not" * DEPTH_MAX
    assert f"at most {DEPTH_MAX} levels" in message
    for _ in range(100_000):
        nested = {"not": nested}
    assert len(errors_of(nested)) == 1
    parse_criteria({"any": [CITY] * CLAUSES_MAX})
    [(path, message)] = errors_of({"any": [CITY] * (CLAUSES_MAX + 1)})
    assert (path, message) == ("criteria", "expected at most 100 criteria, got 101")


def test_definition_with_what_is_left_out() -> None:
    definition = parse_definition({"name": "Big spenders, Oslo!", "criteria": CITY})
    assert (definition.id, definition.version, definition.created_at) == ("big-spenders-oslo", 1, 0)
    full = {"id": "vip_1", "name": "VIP", "description": "d", "criteria": CITY, "created_at": 5, "version": 3}
    definition = parse_definition(full)
    assert {name: getattr(definition, name) for name in full} == full


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        ([], "segment", "expected an object"),
        ({"name": "x"}, "criteria", "required"),
        ({"criteria": CITY, "id": "a"}, "segment.name", "got nothing"),
        ({"name": "Ω", "criteria": CITY}, "segment.id", "none could be made from the name"),
        ({"name": "x", "id": "A b", "criteria": CITY}, "segment.id", "lower-case letters"),
        ({"name": "x", "id": "a\n", "criteria": CITY}, "segment.id", "lower-case letters"),
        ({"name": "x", "id": None, "criteria": CITY}, "segment.id", "got null"),
        ({"name": "x", "criteria": CITY, "description": 1}, "segment.description", "got a number"),
        ({"name": "x", "criteria": CITY, "version": "1"}, "segment.version", "got text"),
        ({"name": "x", "criteria": CITY, "owner": 1}, "segment.owner", "unknown field"),
        ({"name": "x", "criteria": {**CITY, "trait": ""}}, "criteria.trait", "got empty text"),
    ],
)
def test_definition_errors(data: object, path: str, words: str) -> None:
    with pytest.raises(InvalidCriteria) as caught:
        parse_definition(data)
    [error] = caught.value.errors
    assert error.path == path
    assert words in error.message


def test_schema_refuses_what_the_parser_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(CRITERIA_SCHEMA)
    validator = jsonschema.Draft202012Validator(CRITERIA_SCHEMA)
    assert [case for case in WRONG if validator.is_valid(case[0])] == []
    assert [case for case in WRONG_FOR_THE_PARSER_ONLY if not validator.is_valid(case[0])] == []
