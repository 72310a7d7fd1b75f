"""What the parser takes, the JSON Schema takes."""

import jsonschema
from hypothesis import given, settings

from models.segments.parse_criteria import parse_criteria
from models.segments.schema import CRITERIA_SCHEMA
from tests.strategies.segment_strategies import Criteria, criteria

VALIDATOR = jsonschema.Draft202012Validator(CRITERIA_SCHEMA)


@settings(max_examples=100, deadline=None)
@given(criteria)
def test_parsed_criteria_satisfy_the_schema(data: Criteria) -> None:
    parse_criteria(data)
    VALIDATOR.validate(data)
