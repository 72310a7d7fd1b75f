"""The index of segments by what they read."""

from typing import Any

import pytest

from models.segments.compile import compile_segment
from models.segments.criteria import SegmentDefinition
from models.segments.index import SegmentIndex

CLAUSES: dict[str, dict[str, Any]] = {
    "city": {"type": "demographic", "trait": "city", "operator": "exists"},
    "nested": {"type": "demographic", "trait": "address.city", "operator": "exists"},
    "renewal": {"type": "demographic", "trait": "renews", "operator": "before", "value": {"ahead": "30d"}},
    "viewed": {"type": "behavioral", "event": "Product Viewed", "operator": "exists"},
    "orders": {"type": "transactional", "operator": "exists"},
    "email": {"type": "engagement", "channel": "email", "operator": "exists"},
    "loyal": {"type": "lifecycle", "stage": "loyal"},
}
INDEX = SegmentIndex(
    [
        *(compile_segment(SegmentDefinition(name, name, clause)) for name, clause in CLAUSES.items()),
        compile_segment(SegmentDefinition("both", "both", {"all": [CLAUSES["city"], {"not": CLAUSES["viewed"]}]})),
    ]
)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], []),
        (["last_seen", "realTimeContext"], []),
        (["attributes.city"], ["both", "city"]),
        (["attributes.address"], ["nested"]),
        (["attributes.address.city"], ["nested"]),
        (["behaviors.Product Viewed", "attributes.city"], ["both", "viewed", "city"]),
        (["behaviors.Product"], []),
        (["transactions"], ["loyal", "orders"]),
        (["identities"], ["loyal"]),
        (["engagement.email", "engagement.web"], ["email"]),
    ],
)
def test_affected(paths: list[str], expected: list[str]) -> None:
    assert [segment.segment_id for segment in INDEX.affected(paths)] == expected


def test_timed_ones_are_those_that_time_alone_may_move() -> None:
    assert [segment.segment_id for segment in INDEX.timed] == ["both", "loyal", "orders", "renewal", "viewed"]
    assert len(INDEX.all) == len(CLAUSES) + 1
