from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DecideRequest(_message.Message):
    __slots__ = ("key", "decision", "decision_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    decision: str
    decision_id: str
    def __init__(self, key: _Optional[str] = ..., decision: _Optional[str] = ..., decision_id: _Optional[str] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("customer_id", "decision", "decision_id", "record_id", "decided", "at", "action", "propensity", "propensities", "expected", "unit", "model", "personal")
    class PropensitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ExpectedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    PROPENSITIES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    decision: str
    decision_id: str
    record_id: str
    decided: str
    at: str
    action: str
    propensity: float
    propensities: _containers.ScalarMap[str, float]
    expected: _containers.ScalarMap[str, float]
    unit: str
    model: str
    personal: bool
    def __init__(self, customer_id: _Optional[str] = ..., decision: _Optional[str] = ..., decision_id: _Optional[str] = ..., record_id: _Optional[str] = ..., decided: _Optional[str] = ..., at: _Optional[str] = ..., action: _Optional[str] = ..., propensity: _Optional[float] = ..., propensities: _Optional[_Mapping[str, float]] = ..., expected: _Optional[_Mapping[str, float]] = ..., unit: _Optional[str] = ..., model: _Optional[str] = ..., personal: _Optional[bool] = ...) -> None: ...

class RankRequest(_message.Message):
    __slots__ = ("key", "items")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    key: str
    items: _containers.RepeatedCompositeFieldContainer[RankItem]
    def __init__(self, key: _Optional[str] = ..., items: _Optional[_Iterable[_Union[RankItem, _Mapping]]] = ...) -> None: ...

class RankItem(_message.Message):
    __slots__ = ("id", "category", "popularity", "margin")
    ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    POPULARITY_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    id: str
    category: str
    popularity: float
    margin: float
    def __init__(self, id: _Optional[str] = ..., category: _Optional[str] = ..., popularity: _Optional[float] = ..., margin: _Optional[float] = ...) -> None: ...

class RankResponse(_message.Message):
    __slots__ = ("customer_id", "personal", "items", "version")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    personal: bool
    items: _containers.RepeatedCompositeFieldContainer[RankedItem]
    version: str
    def __init__(self, customer_id: _Optional[str] = ..., personal: _Optional[bool] = ..., items: _Optional[_Iterable[_Union[RankedItem, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...

class RankedItem(_message.Message):
    __slots__ = ("id", "score", "likely", "bought")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    LIKELY_FIELD_NUMBER: _ClassVar[int]
    BOUGHT_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    likely: float
    bought: bool
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., likely: _Optional[float] = ..., bought: _Optional[bool] = ...) -> None: ...
