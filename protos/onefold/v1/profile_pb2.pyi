from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetRequest(_message.Message):
    __slots__ = ("key", "min_seq", "explain_scores")
    KEY_FIELD_NUMBER: _ClassVar[int]
    MIN_SEQ_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_SCORES_FIELD_NUMBER: _ClassVar[int]
    key: str
    min_seq: str
    explain_scores: bool
    def __init__(self, key: _Optional[str] = ..., min_seq: _Optional[str] = ..., explain_scores: _Optional[bool] = ...) -> None: ...

class BatchGetRequest(_message.Message):
    __slots__ = ("keys", "min_seq")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MIN_SEQ_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    min_seq: str
    def __init__(self, keys: _Optional[_Iterable[str]] = ..., min_seq: _Optional[str] = ...) -> None: ...

class BatchGetResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ProfileResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ProfileResult, _Mapping]]] = ...) -> None: ...

class ProfileResult(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: Profile
    def __init__(self, profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("keys", "after")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    after: str
    def __init__(self, keys: _Optional[_Iterable[str]] = ..., after: _Optional[str] = ...) -> None: ...

class ProfileChange(_message.Message):
    __slots__ = ("profile", "cursor")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    profile: Profile
    cursor: str
    def __init__(self, profile: _Optional[_Union[Profile, _Mapping]] = ..., cursor: _Optional[str] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("customer_id", "version", "created_at", "first_seen", "last_seen", "identities", "attributes", "behaviors", "transactions", "engagement", "segments", "preferences", "lifecycle", "privacy", "real_time_context", "groups", "scores_json", "insights_json", "region", "withheld", "beyond_limits")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Attribute
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Attribute, _Mapping]] = ...) -> None: ...
    class BehaviorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Behavior
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Behavior, _Mapping]] = ...) -> None: ...
    class EngagementEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Engagement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Engagement, _Mapping]] = ...) -> None: ...
    class PreferencesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Attribute
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Attribute, _Mapping]] = ...) -> None: ...
    class WithheldEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class BeyondLimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    IDENTITIES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    BEHAVIORS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    ENGAGEMENT_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    REAL_TIME_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    SCORES_JSON_FIELD_NUMBER: _ClassVar[int]
    INSIGHTS_JSON_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    BEYOND_LIMITS_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    version: int
    created_at: str
    first_seen: str
    last_seen: str
    identities: _containers.RepeatedCompositeFieldContainer[Identity]
    attributes: _containers.MessageMap[str, Attribute]
    behaviors: _containers.MessageMap[str, Behavior]
    transactions: Transactions
    engagement: _containers.MessageMap[str, Engagement]
    segments: _containers.RepeatedCompositeFieldContainer[Membership]
    preferences: _containers.MessageMap[str, Attribute]
    lifecycle: Lifecycle
    privacy: Privacy
    real_time_context: RealTimeContext
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    scores_json: str
    insights_json: str
    region: str
    withheld: _containers.ScalarMap[str, int]
    beyond_limits: _containers.ScalarMap[str, int]
    def __init__(self, customer_id: _Optional[str] = ..., version: _Optional[int] = ..., created_at: _Optional[str] = ..., first_seen: _Optional[str] = ..., last_seen: _Optional[str] = ..., identities: _Optional[_Iterable[_Union[Identity, _Mapping]]] = ..., attributes: _Optional[_Mapping[str, Attribute]] = ..., behaviors: _Optional[_Mapping[str, Behavior]] = ..., transactions: _Optional[_Union[Transactions, _Mapping]] = ..., engagement: _Optional[_Mapping[str, Engagement]] = ..., segments: _Optional[_Iterable[_Union[Membership, _Mapping]]] = ..., preferences: _Optional[_Mapping[str, Attribute]] = ..., lifecycle: _Optional[_Union[Lifecycle, _Mapping]] = ..., privacy: _Optional[_Union[Privacy, _Mapping]] = ..., real_time_context: _Optional[_Union[RealTimeContext, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., scores_json: _Optional[str] = ..., insights_json: _Optional[str] = ..., region: _Optional[str] = ..., withheld: _Optional[_Mapping[str, int]] = ..., beyond_limits: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("namespace", "value", "first_seen", "last_seen", "count", "source")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    value: str
    first_seen: str
    last_seen: str
    count: int
    source: str
    def __init__(self, namespace: _Optional[str] = ..., value: _Optional[str] = ..., first_seen: _Optional[str] = ..., last_seen: _Optional[str] = ..., count: _Optional[int] = ..., source: _Optional[str] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("value_json", "source", "updated_at")
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    value_json: str
    source: str
    updated_at: str
    def __init__(self, value_json: _Optional[str] = ..., source: _Optional[str] = ..., updated_at: _Optional[str] = ...) -> None: ...

class Behavior(_message.Message):
    __slots__ = ("count", "first", "last", "by_day")
    class ByDayEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    BY_DAY_FIELD_NUMBER: _ClassVar[int]
    count: int
    first: str
    last: str
    by_day: _containers.ScalarMap[str, int]
    def __init__(self, count: _Optional[int] = ..., first: _Optional[str] = ..., last: _Optional[str] = ..., by_day: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Transactions(_message.Message):
    __slots__ = ("currency", "totals", "other_currencies", "first_at", "last_at", "cancelled", "products", "latest")
    class OtherCurrenciesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Totals
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Totals, _Mapping]] = ...) -> None: ...
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    OTHER_CURRENCIES_FIELD_NUMBER: _ClassVar[int]
    FIRST_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_AT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    currency: str
    totals: Totals
    other_currencies: _containers.MessageMap[str, Totals]
    first_at: str
    last_at: str
    cancelled: int
    products: _containers.RepeatedCompositeFieldContainer[Product]
    latest: _containers.RepeatedCompositeFieldContainer[Order]
    def __init__(self, currency: _Optional[str] = ..., totals: _Optional[_Union[Totals, _Mapping]] = ..., other_currencies: _Optional[_Mapping[str, Totals]] = ..., first_at: _Optional[str] = ..., last_at: _Optional[str] = ..., cancelled: _Optional[int] = ..., products: _Optional[_Iterable[_Union[Product, _Mapping]]] = ..., latest: _Optional[_Iterable[_Union[Order, _Mapping]]] = ...) -> None: ...

class Totals(_message.Message):
    __slots__ = ("orders", "revenue", "average_order_value", "refunds", "net_revenue")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_ORDER_VALUE_FIELD_NUMBER: _ClassVar[int]
    REFUNDS_FIELD_NUMBER: _ClassVar[int]
    NET_REVENUE_FIELD_NUMBER: _ClassVar[int]
    orders: int
    revenue: str
    average_order_value: str
    refunds: str
    net_revenue: str
    def __init__(self, orders: _Optional[int] = ..., revenue: _Optional[str] = ..., average_order_value: _Optional[str] = ..., refunds: _Optional[str] = ..., net_revenue: _Optional[str] = ...) -> None: ...

class Product(_message.Message):
    __slots__ = ("product_id", "quantity", "revenue")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    quantity: float
    revenue: str
    def __init__(self, product_id: _Optional[str] = ..., quantity: _Optional[float] = ..., revenue: _Optional[str] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("order_id", "at", "revenue", "currency", "refunds", "items")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    REFUNDS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    at: str
    revenue: str
    currency: str
    refunds: str
    items: int
    def __init__(self, order_id: _Optional[str] = ..., at: _Optional[str] = ..., revenue: _Optional[str] = ..., currency: _Optional[str] = ..., refunds: _Optional[str] = ..., items: _Optional[int] = ...) -> None: ...

class Engagement(_message.Message):
    __slots__ = ("count", "first", "last", "actions")
    class ActionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    count: int
    first: str
    last: str
    actions: _containers.ScalarMap[str, int]
    def __init__(self, count: _Optional[int] = ..., first: _Optional[str] = ..., last: _Optional[str] = ..., actions: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Membership(_message.Message):
    __slots__ = ("id", "name", "entered_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENTERED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    entered_at: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., entered_at: _Optional[str] = ...) -> None: ...

class Lifecycle(_message.Message):
    __slots__ = ("stage", "since", "next_change")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    NEXT_CHANGE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    since: str
    next_change: str
    def __init__(self, stage: _Optional[str] = ..., since: _Optional[str] = ..., next_change: _Optional[str] = ...) -> None: ...

class Privacy(_message.Message):
    __slots__ = ("consents",)
    class ConsentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Consent
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Consent, _Mapping]] = ...) -> None: ...
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    consents: _containers.MessageMap[str, Consent]
    def __init__(self, consents: _Optional[_Mapping[str, Consent]] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("granted", "source", "updated_at")
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    granted: bool
    source: str
    updated_at: str
    def __init__(self, granted: _Optional[bool] = ..., source: _Optional[str] = ..., updated_at: _Optional[str] = ...) -> None: ...

class RealTimeContext(_message.Message):
    __slots__ = ("session", "page", "screen", "device", "campaign", "location", "app")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SCREEN_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    session: Session
    page: Sighting
    screen: Sighting
    device: Sighting
    campaign: Sighting
    location: Sighting
    app: Sighting
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ..., page: _Optional[_Union[Sighting, _Mapping]] = ..., screen: _Optional[_Union[Sighting, _Mapping]] = ..., device: _Optional[_Union[Sighting, _Mapping]] = ..., campaign: _Optional[_Union[Sighting, _Mapping]] = ..., location: _Optional[_Union[Sighting, _Mapping]] = ..., app: _Optional[_Union[Sighting, _Mapping]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("started_at", "last_activity_at", "active")
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVITY_AT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    started_at: str
    last_activity_at: str
    active: bool
    def __init__(self, started_at: _Optional[str] = ..., last_activity_at: _Optional[str] = ..., active: _Optional[bool] = ...) -> None: ...

class Sighting(_message.Message):
    __slots__ = ("value_json", "at")
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    value_json: str
    at: str
    def __init__(self, value_json: _Optional[str] = ..., at: _Optional[str] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("id", "traits_json", "source", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    TRAITS_JSON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    traits_json: str
    source: str
    updated_at: str
    def __init__(self, id: _Optional[str] = ..., traits_json: _Optional[str] = ..., source: _Optional[str] = ..., updated_at: _Optional[str] = ...) -> None: ...
