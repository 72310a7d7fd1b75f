"""Features: what a model is told of a person, by one function, whether the person is looked at now or as of long ago.

A feature is a trait, a computed value in the language of computed traits, or a number of the history. All are read of a
profile at a time; a profile as of some time is made of the events up to then (`models.scoring.replay`), so that nothing
later can be in it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from models.identity.customer_id import to_text
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules, lifecycle
from models.profile.parts import PARTS
from models.profile.state import DAY_MS, Profile
from models.scoring.history_features import HISTORY_FEATURES
from models.scoring.purchase_history import PurchaseHistory, purchase_history
from models.segments.attributes import trait_reader as attribute_reader
from models.segments.catalogue import EMPTY, expand_expression
from models.segments.compile import Reads, trait_reader
from models.segments.parse_criteria import parse_expression

Value = float | str | None
CUSTOMER = "customer_id"  # the column beside the features


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of three: a trait, a computed value, or a part of the history."""

    trait: str = ""
    computed: dict[str, Any] = {}  # as the `expression` of a computed trait
    history: str = ""  # one of HISTORY
    text: bool = False  # a trait that is a text; else numbers only

    def __post_init__(self) -> None:
        if sum(map(bool, (self.trait, self.computed, self.history))) != 1:
            raise ValueError("feature: expected one of trait, computed and history")
        if self.history and self.history not in HISTORY:
            raise ValueError(f"feature: history: expected one of {', '.join(HISTORY)}")
        if self.computed:
            parse_expression(self.computed)

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.text or self.history in _TEXTS


Reader = Callable[[Profile, int], Value]


_PURCHASES: Mapping[str, Callable[[PurchaseHistory], Value]] = {
    "repeat_purchases": lambda history: history.x,
    "last_purchase_day": lambda history: history.t_x,  # since the first
    "customer_days": lambda history: history.T,
    "mean_spend": lambda history: history.mean,
    "currency": lambda history: history.currency,
}


def _of_purchases(part: Callable[[PurchaseHistory], Value]) -> Reader:
    def read(profile: Profile, at: int) -> Value:
        history = purchase_history(profile, at)
        return None if history is None else part(history)

    return read


HISTORY: Mapping[str, Reader] = {
    **{name: _of_purchases(part) for name, part in _PURCHASES.items()},
    "days_since_seen": lambda profile, at: (at - profile.last_seen) / DAY_MS if profile.last_seen else None,
    "days_known": lambda profile, at: (at - profile.first_seen) / DAY_MS if profile.first_seen else None,
    "events": lambda profile, at: float(sum(stats.count for stats in profile.events.values())),
    "stage": lambda profile, at: lifecycle(profile, at, DEFAULT_RULES).stage,
    **{name: feature.read for name, feature in HISTORY_FEATURES.items()},
}


_TEXTS = ("currency", "stage")


class FeatureReader:
    """Reads the features of a model."""

    def __init__(self, features: Mapping[str, Feature], rules: LifecycleRules = DEFAULT_RULES) -> None:
        """Raises InvalidCriteria if a computed value is not in the language."""
        self._readers = {name: _reader(feature, rules) for name, feature in features.items()}
        self._of_history = {name: _PURCHASES[f.history] for name, f in features.items() if f.history in _PURCHASES}
        self.schema = schema_of(features)
        self.parts = frozenset().union(*map(parts_of, features.values()))  # of a profile that are read

    def one(self, profile: Profile, at: int) -> dict[str, Value]:
        """A person's features at a time, ms; None where there is no such value."""
        return {name: read(profile, at) for name, read in self._readers.items()}

    def batch(self, profiles: Sequence[Profile], at: int) -> pa.RecordBatch:
        """Those of many, with their customer ids: (n,) of each column of `schema`."""
        columns: dict[str, list[Any]] = {CUSTOMER: [to_text(profile.customer_id) for profile in profiles]}
        histories: list[PurchaseHistory | None] = []
        if self._of_history:  # once for all that are read of it
            histories = [purchase_history(profile, at) for profile in profiles]
        for name, read in self._readers.items():
            part = self._of_history.get(name)
            if part is None:
                columns[name] = [read(profile, at) for profile in profiles]
            else:
                columns[name] = [None if history is None else part(history) for history in histories]
        return pa.RecordBatch.from_pydict(columns, self.schema)


def schema_of(features: Mapping[str, Feature]) -> pa.Schema:
    """The columns of a batch: the customer id, then each feature, as a number or a text."""
    columns = [(name, pa.string() if feature.is_text else pa.float64()) for name, feature in features.items()]
    return pa.schema([(CUSTOMER, pa.string()), *columns])


def parts_of(feature: Feature) -> frozenset[str]:
    """The parts of a profile (`models.profile.parts`) that a feature is read of."""
    if feature.trait:
        return frozenset({"attributes"})
    if feature.history in _PURCHASES:
        return frozenset({"orders", "folded"})
    if feature.history == "events":
        return frozenset({"events"})
    if feature.history in HISTORY_FEATURES:
        return HISTORY_FEATURES[feature.history].parts
    return frozenset() if feature.history in ("days_since_seen", "days_known") else PARTS


def reads_of(feature: Feature) -> Reads:
    """What of a profile a feature tells, as it would be said of criteria."""
    if feature.trait:
        return _reads(traits=(feature.trait,))
    if feature.computed:
        expression = expand_expression(parse_expression(feature.computed), EMPTY, "feature")
        return trait_reader(expression).reads
    if feature.history in HISTORY_FEATURES:
        told = HISTORY_FEATURES[feature.history]
        return Reads(frozenset(), frozenset(told.events), frozenset(told.channels), told.orders, False)
    events = ("*",) if feature.history == "events" else ()  # all of them
    return _reads(events=events, orders=feature.history in _PURCHASES, lifecycle=feature.history == "stage")


def _reads(
    traits: Sequence[str] = (), events: Sequence[str] = (), orders: bool = False, lifecycle: bool = False
) -> Reads:
    return Reads(frozenset(traits), frozenset(events), frozenset(), orders, lifecycle)


def _reader(feature: Feature, rules: LifecycleRules) -> Reader:
    as_value = _text if feature.is_text else _number
    if feature.trait:
        of_trait = attribute_reader(feature.trait)
        return lambda profile, at: as_value(of_trait(profile))
    if feature.history == "stage":
        return lambda profile, at: lifecycle(profile, at, rules).stage
    if feature.history:
        return HISTORY[feature.history]
    expression = expand_expression(parse_expression(feature.computed), EMPTY, "feature")
    read = trait_reader(expression, rules).read

    def read_computed(profile: Profile, at: int) -> Value:
        return as_value(read(profile, at)[0])

    return read_computed


def _number(value: Any) -> float | None:
    """Numbers, and true and false as 1 and 0; of anything else there is none."""
    return float(value) if isinstance(value, int | float) else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
