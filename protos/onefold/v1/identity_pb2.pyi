from protos.onefold.v1 import ingest_pb2 as _ingest_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Drawing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRAWING_UNSPECIFIED: _ClassVar[Drawing]
    DRAWING_TEXT: _ClassVar[Drawing]
    DRAWING_SVG: _ClassVar[Drawing]
DRAWING_UNSPECIFIED: Drawing
DRAWING_TEXT: Drawing
DRAWING_SVG: Drawing

class ResolveRequest(_message.Message):
    __slots__ = ("identifiers", "traits_json")
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    TRAITS_JSON_FIELD_NUMBER: _ClassVar[int]
    identifiers: _containers.RepeatedScalarFieldContainer[str]
    traits_json: str
    def __init__(self, identifiers: _Optional[_Iterable[str]] = ..., traits_json: _Optional[str] = ...) -> None: ...

class ResolveResponse(_message.Message):
    __slots__ = ("customer_id", "created", "confidence", "methods", "merges", "demoted_identifiers", "matching")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    MERGES_FIELD_NUMBER: _ClassVar[int]
    DEMOTED_IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    MATCHING_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    created: bool
    confidence: float
    methods: _containers.RepeatedScalarFieldContainer[str]
    merges: _containers.RepeatedScalarFieldContainer[str]
    demoted_identifiers: _containers.RepeatedScalarFieldContainer[str]
    matching: Matching
    def __init__(self, customer_id: _Optional[str] = ..., created: _Optional[bool] = ..., confidence: _Optional[float] = ..., methods: _Optional[_Iterable[str]] = ..., merges: _Optional[_Iterable[str]] = ..., demoted_identifiers: _Optional[_Iterable[str]] = ..., matching: _Optional[_Union[Matching, _Mapping]] = ...) -> None: ...

class Matching(_message.Message):
    __slots__ = ("decision", "customer_id", "confidence", "candidates")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    decision: str
    customer_id: str
    confidence: float
    candidates: _containers.RepeatedCompositeFieldContainer[Resemblance]
    def __init__(self, decision: _Optional[str] = ..., customer_id: _Optional[str] = ..., confidence: _Optional[float] = ..., candidates: _Optional[_Iterable[_Union[Resemblance, _Mapping]]] = ...) -> None: ...

class Resemblance(_message.Message):
    __slots__ = ("customer_id", "standing", "evidence")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    standing: str
    evidence: Evidence
    def __init__(self, customer_id: _Optional[str] = ..., standing: _Optional[str] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("method", "model_version", "prior", "fields", "score", "confidence")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    method: str
    model_version: str
    prior: float
    fields: _containers.RepeatedCompositeFieldContainer[FieldEvidence]
    score: float
    confidence: float
    def __init__(self, method: _Optional[str] = ..., model_version: _Optional[str] = ..., prior: _Optional[float] = ..., fields: _Optional[_Iterable[_Union[FieldEvidence, _Mapping]]] = ..., score: _Optional[float] = ..., confidence: _Optional[float] = ...) -> None: ...

class FieldEvidence(_message.Message):
    __slots__ = ("field", "level", "weight", "frequency", "left", "right")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    field: str
    level: str
    weight: float
    frequency: float
    left: str
    right: str
    def __init__(self, field: _Optional[str] = ..., level: _Optional[str] = ..., weight: _Optional[float] = ..., frequency: _Optional[float] = ..., left: _Optional[str] = ..., right: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("left", "right", "drawing")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    DRAWING_FIELD_NUMBER: _ClassVar[int]
    left: str
    right: str
    drawing: Drawing
    def __init__(self, left: _Optional[str] = ..., right: _Optional[str] = ..., drawing: _Optional[_Union[Drawing, str]] = ...) -> None: ...

class MergeEvidenceRequest(_message.Message):
    __slots__ = ("merge_id", "drawing")
    MERGE_ID_FIELD_NUMBER: _ClassVar[int]
    DRAWING_FIELD_NUMBER: _ClassVar[int]
    merge_id: str
    drawing: Drawing
    def __init__(self, merge_id: _Optional[str] = ..., drawing: _Optional[_Union[Drawing, str]] = ...) -> None: ...

class EvidenceResponse(_message.Message):
    __slots__ = ("evidence", "drawing")
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    DRAWING_FIELD_NUMBER: _ClassVar[int]
    evidence: Evidence
    drawing: str
    def __init__(self, evidence: _Optional[_Union[Evidence, _Mapping]] = ..., drawing: _Optional[str] = ...) -> None: ...

class GraphRequest(_message.Message):
    __slots__ = ("key", "drawing")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DRAWING_FIELD_NUMBER: _ClassVar[int]
    key: str
    drawing: Drawing
    def __init__(self, key: _Optional[str] = ..., drawing: _Optional[_Union[Drawing, str]] = ...) -> None: ...

class GraphResponse(_message.Message):
    __slots__ = ("customer_id", "nodes", "edges", "drawing")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    DRAWING_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    nodes: _containers.RepeatedCompositeFieldContainer[GraphNode]
    edges: _containers.RepeatedCompositeFieldContainer[GraphEdge]
    drawing: str
    def __init__(self, customer_id: _Optional[str] = ..., nodes: _Optional[_Iterable[_Union[GraphNode, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[GraphEdge, _Mapping]]] = ..., drawing: _Optional[str] = ...) -> None: ...

class GraphNode(_message.Message):
    __slots__ = ("customer_id", "label", "x", "y")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    label: str
    x: float
    y: float
    def __init__(self, customer_id: _Optional[str] = ..., label: _Optional[str] = ..., x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class GraphEdge(_message.Message):
    __slots__ = ("merge_id", "winner", "loser", "method", "score", "confidence", "weakest")
    MERGE_ID_FIELD_NUMBER: _ClassVar[int]
    WINNER_FIELD_NUMBER: _ClassVar[int]
    LOSER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WEAKEST_FIELD_NUMBER: _ClassVar[int]
    merge_id: str
    winner: str
    loser: str
    method: str
    score: float
    confidence: float
    weakest: bool
    def __init__(self, merge_id: _Optional[str] = ..., winner: _Optional[str] = ..., loser: _Optional[str] = ..., method: _Optional[str] = ..., score: _Optional[float] = ..., confidence: _Optional[float] = ..., weakest: _Optional[bool] = ...) -> None: ...

class ListReviewsRequest(_message.Message):
    __slots__ = ("limit", "cursor")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    limit: int
    cursor: str
    def __init__(self, limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListReviewsResponse(_message.Message):
    __slots__ = ("reviews", "next_cursor")
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    reviews: _containers.RepeatedCompositeFieldContainer[Review]
    next_cursor: str
    def __init__(self, reviews: _Optional[_Iterable[_Union[Review, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class GetReviewRequest(_message.Message):
    __slots__ = ("review_id",)
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    def __init__(self, review_id: _Optional[str] = ...) -> None: ...

class AcceptReviewRequest(_message.Message):
    __slots__ = ("review_id",)
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    def __init__(self, review_id: _Optional[str] = ...) -> None: ...

class AcceptReviewResponse(_message.Message):
    __slots__ = ("customer_id", "merged", "merge_id")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    MERGE_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    merged: str
    merge_id: str
    def __init__(self, customer_id: _Optional[str] = ..., merged: _Optional[str] = ..., merge_id: _Optional[str] = ...) -> None: ...

class RejectReviewRequest(_message.Message):
    __slots__ = ("review_id",)
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    def __init__(self, review_id: _Optional[str] = ...) -> None: ...

class Review(_message.Message):
    __slots__ = ("review_id", "left", "right", "opened_at", "reason", "confidence", "evidence", "rejected_at", "rejected_by")
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    REJECTED_AT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_BY_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    left: str
    right: str
    opened_at: str
    reason: str
    confidence: float
    evidence: Evidence
    rejected_at: str
    rejected_by: str
    def __init__(self, review_id: _Optional[str] = ..., left: _Optional[str] = ..., right: _Optional[str] = ..., opened_at: _Optional[str] = ..., reason: _Optional[str] = ..., confidence: _Optional[float] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ..., rejected_at: _Optional[str] = ..., rejected_by: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("customer_id", "left", "right", "method", "confidence", "message_id", "source", "at", "evidence")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    left: str
    right: str
    method: str
    confidence: float
    message_id: str
    source: str
    at: str
    evidence: Evidence
    def __init__(self, customer_id: _Optional[str] = ..., left: _Optional[str] = ..., right: _Optional[str] = ..., method: _Optional[str] = ..., confidence: _Optional[float] = ..., message_id: _Optional[str] = ..., source: _Optional[str] = ..., at: _Optional[str] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("merge_id", "winner", "loser", "at", "message_id", "source", "method", "identifiers", "undone_at", "evidence")
    MERGE_ID_FIELD_NUMBER: _ClassVar[int]
    WINNER_FIELD_NUMBER: _ClassVar[int]
    LOSER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    UNDONE_AT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    merge_id: str
    winner: str
    loser: str
    at: str
    message_id: str
    source: str
    method: str
    identifiers: _containers.RepeatedScalarFieldContainer[str]
    undone_at: str
    evidence: Evidence
    def __init__(self, merge_id: _Optional[str] = ..., winner: _Optional[str] = ..., loser: _Optional[str] = ..., at: _Optional[str] = ..., message_id: _Optional[str] = ..., source: _Optional[str] = ..., method: _Optional[str] = ..., identifiers: _Optional[_Iterable[str]] = ..., undone_at: _Optional[str] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

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
