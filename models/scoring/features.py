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
from models.profile.state import DAY_MS, Profile
from models.scoring.purchase_history import PurchaseHistory, purchase_history
from models.segments.catalogue import EMPTY, expand_expression
from models.segments.compile import trait_reader
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


def _of_purchases(part: Callable[[PurchaseHistory], Value]) -> Reader:
    def read(profile: Profile, at: int) -> Value:
        history = purchase_history(profile, at)
        return None if history is None else part(history)

    return read


HISTORY: Mapping[str, Reader] = {
    "repeat_purchases": _of_purchases(lambda history: history.x),
    "last_purchase_day": _of_purchases(lambda history: history.t_x),  # since the first
    "customer_days": _of_purchases(lambda history: history.T),
    "mean_spend": _of_purchases(lambda history: history.mean),
    "currency": _of_purchases(lambda history: history.currency),
    "days_since_seen": lambda profile, at: (at - profile.last_seen) / DAY_MS if profile.last_seen else None,
    "days_known": lambda profile, at: (at - profile.first_seen) / DAY_MS if profile.first_seen else None,
    "events": lambda profile, at: float(sum(stats.count for stats in profile.events.values())),
    "stage": lambda profile, at: lifecycle(profile, at, DEFAULT_RULES).stage,
}


_TEXTS = ("currency", "stage")


class FeatureReader:
    """Reads the features of a model."""

    def __init__(self, features: Mapping[str, Feature], rules: LifecycleRules = DEFAULT_RULES) -> None:
        """Raises InvalidCriteria if a computed value is not in the language."""
        self._readers = {name: _reader(feature, rules) for name, feature in features.items()}
        self.schema = pa.schema(
            [(CUSTOMER, pa.string())]
            + [(name, pa.string() if feature.is_text else pa.float64()) for name, feature in features.items()]
        )

    def one(self, profile: Profile, at: int) -> dict[str, Value]:
        """A person's features at a time, ms; None where there is no such value."""
        return {name: read(profile, at) for name, read in self._readers.items()}

    def batch(self, profiles: Sequence[Profile], at: int) -> pa.RecordBatch:
        """Those of many, with their customer ids: (n,) of each column of `schema`."""
        columns: dict[str, list[Any]] = {CUSTOMER: [to_text(profile.customer_id) for profile in profiles]}
        for name, read in self._readers.items():
            columns[name] = [read(profile, at) for profile in profiles]
        return pa.RecordBatch.from_pydict(columns, self.schema)


def _reader(feature: Feature, rules: LifecycleRules) -> Reader:
    as_value = _text if feature.is_text else _number
    if feature.trait:
        name = feature.trait

        def read_trait(profile: Profile, at: int) -> Value:
            attribute = profile.attributes.get(name)
            return None if attribute is None else as_value(attribute.winner.value)

        return read_trait
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
