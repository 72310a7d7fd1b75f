"""The index of segments by what they read."""

from typing import Any

import pytest

from models.profile.state import Attribute, Observation, Profile
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
    assert [segment.segment_id for segment in INDEX.affected(paths, Profile(1, 0))] == expected


def test_a_segment_that_asks_for_a_value_is_found_by_it() -> None:
    def city(value: str) -> dict[str, Any]:
        return {"type": "demographic", "trait": "city", "operator": "equals", "value": value}

    criteria: dict[str, dict[str, Any]] = {
        "oslo": city("Oslo"),
        "oslo-buyers": {"all": [CLAUSES["orders"], city("Oslo")]},
        "not-oslo": {"not": city("Oslo")},
        "coast": {"type": "demographic", "trait": "city", "operator": "in", "value": ["Oslo", "Bergen"]},
        "bergen": city("Bergen"),
    }
    index = SegmentIndex([compile_segment(SegmentDefinition(name, name, each)) for name, each in criteria.items()])
    profile = Profile(1, 0)

    def affected(*paths: str) -> set[str]:
        return {segment.segment_id for segment in index.affected(list(paths), profile)}

    assert affected("attributes.city", "transactions") == {"not-oslo"}
    profile.attributes["city"] = Attribute(Observation(1, 0, "Oslo"))
    assert affected("attributes.city") == {"oslo", "oslo-buyers", "coast", "not-oslo"}
    assert affected("transactions") == {"oslo-buyers"}
    profile.memberships = {"bergen": 1}
    assert "bergen" in affected("attributes.city")
    profile.attributes["city"] = Attribute(Observation(1, 0, ["Oslo"]))
    assert affected("attributes.city") == {"not-oslo", "bergen"}
    assert [segment.segment_id for segment in index.of_the_unknown] == ["not-oslo"]


def test_timed_ones_are_those_that_time_alone_may_move() -> None:
    assert [segment.segment_id for segment in INDEX.timed] == ["both", "loyal", "orders", "renewal", "viewed"]
    assert len(INDEX.all) == len(CLAUSES) + 1
