"""What a segment's members are like: traits, behaviors, value, engagement, lifecycle, conversion, overlap.

Each shard summarises its own members over its columns (`summarise`); the summaries add up (`join`), and `report` makes
the answer of them. No number in it is of fewer than `min_count` people but none, nor is the difference of two that are
parts of each other: what would be is None, or left out, and values that few have are told together.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from models.profile.lifecycle import STAGES, LifecycleRules
from models.profile.money import to_decimal_text
from models.profile.state import DAY_MS
from models.segments.column_windows import counts, sums
from models.segments.columns import Columns
from models.segments.criteria import Engagement, LifecycleStage
from models.segments.growing_array import Int64s, Mask
from models.segments.predictions import Prediction, step_names
from models.segments.spans import NEVER
from models.segments.value_column import ValueColumn
from models.segments.vector import ProfileOf, VectorEvaluator

CHURN = "churn"  # the score that is told as the risk of churn
RECENT_MS = 30 * DAY_MS
VALUES_MAX = 1000  # different values of a trait that is told by its values
TOP = 10  # values told of a trait, events told of a segment
_SCORE_STEPS = (0, 1, 20, 40, 60, 80, 101)


class Trait(msgspec.Struct):
    """A trait over members: how many have it, by value where these are few, and of numbers their sum."""

    filled: int = 0
    values: dict[str, int] = {}  # JSON text -> members; {} where there are too many different ones
    numbers: int = 0
    total: float = 0.0
    least: float = float("inf")
    greatest: float = float("-inf")


class Activity(msgspec.Struct):
    """Who did something, and how often, ever and lately."""

    members: int = 0
    occurrences: int = 0
    recent_members: int = 0
    recent_occurrences: int = 0


class Sales(msgspec.Struct):
    """Orders in one currency; money in micro-units."""

    customers: int = 0
    orders: int = 0
    revenue: int = 0
    refunded: int = 0


class Summary(msgspec.Struct):
    """What one shard's members are like."""

    members: int = 0
    held_out: int = 0
    traits: dict[str, Trait] = {}
    events: dict[str, Activity] = {}
    sales: dict[str, Sales] = {}  # by currency
    channels: dict[str, Activity] = {}
    stages: dict[str, int] = {}
    # Members by engagement score, in steps.
    scores: list[int] = msgspec.field(default_factory=lambda: [0] * (len(_SCORE_STEPS) - 1))
    entered: int = 0  # in the time that conversion is asked of
    converted: int = 0


def summarise(columns: Columns, members: Mask, profile_of: ProfileOf, now: int, rules: LifecycleRules) -> Summary:
    """The summary of the members (a mask over slots)."""
    summary = Summary(members=int(np.count_nonzero(members)))
    for name, column in columns.traits.items():
        trait = _trait(column, members, columns.size)
        if trait.filled:
            summary.traits[name] = trait
    for name, event in columns.events.items():
        slots, times = event.slots.view(event.slots.size), event.times.view(event.slots.size)
        activity = _activity(slots, times, members, columns.size, now)
        if activity.occurrences:
            summary.events[name] = activity
    _add_sales(summary, columns, members)
    for name, channel in columns.channels.items():
        count, last = channel.count(columns.size), channel.last(columns.size, -NEVER)
        met = members & (count > 0)
        if met.any():
            recent = met & (last > now - RECENT_MS)
            summary.channels[name] = Activity(int(met.sum()), int(count[met].sum()), int(recent.sum()))
    evaluator = VectorEvaluator(columns, profile_of, now, rules)
    for stage in STAGES:
        found = int(np.count_nonzero(evaluator.members(LifecycleStage((stage,))) & members))
        if found:
            summary.stages[stage] = found
    reached = [
        int(np.count_nonzero(evaluator.members(Engagement("", "score", "at_least", step)) & members))
        for step in _SCORE_STEPS
    ]
    summary.scores = [low - high for low, high in pairwise(reached)]
    return summary


def add_conversions(summary: Summary, columns: Columns, entries: Int64s, event: str, within: int, now: int) -> None:
    """Counts who did the event within `within` ms of entering. `entries`: ms of entry by slot, NEVER for none."""
    entered = entries != NEVER
    summary.entered += int(np.count_nonzero(entered))
    column = columns.events.get(event)
    if column is None:
        return
    slots, times = column.slots.view(column.slots.size), column.times.view(column.slots.size)
    since = entries[slots]
    hits = (since != NEVER) & (times > since) & (times <= np.minimum(since, NEVER - within) + within) & (times <= now)
    summary.converted += len(np.unique(slots[hits]))


def join(summaries: list[Summary]) -> Summary:
    """All shards' members together."""
    whole = Summary()
    for one in summaries:
        whole.members += one.members
        whole.held_out += one.held_out
        whole.entered += one.entered
        whole.converted += one.converted
        whole.scores = [a + b for a, b in zip(whole.scores, one.scores, strict=True)]
        whole.stages = dict(Counter(whole.stages) + Counter(one.stages))
        for name, trait in one.traits.items():
            _join_trait(whole.traits.setdefault(name, Trait()), trait)
        for held, more in ((whole.events, one.events), (whole.channels, one.channels)):
            for name, activity in more.items():
                _add(held.setdefault(name, Activity()), activity)
        for currency, sales in one.sales.items():
            _add(whole.sales.setdefault(currency, Sales()), sales)
    return whole


def report(summary: Summary, min_count: int, predictions: Mapping[str, Prediction] | None = None) -> dict[str, Any]:
    """The answer. Shares are of the members, 0 to 1; money is decimal text. `predictions`: their scores, by name."""
    members = summary.members
    predicted = {
        name: _prediction_report(each, members, min_count)
        for name, each in sorted((predictions or {}).items())
        if each.members >= min_count
    }
    sales = summary.sales.values()
    entered = _told(summary.entered, min_count)
    converted = _part(summary.converted, summary.entered, min_count)
    scores = {
        f"{low} to {high - 1}": count for (low, high), count in zip(pairwise(_SCORE_STEPS), summary.scores, strict=True)
    }
    return {
        "members": members,
        "held_out": summary.held_out,
        "demographics": {
            name: _trait_report(trait, members, min_count)
            for name, trait in sorted(summary.traits.items())
            if trait.filled >= min_count
        },
        "behaviors": _activities(summary.events, members, min_count),
        "value": {
            "orders": sum(each.orders for each in sales)
            if all(each.customers >= min_count for each in sales)
            else None,
            "by_currency": {
                currency: _sales_report(each, members, min_count)
                for currency, each in sorted(summary.sales.items())
                if each.customers >= min_count
            },
        },
        "engagement": {
            "channels": _activities(summary.channels, members, min_count),
            "scores": _split(scores, min_count),
        },
        "lifecycle": _split({stage: summary.stages.get(stage, 0) for stage in STAGES}, min_count),
        "scores": predicted,
        "churn_risk": predicted.get(CHURN),
        "conversion": {
            "entered": entered,
            "converted": converted,
            "rate": None if entered is None else _share(converted, entered),
        },
    }


def _trait(column: ValueColumn, members: Mask, size: int) -> Trait:
    trait = Trait()
    filled = members & column.test("exists", None, size).holds
    trait.filled = int(np.count_nonzero(filled))
    if not trait.filled:
        return trait
    numbers = column.numbers(size)[filled]
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers):
        trait.numbers, trait.total = len(numbers), float(numbers.sum())
        trait.least, trait.greatest = float(numbers.min()), float(numbers.max())
    if column.is_coded:
        by_code = np.bincount(column.codes(size)[filled])
        codes = np.flatnonzero(by_code)
        if len(codes) <= VALUES_MAX:
            values = column.values()
            trait.values = {msgspec.json.encode(values[code]).decode(): int(by_code[code]) for code in codes}
    return trait


def _activity(slots: Any, times: Int64s, members: Mask, size: int, now: int) -> Activity:
    done = members[slots] & (times <= now)
    recent = done & (times > now - RECENT_MS)
    return Activity(
        int(np.count_nonzero(counts(slots[done], size))),
        int(np.count_nonzero(done)),
        int(np.count_nonzero(counts(slots[recent], size))),
        int(np.count_nonzero(recent)),
    )


def _add_sales(summary: Summary, columns: Columns, members: Mask) -> None:
    orders = columns.orders
    length = orders.slots.size
    slots = orders.slots.view(length)
    theirs = members[slots]
    if not theirs.any():
        return
    codes, names = orders.currency.codes(length), orders.currency.values()
    for code in np.unique(codes[theirs]):
        chosen = theirs & (codes == code)
        revenue, _ = sums(np.zeros(int(chosen.sum()), np.int64), orders.revenue.view(length)[chosen], 1)
        refunded, _ = sums(np.zeros(int(chosen.sum()), np.int64), orders.refunded.view(length)[chosen], 1)
        customers = int(np.count_nonzero(counts(slots[chosen], columns.size)))
        summary.sales[names[code]] = Sales(customers, int(chosen.sum()), int(revenue[0]), int(refunded[0]))


def _join_trait(held: Trait, more: Trait) -> None:
    complete = (not held.filled or held.values) and more.values
    held.filled += more.filled
    held.values = dict(Counter(held.values) + Counter(more.values)) if complete else {}
    held.numbers += more.numbers
    held.total += more.total
    held.least, held.greatest = min(held.least, more.least), max(held.greatest, more.greatest)


def _add(held: Activity | Sales, more: Activity | Sales) -> None:
    for name in held.__struct_fields__:
        setattr(held, name, getattr(held, name) + getattr(more, name))


def _trait_report(trait: Trait, members: int, min_count: int) -> dict[str, Any]:
    filled = _part(trait.filled, members, min_count)
    answer: dict[str, Any] = {"members": filled, "share": _share(filled, members)}
    ranked = sorted(trait.values.items(), key=lambda value: (-value[1], value[0]))
    told = [(text, count) for text, count in ranked[:TOP] if count >= min_count]
    others = (members if filled is None else filled) - sum(count for _, count in told)
    if told and 0 < others < min_count:
        others += told.pop()[1]
    if told:
        values = [{"value": msgspec.json.decode(text), "members": count} for text, count in told]
        answer |= {"values": values, "others": None if filled is None else others}
    elif trait.numbers >= min_count:
        answer |= {"average": trait.total / trait.numbers}
    return answer


def _prediction_report(prediction: Prediction, members: int, min_count: int) -> dict[str, Any]:
    scored = _part(prediction.members, members, min_count)
    answer: dict[str, Any] = {
        "members": scored,
        "share": _share(scored, members),
        "unit": prediction.unit,
        "average": prediction.total / prediction.members,
        "stale": _part(prediction.stale, prediction.members, min_count),
    }
    if prediction.steps and scored is not None:
        answer["distribution"] = _split(dict(zip(step_names(), prediction.steps, strict=True)), min_count)
    return answer


def _activities(activities: dict[str, Activity], members: int, min_count: int) -> dict[str, Any]:
    ranked = sorted(activities.items(), key=lambda item: (-item[1].members, item[0]))
    return {
        name: _activity_report(activity, members, min_count)
        for name, activity in ranked
        if activity.members >= min_count
    }


def _activity_report(activity: Activity, members: int, min_count: int) -> dict[str, Any]:
    active = _part(activity.members, members, min_count)
    recent = _part(activity.recent_members, members, min_count)
    if _part(activity.recent_members, activity.members, min_count) is None:
        recent = None
    return {
        "members": active,
        "share": _share(active, members),
        "occurrences": activity.occurrences,
        "members_30d": recent,
        "share_30d": _share(recent, members),
    }


def _sales_report(sales: Sales, members: int, min_count: int) -> dict[str, Any]:
    customers = _part(sales.customers, members, min_count)
    return {
        "customers": customers,
        "share": _share(customers, members),
        "orders": sales.orders,
        "revenue": to_decimal_text(sales.revenue),
        "refunds": to_decimal_text(sales.refunded),
        "average_order_value": _per(sales.revenue, sales.orders),
        "revenue_per_member": _per(sales.revenue, members),
    }


def _per(amount: int, count: int) -> str | None:
    """Money for each of so many, to a hundredth."""
    return to_decimal_text(round(amount / count / 10_000) * 10_000) if count else None


def _told(count: int, min_count: int) -> int | None:
    """A count; None for one that tells of too few."""
    return count if count >= min_count or not count else None


def _part(count: int, whole: int, min_count: int) -> int | None:
    """A count of some of so many; None if they, or the others, are too few."""
    return None if _told(whole - count, min_count) is None else _told(count, min_count)


def _split(counts: dict[str, int], min_count: int) -> dict[str, int | None]:
    """Counts that all members add up to. One that is left out for being too small is not left out alone, or it would be
    what all others leave."""
    told = {name: _told(count, min_count) for name, count in counts.items()}
    hidden = sum(counts[name] for name, count in told.items() if count is None)
    large = {name: count for name, count in told.items() if count}
    if large and _told(hidden, min_count) is None:
        told[min(large, key=lambda name: large[name])] = None
    return told


def _share(part: int | None, whole: int) -> float | None:
    return round(part / whole, 4) if part is not None and whole else None
