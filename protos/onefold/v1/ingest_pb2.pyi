from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IngestRequest(_message.Message):
    __slots__ = ("events", "wait", "sent_at")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    wait: bool
    sent_at: str
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., wait: _Optional[bool] = ..., sent_at: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("type", "message_id", "user_id", "anonymous_id", "previous_id", "group_id", "event", "name", "timestamp", "traits_json", "properties_json", "context_json", "integrations_json")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    TRAITS_JSON_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_JSON_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_JSON_FIELD_NUMBER: _ClassVar[int]
    INTEGRATIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    type: str
    message_id: str
    user_id: str
    anonymous_id: str
    previous_id: str
    group_id: str
    event: str
    name: str
    timestamp: str
    traits_json: str
    properties_json: str
    context_json: str
    integrations_json: str
    def __init__(self, type: _Optional[str] = ..., message_id: _Optional[str] = ..., user_id: _Optional[str] = ..., anonymous_id: _Optional[str] = ..., previous_id: _Optional[str] = ..., group_id: _Optional[str] = ..., event: _Optional[str] = ..., name: _Optional[str] = ..., timestamp: _Optional[str] = ..., traits_json: _Optional[str] = ..., properties_json: _Optional[str] = ..., context_json: _Optional[str] = ..., integrations_json: _Optional[str] = ...) -> None: ...

class IngestResponse(_message.Message):
    __slots__ = ("sequence", "results", "rejections")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    sequence: str
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    def __init__(self, sequence: _Optional[str] = ..., results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ...) -> None: ...

class EventResult(_message.Message):
    __slots__ = ("index", "message_id", "status", "customer_id", "created", "confidence", "methods", "profile_updates", "segment_changes", "merged", "demoted_identifiers", "processing_ms", "withheld")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_UPDATES_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_CHANGES_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    DEMOTED_IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_MS_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    index: int
    message_id: str
    status: str
    customer_id: str
    created: bool
    confidence: float
    methods: _containers.RepeatedScalarFieldContainer[str]
    profile_updates: _containers.RepeatedScalarFieldContainer[str]
    segment_changes: _containers.RepeatedCompositeFieldContainer[SegmentMove]
    merged: _containers.RepeatedScalarFieldContainer[str]
    demoted_identifiers: _containers.RepeatedScalarFieldContainer[str]
    processing_ms: float
    withheld: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., message_id: _Optional[str] = ..., status: _Optional[str] = ..., customer_id: _Optional[str] = ..., created: _Optional[bool] = ..., confidence: _Optional[float] = ..., methods: _Optional[_Iterable[str]] = ..., profile_updates: _Optional[_Iterable[str]] = ..., segment_changes: _Optional[_Iterable[_Union[SegmentMove, _Mapping]]] = ..., merged: _Optional[_Iterable[str]] = ..., demoted_identifiers: _Optional[_Iterable[str]] = ..., processing_ms: _Optional[float] = ..., withheld: _Optional[_Iterable[str]] = ...) -> None: ...

class SegmentMove(_message.Message):
    __slots__ = ("segment_id", "change", "at")
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    segment_id: str
    change: str
    at: str
    def __init__(self, segment_id: _Optional[str] = ..., change: _Optional[str] = ..., at: _Optional[str] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("index", "message_id", "reasons")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    index: int
    message_id: str
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    def __init__(self, index: _Optional[int] = ..., message_id: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "field", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    field: str
    message: str
    def __init__(self, code: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class IngestSummary(_message.Message):
    __slots__ = ("accepted", "duplicates", "rejected", "sequence", "rejections", "suppressed")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    duplicates: int
    rejected: int
    sequence: str
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    suppressed: int
    def __init__(self, accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., rejected: _Optional[int] = ..., sequence: _Optional[str] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., suppressed: _Optional[int] = ...) -> None: ...
