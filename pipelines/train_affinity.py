"""Trains what tells of products on people as of a time, and measures it on others by what they bought after it.

Products that hardly anybody bought are left out: of them there is little to learn, and much to tell of who bought them.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.profile.state import DAY_MS, Profile
from models.profile.transactions import is_sale
from models.scoring.affinity import BUYERS_MIN, Purchases, fit_affinity, hit_rate
from models.scoring.contract import Output, Signature
from models.scoring.evaluation import Report
from models.scoring.features import Feature
from models.scoring.gate import Gate
from models.scoring.product_affinity import AFFINITY_DAYS, PRODUCTS_MAX, ProductAffinity, decayed_purchases
from models.scoring.ranking import Item, rank
from models.scoring.registry import AFFINITY, Evaluation, ModelVersion
from pipelines.evaluate_models import ReadPeople
from pipelines.people_as_of import PeopleAsOf, Person, is_measured
from pipelines.train_models import OTHER_TIME, TooFew, check_enough, day_of

Floats = NDArray[np.float64]

_FIRST = 10  # products that somebody is shown, of which some are bought or not
_FIRST_AGAIN = 3  # the same of those that they bought before, which are few
_MEASURED_MAX = 5_000  # people on whom a version is measured
_ROWS = 500  # of them whose scores are held at once
_RANKED_MAX, _ITEMS_MAX = 300, 1_000  # people for whom products are ranked as the service does it; products
_TIMED = 200  # people who are asked about one by one, to see how long that takes
_LEAST = 1e-9


class Buyer(NamedTuple):
    """Somebody who has bought: lines of their orders until a time and after it, each a product with its day."""

    then: Profile
    before: list[tuple[str, float]]
    after: list[tuple[str, float]]


class Buyers(NamedTuple):
    """People as of a time, ms: what those bought who are learned from, as of Buyer.before; who is measured; the
    category of each product, as it was told last."""

    at: int
    learn: list[list[tuple[str, float]]]
    measure: list[Buyer]
    categories: dict[str, str]


def train_affinity(people: PeopleAsOf, horizon_days: int) -> tuple[ModelVersion, bytes]:
    """What people buy, again and for the first time: the version, and the file that goes with it. Raises TooFew, and
    ValueError if nothing was bought early enough to learn by what came then."""
    buyers = _collect(people)
    check_enough(people, len(buyers.learn), len(buyers.measure), "had bought")
    learned = learn_affinity(buyers, horizon_days)
    products, model = learned.products, learned.model
    version = ModelVersion(
        name=AFFINITY,
        version=0,
        source="builtin",
        target=AFFINITY,
        signature=_signature(horizon_days),
        parameters={"products": len(products), "worth": model.worth, "mix": model.mix},
        learned={"as_of": people.at, "until": people.until, "people": len(buyers.learn), "withheld": people.withheld},
        report=measure_affinity(learned, buyers, frozenset(products)),
    )
    return version, learned.encode()


def learn_affinity(buyers: Buyers, horizon_days: int) -> ProductAffinity:
    """What is learned of those who are learned from. Their last `horizon_days`, or a third of the time in which they
    bought if that is less, tell how far to trust the rest. Raises TooFew, ValueError."""
    products = _common_products(buyers.learn)
    if not products:
        raise TooFew(f"as of {day_of(buyers.at)}, no product had been bought by {BUYERS_MIN} people: {OTHER_TIME}")
    day = buyers.at / DAY_MS
    purchases, size = _matrix(products, buyers.learn)
    hold = min(float(horizon_days), (day - float(purchases.times.min(initial=day))) / 3)
    try:
        fitted = fit_affinity(purchases, size, day, AFFINITY_DAYS, hold)
    except ValueError as error:
        raise TooFew(f"{error}: choose a later time with --as-of, or a shorter --horizon") from None
    return ProductAffinity("", products, fitted)


def evaluate_affinity(
    versions: Sequence[tuple[ModelVersion, ProductAffinity]], gate: Gate, at: int, people_as_of: ReadPeople
) -> Evaluation:
    """Versions side by side: on the same people as of `at`, ms, and on the products that all of them know. Raises
    ValueError if nobody bought any of these."""
    with closing(people_as_of(at)) as people:
        buyers = _collect(people)
        now, until = people.now, people.until
    known = frozenset.intersection(*(frozenset(model.products) for _, model in versions))
    reports = {version.version: measure_affinity(model, buyers, known) for version, model in versions}
    if not all(report.people for report in reports.values()):
        raise ValueError("there is nobody to measure by who bought a product that is known; choose another --as-of")
    return Evaluation(name=AFFINITY, at=now, as_of=at, until=until, outcome=gate.outcome, reports=reports)


def _signature(horizon_days: int) -> Signature:
    return Signature(
        name=AFFINITY,
        features={"repeat_purchases": Feature(history="repeat_purchases")},
        output=Output(
            kind="probability", unit="probability that the next purchase is a product", horizon_days=horizon_days
        ),
        owner="onefold",
        description="What people buy again and try, by the products of their orders. It scores nobody by itself.",
        rival="how popular products are",
    )


def _collect(people: PeopleAsOf) -> Buyers:
    found = Buyers(people.at, [], [], {})
    for person in people:
        buyer = _buyer(person, people.at, found.categories)
        if is_measured(person.customer_id):
            if buyer.after and len(found.measure) < _MEASURED_MAX:
                found.measure.append(buyer)
        elif buyer.before:
            found.learn.append(buyer.before)
    return found


def _buyer(person: Person, at: int, categories: dict[str, str]) -> Buyer:
    """Also notes the categories of products until the time."""
    before = [(product, day) for product, _, day in _lines(person.then)]
    categories |= {product: category for product, category, _ in _lines(person.then) if category}
    after = [(product, day) for product, _, day in _lines(person.end) if day > at / DAY_MS]
    return Buyer(person.then, before, after)


def _lines(profile: Profile) -> Iterable[tuple[str, str, float]]:
    """Product, category ("" for none) and day of each line that was sold."""
    for order in profile.orders.values():
        if is_sale(order):
            categories = order.categories or [""] * len(order.products)
            for (product, _, _), category in zip(order.products, categories, strict=True):
                yield product, category, order.timestamp / DAY_MS


def _common_products(bought: Sequence[Sequence[tuple[str, float]]]) -> list[str]:
    """The products that most people bought, most first."""
    count = Counter(product for lines in bought for product in {product for product, _ in lines})
    common = [(product, people) for product, people in count.items() if people >= BUYERS_MIN]
    return [product for product, _ in sorted(common, key=lambda each: (-each[1], each[0]))[:PRODUCTS_MAX]]


def _matrix(products: Sequence[str], lines: Sequence[Sequence[tuple[str, float]]]) -> tuple[Purchases, tuple[int, int]]:
    """Lines of people as purchases of these products; others are left out."""
    places = {product: place for place, product in enumerate(products)}
    known = [
        (row, places[product], day) for row, each in enumerate(lines) for product, day in each if product in places
    ]
    rows, columns, days = zip(*known, strict=True) if known else ((), (), ())
    purchases = Purchases(np.array(rows, np.int64), np.array(columns, np.int64), np.array(days, np.float64))
    return purchases, (len(lines), len(products))


def measure_affinity(learned: ProductAffinity, buyers: Buyers, known: frozenset[str]) -> Report:
    """What is told of those who are measured, by what they bought later of the known products."""
    who = [each for each in buyers.measure if any(product in known for product, _ in each.after)]
    before, size = _matrix(learned.products, [each.before for each in who])
    after, _ = _matrix(learned.products, [[line for line in each.after if line[0] in known] for each in who])
    counts, outcomes = before.counts(size, buyers.at / DAY_MS, AFFINITY_DAYS), after.counts(size, 0.0, np.inf)
    measures = _measures(learned, counts, outcomes) | _ranked(learned, buyers, who[:_RANKED_MAX], known)
    return Report(people=len(who), measures=measures, milliseconds=_milliseconds(learned, who[:_TIMED], buyers.at))


def _measures(learned: ProductAffinity, counts: sparse.csr_matrix, outcomes: sparse.csr_matrix) -> dict[str, float]:
    """Hits among the first of what was bought before and of what was not, each beside popularity alone, and the log
    loss of a purchase."""
    model = learned.model
    sums: defaultdict[str, float] = defaultdict(float)
    for start in range(0, counts.shape[0], _ROWS):
        own, came = counts[start : start + _ROWS], outcomes[start : start + _ROWS].toarray()
        bought, nobody = own.toarray() > 0, np.zeros_like(came)
        likely, popular = model.likely(own), nobody + model.popularity
        again, first = came * bought, came * ~bought
        kinds = (("again", again, bought, _FIRST_AGAIN), ("first", first, ~bought, _FIRST))
        for name, wanted, among, shown in kinds:
            people = float(wanted.any(axis=1).sum())
            sums[name] += people
            for prefix, scores in (("", likely), ("rival_", popular)):
                rate = hit_rate(np.where(among, scores, -np.inf), sparse.csr_matrix(wanted), shown)
                sums[f"{prefix}hits_{name}"] += rate * people
        for prefix, scores in (("", likely), ("rival_", popular)):
            sums[f"{prefix}log_loss"] -= float((came * np.log(np.maximum(scores, _LEAST))).sum())
        sums["purchases"] += float(came.sum())
    measured = {"hits_again": "again", "hits_first": "first", "log_loss": "purchases"}
    return {
        f"{prefix}{name}": sums[f"{prefix}{name}"] / sums[of]
        for name, of in measured.items()
        for prefix in ("", "rival_")
        if sums[of]
    }


def _ranked(learned: ProductAffinity, buyers: Buyers, who: Sequence[Buyer], known: frozenset[str]) -> dict[str, float]:
    """Hits of the ranking as the service makes it, beside the one that it makes without what was learned."""
    products = [each for each in learned.products if each in known][:_ITEMS_MAX]
    shown = frozenset(products)
    items = [Item(each, buyers.categories.get(each, "")) for each in products]
    popularity = dict(zip(learned.products, learned.model.popularity.tolist(), strict=True))
    told = [item._replace(popularity=popularity[item.id]) for item in items]
    hits: list[tuple[float, float]] = []
    for buyer in who:
        wanted = {product for product, _ in buyer.after if product in shown}
        if wanted:
            orders = (rank(items, buyer.then, buyers.at, learned), rank(told, buyer.then, buyers.at))
            mine, plain = (len(wanted & {each.id for each in order[:_FIRST]}) / len(wanted) for order in orders)
            hits.append((mine, plain))
    if not hits:
        return {}
    mine, plain = np.mean(hits, axis=0).tolist()
    return {"hits_ranked": mine, "rival_hits_ranked": plain}


def _milliseconds(learned: ProductAffinity, who: Sequence[Buyer], at: int) -> float:
    """How long it takes to tell of one person, at the 99th percentile."""
    took = []
    for buyer in who:
        started = time.perf_counter()
        learned.prospects(decayed_purchases(buyer.then, at))
        took.append(1000 * (time.perf_counter() - started))
    return float(np.quantile(took, 0.99)) if took else 0.0
