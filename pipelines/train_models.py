"""Trains the built-in models on people as of a time and what came of them, and measures them on other people.

A share of the people, always the same, has no part in the learning: what is measured is of them, in the time after. The
simplest rival is measured on the same people beside each model.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.identity.customer_id import from_text
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.scoring.additive import AdditiveModel, Column, fit_additive
from models.scoring.bg_nbd import fit_purchases
from models.scoring.builtin import BUILTIN
from models.scoring.builtin_additive import AdditiveParameters, columns_of
from models.scoring.builtin_purchases import (
    CHURN,
    HISTORY_FEATURES,
    LIFETIME_VALUE,
    RECENCY,
    SPEND_FEATURES,
    Buying,
    ChurnParameters,
    Spending,
    ValueParameters,
    histories_of,
    numbers,
    take,
)
from models.scoring.contract import RIVAL, VALUE, ScoringModel
from models.scoring.drift import columns, distributions
from models.scoring.evaluation import Report, measure_numbers, measure_probabilities
from models.scoring.features import CUSTOMER
from models.scoring.lifetime_value import churn_rival, fit_value
from models.scoring.outcomes import Outcome
from models.scoring.registry import ModelVersion
from pipelines.people_as_of import PeopleAsOf, is_measured
from pipelines.training_sets import AS_OF, LABEL, TrainingSpec, examples

PEOPLE_MIN = 100  # to learn from
OTHER_TIME = "choose another time with --as-of"  # the way out, where too little was known
_FIT_MAX = 50_000  # people that an additive model is fitted to: more change its weights by less than their error
_TIMED = 200  # people who are scored one by one, to see how long that takes
_FLOATS = NDArray[np.float64]


class TooFew(ValueError):
    """There are too few people to learn from; the message says how many."""


class Examples(msgspec.Struct, frozen=True):
    """People as of a time: who is learned from and who is measured."""

    features: pa.RecordBatch
    labels: NDArray[np.float64]  # (n,)
    learn: NDArray[np.int64]  # rows
    measure: NDArray[np.int64]
    times: NDArray[np.int64]  # (n,), ms, as of when each is


def value_spec(horizon_days: int) -> TrainingSpec:
    """What lifetime value is learned from."""
    features = {**HISTORY_FEATURES, **SPEND_FEATURES}
    outcome = Outcome(kind="revenue")
    return TrainingSpec(name=LIFETIME_VALUE, features=features, outcome=outcome, horizon_days=horizon_days)


def churn_spec(horizon_days: int) -> TrainingSpec:
    """What churn is learned from."""
    outcome = Outcome(kind="bought")
    return TrainingSpec(name=CHURN, features=HISTORY_FEATURES, outcome=outcome, horizon_days=horizon_days)


def train_value(
    people: PeopleAsOf, horizon_days: int, currency: str = "", rules: LifecycleRules = DEFAULT_RULES
) -> ModelVersion:
    """Lifetime value of those who buy in a currency; without one, that of most people. Raises TooFew."""
    found = collect(people, value_spec(horizon_days), rules)
    currencies = np.array([each or "" for each in found.features.column("currency").to_pylist()])
    _, known = histories_of(found.features)
    if not currency:
        names, counts = np.unique(currencies[known], return_counts=True)
        currency = str(names[counts.argmax()]) if len(names) else ""
    learn, measure = _rows_of(people, found, known & (currencies == currency), "had bought, in one currency")
    histories, _ = histories_of(found.features)
    learned = fit_value(take(histories, learn), numbers(found.features, "mean_spend")[learn])
    parameters = ValueParameters(
        horizon_days=horizon_days,
        currency=currency,
        purchases=Buying.of(learned.purchases),
        spend=Spending.of(learned.spend),
        correlation=learned.correlation,
    )
    return _version(LIFETIME_VALUE, parameters, people, found, learn, measure, measure_numbers)


def train_churn(people: PeopleAsOf, horizon_days: int, rules: LifecycleRules = DEFAULT_RULES) -> ModelVersion:
    """The probability that who has bought buys nothing within the horizon. Raises TooFew."""
    found = collect(people, churn_spec(horizon_days), rules)
    gone = msgspec.structs.replace(found, labels=1 - found.labels)
    histories, known = histories_of(found.features)
    learn, measure = _rows_of(people, gone, known, "had bought")
    _check_both(people, gone.labels[learn], "bought nothing afterwards")
    fit = _some_of(learn)
    parameters = ChurnParameters(
        horizon_days=horizon_days,
        purchases=Buying.of(fit_purchases(take(histories, learn))),
        rival=fit_additive({RECENCY: churn_rival(take(histories, fit))}, gone.labels[fit] > 0),
    )
    return _version(CHURN, parameters, people, gone, learn, measure, measure_yes)


def train_additive(people: PeopleAsOf, spec: TrainingSpec, rules: LifecycleRules = DEFAULT_RULES) -> ModelVersion:
    """A yes or no, told by any features. Raises TooFew, and ValueError for an outcome that is another."""
    if not spec.outcome.is_yes_or_no:
        raise ValueError("outcome: expected a yes or no (bought, event, left); revenue is what lifetime_value tells")
    found = collect(people, spec, rules)
    learn, measure = _rows_of(people, found, np.isfinite(found.labels), "were known whom the question is about")
    _check_both(people, found.labels[learn], f"have the outcome: {spec.outcome.text}")
    fit = _some_of(learn)
    given = {name: _of(column, fit) for name, column in columns_of(found.features, spec.features).items()}
    yes = found.labels[fit] > 0
    model = fit_additive(given, yes)
    alone = {name: fit_additive({name: column}, yes) for name, column in given.items()}
    best = min(alone, key=lambda name: _loss(alone[name], {name: given[name]}, yes))
    parameters = AdditiveParameters(
        name=spec.name,
        outcome=f"{spec.outcome.text} in {spec.horizon_days} days",
        horizon_days=spec.horizon_days,
        features=spec.features,
        model=model,
        rival=alone[best],
    )
    return _version("additive", parameters, people, found, learn, measure, measure_yes)


def _some_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Up to _FIT_MAX of them, the same each time: they come by shard and by age, so the first would be the oldest."""
    if len(rows) <= _FIT_MAX:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, _FIT_MAX, replace=False))


def collect(people: PeopleAsOf, spec: TrainingSpec, rules: LifecycleRules) -> Examples:
    """Everybody of a time, with what came of them."""
    pairs = list(examples(people, spec, rules))
    features = pa.Table.from_batches([features for features, _ in pairs]).combine_chunks()
    told = pa.Table.from_batches([labels for _, labels in pairs])
    labels, times = told.column(LABEL).to_numpy(), told.column(AS_OF).cast(pa.int64()).to_numpy()
    ids = features.column(CUSTOMER).to_pylist()
    measured = np.array([is_measured(from_text(each)) for each in ids], np.bool_)
    batches = features.to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], features.schema)
    learn, measure = np.flatnonzero(~measured), np.flatnonzero(measured)
    return Examples(batch, np.asarray(labels, np.float64), learn, measure, np.asarray(times, np.int64))


def _rows_of(
    people: PeopleAsOf, found: Examples, known: NDArray[np.bool_], who: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who is learned from and who is measured, of those of whom enough is known. Raises TooFew."""
    learn, measure = found.learn[known[found.learn]], found.measure[known[found.measure]]
    check_enough(people, len(learn), len(measure), who)
    return learn, measure


def check_enough(people: PeopleAsOf, learn: int, measure: int, who: str) -> None:
    """Raises TooFew if there are not enough to learn from, and to measure with. `who`: what they did."""
    then, until = day_of(people.at), day_of(people.until)
    if learn < PEOPLE_MIN:
        raise TooFew(
            f"as of {then}, {learn} people {who}, beside those to measure with; {PEOPLE_MIN} are needed: {OTHER_TIME}"
        )
    if not measure:
        raise TooFew(
            f"there is nobody to measure with of whom enough is known as of {then} and up to {until}: {OTHER_TIME}"
        )


def _check_both(people: PeopleAsOf, labels: _FLOATS, who: str) -> None:
    """Raises TooFew if nothing can be told apart: the same came of all."""
    yes = int((labels > 0).sum())
    if yes in (0, len(labels)):
        when = f"from {day_of(people.at)} to {day_of(people.until)}"
        raise TooFew(f"{yes} of {len(labels)} people {who}, {when}; some of both kinds are needed: {OTHER_TIME}")


def day_of(at: int) -> str:
    """The day of a time, ms, as --as-of takes it."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"


def _version(
    target: str,
    parameters: msgspec.Struct,
    people: PeopleAsOf,
    found: Examples,
    learn: NDArray[np.int64],
    measure: NDArray[np.int64],
    measures_of: Callable[[_FLOATS, _FLOATS], dict[str, float]],
) -> ModelVersion:
    plain: dict[str, Any] = msgspec.to_builtins(parameters)
    model = BUILTIN[target](plain)
    unseen = found.features.take(pa.array(measure))
    told, outcomes = model.score(unseen), found.labels[measure]
    everybody = model.score(found.features.take(pa.array(found.measure))).column(VALUE).to_pylist()
    measures = measures_of(numbers(told, VALUE), outcomes)
    measures |= {f"rival_{name}": value for name, value in measures_of(numbers(told, RIVAL), outcomes).items()}
    report = Report(people=len(measure), measures=measures, drift={}, milliseconds=milliseconds(model, unseen))
    return ModelVersion(
        name=model.signature.name,
        version=0,
        source="builtin",
        target=target,
        signature=model.signature,
        parameters=plain,
        learned={"as_of": people.at, "until": people.until, "people": len(learn), "withheld": people.withheld},
        distributions=distributions(columns(model.signature, found.features, everybody)),
        report=report,
    )


def milliseconds(model: ScoringModel, features: pa.RecordBatch) -> float:
    """How long it takes to score one person, at the 99th percentile."""
    took = []
    for row in range(min(features.num_rows, _TIMED)):
        one = features.slice(row, 1)
        started = time.perf_counter()
        model.score(one)
        took.append(1000 * (time.perf_counter() - started))
    return float(np.quantile(took, 0.99)) if took else 0.0


def measure_yes(told: _FLOATS, outcomes: _FLOATS) -> dict[str, float]:
    """`models.scoring.evaluation.PROBABILITY`, of outcomes that are 1 or 0."""
    return measure_probabilities(told, outcomes > 0)


def _loss(model: AdditiveModel, given: dict[str, Column], yes: NDArray[np.bool_]) -> float:
    likely = model.probabilities(given)
    return -float(np.log(np.where(yes, likely, 1 - likely)).mean())


def _of(column: Column, rows: NDArray[np.int64]) -> Column:
    return column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows]
