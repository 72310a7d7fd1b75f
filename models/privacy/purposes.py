"""Purposes: what data may be used for, on what legal basis, and who has agreed or objected.

The registry is configuration. While it is empty nothing is withheld. Once it names purposes, everything that is kept,
told or sent must serve one of them that has a basis for that person at that moment; what no purpose names serves the
default one. Special categories of data (GDPR article 9), known by their labels, serve only purposes whose basis is
consent, unless another is named. What cannot be told for certain is a no.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from models.events.event import Event
from models.privacy.corrections import CORRECTION
from models.profile.behaviors import names_of
from models.profile.state import DAY_MS, Observation
from models.scoring.statements import SCORED

Basis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"
]  # GDPR article 6 (1)
STATEMENT = "consent"  # type of the event of an operator's statement; no client can send one
SIGNALS = ("categoryPreferences", "tcString", "gppString", "gpc", "noticeVersion", "jurisdiction")
"""What of `context.consent` tells of consent. Whatever else a client puts there is the device's context."""

RESTRICTED = "!restricted"  # article 18: kept, and used for nothing but legal obligations
NO_AUTOMATED_DECISIONS = "!no_automated_decisions"  # article 22
GUARDIAN = "!guardian"  # article 8: a guardian of a minor has agreed
SPECIAL = (RESTRICTED, NO_AUTOMATED_DECISIONS, GUARDIAN)
SECTIONS = (
    *("identities", "transactions", "engagement", "segments", "preferences", "lifecycle", "scores", "insights"),
    *("realTimeContext", "groups"),
)  # of the profile's document, beside attributes and behaviors, which are named one by one
DataKind = Literal["traits", "events", "sections"]
_MAY_OBJECT = ("consent", "legitimate_interests", "public_task")


class DataScope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which data a purpose uses, or has a label. "*" stands for all, "name*" for all that begin so."""

    traits: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()  # of SECTIONS

    def __post_init__(self) -> None:
        for name in self.sections:
            if name != "*" and name not in SECTIONS:
                raise ValueError(f"data.sections: expected * or some of {', '.join(SECTIONS)}")


class Purpose(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One purpose of the registry."""

    basis: Basis
    name: str = ""
    description: str = ""
    data: DataScope = DataScope()
    categories: tuple[str, ...] = ()  # consent categories of clients that stand for it, beside its own id
    tcf: tuple[int, ...] = ()  # TCF purposes that make it up: all of them must be granted
    opt_out: bool = False  # Sec-GPC and opt-outs of sale, sharing or targeted advertising deny it
    consent_days: int = 0  # how long a consent holds; 0 until it is withdrawn
    retention_days: int = 0  # how long it keeps data; 0 as long as the person is there

    def __post_init__(self) -> None:
        if self.consent_days < 0:
            raise ValueError("consent_days must be 0 or more")
        if self.retention_days < 0:
            raise ValueError("retention_days must be 0 or more")
        if any(not 1 <= number <= 24 for number in self.tcf):
            raise ValueError("tcf: expected numbers of TCF purposes, 1 to 24")


class Purposes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The registry. `default`: the purpose of what names none, and of data that no purpose names."""

    known: dict[str, Purpose] = {}
    default: str = ""
    minor_age: int = 16  # younger people need a guardian's agreement where an agreement counts
    birthday_traits: tuple[str, ...] = ("birthday", "date_of_birth", "dateOfBirth")
    labels: dict[str, DataScope] = {}  # contact, financial, health, ... -> the data that is of this kind
    special_labels: tuple[str, ...] = ("special_category", "health")  # those of them that article 9 is about
    special_bases: tuple[Basis, ...] = ("consent",)  # of the purposes that may use such data

    def __post_init__(self) -> None:
        if self.known and self.default not in self.known:
            raise ValueError(f"default: expected one of the purposes, {', '.join(self.known)}")
        for name in self.known:
            if name.startswith("!") or not name:
                raise ValueError("known: the id of a purpose may not be empty or begin with !")
        special = sorted(self.labels.keys() & set(self.special_labels))
        if special and not any(purpose.basis in self.special_bases for purpose in self.known.values()):
            bases = " or ".join(self.special_bases)
            raise ValueError(
                f"labels.{special[0]}: such data is kept for purposes with the basis {bases} alone: add one to known"
            )

    @property
    def is_on(self) -> bool:
        """Whether anything is ever withheld."""
        return bool(self.known)

    def by_tcf(self) -> dict[str, tuple[int, ...]]:
        """The TCF purposes of each purpose that has some."""
        return {name: purpose.tcf for name, purpose in self.known.items() if purpose.tcf}

    def opted_out(self) -> list[str]:
        """The purposes that a general opt-out denies."""
        return [name for name, purpose in self.known.items() if purpose.opt_out]

    def granted(self, consents: Mapping[str, Observation], now: int, minor: bool = False) -> frozenset[str]:
        """The purposes that have a basis for a person at `now` ms."""
        return frozenset(name for name, purpose in self.known.items() if has_basis(name, purpose, consents, now, minor))

    def serving(self, kind: DataKind, name: str) -> list[str]:
        """The purposes that a piece of data serves: those that name it, else the default one; of a special category,
        those of them that may use it."""
        found = self.named(kind, name) or [self.default]
        if self.labels and self.is_special(kind, name):
            return [p for p in found if self.known[p].basis in self.special_bases]
        return found

    def shortest_retention_days(self, purposes: Iterable[str]) -> int:
        """After how many days the first of these purposes keeps nothing any more; 0 if all keep it for good."""
        return min((days for each in purposes if (days := self.known[each].retention_days)), default=0)

    def named(self, kind: DataKind, name: str) -> list[str]:
        """The purposes that name a piece of data."""
        return [p for p, purpose in self.known.items() if _names(getattr(purpose.data, kind), name)]

    def labels_of(self, kind: DataKind, name: str) -> list[str]:
        """The labels of a piece of data."""
        return [label for label, scope in self.labels.items() if _names(getattr(scope, kind), name)]

    def is_special(self, kind: DataKind, name: str) -> bool:
        """Whether a piece of data is of a special category."""
        return any(label in self.special_labels for label in self.labels_of(kind, name))

    def allows(self, kind: DataKind, name: str, granted: Iterable[str]) -> bool:
        """Whether one of the granted purposes is served by a piece of data."""
        return not self.is_on or any(purpose in granted for purpose in self.serving(kind, name))

    def event_serving(self, event: Event) -> list[str]:
        """The purposes that an event serves, none if it has no name. A page or screen goes by the names under which it
        is counted, "Page Viewed" and "Page Viewed: Home"."""
        names = names_of(event)
        found = [p for p, purpose in self.known.items() if any(_names(purpose.data.events, name) for name in names)]
        return found or ([self.default] if names else [])

    def counted_names(self, event: Event) -> tuple[str, ...]:
        """The names under which an event may be counted: those that nobody reads who may not read the event."""
        names = names_of(event)
        if not self.is_on:
            return names
        readers = self.event_serving(event)
        return tuple(name for name in names if set(self.serving("events", name)) <= set(readers))


NO_PURPOSES = Purposes()


def has_basis(name: str, purpose: Purpose, consents: Mapping[str, Observation], now: int, minor: bool = False) -> bool:
    """Whether a purpose has a basis for a person with these consents at `now` ms."""
    if is_restricted(consents):
        return purpose.basis == "legal_obligation"
    told = [consents[key] for key in (name, *purpose.categories) if key in consents]
    if purpose.basis in _MAY_OBJECT:
        if any(not _is_yes(each) for each in told):
            return False
        if minor and not _is_yes(consents.get(GUARDIAN)):
            return False
    if purpose.basis == "consent":
        lasts = purpose.consent_days * DAY_MS
        return any(not lasts or now < each.timestamp + lasts for each in told)
    return True


def is_restricted(consents: Mapping[str, Observation]) -> bool:
    """Whether a person's data is kept and, without a purpose that the law demands, used for nothing (article 18)."""
    return _is_yes(consents.get(RESTRICTED))


def has_opted_out(consents: Mapping[str, Observation]) -> bool:
    """Whether nothing may be decided about a person by itself (article 22)."""
    return _is_yes(consents.get(NO_AUTOMATED_DECISIONS))


def basis_ends(purpose: Purpose, name: str, consents: Mapping[str, Observation], now: int) -> int:
    """When time alone ends the basis that a purpose has, ms; 0 for never."""
    if purpose.basis != "consent" or not purpose.consent_days:
        return 0
    told = [consents[key].timestamp for key in (name, *purpose.categories) if key in consents]
    ends = max(told, default=0) + purpose.consent_days * DAY_MS
    return ends if ends > now else 0


class Admission(msgspec.Struct, frozen=True):
    """What may be kept of an event: the event as it may be (None: nothing but that it came), and what was left out."""

    event: Event | None
    left_out: tuple[str, ...] = ()


def admit(purposes: Purposes, event: Event, granted: frozenset[str]) -> Admission:
    """What may be kept of an event of somebody for whom these purposes have a basis. Signals of consent always are."""
    if not purposes.is_on:
        return Admission(event)
    left_out: list[str] = []
    traits = event.traits
    if event.type in ("identify", CORRECTION, SCORED):
        traits = _kept(purposes, traits, granted, "traits", left_out)
    context = event.context
    told = context.get("traits")
    if isinstance(told, dict):
        context = {**context, "traits": _kept(purposes, told, granted, "context.traits", left_out)}
    if event.type == "group" and not purposes.allows("sections", "groups", granted):
        left_out.append("groups")
        return Admission(None, tuple(left_out))
    serving = purposes.event_serving(event)
    if serving and granted.isdisjoint(serving):
        left_out.append(f"events.{event.name or names_of(event)[0]}")
        return Admission(None, tuple(left_out))
    if not purposes.allows("sections", "realTimeContext", granted):
        kept = said(event) | {key: value for key, value in context.items() if key == "traits"}
        if kept != context:
            left_out.append("context")
        context = kept
    if not left_out:
        return Admission(event)
    return Admission(msgspec.structs.replace(event, traits=traits, context=context), tuple(left_out))


def said(event: Event) -> dict[str, Any]:
    """What of an event's context needs no basis: its signals of consent, what operators state, and which models gave
    the scores of a statement."""
    given = event.context.get("consent")
    if event.type in (STATEMENT, CORRECTION):
        return {name: event.context[name] for name in ("consent", "correction") if name in event.context}
    if event.type == SCORED:
        return {name: event.context[name] for name in ("scores",) if name in event.context}
    signals = {name: given[name] for name in SIGNALS if name in given} if isinstance(given, dict) else {}
    return {"consent": signals} if signals else {}


def _kept(
    purposes: Purposes, traits: dict[str, Any], granted: frozenset[str], prefix: str, left_out: list[str]
) -> dict[str, Any]:
    # That there is no value, or a wrong one, needs no basis.
    kept = {n: value for n, value in traits.items() if value is None or purposes.allows("traits", n, granted)}
    left_out += [f"{prefix}.{name}" for name in traits if name not in kept]
    return kept


def _is_yes(told: Observation | None) -> bool:
    return told is not None and told.value is True


def _names(scope: tuple[str, ...], name: str) -> bool:
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in scope)
