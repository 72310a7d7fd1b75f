"""Trains engagement, unusual orders and the preferred channel on people as of a time, and measures them on others.

Each is measured by what it is for: engagement by whether people do something themselves in the time after, unusual
orders by finding amounts that were made five times as large, the channel by the responses that come after.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.profile.behaviors import names_of
from models.profile.engagement import is_passive
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.profile.state import Profile
from models.scoring.anomaly import AmountHistory, fit_amounts
from models.scoring.builtin import BUILTIN
from models.scoring.builtin_behaviour import (
    ANOMALY_FEATURES,
    CHANNEL_FEATURES,
    ENGAGEMENT,
    ENGAGEMENT_FEATURES,
    UNUSUAL_ORDER,
    AnomalyParameters,
    ChannelParameters,
    EngagementParameters,
    contacts_of,
    levels_of,
)
from models.scoring.builtin_purchases import numbers
from models.scoring.channels import fit_channels
from models.scoring.contract import RIVAL, VALUE, ScoringModel
from models.scoring.drift import columns, distributions
from models.scoring.engagement import scale_of
from models.scoring.evaluation import Report, average_precision, measure_probabilities
from models.scoring.features import Feature, FeatureReader
from models.scoring.registry import CHANNEL, ModelVersion
from pipelines.evaluate_channels import response_measures
from pipelines.people_as_of import PeopleAsOf, Person, is_measured
from pipelines.train_models import OTHER_TIME, TooFew, check_enough, day_of, milliseconds

Floats = NDArray[np.float64]
_PLANTED_EVERY = 50  # orders of which one is made unusual, to see whether it is found
_PLANTED = 5.0  # times as large
_EARLIER_MIN = 2  # other orders of somebody whose unusual one can be found


def train_engagement(people: PeopleAsOf, rules: LifecycleRules = DEFAULT_RULES) -> ModelVersion:
    """What share of people is less active. Raises TooFew."""
    found = _Split(people, ENGAGEMENT_FEATURES, rules, "were known", lambda person: True)
    scale = scale_of(levels_of(numbers(found.learn, "activity")).tolist(), 0.0)
    model, plain = _made(ENGAGEMENT, EngagementParameters(scale=scale))
    comes = np.array([_does_something(person) for person in found.measured], np.bool_)
    told = model.score(found.measure)
    measures: dict[str, float] = {}
    for prefix, column in (("", VALUE), ("rival_", RIVAL)):
        likely = np.nan_to_num(numbers(told, column)) / 100
        measures |= {
            f"{prefix}{name}": value
            for name, value in measure_probabilities(likely, comes).items()
            if name in ("auc", "lift_top_tenth")  # a percentile is no probability
        }
    return _version(model, ENGAGEMENT, plain, found, measures)


def train_unusual_order(people: PeopleAsOf, rules: LifecycleRules = DEFAULT_RULES) -> ModelVersion:
    """How unlike a person's others an order is. Raises TooFew."""
    found = _Split(people, ANOMALY_FEATURES, rules, "had ordered", lambda person: bool(person.then.orders))
    amount, earlier, mean, squares = _orders_of(found.learn)
    try:
        learned = fit_amounts(_with_latest(AmountHistory(earlier, mean, squares), np.log(amount)))
    except ValueError as error:
        raise TooFew(f"as of {day_of(people.at)}: {error}: {OTHER_TIME}") from None
    usual, spread = float(np.log(amount).mean()), float(np.log(amount).std())
    parameters = AnomalyParameters(**learned._asdict(), usual=usual, spread=max(spread, 1e-6))
    model, plain = _made(UNUSUAL_ORDER, parameters)
    amount, earlier, *_ = _orders_of(found.measure)
    several = np.flatnonzero(earlier >= _EARLIER_MIN)
    planted = np.arange(len(several)) % _PLANTED_EVERY == 0
    changed = amount.copy()
    changed[several[planted]] *= _PLANTED
    place = found.measure.schema.get_field_index("latest_order_amount")
    told = model.score(found.measure.set_column(place, found.measure.schema.field(place), pa.array(changed)))
    measures = {}
    if planted.any():
        for prefix, column in (("", VALUE), ("rival_", RIVAL)):
            measures[f"{prefix}average_precision"] = average_precision(numbers(told, column)[several], planted)
    return _version(model, UNUSUAL_ORDER, plain, found, measures)


def train_channel(people: PeopleAsOf, rules: LifecycleRules = DEFAULT_RULES) -> ModelVersion:
    """On which channel somebody responds. Raises TooFew."""
    found = _Split(people, CHANNEL_FEATURES, rules, "had been contacted", lambda person: bool(person.then.channels))
    learned = fit_channels(*contacts_of(found.learn))
    parameters = ChannelParameters(
        rates=tuple(learned.rates.tolist()),
        worths=tuple(learned.worths.tolist()),
        readiness_worth=learned.readiness_worth,
    )
    model, plain = _made(CHANNEL, parameters)
    ends = found.reader.batch([person.end for person in found.measured], people.until)
    measures = response_measures(learned, found.measure, ends)
    return _version(model, CHANNEL, plain, found, measures)


class _Split:
    """People, divided into those who are learned from and those who are measured. Raises TooFew."""

    def __init__(
        self,
        people: PeopleAsOf,
        features: dict[str, Feature],
        rules: LifecycleRules,
        who: str,
        counts: Callable[[Person], bool],
    ) -> None:
        """Of those who count; `who` says what they did, for people to read."""
        self.reader = FeatureReader(features, rules)
        self.people = people
        learned: list[Profile] = []
        self.measured: list[Person] = []
        everybody: list[Profile] = []
        unseen: list[int] = []
        for person in people:
            if is_measured(person.customer_id):
                unseen.append(len(everybody))
            everybody.append(person.then)
            if not counts(person):
                continue
            if is_measured(person.customer_id):
                self.measured.append(person)
            else:
                learned.append(person.then)
        check_enough(people, len(learned), len(self.measured), who)
        self.everybody = self.reader.batch(everybody, people.at)
        self.unseen = self.everybody.take(pa.array(unseen, pa.int64()))
        self.learn = self.reader.batch(learned, people.at)
        self.measure = self.reader.batch([person.then for person in self.measured], people.at)


def _made(target: str, parameters: msgspec.Struct) -> tuple[ScoringModel, dict[str, Any]]:
    plain: dict[str, Any] = msgspec.to_builtins(parameters)
    return BUILTIN[target](plain), plain


def _version(
    model: ScoringModel, target: str, plain: dict[str, Any], found: _Split, measures: dict[str, float]
) -> ModelVersion:
    people = found.people
    told = model.score(found.unseen).column(VALUE).to_pylist()
    return ModelVersion(
        name=target,
        version=0,
        source="builtin",
        target=target,
        signature=model.signature,
        parameters=plain,
        learned={
            "as_of": people.at,
            "until": people.until,
            "people": found.learn.num_rows,
            "withheld": people.withheld,
        },
        distributions=distributions(columns(model.signature, found.everybody, told)),
        report=Report(
            people=found.measure.num_rows, measures=measures, milliseconds=milliseconds(model, found.measure)
        ),
    )


def _does_something(person: Person) -> bool:
    """Whether somebody did something themselves in the time after."""
    names: Iterable[str] = (name for event in person.after for name in names_of(event))
    return any(not is_passive(name) for name in names)


def _orders_of(features: pa.RecordBatch) -> Sequence[Floats]:
    """The columns of ANOMALY_FEATURES, (n,); of who has no amount, 1 without any others."""
    columns = [numbers(features, name) for name in ANOMALY_FEATURES]
    known = np.isfinite(columns[0])
    return [np.where(known, column, fill) for column, fill in zip(columns, (1.0, 0.0, 0.0, 0.0), strict=True)]


def _with_latest(earlier: AmountHistory, log_amount: Floats) -> AmountHistory:
    """Histories with one amount more."""
    counts = earlier.counts + 1
    mean = earlier.mean + (log_amount - earlier.mean) / counts
    return AmountHistory(counts, mean, earlier.squares + (log_amount - earlier.mean) * (log_amount - mean))
