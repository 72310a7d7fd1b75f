"""What the people of a segment brought after they entered it, those who were held out beside the others.

People count from their first entry on, whether they stayed or not: who leaves may leave because of what was done. All
have the same time to bring something, and nobody counts before it is over: so what is known of a person never changes
any more, as intervals need that may be looked at while people still come in.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec

from models.impact.sequential import Group
from models.profile.state import DAY_MS, EventStats, Profile
from models.profile.transactions import net_of, sales_between

Outcome = Literal["revenue", "orders", "event"]


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is measured of a person: revenue by currency, the number of orders, or whether they did an event."""

    outcome: Outcome
    event: str = ""
    within: Annotated[int, msgspec.Meta(ge=1)]  # ms after the entry

    def __post_init__(self) -> None:
        if (self.outcome == "event") != bool(self.event):
            raise ValueError("event: expected the name of an event with the outcome event, and with no other")


class Entry(NamedTuple):
    """Somebody's first entry."""

    at: int  # ms
    held_out: bool


class Sums(msgspec.Struct):
    """What was found on a shard, or on all. Groups of revenue are by currency, others by ""."""

    treated: dict[str, Group] = {}
    holdout: dict[str, Group] = {}
    people: tuple[int, int] = (0, 0)  # treated and held out
    waiting: int = 0  # people whose time is not over
    withheld: int = 0  # people who may not be looked at for this purpose

    def join(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(
            _joined(self.treated, other.treated),
            _joined(self.holdout, other.holdout),
            (self.people[0] + other.people[0], self.people[1] + other.people[1]),
            self.waiting + other.waiting,
            self.withheld + other.withheld,
        )

    def groups(self, currency: str) -> tuple[Group, Group]:
        """Treated and held out. Who brought nothing in the currency is in it with nothing."""
        none = Group(0, 0.0, 0.0)
        treated, holdout = self.treated.get(currency, none), self.holdout.get(currency, none)
        return treated._replace(people=self.people[0]), holdout._replace(people=self.people[1])

    def bringing(self, currency: str) -> tuple[int, int]:
        """How many treated and held out brought something in the currency."""
        treated, holdout = (groups[currency].people if currency in groups else 0
                            for groups in (self.treated, self.holdout))  # fmt: skip
        return treated, holdout

    @property
    def currencies(self) -> list[str]:
        """Those in which most people brought something first."""
        counts = {name: group.people for name, group in self.treated.items()}
        for name, group in self.holdout.items():
            counts[name] = counts.get(name, 0) + group.people
        return sorted(counts, key=lambda name: (-counts[name], name))


class Measuring:
    """Adds up people one by one."""

    def __init__(self, measure: Measure, now: int, may_look: Callable[[Profile], bool]) -> None:
        """`now` in ms; `may_look`: whether somebody may be counted."""
        self._measure = measure
        self._now = now
        self._may_look = may_look
        self._groups: tuple[dict[str, list[float]], dict[str, list[float]]] = ({}, {})
        self._people = [0, 0]
        self._waiting = 0
        self._withheld = 0

    def add(self, profile: Profile, entry: Entry) -> None:
        """Counts somebody."""
        if not self._may_look(profile):
            self._withheld += 1
            return
        end = entry.at + self._measure.within
        if end > self._now:
            self._waiting += 1
            return
        self._people[entry.held_out] += 1
        groups = self._groups[entry.held_out]
        for currency, value in brought(profile, self._measure, entry.at).items():
            sums = groups.setdefault(currency, [0, 0.0, 0.0])
            sums[0] += 1
            sums[1] += value
            sums[2] += value * value

    @property
    def sums(self) -> Sums:
        """What there is so far."""
        treated, holdout = ({key: Group(int(n), s, q) for key, (n, s, q) in each.items()} for each in self._groups)
        return Sums(treated, holdout, (self._people[0], self._people[1]), self._waiting, self._withheld)


def brought(profile: Profile, measure: Measure, start: int) -> dict[str, float]:
    """What somebody brought later than `start`, ms, and within the measure's time; nothing is left out."""
    end = start + measure.within
    if measure.outcome == "event":
        stats = profile.events.get(measure.event)
        return {"": 1.0} if stats is not None and _did(stats, start, end) else {}
    found: dict[str, float] = {}
    for order in sales_between(profile, start, end):
        if measure.outcome == "orders":
            found[""] = found.get("", 0.0) + 1
        else:
            found[order.currency] = found.get(order.currency, 0.0) + net_of(order)
    return found


def _did(stats: EventStats, start: int, end: int) -> bool:
    """Whether an event was done then; of occurrences of which the day alone is known, on a whole day within."""
    days = ((day * DAY_MS, (day + 1) * DAY_MS) for day in stats.older)
    return any(start < at <= end for at in stats.recent) or any(start < first and last <= end for first, last in days)


def _joined(one: Mapping[str, Group], other: Mapping[str, Group]) -> dict[str, Group]:
    joined = dict(one)
    for key, (people, total, squares) in other.items():
        before = joined.get(key, Group(0, 0.0, 0.0))
        joined[key] = Group(before.people + people, before.total + total, before.squares + squares)
    return joined
