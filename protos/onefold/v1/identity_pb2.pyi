from protos.onefold.v1 import ingest_pb2 as _ingest_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResolveRequest(_message.Message):
    __slots__ = ("identifiers",)
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    identifiers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, identifiers: _Optional[_Iterable[str]] = ...) -> None: ...

class ResolveResponse(_message.Message):
    __slots__ = ("customer_id", "created", "confidence", "methods", "merges", "demoted_identifiers")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    MERGES_FIELD_NUMBER: _ClassVar[int]
    DEMOTED_IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    created: bool
    confidence: float
    methods: _containers.RepeatedScalarFieldContainer[str]
    merges: _containers.RepeatedScalarFieldContainer[str]
    demoted_identifiers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, customer_id: _Optional[str] = ..., created: _Optional[bool] = ..., confidence: _Optional[float] = ..., methods: _Optional[_Iterable[str]] = ..., merges: _Optional[_Iterable[str]] = ..., demoted_identifiers: _Optional[_Iterable[str]] = ...) -> None: ...

class LinksRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class LinksResponse(_message.Message):
    __slots__ = ("links",)
    LINKS_FIELD_NUMBER: _ClassVar[int]
    links: _containers.RepeatedCompositeFieldContainer[IdentityLink]
    def __init__(self, links: _Optional[_Iterable[_Union[IdentityLink, _Mapping]]] = ...) -> None: ...

class IdentityLink(_message.Message):
    __slots__ = ("customer_id", "left", "right", "method", "confidence", "message_id", "source", "at")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    left: str
    right: str
    method: str
    confidence: float
    message_id: str
    source: str
    at: str
    def __init__(self, customer_id: _Optional[str] = ..., left: _Optional[str] = ..., right: _Optional[str] = ..., method: _Optional[str] = ..., confidence: _Optional[float] = ..., message_id: _Optional[str] = ..., source: _Optional[str] = ..., at: _Optional[str] = ...) -> None: ...

class MergesRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class MergesResponse(_message.Message):
    __slots__ = ("merges",)
    MERGES_FIELD_NUMBER: _ClassVar[int]
    merges: _containers.RepeatedCompositeFieldContainer[MergeEntry]
    def __init__(self, merges: _Optional[_Iterable[_Union[MergeEntry, _Mapping]]] = ...) -> None: ...

class MergeEntry(_message.Message):
    __slots__ = ("merge_id", "winner", "loser", "at", "message_id", "source", "method", "identifiers", "undone_at")
    MERGE_ID_FIELD_NUMBER: _ClassVar[int]
    WINNER_FIELD_NUMBER: _ClassVar[int]
    LOSER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    UNDONE_AT_FIELD_NUMBER: _ClassVar[int]
    merge_id: str
    winner: str
    loser: str
    at: str
    message_id: str
    source: str
    method: str
    identifiers: _containers.RepeatedScalarFieldContainer[str]
    undone_at: str
    def __init__(self, merge_id: _Optional[str] = ..., winner: _Optional[str] = ..., loser: _Optional[str] = ..., at: _Optional[str] = ..., message_id: _Optional[str] = ..., source: _Optional[str] = ..., method: _Optional[str] = ..., identifiers: _Optional[_Iterable[str]] = ..., undone_at: _Optional[str] = ...) -> None: ...

class MergeRequest(_message.Message):
    __slots__ = ("left", "right")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    left: str
    right: str
    def __init__(self, left: _Optional[str] = ..., right: _Optional[str] = ...) -> None: ...

class UnmergeRequest(_message.Message):
    __slots__ = ("merge_id",)
    MERGE_ID_FIELD_NUMBER: _ClassVar[int]
    merge_id: str
    def __init__(self, merge_id: _Optional[str] = ...) -> None: ...

class UnmergeResponse(_message.Message):
    __slots__ = ("winner", "restored")
    WINNER_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    winner: str
    restored: str
    def __init__(self, winner: _Optional[str] = ..., restored: _Optional[str] = ...) -> None: ...
