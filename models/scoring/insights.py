"""What a profile tells of a person beside scores: signs of life events, and what they buy most lately.

Read of the profile alone, whenever it is looked at. A sign says that something may have changed, never that it has.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from math import exp2
from typing import Any

import numpy as np

from models.profile.state import DAY_MS, Order, Profile
from models.profile.transactions import is_sale
from models.scoring.channels import ChannelModel
from models.scoring.history_features import CHANNELS, contacts, responses
from models.scoring.life_events import Occurrence, OnsetRule, Pace, Sign, signs
from models.scoring.product_affinity import AFFINITY_DAYS, Likely, ProductAffinity, decayed_purchases

AFFINITIES_MAX = 5


class LifeEvents:
    """Finds signs by rules."""

    def __init__(self, rules: Mapping[str, OnsetRule]) -> None:
        self._rules = dict(rules)
        self._events = _pattern(each for rule in rules.values() for each in rule.events)
        self._categories = _pattern(each for rule in rules.values() for each in rule.categories)

    def signs(self, profile: Profile, now: int, may_read: Callable[[str], bool], orders: bool) -> list[Sign]:
        """The signs at a time, ms, latest first, as far as they are made of what may be read: events whose name
        `may_read` allows, and, if `orders`, orders."""
        if not self._rules:
            return []
        found: list[Occurrence] = []
        if self._events is not None:
            for name, stats in profile.events.items():
                if self._events.match(name.lower()) and may_read(name):
                    found += [Occurrence(at, "event", name) for at in stats.recent]
        if self._categories is not None and orders:
            for order in _sales(profile):
                named = {name for name in order.categories if name and self._categories.match(name.lower())}
                found += [Occurrence(order.timestamp, "category", name) for name in sorted(named)]
        return signs(self._rules, found, profile.first_seen, now) if found else []


def affinities(profile: Profile) -> dict[str, list[tuple[str, float]]]:
    """What a person buys most, by "products" and "categories", late purchases weighing more: names and shares, at most
    AFFINITIES_MAX each. Shares do not change with time alone."""
    sales = _sales(profile)
    latest = max((order.timestamp for order in sales), default=0)
    products: dict[str, float] = {}
    categories: dict[str, float] = {}
    for order in sales:
        weight = exp2((order.timestamp - latest) / (AFFINITY_DAYS * DAY_MS))
        for line, (product, _, _) in enumerate(order.products):
            products[product] = products.get(product, 0.0) + weight
            category = order.categories[line] if order.categories else ""
            if category:
                categories[category] = categories.get(category, 0.0) + weight
    found = {"products": _shares(products), "categories": _shares(categories)}
    return {kind: shares for kind, shares in found.items() if shares}


def told_prospects(learned: ProductAffinity, profile: Profile, now: int) -> dict[str, Any]:
    """What of `affinities` a model tells: what a buyer will likely buy again and what for the first time, as of the day
    of `now`, ms; nothing of who has bought nothing."""
    bought = decayed_purchases(profile, now // DAY_MS * DAY_MS)
    if not bought:
        return {}
    found = learned.prospects(bought)
    return {"likely_again": _told(found.again), "likely_first": _told(found.first_time), "version": learned.version}


def told_channels(version: str, model: ChannelModel, profile: Profile) -> dict[str, Any]:
    """How likely somebody responds to the next contact on each channel, between what, likeliest first, and by which
    version; nothing of who was never contacted."""
    known = {channel: profile.channels.get(channel) for channel in CHANNELS}
    sent = np.array([[0.0 if stats is None else contacts(stats) for stats in known.values()]])
    answered = np.minimum(sent, [[0.0 if stats is None else responses(stats) for stats in known.values()]])
    if not sent.any():
        return {}
    columns = (model.probabilities(sent, answered), *model.intervals(sent, answered), sent, answered)
    told = zip(CHANNELS, *(column[0].tolist() for column in columns), strict=True)
    return {
        "channels": [
            {
                "channel": channel,
                "likely": round(likely, 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "contacts": int(number),
                "responses": int(came),
            }
            for channel, likely, low, high, number, came in sorted(told, key=lambda each: -each[1])
        ],
        "version": version,
    }


def told_signs(found: list[Sign], time_text: Callable[[int], str]) -> list[dict[str, Any]]:
    """Signs as a document has them, latest first, with the evidence."""
    told: list[dict[str, Any]] = []
    for sign in sorted(found, key=lambda sign: (-sign.since, sign.name)):
        paces = {} if sign.paces is None else dict(zip(("before", "after"), map(_told_pace, sign.paces), strict=True))
        evidence = [{"at": time_text(each.at), each.kind: each.name} for each in sign.evidence]
        told.append({"name": sign.name, "since": time_text(sign.since), **paces, "evidence": evidence})
    return told


def _told_pace(pace: Pace) -> dict[str, int]:
    return pace._asdict()


def told_affinities(found: Mapping[str, list[tuple[str, float]]]) -> dict[str, Any]:
    """Affinities as a document has them."""
    return {
        kind: [{"name": name, "share": round(share, 4)} for name, share in shares] for kind, shares in found.items()
    }


def _told(likely: Likely) -> list[dict[str, Any]]:
    return [{"name": name, "likely": round(each, 4)} for name, each in likely]


def _sales(profile: Profile) -> list[Order]:
    return [order for order in profile.orders.values() if is_sale(order)]


def _shares(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    total = sum(weights.values())
    first = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:AFFINITIES_MAX]
    return [(name, weight / total) for name, weight in first]


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all patterns; None for none."""
    patterns = [translate(name.lower()) for name in names]
    return re.compile("|".join(patterns)) if patterns else None
