"""Requests as four SDKs sent them, recorded once: all say the same, and must be understood for ever.

Each tells of six calls: identify, track, page, screen, group, alias. They differ in compression, labels, nulls, where
traits go, which field has the time, and what they add. tests/e2e/sdk has the SDKs themselves.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from models.events.envelope import Credential, credential_of, decompress
from models.events.event import Event
from models.events.limits import Limits
from models.events.wire import Source, WireParser

RECEIVED_AT = 1_800_000_000_000
SDKS = ["segment-python", "segment-node", "rudderstack-python", "rudderstack-node"]

EXPECTED: list[dict[str, Any]] = [
    {"type": "identify", "traits": {"email": "Jane@Example.com", "plan": "pro"}},
    {"type": "track", "name": "Order Completed", "properties": {"order_id": "o1", "revenue": 30.5}},
    {"type": "page", "name": "Home", "properties": {"path": "/", "category": "Docs"}},
    {"type": "screen", "name": "Cart", "properties": {"category": "App"}},
    {"type": "group", "group_id": "g1", "traits": {"name": "ACME"}},
    {"type": "alias"},
]
IDENTIFIERS = [
    ("user_id:u1", "email:jane@example.com"),
    ("user_id:u1", "anonymous_id:an1"),
    ("user_id:u1",),
    ("user_id:u1",),
    ("user_id:u1",),
    ("user_id:u1", "anonymous_id:old"),
]


def recorded(sdk: str) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = json.loads((Path(__file__).parent / f"{sdk}.json").read_text())
    return requests


def body_of(request: dict[str, Any]) -> bytes:
    body = json.dumps(request["body"]).encode()
    return gzip.compress(body) if request["headers"].get("content-encoding") == "gzip" else body


def events_of(sdk: str) -> list[Event]:
    events = []
    for request in recorded(sdk):
        path = request["path"].removeprefix("/v1/")
        parsed = WireParser().parse(body_of(request), path, Source("sdk"), RECEIVED_AT, lambda: "no id")
        assert parsed.rejected == []
        assert parsed.warnings == []
        events += parsed.events
    return events


@pytest.mark.parametrize("sdk", SDKS)
def test_every_sdk_says_the_same(sdk: str) -> None:
    events = events_of(sdk)
    assert [event.identifiers for event in events] == IDENTIFIERS
    for event, expected in zip(events, EXPECTED, strict=True):
        told = {"name": "", "properties": {}, "traits": {}, "group_id": "", "explicit": False} | expected
        assert {field: getattr(event, field) for field in told} == told
        assert "library" in event.context
        assert "traits" not in event.context
    assert len({event.message_id for event in events}) == len(events)
    assert "no id" not in {event.message_id for event in events}


@pytest.mark.parametrize("sdk", SDKS)
def test_times_are_the_clients_moved_to_our_clock(sdk: str) -> None:
    for event in events_of(sdk):
        assert event.original_timestamp is not None
        assert event.sent_at is not None
        assert event.timestamp == RECEIVED_AT - (event.sent_at - event.original_timestamp)
        assert 0 <= RECEIVED_AT - event.timestamp < 5_000


@pytest.mark.parametrize("sdk", SDKS)
def test_the_write_key_is_found(sdk: str) -> None:
    for request in recorded(sdk):
        body = decompress(body_of(request), Limits())
        assert credential_of(request["headers"], body) == Credential("write-key", "basic")
        if sdk.startswith("segment"):
            assert credential_of({}, body) == Credential("write-key", "body")
