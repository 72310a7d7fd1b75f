"""Whatever comes over the wire: an answer that accounts for every message, never a crash."""

import gzip
import itertools
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from models.events.envelope import credential_of
from models.events.event import decode_events, encode_events
from models.events.outcome import ParsedBatch, WireError
from models.events.schema import SourceSchema, parse_schema_settings
from models.events.wire import Source, WireParser
from models.profile.document import document
from models.profile.policy import ProfilePolicy
from models.profile.reduce import apply
from models.profile.state import Profile, decode_profile, encode_profile

NOW = 1_769_860_800_000
PARSER = WireParser()
PLAIN = Source("plain")
STRICT = {"properties": {"a": {"type": "string", "maxLength": 2}, "b": {"enum": [1, 2]}}, "additionalProperties": False}
SOURCES = [
    PLAIN,
    *(
        Source(
            mode, SourceSchema(parse_schema_settings({"mode": mode, "types": {"track": STRICT, "identify": STRICT}}))
        )
        for mode in ("block", "omit")
    ),
]
PATHS = ["batch", "import", "identify", "track", "page", "screen", "group", "alias", "merge", "t", "b"]

# Python's json writes NaN, Infinity, halves of surrogate pairs and integers of any size: so do careless clients.
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["", "null", "a@b.co", "+12125550123", "2026-01-31T12:00:00Z", "9999-12-31", "\0", "\ud83d"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Usually what is expected, sometimes anything."""
    return st.one_of(good, good, good, values)


ids = mostly(st.sampled_from(["u1", "u2", None, "", 7]))
times = mostly(st.sampled_from(["2026-01-31T12:00:00Z", 1_769_860_800_000, "2020-01-01", None]))
traits = st.fixed_dictionaries({}, optional={"email": mostly(st.just("j@x.org")), "phone": values, "a": values})
contexts = st.fixed_dictionaries(
    {},
    optional={
        "traits": mostly(traits),
        "device": mostly(st.fixed_dictionaries({}, optional={"id": ids, "advertisingId": ids, "type": values})),
        "externalIds": mostly(
            st.lists(
                mostly(
                    st.fixed_dictionaries(
                        {"id": ids, "type": mostly(st.sampled_from(["crm", "email", "customer_id"]))},
                        optional={"collection": values, "encoding": values},
                    )
                ),
                max_size=3,
            )
        ),
        "consent": mostly(st.just({"categoryPreferences": {"A": True}})),
    },
)
READ_PROPERTIES = ["a", "b", "order_id", "revenue", "total", "currency", "products", "quantity", "price"]
kinds = ["identify", "track", "page", "screen", "group", "alias", "merge"]
messages = st.fixed_dictionaries(
    {"type": mostly(st.sampled_from(kinds))},
    optional={
        "userId": ids,
        "anonymousId": ids,
        "previousId": ids,
        "groupId": ids,
        "messageId": ids,
        "event": mostly(st.sampled_from(["E", "Order Completed", "Order Refunded", "Order Cancelled", "Email Opened"])),
        "name": mostly(st.just("N")),
        "category": values,
        "channel": values,
        "traits": mostly(traits),
        "properties": mostly(st.dictionaries(st.sampled_from(READ_PROPERTIES), values, max_size=4)),
        "context": mostly(contexts),
        "integrations": mostly(st.just({})),
        "timestamp": times,
        "originalTimestamp": times,
        "sentAt": times,
        "mergeProperties": mostly(
            st.lists(
                st.fixed_dictionaries({"type": mostly(st.sampled_from(["email", "crm"])), "value": ids}), max_size=3
            )
        ),
        "surprise": values,
    },
)
batches = st.fixed_dictionaries(
    {"batch": st.lists(mostly(messages), min_size=1, max_size=6)},
    optional={"context": mostly(contexts), "integrations": values, "sentAt": times, "writeKey": values, "odd": values},
)


def counter() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"new-{next(numbers)}"


def check(parsed: ParsedBatch, count: int) -> None:
    """What holds of every answer to a request of `count` messages."""
    places = sorted(parsed.positions + [rejection.index for rejection in parsed.rejected])
    assert places == list(range(count))
    assert len(parsed.events) == len(parsed.positions)
    assert decode_events(encode_events(parsed.events)) == parsed.events
    for event in parsed.events:
        assert event.message_id
        assert 0 < event.timestamp <= event.received_at == NOW
        assert event.route in event.identifiers
        assert len(set(event.identifiers)) == len(event.identifiers)
        for identifier in event.identifiers:
            namespace, _, value = identifier.partition(":")
            assert PARSER.normaliser.normalise(namespace, value).identifier == identifier
    for rejection in parsed.rejected:
        assert rejection.reasons
        assert all(found["code"] and found["message"] for found in rejection.reasons)
        json.dumps(rejection.reasons).encode()
    for warning in parsed.warnings:
        assert warning.index == -1 or warning.index in parsed.positions


@given(batches, st.sampled_from(SOURCES), st.sampled_from(["batch", "import"]))
def test_every_message_of_a_batch_is_taken_or_refused(batch: dict[str, Any], source: Source, path: str) -> None:
    body = json.dumps(batch).encode()
    try:
        parsed = PARSER.parse(body, path, source, NOW, counter())
    except WireError as error:
        # Only what the batch says for all of its messages can refuse it as a whole.
        assert error.status == 400
        alone = json.dumps({"batch": batch["batch"]}).encode()
        parsed = PARSER.parse(alone, path, source, NOW, counter())
    check(parsed, len(batch["batch"]))


@given(batches)
def test_the_same_bytes_give_the_same_answer_zipped_or_not(batch: dict[str, Any]) -> None:
    def outcome(body: bytes) -> str:
        try:
            return repr(PARSER.parse(body, "batch", PLAIN, NOW, counter()))
        except WireError as error:
            return error.code

    body = json.dumps(batch).encode()
    assert outcome(body) == outcome(gzip.compress(body))


@given(st.lists(messages, min_size=1, max_size=4))
def test_a_refused_message_is_refused_again_when_it_is_replayed_unchanged(items: list[dict[str, Any]]) -> None:
    body = json.dumps({"batch": items, "sentAt": NOW, "context": {"ip": "1"}}).encode()
    rejected = PARSER.parse(body, "import", PLAIN, NOW, counter()).rejected
    replayed = PARSER.parse_items([r.body for r in rejected], PLAIN, NOW, counter())
    assert [r.reasons for r in replayed.rejected] == [r.reasons for r in rejected]


@given(messages, st.sampled_from(PATHS))
def test_single_messages(message: dict[str, Any], path: str) -> None:
    try:
        parsed = PARSER.parse(json.dumps(message).encode(), path, PLAIN, NOW, counter())
    except WireError as error:
        assert error.status in (400, 413)
        return
    check(parsed, 1)
    assert (parsed.failure() is None) == bool(parsed.events)


@given(values | st.lists(values), st.sampled_from(PATHS))
def test_any_json(value: Any, path: str) -> None:
    body = json.dumps(value).encode()
    credential_of({}, body)
    try:
        parsed = PARSER.parse(body, path, PLAIN, NOW, counter())
    except WireError as error:
        assert error.status == 400
    else:
        check(parsed, len(value["batch"]) if path in ("batch", "import", "b") else 1)


fragments = st.sampled_from(
    [
        *(b'{"batch":[', b"]}", b"{", b"}", b"[", b"]", b'"', b",", b":", b'"userId"', b"NaN", b"1e999", b"\\u0000"),
        *(b'"type":"track"', b'"event":"E"', b"\xff", b"\x1f\x8b\x08", b"\\ud800", b"-", b"0", b" ", b"\0"),
    ]
)


@given(st.binary(max_size=200) | st.lists(fragments, max_size=20).map(b"".join), st.sampled_from(PATHS), st.booleans())
def test_any_bytes(body: bytes, path: str, zipped: bool) -> None:
    body = gzip.compress(body) if zipped else body
    credential_of({"authorization": "Basic " + body.decode("latin-1")}, body)
    try:
        parsed = PARSER.parse(body, path, PLAIN, NOW, counter())
    except WireError as error:
        assert error.status == 400
        assert error.code and error.message
    else:
        check(parsed, len(parsed.events) + len(parsed.rejected))


@given(st.sampled_from([1, 30, 31, 32, 33, 500, 3000]), st.sampled_from([b"[", b'{"a":']))
def test_any_depth(depth: int, opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    deep = opening * depth + (b"1" if closing == b"}" else b"") + closing * depth
    body = b'{"batch":[{"type":"page","userId":"u","properties":{"x":' + deep + b"}},"
    body += b'{"type":"page","userId":"u"}]}'
    try:
        parsed = PARSER.parse(body, "batch", PLAIN, NOW, counter())
    except WireError as error:
        assert (error.code, depth) == ("too_deep", 3000)
        return
    check(parsed, 2)
    assert (0 in parsed.positions) == (depth <= 30)


@given(batches, st.sampled_from(["batch", "import"]))
def test_every_event_taken_can_be_folded_and_stored(batch: dict[str, Any], path: str) -> None:
    try:
        parsed = PARSER.parse(json.dumps(batch).encode(), path, PLAIN, NOW, counter())
    except WireError:
        return
    profile = Profile(1, NOW)
    for event in parsed.events:
        apply(profile, event, ProfilePolicy())
    assert decode_profile(encode_profile(profile)) == profile
    json.dumps(document(profile, NOW, {})).encode()
