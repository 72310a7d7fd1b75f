"""Residency: in which region people's data is, and what may leave it (GDPR, articles 44 to 49).

A service is in one region, and so is all that it keeps. Rules say of each event in which region it belongs, the first
that knows: the event's source; the country of the address that it tells; the country where it happened. What none knows
is the default region's. Data may go to somebody in another region only if a transfer mechanism is named for that; of a
recipient whose region is not known nothing can be named, so that is a no.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Mechanism = Literal["adequacy", "scc", "bcr", "derogation"]
"""Articles 45 (an adequacy decision), 46 (standard contractual clauses, binding corporate rules) and 49."""

ELSEWHERE = "elsewhere"  # how a region is told of that is not known
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_COUNTRY = re.compile(r"[A-Z]{2}")


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A region: whose events belong there, and where its service is."""

    countries: tuple[str, ...] = ()  # ISO 3166-1 alpha-2
    sources: tuple[str, ...] = ()  # ids
    url: str = ""  # of its service, to be told to those who send what belongs there


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What permits data to go from one region to another."""

    mechanism: Mechanism
    reference: str  # the decision, the contract, the ground: whatever an auditor asks for

    def __post_init__(self) -> None:
        if not self.reference.strip():
            raise ValueError("reference: expected what an auditor can look up, such as the date of a contract")


class Crossing(msgspec.Struct, frozen=True):
    """Data that goes from one region to another, and what permits that."""

    rule: str  # "eu->us"
    mechanism: Mechanism
    reference: str


class NoTransfer(Exception):
    """Nothing permits data to go there. `rule` is what would have to be named: "eu->us"."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"nothing in residency.transfers permits {rule}")
        self.rule = rule


class Residency(msgspec.Struct, frozen=True, kw_only=True):
    """The table [residency]. Off while `region` is empty."""

    region: str = ""  # where this service is, its node and its files
    default: str = ""  # where people belong of whom no rule knows it; empty for `region`
    regions: dict[str, Region] = {}
    transfers: dict[str, Transfer] = {}  # "eu->us" -> what permits it

    def __post_init__(self) -> None:
        for field, name in (("region", self.region), ("default", self.default)):
            if name and name not in self.regions:
                raise ValueError(f"residency.{field}: expected one of residency.regions ({self._names()})")
        if not self.region and (self.default or self.regions or self.transfers):
            raise ValueError("residency.region: expected the region that this service is in")
        owners: dict[str, str] = {}
        for name, region in self.regions.items():
            if not _NAME.fullmatch(name) or name == ELSEWHERE:
                raise ValueError("residency.regions: expected names of 1 to 32 of a-z, 0-9 and -, such as eu")
            for country in region.countries:
                if not _COUNTRY.fullmatch(country):
                    raise ValueError(f"residency.regions.{name}.countries: expected ISO codes of two capitals, as DE")
            for each in (*region.countries, *(f"source {source}" for source in region.sources)):
                if owners.setdefault(each, name) != name:
                    raise ValueError(f"residency.regions: {each} is in {owners[each]} and in {name}; leave one out")
        for rule in self.transfers:
            origin, _, recipient = rule.partition("->")
            if origin == recipient or origin not in self.regions or recipient not in self.regions:
                raise ValueError(f'residency.transfers: expected "A->B" of two different regions ({self._names()})')

    @property
    def is_on(self) -> bool:
        """Whether data has a place where it belongs."""
        return bool(self.region)

    def region_of_source(self, source: str) -> str:
        """The region that a rule names for everything of a source; "" if none does."""
        return next((name for name, region in self.regions.items() if source in region.sources), "")

    def region_of(self, source: str, traits: Mapping[str, Any], context: Mapping[str, Any]) -> str:
        """Where an event belongs. `traits` and `context` are those of the event."""
        if found := self.region_of_source(source):
            return found
        told = (traits, _table(context, "traits"))
        countries = [_table(each, "address").get("country") for each in told]
        countries.append(_table(context, "location").get("country"))
        for country in countries:
            if isinstance(country, str) and (found := self._region_of_country(country.strip().upper())):
                return found
        return self.default or self.region

    def crossing(self, recipient: str) -> Crossing | None:
        """What permits data of this service to go to somebody in the region `recipient` ("" if that is not known); None
        if it stays where it is. Raises NoTransfer."""
        if not self.is_on or recipient == self.region:
            return None
        rule = f"{self.region}->{recipient or ELSEWHERE}"
        transfer = self.transfers.get(rule)
        if transfer is None:
            raise NoTransfer(rule)
        return Crossing(rule, transfer.mechanism, transfer.reference)

    def crossings(self) -> Iterator[Crossing]:
        """Every transfer out of this region that is permitted: what a record of processing lists (article 30 (1) e)."""
        for rule, transfer in sorted(self.transfers.items()):
            if rule.partition("->")[0] == self.region:
                yield Crossing(rule, transfer.mechanism, transfer.reference)

    def _region_of_country(self, country: str) -> str:
        return next((name for name, region in self.regions.items() if country in region.countries), "")

    def _names(self) -> str:
        return ", ".join(self.regions) or "there are none"


NO_RESIDENCY = Residency()


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}
