"""`onefold bench models`: the built-in scoring models on public sets, each beside its simplest rival.

Everything that is measured is measured on people or on a time that the model has not seen. A seed decides what is
drawn.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bench import model_sets
from bench.model_sets import NoSet
from models.impact.policy_value import Decisions, always, policy_difference, policy_value
from models.impact.sequential import Group, compare
from models.scoring.additive import Column, fit_additive
from models.scoring.affinity import fit_affinity, hit_rate
from models.scoring.anomaly import AmountHistory, fit_amounts, surprises
from models.scoring.bg_nbd import expected_purchases, fit_purchases
from models.scoring.channels import fit_channels
from models.scoring.discovery import discover
from models.scoring.evaluation import auc, average_precision, calibration_error
from models.scoring.gamma_gamma import fit_spend
from models.scoring.lifetime_value import churn_risks, churn_rival, fit_value, lifetime_values
from models.scoring.next_best_action import fit_actions, policy
from pipelines.train_affinity import learn_affinity, measure_affinity

Floats = NDArray[np.float64]

_FOLDS = 5


class Figure(msgspec.Struct, frozen=True):
    """What was measured, and what it has to be; a figure without a bar stands beside another."""

    model: str
    name: str
    value: float
    bar: str = ""
    met: bool = True


class Missing(msgspec.Struct, frozen=True):
    """A model that could not be measured, and why."""

    model: str
    why: str


class ModelsReport(msgspec.Struct, frozen=True):
    """All figures, and what is missing."""

    figures: list[Figure]
    missing: list[Missing]

    @property
    def met(self) -> bool:
        return all(figure.met for figure in self.figures)


def bench_models(
    data: Path | None, seed: int, say: Callable[[str], None] = lambda line: None, only: Collection[str] = ()
) -> ModelsReport:
    """Measures every model, or some, whose set is in the folder or in a package."""
    figures: list[Figure] = []
    missing: list[Missing] = []
    for model, measure in _MEASURES.items():
        if only and model not in only:
            continue
        say(model)
        try:
            figures += measure(model, data, np.random.default_rng(seed))
        except NoSet as error:
            missing.append(Missing(model, str(error)))
    return ModelsReport(figures, missing)


def lines(report: ModelsReport) -> list[str]:
    """The report as text."""
    width = max([len(figure.name) for figure in report.figures], default=0)
    told = []
    for figure in report.figures:
        verdict = "" if not figure.bar else f"  {figure.bar:<12} {'met' if figure.met else 'MISSED'}"
        told.append(f"{figure.model:<18} {figure.name:<{width}} {figure.value:>12.4f}{verdict}".rstrip())
    return told + [f"{each.model:<18} not measured: {each.why}" for each in report.missing]


def _at_least(model: str, name: str, value: float, bar: float) -> Figure:
    return Figure(model, name, float(value), f">= {bar:g}", bool(value >= bar))


def _at_most(model: str, name: str, value: float, bar: float) -> Figure:
    return Figure(model, name, float(value), f"<= {bar:g}", bool(value <= bar))


def _near(model: str, name: str, value: float, bar: float, share: float = 0.01) -> Figure:
    return Figure(model, name, float(value), f"{bar:g} +-{share:.0%}", bool(abs(value - bar) <= share * abs(bar)))


def _value(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    """The parameters are those that the papers print; the rest is of the weeks after the calibration."""
    histories, means, purchases, value = model_sets.shoppers(data)
    learned = fit_purchases(histories)
    for name, bar in (("r", 0.243), ("alpha", 4.414), ("a", 0.793), ("b", 2.426)):
        yield _near(model, f"BG/NBD {name}", getattr(learned, name), bar)
    likelihood = learned.log_likelihood
    yield Figure(model, "BG/NBD log-likelihood", likelihood, "-9582.43 +-.1", abs(likelihood + 9582.43) <= 0.1)
    spend = fit_spend(histories.x, means)
    for name, bar in (("p", 6.25), ("q", 3.74), ("v", 15.44)):
        yield _near(model, f"Gamma-Gamma {name}", getattr(spend, name), bar)
    expected = expected_purchases(learned, histories, model_sets.HOLDOUT_WEEKS)
    yield _at_most(model, "mean absolute error, purchases", np.abs(expected - purchases).mean(), 0.80)
    yield _at_most(model, "root mean squared error, purchases", np.sqrt(((expected - purchases) ** 2).mean()), 1.65)
    yield _at_least(model, "share of the top tenth in purchases", _top_share(expected, purchases), 0.46)
    told = lifetime_values(fit_value(histories, means), histories, means, model_sets.HOLDOUT_WEEKS)
    yield Figure(model, "mean absolute error, value", float(np.abs(told.expected - value).mean()))
    yield Figure(model, "  the same of going on as before", float(np.abs(told.rival - value).mean()))
    inside = (told.low <= value) & (value <= told.high)
    yield Figure(model, "values inside the 80% interval", float(inside.mean()))


def _churn(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    histories, _, purchases, _ = model_sets.shoppers(data)
    gone = purchases == 0
    risks = churn_risks(fit_purchases(histories), histories, model_sets.HOLDOUT_WEEKS)
    yield _at_least(model, "area under the curve", auc(risks, gone), 0.75)
    yield Figure(model, "  the same of recency", auc(churn_rival(histories), gone))
    yield _at_most(model, "Brier score", float(((risks - gone) ** 2).mean()), 0.165)


def _contract_churn(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    features, ended = model_sets.contracts(data)
    told = np.zeros(len(ended))
    for seen, unseen in _folds(len(ended), rng):
        told[unseen] = fit_additive(_rows(features, seen), ended[seen]).probabilities(_rows(features, unseen))
    yield _at_least(model, "area under the curve", auc(told, ended), 0.84)
    tenure = features.get("tenure")
    if isinstance(tenure, np.ndarray):
        yield Figure(model, "  the same of a short tenure", auc(-tenure, ended))
    yield _at_most(model, "Brier score", float(((told - ended) ** 2).mean()), 0.137)
    yield _at_most(model, "expected calibration error", calibration_error(told, ended), 0.02)
    top = np.argsort(-told, kind="stable")[: len(told) // 10]
    yield _at_least(model, "lift of the top tenth", ended[top].mean() / ended.mean(), 2.7)


def _affinity(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    purchases, size = model_sets.groceries(data)
    now, half_life, month = float(purchases.times.max()) - 27, 60.0, 28.0
    learned = fit_affinity(purchases, size, now, half_life, month)
    counts = purchases.between(-np.inf, now).counts(size, now, half_life)
    bought = purchases.between(now, np.inf).counts(size, now, np.inf)
    before = counts > 0
    again, tried = bought.multiply(before).tocsr(), (bought - bought.multiply(before)).tocsr()
    owned = before.toarray()
    mine = hit_rate(np.where(owned, learned.repeat_scores(counts), -1.0), again, 10)
    popular = hit_rate(np.where(owned, learned.popularity, -1.0), again, 10)
    new = hit_rate(learned.new_scores(counts), tried, 10)
    yield _at_least(model, "hits at 10, bought again", mine, popular)
    yield Figure(model, "  the same of popularity", popular)
    most_tried = hit_rate(learned._replace(mix=0.0).new_scores(counts), tried, 10)
    yield _at_least(model, "hits at 10, bought first", new, most_tried)
    yield Figure(model, "  the same of popularity", most_tried)
    factors = _factors(purchases.between(-np.inf, now).counts(size, now, np.inf))
    if factors is not None:
        yield _at_least(
            model, "hits at 10, bought again, over ALS", mine - hit_rate(np.where(owned, factors, -1e9), again, 10), 0
        )
        yield Figure(
            model, "hits at 10, bought first, over ALS", new - hit_rate(np.where(owned, -1e9, factors), tried, 10)
        )


def _products(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    """Single products, and a thousand of them as the service ranks them, for households that taught nothing."""
    buyers = model_sets.products(data, 28)
    learned = learn_affinity(buyers, 28)
    told = measure_affinity(learned, buyers, frozenset(learned.products)).measures
    for name, of in (
        ("again", "hits at 3, bought again"), ("first", "hits at 10, bought first"), ("ranked", "hits at 10, of 1,000")
    ):  # fmt: skip
        rival = told[f"rival_hits_{name}"]
        yield _at_least(model, of, told[f"hits_{name}"], rival)
        yield Figure(model, "  the same without a model" if name == "ranked" else "  the same of popularity", rival)
    yield _at_most(model, "log loss of a purchase", told["log_loss"], told["rival_log_loss"])
    yield Figure(model, "  the same of popularity", told["rival_log_loss"])


def _channels(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    tried = model_sets.coupons(data)
    learned = fit_channels(tried.contacts, tried.responses)
    told = learned.probabilities(tried.contacts, tried.responses)
    constant = np.full_like(told, tried.responses.sum() / tried.contacts.sum())
    raw = np.where(tried.contacts > 0, tried.responses / np.maximum(tried.contacts, 1), constant)

    def loss(rates: Floats) -> float:
        rates = np.clip(rates, 1e-6, 1 - 1e-6)
        yes, no = tried.later_responses, tried.later_contacts - tried.later_responses
        return float(-(yes * np.log(rates) + no * np.log(1 - rates)).sum() / tried.later_contacts.sum())

    yield _at_most(model, "log loss", loss(told), loss(constant))
    yield Figure(model, "  the same of one rate for all", loss(constant))
    yield Figure(model, "  the same of raw rates", loss(raw))


def _actions(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    history = model_sets.campaigns(data)
    n, k = history.propensities.shape
    guesses, chosen = np.zeros((n, k)), np.zeros((n, k))
    for seen, unseen in _folds(n, rng):
        learned = fit_actions(model_sets.ARMS, history.of(seen), [0.0] * k)
        guesses[unseen] = learned.expected_values(history.of(unseen).features)
        allowed = np.ones((len(unseen), k), np.bool_)
        chosen[unseen] = policy(learned.preferences(guesses[unseen]), allowed, 0.0)
    decisions = Decisions(history.taken, history.propensities, history.values, guesses)
    worth = policy_value(decisions, chosen)
    gain = policy_difference(decisions, chosen, always(0, n, k))
    yield Figure(model, "spend of a customer", worth.estimate.value)
    yield Figure(model, "more than without e-mail", gain.value)
    yield _at_least(model, "  at least (95%)", gain.low, 0.45)
    best = max(range(1, k), key=lambda arm: policy_value(decisions, always(arm, n, k)).estimate.value)
    single = policy_difference(decisions, chosen, always(best, n, k))
    yield Figure(model, f"more than {model_sets.ARMS[best]} to all", single.value)
    yield Figure(model, "  from (95%)", single.low)
    yield Figure(model, "  to", single.high)


def _anomalies(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    """Two percent of amounts are made five times as large. Of people with at least two others."""
    people, amounts = model_sets.amounts(data)
    planted = rng.random(len(amounts)) < 0.02
    amounts = np.where(planted, 5 * amounts, amounts)
    histories = AmountHistory.of(people, amounts, int(people.max()) + 1)
    told = surprises(fit_amounts(histories), histories.take(people).without(amounts), amounts)
    several = histories.counts[people] >= 3
    yield _at_least(
        model, "average precision, 3 amounts or more", average_precision(told[several], planted[several]), 0.55
    )
    yield Figure(model, "  the same of the amount", average_precision(amounts[several], planted[several]))
    yield Figure(model, "average precision, everybody", average_precision(told, planted))


def _discovery(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    """Groups are found and measured among half of the people; the other half tells whether the intervals hold."""
    features, ended = model_sets.contracts(data)
    held, groups = 0, 0
    effects: list[float] = []
    for _ in range(40):
        sample = rng.permutation(len(ended))
        shown, later = sample[: len(sample) // 2], sample[len(sample) // 2 :]
        finders = rng.random(len(shown)) < 0.5
        late = _rows(features, later)
        for group in discover(_rows(features, shown), ended[shown].astype(np.float64), finders):
            inside = np.logical_and.reduce([each.holds(late[each.feature]) for each in group.conditions])
            outcome = ended[later]
            truth = outcome[inside].mean() - outcome[~inside].mean()
            error = np.sqrt(outcome[inside].var() / inside.sum() + outcome[~inside].var() / (~inside).sum())
            # The later half is a sample too: its own error is allowed for.
            reach = 1.96 * np.hypot(group.difference.standard_error, error)
            held += abs(group.difference.value - truth) <= reach
            groups, effects = groups + 1, [*effects, abs(truth)]
    yield _at_least(model, "intervals that hold among unseen people", held / max(groups, 1), 0.93)
    yield Figure(model, "groups found at a time", groups / 40)
    yield Figure(model, "difference from the others, mean", float(np.mean(effects)))


def _impact(model: str, data: Path | None, rng: np.random.Generator) -> Iterator[Figure]:
    """The same for all, looked at two hundred times: how often a difference seems to be there."""
    spent = model_sets.campaigns(data).values
    for held_out in (0.5, 0.1):
        found = 0
        for _ in range(200):
            values, treated = rng.choice(spent, 20_000), rng.random(20_000) >= held_out
            found += _seems_to_differ(values, treated)
        yield _at_most(model, f"false alarms, {held_out:.0%} held out", found / 200, 0.05)


def _seems_to_differ(values: Floats, treated: NDArray[np.bool_]) -> bool:
    sums = [np.cumsum(part) for group in (treated, ~treated) for part in (group, values * group, values**2 * group)]
    for at in np.linspace(99, len(values) - 1, 200).astype(int):
        n, total, squares, n_out, total_out, squares_out = (float(column[at]) for column in sums)
        told = compare(Group(int(n), total, squares), Group(int(n_out), total_out, squares_out))
        if told.verdict in ("better", "worse"):
            return True
    return False


_MEASURES: dict[str, Callable[[str, Path | None, np.random.Generator], Iterator[Figure]]] = {
    "lifetime value": _value,
    "churn": _churn,
    "churn, contract": _contract_churn,
    "affinity": _affinity,
    "products": _products,
    "channels": _channels,
    "next best action": _actions,
    "anomalies": _anomalies,
    "discovery": _discovery,
    "impact": _impact,
}


def _top_share(scores: Floats, amounts: Floats) -> float:
    top = np.argsort(-scores, kind="stable")[: len(scores) // 10]
    return float(amounts[top].sum() / amounts.sum())


def _folds(n: int, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Who is learned from and who is not, in turns."""
    order = rng.permutation(n)
    for fold in range(_FOLDS):
        unseen = np.arange(n) % _FOLDS == fold
        yield np.sort(order[~unseen]), np.sort(order[unseen])


def _rows(features: dict[str, Column], rows: NDArray[np.int64]) -> dict[str, Column]:
    return {
        name: column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows]
        for name, column in features.items()
    }


def _factors(counts: sparse.csr_matrix) -> Floats | None:
    """Scores by implicit's alternating least squares; None where that is not installed."""
    try:
        from implicit.als import AlternatingLeastSquares
    except ImportError:
        return None
    learned = AlternatingLeastSquares(factors=64, iterations=15, random_state=0, num_threads=1)
    learned.fit(counts.astype(np.float32), show_progress=False)
    return np.asarray(learned.user_factors @ learned.item_factors.T, np.float64)
