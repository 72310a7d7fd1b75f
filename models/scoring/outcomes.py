"""Outcomes: what came of a person within a time after another, which models learn to tell beforehand."""

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from models.events.event import Event
from models.profile.behaviors import names_of
from models.profile.state import Profile
from models.profile.transactions import net_of, sales_between
from models.scoring.purchase_history import purchase_history

Kind = Literal["bought", "revenue", "event", "left"]


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is looked for: that somebody bought, what for (in their main currency, or the one that is named), that they
    did an event, or that they left a segment that they were in."""

    kind: Kind
    event: str = ""
    segment: str = ""
    currency: str = ""  # of revenue

    def __post_init__(self) -> None:
        for kind in ("event", "segment"):
            if bool(getattr(self, kind)) != (self.kind == {"event": "event", "segment": "left"}[kind]):
                raise ValueError(
                    f"outcome: {kind}: expected with the kind {'left' if kind == 'segment' else kind} only"
                )

    @property
    def is_yes_or_no(self) -> bool:
        return self.kind != "revenue"

    @property
    def text(self) -> str:
        """As people read it."""
        return {
            "bought": "a purchase",
            "revenue": f"revenue in {self.currency}" if self.currency else "revenue",
            "event": self.event,
            "left": f"leaving {self.segment}",
        }[self.kind]


def purchases_between(profile: Profile, start: int, end: int) -> int:
    """Sales later than `start` and up to `end`, ms, of a profile that knows nothing later."""
    return len(sales_between(profile, start, end))


def revenue_between(profile: Profile, start: int, end: int, currency: str) -> float:
    """What these sales came to in a currency, less what went back of them, in its unit."""
    return sum(net_of(order) for order in sales_between(profile, start, end) if order.currency == currency)


def outcome_of(outcome: Outcome, then: Profile, end: Profile, after: Iterable[Event], times: tuple[int, int]) -> float:
    """What came of somebody between two times, ms, of whom the profile is known as of both, and the events between
    them. 1 and 0 for yes and no. Who left a segment is not told by profiles: see `pipelines.training_sets`."""
    if outcome.kind == "bought":
        return float(purchases_between(end, *times) > 0)
    if outcome.kind == "event":
        return float(any(outcome.event in names_of(event) for event in after))
    if outcome.kind == "revenue":
        history = purchase_history(then, times[0]) or purchase_history(end, times[1])
        currency = outcome.currency or (history.currency if history is not None else "")
        return revenue_between(end, *times, currency)
    raise ValueError("outcome: who left a segment is not told by profiles")


def parse_outcome(text: str) -> tuple[Outcome, bool]:
    """An outcome from one line, and whether the question is that it does not happen. Raises ValueError.

    Such as "bought", "revenue", "revenue EUR", "event Order Completed", "left vip"; a yes or no with "not" before it.
    """
    rest = text.removeprefix("not ").strip()
    kind, _, about = rest.partition(" ")
    field = {"event": "event", "left": "segment", "revenue": "currency"}.get(kind)
    if kind not in get_args(Kind) or (about and field is None) or (not about and kind in ("event", "left")):
        raise ValueError("outcome: expected bought, revenue, revenue CURRENCY, event NAME or left SEGMENT")
    found = msgspec.convert({"kind": kind, **({field: about} if field else {})}, Outcome)
    if text != rest and not found.is_yes_or_no:
        raise ValueError("outcome: revenue is no yes or no, so there is no `not` of it")
    return found, text != rest
