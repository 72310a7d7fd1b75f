"""Lifetime value and churn of people without a contract, as scoring models: from their purchases alone."""

from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.scoring.additive import AdditiveModel
from models.scoring.bg_nbd import PurchaseHistories, PurchaseModel
from models.scoring.contract import HIGH, LOW, RIVAL, VALUE, Output, Signature
from models.scoring.features import Feature
from models.scoring.gamma_gamma import SpendModel
from models.scoring.lifetime_value import ValueModel, churn_risks, churn_rival, lifetime_values

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

LIFETIME_VALUE, CHURN = "lifetime_value", "churn"
RECENCY = "days_since_purchase"  # the feature of churn's rival
HISTORY_FEATURES = {name: Feature(history=name) for name in ("repeat_purchases", "last_purchase_day", "customer_days")}
SPEND_FEATURES = {name: Feature(history=name) for name in ("mean_spend", "currency")}


class _Learned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name}: expected a number above 0")


class Buying(_Learned, frozen=True, forbid_unknown_fields=True):
    """Parameters of BG/NBD (`models.scoring.bg_nbd`), times in days."""

    r: float
    alpha: float
    a: float
    b: float

    @staticmethod
    def of(model: PurchaseModel) -> "Buying":
        return Buying(model.r, model.alpha, model.a, model.b)

    @property
    def model(self) -> PurchaseModel:
        return PurchaseModel(self.r, self.alpha, self.a, self.b)


class Spending(_Learned, frozen=True, forbid_unknown_fields=True):
    """Parameters of Gamma-Gamma (`models.scoring.gamma_gamma`), in the currency's unit."""

    p: float
    q: float
    v: float

    @staticmethod
    def of(model: SpendModel) -> "Spending":
        return Spending(model.p, model.q, model.v)

    @property
    def model(self) -> SpendModel:
        return SpendModel(self.p, self.q, self.v)


class ValueParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What lifetime value has learned."""

    horizon_days: Annotated[int, msgspec.Meta(ge=1)]
    currency: str  # of those whose value it tells
    purchases: Buying
    spend: Spending
    correlation: float = 0.0  # between how often and for how much people buy


class ChurnParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What churn has learned."""

    horizon_days: Annotated[int, msgspec.Meta(ge=1)]
    purchases: Buying
    rival: AdditiveModel  # of RECENCY alone


class LifetimeValue:
    """What somebody will spend within the horizon: expected, the 80% interval, and what going on as before would come
    to. There is none of people who have bought nothing, or mostly in another currency."""

    def __init__(self, parameters: ValueParameters) -> None:
        self._learned = parameters
        self._model = ValueModel(parameters.purchases.model, parameters.spend.model, parameters.correlation)
        days, currency = parameters.horizon_days, parameters.currency
        self.signature = Signature(
            name=LIFETIME_VALUE,
            features={**HISTORY_FEATURES, **SPEND_FEATURES},
            output=Output(unit=f"{currency} in {days} days".strip(), low=0.0, horizon_days=days),
            owner="onefold",
            description="What somebody is expected to spend: BG/NBD and Gamma-Gamma.",
            rival="spends on as before",
        )

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Columns value, low, high and rival, (n,), null of whom nothing can be told."""
        histories, known = histories_of(features)
        same = np.array([each == self._learned.currency for each in features.column("currency").to_pylist()], np.bool_)
        rows = np.flatnonzero(known & same)
        told = lifetime_values(
            self._model, take(histories, rows), numbers(features, "mean_spend")[rows], self._learned.horizon_days
        )
        columns = {VALUE: told.expected, LOW: told.low, HIGH: told.high, RIVAL: told.rival}
        return pa.RecordBatch.from_pydict({name: _spread(part, rows, len(known)) for name, part in columns.items()})


class Churn:
    """How likely somebody who has bought buys nothing within the horizon, beside what recency alone says."""

    def __init__(self, parameters: ChurnParameters) -> None:
        self._learned = parameters
        days = parameters.horizon_days
        self.signature = Signature(
            name=CHURN,
            features=HISTORY_FEATURES,
            output=Output(kind="probability", unit=f"probability of no purchase in {days} days", horizon_days=days),
            owner="onefold",
            description="How likely somebody without a contract buys nothing: BG/NBD.",
            rival="how long ago the last purchase was",
        )

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Columns value and rival, (n,), null of who has bought nothing."""
        histories, known = histories_of(features)
        rows = np.flatnonzero(known)
        histories = take(histories, rows)
        risks = churn_risks(self._learned.purchases.model, histories, self._learned.horizon_days)
        rival = self._learned.rival.probabilities({RECENCY: churn_rival(histories)})
        columns = {VALUE: risks, RIVAL: rival}
        return pa.RecordBatch.from_pydict({name: _spread(part, rows, len(known)) for name, part in columns.items()})


def lifetime_value(parameters: dict[str, Any]) -> LifetimeValue:
    """Raises ValueError for parameters that are none."""
    return LifetimeValue(msgspec.convert(parameters, ValueParameters))


def churn(parameters: dict[str, Any]) -> Churn:
    """Raises ValueError for parameters that are none."""
    return Churn(msgspec.convert(parameters, ChurnParameters))


def histories_of(features: pa.RecordBatch) -> tuple[PurchaseHistories, NDArray[np.bool_]]:
    """The histories in HISTORY_FEATURES, NaN of who has bought nothing, and who has bought, (n,)."""
    histories = PurchaseHistories(*(numbers(features, name) for name in HISTORY_FEATURES))
    x, t_x, known_for = histories
    return histories, np.isfinite(x) & np.isfinite(t_x) & np.isfinite(known_for)


def take(histories: PurchaseHistories, rows: Rows) -> PurchaseHistories:
    """The histories of some."""
    return PurchaseHistories(*(part[rows] for part in histories))


def numbers(features: pa.RecordBatch, name: str) -> Floats:
    """A column of numbers, (n,), NaN where there is none."""
    return np.asarray(features.column(name).to_numpy(zero_copy_only=False), np.float64)


def _spread(told: Floats, rows: Rows, people: int) -> pa.Array:
    whole = np.full(people, np.nan)
    whole[rows] = told
    return pa.array(whole, pa.float64(), from_pandas=True)
