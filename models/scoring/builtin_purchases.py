"""Lifetime value and churn of people without a contract, as scoring models: from their purchases alone."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import logit

from models.scoring.additive import AdditiveModel
from models.scoring.bg_nbd import PurchaseHistories, PurchaseModel, expected_purchases
from models.scoring.contract import BASE, HIGH, LOW, RIVAL, VALUE, Output, Signature
from models.scoring.features import Feature
from models.scoring.gamma_gamma import SpendModel, expected_spend
from models.scoring.lifetime_value import ValueModel, churn_risks, churn_rival, lifetime_values

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

LIFETIME_VALUE, CHURN = "lifetime_value", "churn"
RECENCY = "days_since_purchase"  # the feature of churn's rival
HISTORY_FEATURES = {name: Feature(history=name) for name in ("repeat_purchases", "last_purchase_day", "customer_days")}
_CERTAIN = 1e-12  # log odds are of probabilities that are this far from 0 and 1
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
        self.explained_in = self.signature.output.unit

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Columns value, low, high and rival, (n,), null of whom nothing can be told."""
        rows, histories, means = self._known(features)
        told = lifetime_values(self._model, histories, means, self._learned.horizon_days)
        columns = {VALUE: told.expected, LOW: told.low, HIGH: told.high, RIVAL: told.rival}
        return _spread(columns, rows, features.num_rows)

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """From the value of somebody who bought for the first time today: what their history adds to it, at what
        everybody spends, then what their own spending does. With the two factors of the value."""
        rows, histories, means = self._known(features)
        model, days = self._model, self._learned.horizon_days
        usual = expected_spend(model.spend, np.zeros(len(rows)), means)
        a_purchase = expected_spend(model.spend, histories.x, means)
        adds, purchases = _added(lambda each: expected_purchases(model.purchases, each, days), histories)
        columns = {name: part * usual for name, part in adds.items()}
        columns |= {"mean_spend": purchases * (a_purchase - usual)}
        columns |= {"expected_purchases": purchases, "expected_spend": a_purchase}
        return _spread(columns, rows, features.num_rows)

    def _known(self, features: pa.RecordBatch) -> tuple[Rows, PurchaseHistories, Floats]:
        """Who has bought, mostly in the currency: rows, histories and mean spend, (m,)."""
        histories, known = histories_of(features)
        same = np.array([each == self._learned.currency for each in features.column("currency").to_pylist()], np.bool_)
        rows = np.flatnonzero(known & same)
        return rows, take(histories, rows), numbers(features, "mean_spend")[rows]


class Churn:
    """How likely somebody who has bought buys nothing within the horizon, beside what recency alone says."""

    explained_in = "log odds"

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
        return _spread({VALUE: risks, RIVAL: rival}, rows, features.num_rows)

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """From the risk of somebody who bought for the first time today: what how long they are known, how often they
        came back and when they last did add to its log odds."""
        histories, known = histories_of(features)
        rows = np.flatnonzero(known)

        def odds(each: PurchaseHistories) -> Floats:
            risks = churn_risks(self._learned.purchases.model, each, self._learned.horizon_days)
            return np.asarray(logit(np.clip(risks, _CERTAIN, 1 - _CERTAIN)), np.float64)

        return _spread(_added(odds, take(histories, rows))[0], rows, features.num_rows)


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


def _added(
    tell: Callable[[PurchaseHistories], Floats], histories: PurchaseHistories
) -> tuple[dict[str, Floats], Floats]:
    """What each of HISTORY_FEATURES adds to something, from `base`, and what that is, (n,): one after the other, first
    to be known for so long, then to have come back so often, at equal times, then to have done so last when they did.
    """
    x, _, known_for = histories
    nothing = np.zeros_like(x)
    at_equal_times = known_for * x / (x + 1)
    steps = {
        BASE: PurchaseHistories(nothing, nothing, nothing),
        "customer_days": PurchaseHistories(nothing, nothing, known_for),
        "repeat_purchases": PurchaseHistories(x, at_equal_times, known_for),
        "last_purchase_day": histories,
    }
    adds: dict[str, Floats] = {}
    before = nothing
    for name, step in steps.items():
        told = tell(step)
        adds[name], before = told - before, told
    return adds, before


def _spread(columns: Mapping[str, Floats], rows: Rows, people: int) -> pa.RecordBatch:
    """Columns of some rows as columns of all people, null of the others."""
    whole = np.full((len(columns), people), np.nan)
    for place, told in enumerate(columns.values()):
        whole[place, rows] = told
    return pa.RecordBatch.from_pydict(
        {name: pa.array(each, pa.float64(), from_pandas=True) for name, each in zip(columns, whole, strict=True)}
    )
