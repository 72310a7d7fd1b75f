"""The wire parser: each message type, ids, times, context, limits, rejections."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from models.events.event import Event, decode_events, encode_events
from models.events.limits import Limits
from models.events.outcome import ParsedBatch, WireError
from models.events.schema import SourceSchema, parse_schema_settings
from models.events.wire import Source, WireParser
from models.identity.identifiers import IdentifierNormaliser, IdentitySettings

NOW = 1_769_860_800_000  # 2026-01-31T12:00:00Z
PARSER = WireParser()
SOURCE = Source("web")


def numbered() -> Callable[[], str]:
    ids = iter(range(1_000_000))
    return lambda: f"new-{next(ids)}"


def parse(body: Any, path: str = "batch", source: Source = SOURCE, parser: WireParser = PARSER) -> ParsedBatch:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parser.parse(raw, path, source, NOW, numbered())


def one(message: dict[str, Any], **batch: Any) -> Event:
    """The event that a message in a batch makes."""
    parsed = parse({"batch": [message], **batch})
    assert not parsed.rejected, parsed.rejected
    return parsed.events[0]


def codes(message: Any, **batch: Any) -> set[tuple[str, str]]:
    """(code, field) of the reasons that a message in a batch is refused for."""
    parsed = parse({"batch": [message], **batch})
    assert not parsed.events
    return {(reason["code"], reason["field"]) for rejection in parsed.rejected for reason in rejection.reasons}


def warned(parsed: ParsedBatch) -> set[tuple[int, str, str]]:
    return {(warning.index, warning.code, warning.field) for warning in parsed.warnings}


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "userId": "u1", **fields}


def test_a_track_event_in_full() -> None:
    event = one(
        {
            "type": "track",
            "event": "Order Completed",
            "userId": "u1",
            "anonymousId": "a1",
            "messageId": "m1",
            "timestamp": "2026-01-31T11:00:00.500Z",
            "properties": {"revenue": 9.5},
            "context": {"ip": "1.2.3.4", "traits": {"email": "Jane@Example.com", "plan": "pro"}},
            "integrations": {"All": True},
        }
    )
    assert event == Event(
        message_id="m1",
        type="track",
        name="Order Completed",
        timestamp=NOW - 3_599_500,
        received_at=NOW,
        source="web",
        identifiers=("user_id:u1", "email:jane@example.com", "anonymous_id:a1"),
        route="anonymous_id:a1",
        properties={"revenue": 9.5},
        context={"ip": "1.2.3.4", "traits": {"email": "Jane@Example.com", "plan": "pro"}},
        original_timestamp=NOW - 3_599_500,
        integrations={"All": True},
    )


def test_identify_takes_traits_from_both_places() -> None:
    event = one(
        {
            "type": "identify",
            "userId": 7,
            "anonymousId": None,
            "traits": {"phone": "212-555-0123", "name": "J"},
            "context": {"traits": {"email": "j@example.com", "name": "old"}},
        }
    )
    assert event.identifiers == ("user_id:7", "email:j@example.com", "phone:+12125550123")
    assert event.route == "user_id:7"
    assert event.traits == {"phone": "212-555-0123", "name": "J", "email": "j@example.com"}
    assert event.context == {}
    assert not event.explicit


def test_the_persons_traits_are_in_the_context_of_all_but_identify() -> None:
    event = one(track(traits={"plan": "pro"}, context={"traits": {"plan": "old", "city": "Rome"}}))
    assert event.traits == {}
    assert event.context == {"traits": {"plan": "pro", "city": "Rome"}}


def test_page_and_screen() -> None:
    page = one({"type": "page", "anonymousId": "a", "name": "Home", "category": "Docs", "properties": {"path": "/"}})
    assert (page.name, page.properties) == ("Home", {"path": "/", "category": "Docs"})
    assert one({"type": "page", "anonymousId": "a"}).name == ""
    screen = one(
        {"type": "screen", "anonymousId": "a", "properties": {"name": "Cart", "category": "x"}, "category": "y"}
    )
    assert (screen.name, screen.properties["category"]) == ("Cart", "x")


def test_a_groups_traits_are_not_the_persons() -> None:
    event = one(
        {
            "type": "group",
            "userId": "u",
            "groupId": 12,
            "traits": {"email": "office@example.com", "name": "ACME"},
            "context": {"traits": {"email": "jane@example.com"}},
        }
    )
    assert event.group_id == "12"
    assert event.traits == {"email": "office@example.com", "name": "ACME"}
    assert event.context == {"traits": {"email": "jane@example.com"}}
    assert event.identifiers == ("user_id:u", "email:jane@example.com")


def test_alias_links_the_previous_id_to_the_user() -> None:
    event = one({"type": "alias", "userId": "u", "previousId": "p"})
    assert event.identifiers == ("user_id:u", "anonymous_id:p")
    assert event.route == "anonymous_id:p"
    browser = one({"type": "alias", "userId": "u", "previousId": "p", "anonymousId": "a"})
    assert browser.identifiers == ("user_id:u", "anonymous_id:a", "anonymous_id:p")
    assert browser.route == "anonymous_id:a"


@pytest.mark.parametrize("kind", ["alias", "merge", "identify"])
@pytest.mark.parametrize("trusted", [False, True])
def test_only_an_operators_statements_hold_whatever_the_limits(kind: str, trusted: bool) -> None:
    pair = [{"type": "email", "value": "j@example.com"}, {"type": "crmId", "value": 3}]
    message = {"type": kind, "userId": "u", "previousId": "p", "mergeProperties": pair}
    for parsed in (
        parse({"batch": [message]}, source=Source("web", trusted=trusted)),
        parse(message, kind, Source("web", trusted=trusted)),
    ):
        assert [event.explicit for event in parsed.events] == [trusted and kind != "identify"]


def test_merge_states_that_two_identifiers_are_one_person() -> None:
    pair = [{"type": "email", "value": "J@Example.com"}, {"type": "crmId", "value": 3}]
    parsed = parse({"mergeProperties": pair, "userId": "operator"}, "merge")
    event = parsed.events[0]
    assert event.type == "merge"
    assert event.identifiers == ("email:j@example.com", "crm_id:3")
    assert event.route == "email:j@example.com"
    assert warned(parsed) == {(0, "unused_field", "userId")}


@pytest.mark.parametrize(
    "pair",
    [
        None,
        [],
        [{"type": "email", "value": "j@example.com"}],
        [{"type": "email", "value": "j@example.com"}, {"type": "email", "value": " J@EXAMPLE.com"}],
        [{"type": "email", "value": "j@example.com"}, {"type": "user_id", "value": "null"}],
        [{"type": "email", "value": "j@example.com"}, {"type": "customer_id", "value": "cus_0d3k5w2m8r000"}],
        [{"type": "email", "value": "j@example.com"}, {"type": 3, "value": "x"}],
        [{"type": "email", "value": "j@example.com"}, {"type": "user_id", "value": {}}],
        [{"type": "email", "value": "j@example.com"}, "x"],
        {"type": "email"},
    ],
)
def test_a_merge_needs_two_good_identifiers(pair: Any) -> None:
    failure = parse({"mergeProperties": pair}, "merge").failure()
    assert failure is not None
    assert failure.status == 400
    assert "mergeProperties" in failure.message


def test_device_and_external_ids() -> None:
    event = one(
        track(
            context={
                "device": {"id": "D1", "advertisingId": "AB-1", "type": "iOS"},
                "externalIds": [
                    {"id": "77", "type": "crm_id", "collection": "users", "encoding": "none"},
                    {"id": "L1", "type": "lead", "collection": "CRM"},
                    {"id": "abc", "type": "email", "collection": "users", "encoding": "sha256"},
                ],
            }
        )
    )
    assert set(event.identifiers) == {
        "user_id:u1",
        "device_id:D1",
        "idfa:ab-1",
        "crm_id:77",
        "crm.lead:L1",
        "email.sha256:abc",
    }
    android = one(track(context={"device": {"advertisingId": "G", "type": "android"}}))
    assert "gaid:g" in android.identifiers
    refused = one(track(context={"device": {"advertisingId": "G", "adTrackingEnabled": False}}))
    assert refused.identifiers == ("user_id:u1",)


def test_what_is_no_identifier_is_reported_and_the_message_taken() -> None:
    parsed = parse(
        {
            "batch": [
                track(
                    anonymousId="anonymous",
                    context={
                        "traits": {"email": "nobody", "phone": 5.5},
                        "device": {"advertisingId": "00000000-0000-0000-0000-000000000000"},
                        "externalIds": [
                            {"id": "x", "type": "customer_id"},
                            {"id": "acme", "type": "account_id", "collection": "accounts"},
                            {"id": "x"},
                            7,
                        ],
                    },
                ),
                track(context={"device": "x", "externalIds": {}, "traits": 3, "consent": True}),
            ]
        }
    )
    assert [event.identifiers for event in parsed.events] == [("user_id:u1",), ("user_id:u1",)]
    assert warned(parsed) == {
        (0, "blocked", "anonymousId"),
        (0, "invalid_email", "traits.email"),
        (0, "wrong_type", "traits.phone"),
        (0, "blocked", "context.device.advertisingId"),
        (0, "reserved_namespace", "context.externalIds[0]"),
        (0, "not_a_person", "context.externalIds[1]"),
        (0, "wrong_type", "context.externalIds[2]"),
        (0, "wrong_type", "context.externalIds[3]"),
        (1, "wrong_type", "context.device"),
        (1, "wrong_type", "context.externalIds"),
        (1, "wrong_type", "context.traits"),
        (1, "invalid_consent", "context.consent"),
    }


def test_identifiers_of_one_message_are_bounded() -> None:
    many = [{"id": str(n), "type": "aaa"} for n in range(1, 100)]
    parsed = parse({"batch": [{"type": "page", "anonymousId": "a", "context": {"externalIds": many}}]})
    event = parsed.events[0]
    assert len(event.identifiers) == 32
    assert event.route in event.identifiers
    assert warned(parsed) == {(0, "too_many_identifiers", "context.externalIds")}


def test_the_identity_settings_decide() -> None:
    settings = IdentitySettings(trait_identifiers={"loyalty": "loyalty_card"}, priority=("loyalty_card",))
    parser = WireParser(IdentifierNormaliser(settings))
    parsed = parse({"batch": [track(context={"traits": {"loyalty": "9", "email": "j@x.org"}})]}, parser=parser)
    assert parsed.events[0].identifiers == ("loyalty_card:9", "user_id:u1")


def test_imported_records_need_no_user_or_anonymous_id() -> None:
    record = {"type": "identify", "traits": {"email": "j@example.com"}}
    assert codes(record) == {("no_id", "userId")}
    event = parse({"batch": [record]}, "import").events[0]
    assert event.identifiers == ("email:j@example.com",)
    assert event.route == "email:j@example.com"
    alone = PARSER.parse_items([json.dumps(record).encode()], SOURCE, NOW, numbered())
    assert alone.events[0].identifiers == ("email:j@example.com",)
    assert {r["code"] for r in parse({"batch": [{"type": "identify"}]}, "import").rejected[0].reasons} == {
        "no_identifier"
    }


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, {("unknown_type", "type")}),
        ({"type": "delete", "userId": "u"}, {("unknown_type", "type")}),
        ({"type": ["track"]}, {("unknown_type", "type")}),
        (3, {("wrong_type", "")}),
        ([], {("wrong_type", "")}),
        ({"type": "track", "event": "E"}, {("no_id", "userId")}),
        ({"type": "track", "event": "E", "userId": "", "anonymousId": None}, {("no_id", "userId")}),
        ({"type": "track", "event": "E", "userId": "null"}, {("no_identifier", "userId")}),
        (track(event=None), {("required", "event")}),
        (track(event=" "), {("required", "event")}),
        (track(event=4), {("wrong_type", "event")}),
        (track(userId=True), {("wrong_type", "userId"), ("no_identifier", "userId")}),
        (track(userId={}, anonymousId="a"), {("wrong_type", "userId")}),
        (track(properties=[]), {("wrong_type", "properties")}),
        (track(traits="x"), {("wrong_type", "traits")}),
        (track(context="x"), {("wrong_type", "context")}),
        (track(integrations=1), {("wrong_type", "integrations")}),
        (track(messageId=[]), {("wrong_type", "messageId")}),
        (track(messageId="x" * 101), {("too_long", "messageId")}),
        (track(timestamp="noon"), {("invalid_time", "timestamp")}),
        (track(timestamp={}), {("invalid_time", "timestamp")}),
        (track(timestamp="1969-01-01"), {("invalid_time", "timestamp")}),
        (track(originalTimestamp="noon"), {("invalid_time", "originalTimestamp")}),
        ({"type": "group", "userId": "u"}, {("required", "groupId")}),
        ({"type": "group", "userId": "u", "groupId": []}, {("wrong_type", "groupId")}),
        ({"type": "alias", "userId": "u"}, {("required", "previousId")}),
        ({"type": "alias", "previousId": "u"}, {("required", "userId")}),
        ({"type": "alias", "userId": "u", "previousId": "-1"}, {("blocked", "previousId")}),
        ({"type": "page", "userId": "u", "name": 3}, {("wrong_type", "name")}),
        (track(properties={"a": {"b": "x\0"}}), {("nul_character", "properties.a.b")}),
        (track(properties={"a": [1, 2**64]}), {("number_out_of_range", "properties.a[1]")}),
        (track(properties={"a": -(2**63) - 1}), {("number_out_of_range", "properties.a")}),
        (
            {"type": "track", "properties": 1, "messageId": 1.5},
            {("required", "event"), ("no_id", "userId"), ("wrong_type", "properties"), ("wrong_type", "messageId")},
        ),
    ],
)
def test_bad_messages_are_refused_with_every_reason(message: Any, expected: set[tuple[str, str]]) -> None:
    assert codes(message) == expected


def test_nul_and_large_integers_are_told_from_their_look_alikes() -> None:
    event = one(track(properties={"text": "\\u0000", "max": 2**64 - 1, "min": -(2**63), "digits": "1" * 25}))
    assert event.properties["max"] == 2**64 - 1
    assert decode_events(encode_events([event])) == [event]


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b'{"type":"track","event":"E","userId":"u","properties":{"a":' + b"[" * depth + b"]" * depth + b"}}"

    limits = Limits()
    parsed = parse(b'{"batch":[' + b",".join([nested(limits.depth_max - 2), nested(limits.depth_max - 1)]) + b"]}")
    assert parsed.positions == [0]
    assert [r["code"] for r in parsed.rejected[0].reasons] == ["too_deep"]
    wide = one(track(properties={"a": [[1]] * 100, "b": json.loads("[" * 30 + "]" * 30)}))  # many, but not too deep
    assert len(wide.properties["a"]) == 100


def test_a_broken_message_costs_only_itself() -> None:
    parsed = parse(
        b'{"batch": [{"type": "track", "event": "A", "userId": "u", "properties": {"x": NaN}},'
        b'{"type": "track", "event": "B", "userId": "u"},'
        b'{"type": "track", "event": "\\ud83d", "userId": "u"}, {"type": "track", "event": 1e999}]}'
    )
    assert [event.name for event in parsed.events] == ["B"]
    assert parsed.positions == [1]
    assert [(r.index, r.reasons[0]["code"]) for r in parsed.rejected] == [
        (0, "invalid_json"),
        (2, "invalid_json"),
        (3, "invalid_json"),
    ]
    utf8 = parse(b'{"batch": [{"type": "page", "userId": "u", "name": "\xff"}, {"type": "page", "userId": "u"}]}')
    assert utf8.positions == [1]
    assert utf8.rejected[0].reasons[0]["code"] == "invalid_json"
    number = parse(b'{"batch": [{"type": "page", "userId": "u", "x": 1e999}]}')
    assert number.rejected[0].reasons[0]["code"] == "number_out_of_range"


def test_rejections_stand_alone_and_can_be_replayed() -> None:
    batch = {
        "batch": [{"type": "track", "userId": "u", "timestamp": "2026-01-31T11:59:58Z", "context": {"a": 1}}],
        "sentAt": "2026-01-31T11:59:59Z",
        "context": {"ip": "1", "a": 0},
        "integrations": {"All": False},
    }
    rejection = parse(batch).rejected[0]
    assert rejection.kind == "track"
    mended = {**json.loads(rejection.body), "event": "E"}
    replayed = PARSER.parse_items([json.dumps(mended).encode()], SOURCE, NOW, numbered())
    direct = parse({**batch, "batch": [{**batch["batch"][0], "event": "E"}]})  # type: ignore[index]
    assert replayed.events == direct.events
    assert replayed.events[0].timestamp == NOW - 1000
    single = parse({"userId": "u"}, "track").rejected[0]
    assert json.loads(single.body) == {"userId": "u", "type": "track"}


def test_rejections_keep_the_traits_of_the_context() -> None:
    body = parse({"batch": [{"type": "alias", "context": {"traits": {"a": 1}}}], "sentAt": "x"}).rejected[0].body
    assert json.loads(body)["context"] == {"traits": {"a": 1}}


def test_message_ids() -> None:
    parsed = parse({"batch": [track(), track(messageId=""), track(messageId=5), track(messageId="m")]})
    assert [event.message_id for event in parsed.events] == ["new-0", "new-1", "5", "m"]


def test_clock_skew_is_corrected_by_the_batchs_or_the_messages_sent_at() -> None:
    fast = {"timestamp": "2026-01-31T12:59:00Z"}  # an hour fast, sent a minute after it happened
    event = one(track(**fast), sentAt="2026-01-31T13:00:00Z")
    assert (event.timestamp, event.original_timestamp, event.sent_at) == (
        NOW - 60_000,
        NOW + 3_540_000,
        NOW + 3_600_000,
    )
    event = one(track(**fast, sentAt="2026-01-31T12:59:30Z"), sentAt="2026-01-31T13:00:00Z")
    assert event.timestamp == NOW - 30_000
    rudder = one(track(originalTimestamp="2026-01-31T12:59:00Z", sentAt="2026-01-31T13:00:00Z"))
    assert rudder.timestamp == NOW - 60_000
    dated = one(track(timestamp="2020-01-01T00:00:00Z", originalTimestamp="2026-01-31T12:59:00Z", sentAt=NOW))
    assert dated.timestamp == 1_577_836_800_000
    unsent = one(track(timestamp="2026-01-31T11:59:00Z"))
    assert (unsent.timestamp, unsent.sent_at) == (NOW - 60_000, None)
    undated = one(track(), sentAt="2026-01-31T13:00:00Z")
    assert (undated.timestamp, undated.original_timestamp) == (NOW, None)


def test_future_times_and_bad_sent_at_are_reported() -> None:
    parsed = parse({"batch": [track(timestamp="2026-01-31T12:00:01Z"), track(sentAt="x")], "sentAt": "soon"})
    assert [event.timestamp for event in parsed.events] == [NOW, NOW]
    assert parsed.events[0].original_timestamp == NOW + 1000
    assert warned(parsed) == {
        (-1, "invalid_time", "sentAt"),
        (0, "future_time", "timestamp"),
        (1, "invalid_time", "sentAt"),
    }


def test_context_and_integrations_of_the_batch_merge_into_its_messages() -> None:
    event = one(
        track(context={"ip": "2", "app": {"name": "x"}}, integrations={"A": False}, channel="server"),
        context={"ip": "1", "locale": "de", "app": {"build": 1}},
        integrations={"A": True, "B": True},
    )
    assert event.context == {"ip": "2", "locale": "de", "app": {"name": "x"}, "channel": "server"}
    assert event.integrations == {"A": False, "B": True}


def test_consent_is_kept() -> None:
    consent = {"categoryPreferences": {"Advertising": False, "Analytics": True}}
    event = one(track(event="Segment Consent Preference Updated", context={"consent": consent}))
    assert event.name == "Segment Consent Preference Updated"
    assert event.context == {"consent": consent}


def test_unknown_fields_are_reported_and_the_sdks_bookkeeping_is_not() -> None:
    message = track(_metadata={"nodeVersion": "20"}, receivedAt="x", writeKey="k", colour="red", sise=1)
    parsed = parse({"batch": [message], "timestamp": "x", "writeKey": "k", "extra": 1})
    assert warned(parsed) == {
        (-1, "unknown_field", "extra"),
        (0, "unknown_field", "colour"),
        (0, "unknown_field", "sise"),
    }
    noisy = parse({"batch": [track(**{f"f{n}": 1 for n in range(100)})]})
    assert len(noisy.warnings) == 21
    assert noisy.warnings[-1].code == "more_warnings"


def test_sizes() -> None:
    def sized(size: int) -> bytes:
        empty = json.dumps(track(properties={"x": ""})).encode()
        return json.dumps(track(properties={"x": "y" * (size - len(empty))})).encode()

    edge = 32 * 1024
    parsed = parse(b'{"batch": [' + sized(edge) + b"," + sized(edge + 1) + b"]}")
    assert parsed.positions == [0]
    assert parsed.rejected[0].reasons[0]["code"] == "event_too_large"
    assert parse(sized(edge), "track").events
    failure = parse(sized(edge + 1), "track").failure()
    assert failure is not None
    assert (failure.status, failure.code) == (413, "event_too_large")
    # What a batch adds to each of its messages counts too, and is not copied into the letters of the refused.
    heavy = parse({"batch": [track()] * 50, "context": {"x": "y" * edge}})
    assert not heavy.events
    assert sum(len(rejection.body) for rejection in heavy.rejected) < edge
    with pytest.raises(WireError) as error:
        parse(sized(501 * 1024), "track")
    assert error.value.status == 413


def test_single_messages() -> None:
    assert parse({"userId": "u", "event": "E"}, "t").events[0].type == "track"
    assert parse(gzip.compress(b'{"userId": "u"}'), "p").events[0].type == "page"
    typed = parse({"userId": "u", "type": "track"}, "page")
    assert typed.events[0].type == "page"
    assert warned(typed) == {(0, "unused_field", "type")}
    failure = parse({"event": "E"}, "track").failure()
    assert failure is not None
    assert (failure.status, failure.code) == (400, "no_id")
    assert parse({"event": "E", "userId": "u"}, "track").failure() is None
    assert parse({"batch": [{}]}).failure() is None  # in a batch refusals are reported by index
    for body in (b"", b"nonsense", b"[]", b"NaN", b'{"userId": NaN}', b"[" * 100_000, b'"\\ud800"', b'{"a": "\xff"}'):
        with pytest.raises(WireError) as error:
            parse(body, "identify")
        assert error.value.status == 400
    with pytest.raises(ValueError, match="no ingestion path"):
        parse(b"{}", "profiles")


ORDER = {"properties": {"price": {"type": "number"}}, "required": ["price"], "additionalProperties": False}


def schema_source(mode: str) -> Source:
    types = {"identify": {"properties": {"email": {"type": "string"}, "ssn": False}}}
    settings = {"mode": mode, "events": {"Order Completed": ORDER}, "types": types}
    return Source("web", SourceSchema(parse_schema_settings(settings)))


def test_a_blocking_schema_refuses() -> None:
    batch = {"batch": [track(properties={"price": "9"}), track(properties={"price": 9}), track(event="Other")]}
    parsed = parse(batch, source=schema_source("block"))
    assert parsed.positions == [1, 2]
    assert parsed.rejected[0].reasons == [
        {"code": "schema", "field": "properties.price", "message": 'must satisfy the schema\'s type "number"'}
    ]


def test_an_omitting_schema_leaves_out_and_reports() -> None:
    context = {"traits": {"email": 5, "ssn": "x", "age": 3}}
    identify = {"type": "identify", "userId": "u", "context": context}  # as RudderStack's Python SDK sends traits
    batch = {"batch": [track(properties={"price": "9", "x": 1}), identify]}
    parsed = parse(batch, source=schema_source("omit"))
    assert [event.properties for event in parsed.events] == [{}, {}]
    assert parsed.events[1].traits == {"age": 3}
    assert "traits" not in parsed.events[1].context
    assert parsed.events[1].identifiers == ("user_id:u",)
    assert warned(parsed) == {
        (0, "schema", "properties.price"),
        (0, "schema", "properties.x"),
        (1, "schema", "traits.email"),
        (1, "schema", "traits.ssn"),
    }


def test_reasons_and_warnings_never_hold_values() -> None:
    secret = "s3cret"
    messages: list[Any] = [
        {"type": secret},
        track(timestamp=secret, messageId=[secret]),
        track(context={"traits": {"email": secret, "phone": secret}, "device": secret, "consent": secret}),
        {"type": "alias", "userId": secret + "\0", "previousId": [secret]},
    ]
    parsed = parse({"batch": messages, "sentAt": secret})
    texts = [str(rejection.reasons) for rejection in parsed.rejected] + [str(warning) for warning in parsed.warnings]
    assert len(texts) > 5
    assert not any(secret in text for text in texts)
