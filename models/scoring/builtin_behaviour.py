"""Engagement, unusual orders and the preferred channel as scoring models."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.scoring.anomaly import AmountHistory, AmountModel, expected_amounts, surprises
from models.scoring.builtin_purchases import numbers
from models.scoring.channels import ChannelModel
from models.scoring.contract import BASE, RIVAL, VALUE, Output, Signature
from models.scoring.engagement import NEVER, EngagementScale
from models.scoring.features import Feature
from models.scoring.history_features import ACTIVITY_DAYS, CHANNELS, ORDER_FEATURES
from models.scoring.registry import CHANNEL

Floats = NDArray[np.float64]
Positive = Annotated[float, msgspec.Meta(gt=0)]

ENGAGEMENT, UNUSUAL_ORDER = "engagement", "unusual_order"
_MIDDLE = 50.0  # percent
ENGAGEMENT_FEATURES = {name: Feature(history=name) for name in ("activity", "days_since_seen")}
ANOMALY_FEATURES = {name: Feature(history=name) for name in ORDER_FEATURES}
CHANNEL_FEATURES = {
    f"{channel}_{kind}": Feature(history=f"{channel}_{kind}")
    for channel in CHANNELS
    for kind in ("contacts", "responses")
}


class EngagementParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What engagement has learned: `models.scoring.engagement`, times in days."""

    scale: EngagementScale


class AnomalyParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What unusual orders are told by: `models.scoring.anomaly`."""

    centre: float
    centre_worth: Positive
    variance: Positive
    variance_worth: Positive
    usual: float  # mean of the logarithms of all amounts, for the rival
    spread: Positive  # their standard deviation


class ChannelParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the preferred channel is told by: `models.scoring.channels`, by channel in the order of CHANNELS."""

    rates: tuple[float, ...]
    worths: tuple[Positive, ...]
    readiness_worth: Positive

    def __post_init__(self) -> None:
        if not len(self.rates) == len(self.worths) == len(CHANNELS):
            raise ValueError(f"rates, worths: expected one for each of {', '.join(CHANNELS)}")


class Engagement:
    """0 to 100: the share of people who did less lately. The rival tells by the last visit alone."""

    explained_in = "percent"

    signature = Signature(
        name=ENGAGEMENT,
        features=ENGAGEMENT_FEATURES,
        output=Output(unit="share of people who do less, in percent", low=0.0, high=100.0),
        owner="onefold",
        description=f"What somebody did themselves, each deed half after {ACTIVITY_DAYS:g} days, among all people.",
        rival="100, halved for each half-life since the last visit",
    )

    def __init__(self, parameters: EngagementParameters) -> None:
        self._scale = parameters.scale

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Columns value and rival, (n,)."""
        value = [self._scale.score(level, 0.0) for level in levels_of(numbers(features, "activity")).tolist()]
        rival = 100 * np.exp2(-numbers(features, "days_since_seen") / ACTIVITY_DAYS)
        return pa.RecordBatch.from_pydict({VALUE: value, RIVAL: pa.array(rival, from_pandas=True)})

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """How far their activity takes each from the middle of all people. The last visit is the rival's alone."""
        value = numbers(self.score(features), VALUE)
        return pa.RecordBatch.from_pydict({BASE: np.full(len(value), _MIDDLE), "activity": value - _MIDDLE})


class UnusualOrder:
    """How unlike the person's others the latest order is, in standard deviations; negative for a small one. The rival
    compares it with everybody's orders."""

    explained_in = "standard deviations"

    signature = Signature(
        name=UNUSUAL_ORDER,
        features=ANOMALY_FEATURES,
        output=Output(unit="standard deviations from the person's usual amount"),
        owner="onefold",
        description="How surprising the amount of the latest order is, given the person's earlier ones.",
        rival="standard deviations from everybody's usual amount",
    )

    def __init__(self, parameters: AnomalyParameters) -> None:
        self._learned = parameters
        self._model = AmountModel(
            parameters.centre, parameters.centre_worth, parameters.variance, parameters.variance_worth
        )

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Columns value and rival, (n,), null of who has no order."""
        known, amount, history = _latest_orders(features)
        value = surprises(self._model, history, amount)
        rival = (np.log(amount) - self._learned.usual) / self._learned.spread
        return _where(known, {VALUE: value, RIVAL: rival})

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """How surprising the amount would be of somebody without earlier orders; what the mean of theirs adds to that,
        and how much they differ. With the amount that was to be expected."""
        known, amount, history = _latest_orders(features)
        nothing = np.zeros_like(amount)
        as_usual = np.maximum(history.counts - 1, 0) * self._learned.variance
        steps = {
            "latest_order_amount": AmountHistory(nothing, nothing, nothing),
            "latest_order_log_mean": AmountHistory(history.counts, history.mean, as_usual),
            "latest_order_log_squares": history,
        }
        columns, before = {BASE: nothing}, nothing
        for name, step in steps.items():
            told = surprises(self._model, step, amount)
            columns[name], before = told - before, told
        return _where(known, {**columns, "expected_amount": expected_amounts(self._model, history)})


class ChannelPreference:
    """The channel on which somebody responds likeliest. The rival is the one on which most people do."""

    explained_in = "probability of a response on this channel"

    signature = Signature(
        name=CHANNEL,
        features=CHANNEL_FEATURES,
        output=Output(kind="label", unit="channel", labels=CHANNELS),
        owner="onefold",
        description="On which channel somebody responds likeliest to the next contact.",
        rival="the channel of everybody's highest rate",
    )

    def __init__(self, parameters: ChannelParameters) -> None:
        self._model = channel_model(parameters)

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """Columns value and rival, (n,), null of who was never contacted."""
        contacts, responses = contacts_of(features)
        likely = self._model.probabilities(contacts, responses)
        ever: list[bool] = (contacts.sum(axis=1) > 0).tolist()
        usual = CHANNELS[int(np.argmax(self._model.rates))]
        best = [CHANNELS[place] if there else None for place, there in zip(likely.argmax(1), ever, strict=True)]
        rival = [usual if there else None for there in ever]
        return pa.RecordBatch.from_pydict({VALUE: pa.array(best, pa.string()), RIVAL: pa.array(rival, pa.string())})

    def explain(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """From everybody's rate on the channel that is told: what the responses on each of the others add, then those
        on the channel itself. With the probability on each channel."""
        contacts, responses = contacts_of(features)
        likely = self._model.probabilities(contacts, responses)
        rows, best = np.arange(len(likely)), likely.argmax(1)
        shown = np.zeros_like(contacts, np.bool_)

        def told() -> Floats:
            """Of the best, by the channels that are shown."""
            probabilities: Floats = self._model.probabilities(contacts * shown, responses * shown)[rows, best]
            return probabilities

        before = told()
        columns = {BASE: before}
        added = np.zeros_like(contacts)
        for step in range(1, len(CHANNELS) + 1):  # the best comes last
            place = (best + step) % len(CHANNELS)
            shown[rows, place] = True
            added[rows, place], before = told() - before, told()
        columns |= {f"{channel}_responses": added[:, place] for place, channel in enumerate(CHANNELS)}
        return _where(contacts.sum(axis=1) > 0, {**columns, **dict(zip(CHANNELS, likely.T, strict=True))})


def channel_model(parameters: ChannelParameters) -> ChannelModel:
    """What has learned them."""
    return ChannelModel(np.array(parameters.rates), np.array(parameters.worths), parameters.readiness_worth)


def engagement(parameters: dict[str, Any]) -> Engagement:
    """Raises ValueError for parameters that are none."""
    return Engagement(msgspec.convert(parameters, EngagementParameters))


def unusual_order(parameters: dict[str, Any]) -> UnusualOrder:
    """Raises ValueError for parameters that are none."""
    return UnusualOrder(msgspec.convert(parameters, AnomalyParameters))


def channel_preference(parameters: dict[str, Any]) -> ChannelPreference:
    """Raises ValueError for parameters that are none."""
    return ChannelPreference(msgspec.convert(parameters, ChannelParameters))


def _latest_orders(features: pa.RecordBatch) -> tuple[NDArray[np.bool_], Floats, AmountHistory]:
    """Who has an order, its amount and the history before it, (n,); of who has none, 1 after nothing."""
    amount, earlier, mean, squares = (numbers(features, name) for name in ORDER_FEATURES)
    known = np.isfinite(amount) & (amount > 0)
    history = AmountHistory(*(np.where(known, part, 0.0) for part in (earlier, mean, squares)))
    return known, np.where(known, amount, 1.0), history


def _where(known: NDArray[np.bool_], columns: Mapping[str, Floats]) -> pa.RecordBatch:
    """Columns, (n,), null of whom nothing is known."""
    return pa.RecordBatch.from_pydict(
        {name: pa.array(np.where(known, each, np.nan), from_pandas=True) for name, each in columns.items()}
    )


def levels_of(activity: Floats) -> Floats:
    """Activity, (n,), as levels of `models.scoring.engagement` at the time 0, in days."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(activity > 0, np.log2(activity) * ACTIVITY_DAYS, NEVER)


def contacts_of(features: pa.RecordBatch) -> tuple[Floats, Floats]:
    """Contacts and responses on each of CHANNELS, (n, k); a response is never without a contact."""
    contacts, responses = (
        np.column_stack([np.nan_to_num(numbers(features, f"{channel}_{kind}")) for channel in CHANNELS])
        for kind in ("contacts", "responses")
    )
    return contacts, np.minimum(contacts, responses)
