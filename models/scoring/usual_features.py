"""What is told of people when nobody says what to look at: how lately, how often and for how much they buy, their
stage, how engaged they are and where, what they buy and do, and traits with few different values.

Which traits, categories and events there are is told by a sample of people, without a look at what came of them. All of
it can be said as criteria (`models.scoring.group_criteria`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from models.profile.state import DAY_MS, Profile
from models.profile.transactions import is_sale
from models.scoring.features import CUSTOMER, Feature
from models.scoring.purchase_history import purchase_history

_MANY = 20  # of each kind, those that most people have
_PEOPLE_MIN = 10  # of the sample, who have it
_VALUES_MAX = 20  # different ones of a trait
_VALUE_CHARS = 40
_NAME_CHARS = 200
_WINDOW_DAYS = 30
_TAKEN = (CUSTOMER, "as_of")  # columns beside features
_SCORES = (25, 50, 75)


def usual_features(
    sample: Sequence[Profile], at: int, currency: str, may_use: Callable[[Feature], bool]
) -> dict[str, Feature]:
    """Features by their names, as people read them. `currency`: of revenue; "" for none. `may_use`: whether a feature
    serves what is asked for."""
    orders: dict[str, dict[str, Any]] = {
        "orders": {"measure": "count"},
        "orders in 90 days": {"measure": "count", "window": {"last": "90d"}},
        "last order": {"measure": "last"},
        "first order": {"measure": "first"},
    }
    if currency:
        orders[f"revenue in {currency}"] = {"measure": "revenue", "currency": currency}
    found = {name: Feature(computed={"type": "transactional", **each}) for name, each in orders.items()}
    found["stage"] = Feature(history="stage")
    for score in _SCORES:
        criteria = {"type": "engagement", "measure": "score", "operator": "at_least", "value": score}
        found[f"engagement of at least {score}"] = _predicate(criteria)
    for channel in _common(profile.channels for profile in sample):
        found[f"engaged by {channel}"] = _predicate({"type": "engagement", "channel": channel, "operator": "exists"})
    for category in _common(map(_categories, sample)):
        found[f"orders with {category}"] = Feature(computed={"type": "transactional", "category": category})
    since = at - _WINDOW_DAYS * DAY_MS
    for event in _common([name for name, stats in each.events.items() if stats.last > since] for each in sample):
        window = {"last": f"{_WINDOW_DAYS}d"}
        computed = {"type": "behavioral", "event": event, "window": window}
        found[f"{event} in {_WINDOW_DAYS} days"] = Feature(computed=computed)
    traits = ((trait, _of_trait(trait, sample)) for trait in _common((p.attributes for p in sample), len(sample)))
    for trait, feature in islice(((trait, feature) for trait, feature in traits if feature is not None), _MANY):
        found[trait if trait not in (*found, *_TAKEN) else f"trait {trait}"] = feature
    return {name: feature for name, feature in found.items() if may_use(feature)}


def usual_currency(sample: Iterable[Profile], at: int) -> str:
    """The main currency of most people who have bought; "" if nobody has."""
    histories = (purchase_history(profile, at) for profile in sample)
    counts = Counter(history.currency for history in histories if history is not None)
    return min(counts, key=lambda name: (-counts[name], name), default="")


def _predicate(criteria: dict[str, Any]) -> Feature:
    return Feature(computed={"type": "predicate", "criteria": criteria})


def _common(names: Iterable[Iterable[str]], most: int = _MANY) -> list[str]:
    """Those that most people have."""
    counts = Counter(name for each in names for name in set(each) if 0 < len(name) <= _NAME_CHARS)
    often = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    return [name for name in often if counts[name] >= _PEOPLE_MIN]


def _categories(profile: Profile) -> set[str]:
    return {name for order in profile.orders.values() if is_sale(order) for name in order.categories if name}


def _of_trait(name: str, sample: Sequence[Profile]) -> Feature | None:
    """A trait as a number, or as a text of few different values; None for one that is neither."""
    values = [each.attributes[name].winner.value for each in sample if name in each.attributes]
    numbers = sum(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    texts = [str(value) for value in values if isinstance(value, str | bool)]
    if numbers > len(values) / 2:
        return Feature(trait=name)
    short = all(len(text) <= _VALUE_CHARS for text in texts)
    return Feature(trait=name, text=True) if texts and short and len(set(texts)) <= _VALUES_MAX else None
