"""docs/segments.md against the code: its examples are in the language, and the language is all in it."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from models.profile.lifecycle import STAGES
from models.profile.policy import ProfileLimits
from models.profile.state import RECENT_MAX
from models.profile.transactions import PRODUCTS_MAX
from models.segments.catalogue import CHAIN_MAX, EXPANDED_MAX, catalogue_of
from models.segments.compile import compile_segment
from models.segments.criteria import (
    CLAUSES_MAX,
    DEPTH_MAX,
    LIST_MAX,
    MEASURE_OPERATORS,
    MEASURES,
    VALUE_MEASURES,
    VALUE_OPERATORS,
    SegmentDefinition,
)
from models.segments.field_reader import InvalidCriteria
from models.segments.parse import parse_computed_trait, parse_definition
from models.segments.parse_criteria import CLAUSE_TYPES, parse_criteria
from models.segments.schema import COMPUTED_TRAIT_SCHEMA, CRITERIA_SCHEMA

TEXT = (Path(__file__).parents[3] / "docs" / "segments.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
REFERRED = catalogue_of(
    {
        key: {"id": key, "name": key, "criteria": {"all": [EXAMPLES[0]["criteria"]]}}
        for key in ("win-back", "employees")
    },
    {each["id"]: each for each in EXAMPLES if "expression" in each},
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_in_the_language(example: dict[str, Any]) -> None:
    if "expression" in example:
        jsonschema.validate(parse_computed_trait(example).expression, COMPUTED_TRAIT_SCHEMA)
        return
    definition = parse_definition(example) if "criteria" in example else SegmentDefinition("s", "S", example)
    jsonschema.validate(definition.criteria, CRITERIA_SCHEMA)
    compile_segment(definition, catalogue=REFERRED)


def test_every_type_has_an_example() -> None:
    assert {example.get("type") for example in EXAMPLES} >= set(CLAUSE_TYPES) - {"membership"}
    assert '"type": "membership"' in TEXT


def test_every_word_is_explained() -> None:
    words = {*VALUE_OPERATORS, *MEASURES, *STAGES, "ago", "ahead", "last", "from", "to"}
    words |= {operator for operators in MEASURE_OPERATORS.values() for operator in operators}
    words |= {measure for measures in MEASURES.values() for measure in measures} | set(VALUE_MEASURES)
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    code = " ".join(re.findall(r"`([^`]+)`", prose))
    assert {word for word in words if not re.search(rf"\b{word}\b", code)} == set()
    for limit in (f"at most {DEPTH_MAX} deep", f"at most {CLAUSES_MAX} criteria", f"at most {LIST_MAX} "):
        assert limit in TEXT
    for limit in (f"at most {CHAIN_MAX} deep", f"at most {EXPANDED_MAX} criteria"):
        assert limit in TEXT


def test_the_limits_of_what_is_known_exactly_are_those_of_profiles() -> None:
    limits = ProfileLimits()
    assert f"latest {RECENT_MAX} occurrences" in TEXT and f"{limits.exact_times:,}" in TEXT
    assert f"latest {limits.orders:,} of a person" in TEXT and f"at most {PRODUCTS_MAX} lines" in TEXT
    assert limits.order_bytes == limits.property_bytes == 64 * 1024 and TEXT.count("64 kB") == 2


def test_errors_read_as_shown() -> None:
    first = {"type": "behavioral", "event": "A", "operator": "exists"}
    wrong = [first, {**first, "window": {"last": 30}}, {**first, "measure": "last", "operator": "at_least", "value": 1}]
    with pytest.raises(InvalidCriteria) as caught:
        parse_criteria({"all": wrong})
    for error in caught.value.errors:
        assert f"{error.path}: {error.message}\n" in TEXT
