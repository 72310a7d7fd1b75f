"""The tracking API's JSON in, events out: parses, validates and normalises what clients send.

Pure: the time of receipt and the ids of messages that have none are arguments. Whatever the input, the answer
is a `ParsedBatch` that accounts for every message, or a `WireError` for the request as a whole. The format is
that of Segment's tracking API (https://segment.com/docs/connections/spec/), as its SDKs and RudderStack's
send it; `models.events.limits` has the sizes.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from models.events.clock import correct_time, parse_time
from models.events.envelope import MESSAGE_TYPES, decompress, invalid_json, message_kind, open_batch, too_large
from models.events.event import Event
from models.events.limits import Limits
from models.events.outcome import Notice, ParsedBatch, Rejection, Report, WireError
from models.events.schema import SourceSchema
from models.events.structure import check_structure
from models.events.subject import find_subject
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.door import Door, Tally

# Top-level fields that mean something, and those of the SDKs' own bookkeeping, which are not kept.
_FIELDS = frozenset(
    {"type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "category"}
    | {"traits", "properties", "context", "integrations", "mergeProperties", "channel"}
    | {"timestamp", "originalTimestamp", "sentAt"}
)
_BOOKKEEPING = frozenset({"_metadata", "projectId", "receivedAt", "request_ip", "rudderId", "version", "writeKey"})
_KNOWN = _FIELDS | _BOOKKEEPING
_NAMED = frozenset({"page", "screen"})
_STATEMENTS = frozenset({"alias", "merge"})  # that two identifiers are one person
_WITH_TRAITS = frozenset({"identify", "group"})
_TEXT_OR_NOTHING = (str, type(None))

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


class Source(msgspec.Struct, frozen=True):
    """Who delivers: the id of the source whose key was shown, and what its messages must look like.

    `trusted` says that an operator's key was shown: then an alias or merge joins two people whatever the limits. Keys
    that are published in web pages and apps must not be able to do that.
    """

    id: str
    schema: SourceSchema | None = None
    trusted: bool = False
    gpc: bool = False  # the request came with Sec-GPC: 1, Global Privacy Control
    door: Door | None = None  # what of its messages may come in; None: all


class _Request(msgspec.Struct, frozen=True):
    """What holds for all messages of one request."""

    source: Source
    received_at: int
    new_message_id: Callable[[], str]
    by_any_id: bool  # messages need no userId or anonymousId if they have another identifier
    shared: dict[str, Any] = {}  # of the batch: context, integrations
    shared_sent_at: int | None = None
    shared_bytes: int = 0
    shared_left_out: list[str] = []  # of `shared`, at the door
    again: bool = False  # the messages came through the door before
    tally: Tally = msgspec.field(default_factory=Tally)


class _Entered(msgspec.Struct, frozen=True, gc=False):
    """A message behind the door: None if it could not be looked through."""

    message: dict[str, Any] | None
    kind: str  # "" if it has no type
    left_out: list[str]  # paths


class WireParser:
    """Parses requests under one set of settings. Safe to share between threads."""

    def __init__(self, normaliser: IdentifierNormaliser | None = None, limits: Limits | None = None) -> None:
        self.normaliser = normaliser or IdentifierNormaliser()
        self.limits = limits or Limits()

    def parse(
        self, body: bytes, path: str, source: Source, received_at: int, new_message_id: Callable[[], str]
    ) -> ParsedBatch:
        """The messages of one request.

        `body`: JSON, perhaps gzipped. `path`: the last part of the URL's path ("batch", "track", "t", ...).
        `received_at`: ms since the epoch. `new_message_id` is called for each message without an id.
        Raises WireError if the request as a whole is refused; ValueError for a path that is not of this API.
        """
        kind = message_kind(path)
        if kind is None:
            raise ValueError(f"no ingestion path: expected batch, import or a message type, got {path!r}")
        body = decompress(body, self.limits)
        if kind not in ("batch", "import"):
            return self._parse_single(body, kind, _Request(source, received_at, new_message_id, by_any_id=False))
        envelope = open_batch(body, self.limits)
        warnings = [
            Notice(-1, "unknown_field", name[:64], "the batch has a field that is not known; it was not kept")
            for name in envelope.unknown
        ]
        sent_at = parse_time(envelope.shared.get("sentAt"))
        if sent_at is None and "sentAt" in envelope.shared:
            warnings.append(Notice(-1, "invalid_time", "sentAt", "sentAt is not an ISO 8601 time; it was not used"))
        tally, shared, left_out = Tally(), envelope.shared, list[str]()
        if source.door is not None and shared:
            shared, left_out = source.door.admitted_shared(shared, tally)
        request = _Request(
            source=source,
            received_at=received_at,
            new_message_id=new_message_id,
            by_any_id=kind == "import",
            shared=shared,
            shared_sent_at=sent_at,
            shared_bytes=envelope.shared_bytes,
            shared_left_out=left_out,
            tally=tally,
        )
        return self._parse_all(envelope.items, request, warnings)

    def parse_items(
        self,
        items: Iterable[bytes],
        source: Source,
        received_at: int,
        new_message_id: Callable[[], str],
        again: bool = False,
    ) -> ParsedBatch:
        """Messages that stand alone, each the JSON of an object with its `type`: imported records, dead letters.

        Any identifier will do, not only userId and anonymousId. The limits of a batch do not apply. `again`: they are
        as the door left them (`Rejection.minimised`).
        """
        return self._parse_all(items, _Request(source, received_at, new_message_id, by_any_id=True, again=again), [])

    def _parse_single(self, body: bytes, kind: str, request: _Request) -> ParsedBatch:
        if len(body) > self.limits.batch_bytes_max:
            raise too_large(self.limits.batch_bytes_max)
        try:
            message = _decoder.decode(body)
        except (ValueError, RecursionError) as error:
            raise invalid_json(error) from None
        if type(message) is not dict:
            raise WireError(400, "wrong_type", "the body must be a JSON object")
        report = Report()
        if message.get("type") not in (None, kind):
            report.warn("unused_field", "type", f"the path says {kind}; type was not used")
        entered = self._enter(message, kind, body, request, report)
        event = self._event(entered.message, entered.kind, body, request, report)
        warnings = [Notice(0, w["code"], w["field"], w["message"]) for w in report.warnings]
        tally = request.tally
        if event is None:
            rejection = self._rejection(0, entered, body, request, report)
            return ParsedBatch([], [], [rejection], [], single=True, tally=tally)
        left_out = {0: entered.left_out} if entered.left_out else {}
        return ParsedBatch([event], [0], [], warnings, single=True, left_out=left_out, tally=tally)

    def _parse_all(self, items: Iterable[bytes], request: _Request, warnings: list[Notice]) -> ParsedBatch:
        events: list[Event] = []
        positions: list[int] = []
        rejected: list[Rejection] = []
        left_out: dict[int, list[str]] = {}
        for index, raw in enumerate(items):
            report = Report()
            message, kind = self._decode(raw, report)
            entered = self._enter(message, kind, raw, request, report)
            event = self._event(entered.message, entered.kind, raw, request, report)
            if event is None:
                rejected.append(self._rejection(index, entered, raw, request, report))
                continue
            if entered.left_out:
                left_out[len(events)] = entered.left_out
            events.append(event)
            positions.append(index)
            if report.warnings:
                warnings += [Notice(index, w["code"], w["field"], w["message"]) for w in report.warnings]
        return ParsedBatch(events, positions, rejected, warnings, left_out=left_out, tally=request.tally)

    def _enter(
        self, message: dict[str, Any] | None, kind: str, raw: bytes, request: _Request, report: Report
    ) -> _Entered:
        """The message as the source's door lets it in."""
        door = request.source.door
        if door is None or message is None:
            return _Entered(message, kind, [])
        if broken := check_structure(message, raw, self.limits.depth_max):
            for found in broken:
                report.refuse(found["code"], "", found["message"])  # the fields' names may be personal data
            return _Entered(None, kind, [])
        message, kind, left_out = door.admitted(message, kind, request.tally, request.again)
        return _Entered(message, kind, [*request.shared_left_out, *left_out])

    def _rejection(self, index: int, entered: _Entered, raw: bytes, request: _Request, report: Report) -> Rejection:
        """What is kept of a message that was not taken: what the door lets in, or of one that cannot be looked through
        its size alone."""
        message, kind, size_max = entered.message, entered.kind, self.limits.event_bytes_max
        if request.source.door is None:
            if message is not None:
                raw = _standalone(message, raw, kind, request, size_max)
            return Rejection(index, raw, kind, report.reasons)
        body = _encoder.encode({"withheld_bytes": len(raw)})
        if message is not None:
            body = _standalone(message, _encoder.encode(message), kind, request, size_max)
        return Rejection(index, body, kind, report.reasons, minimised=True)

    def _decode(self, raw: bytes, report: Report) -> tuple[dict[str, Any] | None, str]:
        """A message of a batch and its type ("" if there is none), or the reasons why not."""
        try:
            message = _decoder.decode(raw)
        except (ValueError, RecursionError) as error:
            failure = invalid_json(error)
            report.refuse(failure.code, "", failure.message)
            return None, ""
        if type(message) is not dict:
            report.refuse("wrong_type", "", "a message must be a JSON object")
            return None, ""
        kind = message.get("type")
        if type(kind) is str and kind in MESSAGE_TYPES:
            return message, kind
        report.refuse("unknown_type", "type", f"type is required: one of {', '.join(sorted(MESSAGE_TYPES))}")
        return message, ""

    def _event(
        self, message: dict[str, Any] | None, kind: str, raw: bytes, request: _Request, report: Report
    ) -> Event | None:
        """The event that `message` makes, or None with the reasons in `report`."""
        if message is None or not kind:
            return None
        limits = self.limits
        if len(raw) + request.shared_bytes > limits.event_bytes_max:
            text = f"a message may have {limits.event_bytes_max // 1024} KB, with what its batch adds to it"
            report.refuse("event_too_large", "", text)
            return None
        if request.source.door is None:  # which has looked
            report.reasons += check_structure(message, raw, limits.depth_max)
        message_id = _text(message, "messageId", report, numbers=True)
        if len(message_id) > limits.message_id_chars_max:
            text = f"messageId may have {limits.message_id_chars_max} characters at most"
            report.refuse("too_long", "messageId", text)
        context = _object(message, "context", report)
        integrations = _object(message, "integrations", report)
        if request.shared:
            context = {**request.shared.get("context", {}), **context}
            integrations = {**request.shared.get("integrations", {}), **integrations}
        if request.source.gpc:
            told = context.get("consent")
            context = {**context, "consent": {**(told if isinstance(told, dict) else {}), "gpc": True}}
        traits = _object(message, "traits", report)
        properties = _object(message, "properties", report)
        name, properties = _name(message, kind, properties, report)
        group_id = _group_id(message, kind, report)
        timestamp, original, sent_at = _times(message, request, report)
        # A group's traits are the group's, and then the context alone tells the person's.
        person_traits = _context_traits(context, {} if kind == "group" else traits, report)
        if kind == "identify":
            traits = person_traits
        schema = request.source.schema
        if schema is not None and not report.reasons:
            traits, properties = _apply_schema(schema, kind, name, traits, properties, report)
            person_traits = traits if kind == "identify" else person_traits
        subject = find_subject(message, kind, person_traits, context, self.normaliser, report, request.by_any_id)
        if subject is None or report.reasons:
            return None
        context = _kept_context(message, kind, context, person_traits, report)
        if not message.keys() <= _KNOWN:
            for field in sorted(message.keys() - _KNOWN):
                report.warn("unknown_field", field[:64], "the message has a field that is not known; it was not kept")
        return Event(
            message_id=message_id or request.new_message_id(),
            type=kind,
            name=name,
            timestamp=timestamp,
            received_at=request.received_at,
            source=request.source.id,
            identifiers=subject.identifiers,
            route=subject.route,
            traits=traits if kind in _WITH_TRAITS else {},
            properties=properties,
            context=context,
            explicit=request.source.trusted and kind in _STATEMENTS,
            original_timestamp=original,
            sent_at=sent_at,
            group_id=group_id,
            integrations=integrations,
        )


def _text(message: dict[str, Any], field: str, report: Report, numbers: bool = False) -> str:
    """A field that must be a string (or, with `numbers`, an integer); "" if absent or null."""
    value = message.get(field)
    if value is None:
        return ""
    if type(value) is str:
        return value
    if numbers and type(value) is int:
        return str(value)
    report.refuse("wrong_type", field, f"{field} must be a string")
    return ""


def _object(message: dict[str, Any], field: str, report: Report) -> dict[str, Any]:
    """A field that must be an object; {} if absent or null."""
    value = message.get(field)
    if value is None:
        return {}
    if type(value) is dict:
        return value
    report.refuse("wrong_type", field, f"{field} must be an object")
    return {}


def _name(message: dict[str, Any], kind: str, properties: dict[str, Any], report: Report) -> tuple[str, dict[str, Any]]:
    """The event's name, and the properties with a page's or screen's category among them."""
    if kind == "track":
        name = _text(message, "event", report)
        if not name.strip() and type(message.get("event")) in _TEXT_OR_NOTHING:
            report.refuse("required", "event", "event, the name of what happened, is required")
        return name, properties
    if kind not in _NAMED:
        return "", properties
    name = _text(message, "name", report)
    if not name and type(properties.get("name")) is str:
        name = properties["name"]
    category = _text(message, "category", report)
    if category and "category" not in properties:
        properties = {**properties, "category": category}
    return name, properties


def _group_id(message: dict[str, Any], kind: str, report: Report) -> str:
    group_id = _text(message, "groupId", report, numbers=True).strip()
    if kind == "group" and not group_id and type(message.get("groupId")) in _TEXT_OR_NOTHING:
        report.refuse("required", "groupId", "groupId is required")
    return group_id


def _times(message: dict[str, Any], request: _Request, report: Report) -> tuple[int, int | None, int | None]:
    """(timestamp by the server's clock, timestamp by the client's, time of sending by the client's), in ms.

    SDKs put the client's time into `timestamp`, RudderStack's into `originalTimestamp`. A message with both was
    dated by its author or corrected by a relay: then `timestamp` stands as it is.
    """
    stated = _time(message, "timestamp", report)
    original = _time(message, "originalTimestamp", report)
    sent_at = request.shared_sent_at
    if message.get("sentAt") is not None:
        sent_at = parse_time(message["sentAt"])
        if sent_at is None:
            report.warn("invalid_time", "sentAt", "sentAt is not an ISO 8601 time; it was not used")
    received_at = request.received_at
    if stated is not None and original is not None:
        timestamp = stated
    elif (only := stated if original is None else original) is not None:
        original = only
        timestamp = correct_time(only, sent_at, received_at)
    else:
        timestamp = received_at
    if timestamp > received_at:
        text = "the time is later than that of receipt, even after correction; that of receipt was used"
        report.warn("future_time", "timestamp", text)
        timestamp = received_at
    elif timestamp <= 0:
        report.refuse("invalid_time", "timestamp", "timestamp must be later than 1970-01-01T00:00:00Z")
    return timestamp, original, sent_at


def _time(message: dict[str, Any], field: str, report: Report) -> int | None:
    value = message.get(field)
    if value is None:
        return None
    moment = parse_time(value)
    if moment is None:
        text = f"{field} must be an ISO 8601 time such as 2026-01-31T12:00:00.000Z, or milliseconds since 1970"
        report.refuse("invalid_time", field, text)
    return moment


def _apply_schema(
    schema: SourceSchema,
    kind: str,
    name: str,
    traits: dict[str, Any],
    properties: dict[str, Any],
    report: Report,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Traits and properties as the source's schema leaves them; in mode "block" a breach refuses the message."""
    subject = schema.subject(kind, name)
    if not subject:
        return traits, properties
    value = properties if subject == "properties" else traits
    violations = schema.check(kind, name, value)
    if violations is None:
        return traits, properties
    for found in violations.reasons:
        if schema.mode == "block":
            report.refuse(found["code"], found["field"], found["message"])
        else:
            report.warn(found["code"], found["field"], found["message"])
    if schema.mode == "block":
        return traits, properties
    kept = {field: item for field, item in value.items() if field not in violations.fields}
    return (traits, kept) if subject == "properties" else (kept, properties)


def _context_traits(context: dict[str, Any], traits: dict[str, Any], report: Report) -> dict[str, Any]:
    """The person's traits: those in the context, overruled by the message's own."""
    inner = context.get("traits")
    if type(inner) is dict:
        return {**inner, **traits} if traits else inner
    if inner is not None:
        report.warn("wrong_type", "context.traits", "context.traits must be an object; it was not used")
    return traits


def _kept_context(
    message: dict[str, Any], kind: str, context: dict[str, Any], person_traits: dict[str, Any], report: Report
) -> dict[str, Any]:
    """The context as the event keeps it: with RudderStack's `channel`, and with the person's traits.

    Those of an identify are the event's own traits instead. Reports consent that cannot be understood. Changes
    `context`.
    """
    channel = message.get("channel")
    if channel is not None and "channel" not in context:
        context["channel"] = channel
    context.pop("traits", None)
    if person_traits and kind != "identify":
        context["traits"] = person_traits
    if context.get("consent") is not None:
        _check_consent(context["consent"], report)
    return context


def _check_consent(consent: Any, report: Report) -> None:
    preferences = consent.get("categoryPreferences") if type(consent) is dict else None
    if type(preferences) is not dict or not all(type(state) is bool for state in preferences.values()):
        text = "context.consent.categoryPreferences must map each category to true or false; it grants nothing as it is"
        report.warn("invalid_consent", "context.consent", text)


def _standalone(message: dict[str, Any], raw: bytes, kind: str, request: _Request, event_bytes_max: int) -> bytes:
    """The message's JSON with what its path and its batch said for it (unless that makes it too large)."""
    defaults: dict[str, Any] = {**request.shared}
    if kind:
        defaults["type"] = kind
    added = {name: value for name, value in defaults.items() if message.get(name) is None}
    for name in ("context", "integrations"):
        if type(message.get(name)) is dict and name in defaults:
            added[name] = {**defaults[name], **message[name]}
    if not added or len(raw) + request.shared_bytes > event_bytes_max:
        return raw
    try:
        return _encoder.encode({**message, **added})
    except (ValueError, OverflowError, RecursionError):  # e.g. an integer beyond 64 bits: kept as it came
        return raw
