"""Bands of scores: which one a score is in, and what is to be stated of a person whose band is another one now.

A band is kept in the profile as a trait (`models.scoring.statements`), so that segments can use it. What the profile
has is all that is remembered: a band is stated only where that differs from what it should be, so a statement never
brings about another, and merges, erasures, purges and restored backups need no care. Around each edge is a margin,
within which a person stays in the band that they are in.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping
from math import isfinite
from typing import NamedTuple

import msgspec

from models.privacy.purposes import Purposes, is_restricted
from models.privacy.retention import NOW, terms_of
from models.profile.policy import AttributePolicy, ProfilePolicy
from models.profile.state import Profile
from models.scoring.statements import SCORER_SOURCE, band_trait

Edges = Mapping[str, float]
"""Of one score: name of a band -> the least score in it, up to the next one. Nothing for labels: each is a band."""

PARTS = frozenset({"attributes", "consents"})  # of a profile that are read here
_NAME_MAX = 64  # characters
_OTHERS = ""  # the band that others than scorers have told: none that a score can be in


def check_edges(bands: Mapping[str, Edges]) -> None:
    """Raises ValueError if they are no bands, with their place in the settings."""
    for name, edges in bands.items():
        if any(not 0 < len(band) <= _NAME_MAX for band in edges):
            raise ValueError(f"scoring.bands.{name}: expected names of 1 to {_NAME_MAX} characters")
        if len(set(edges.values())) < len(edges) or not all(map(isfinite, edges.values())):
            raise ValueError(f"scoring.bands.{name}: expected a different number for each band, the least score in it")


class Bands:
    """The bands of one score."""

    def __init__(self, edges: Edges, margin: float) -> None:
        """`margin`: of the distance between an edge and the one next to it, or of the value of a single one."""
        self._names = sorted(edges, key=edges.__getitem__)
        self._edges = [edges[name] for name in self._names]
        self._places = {name: place for place, name in enumerate(self._names)}
        gaps = [upper - lower for lower, upper in zip(self._edges, self._edges[1:], strict=False)]
        around = [gaps[max(place - 1, 0) : place + 1] or [abs(edge)] for place, edge in enumerate(self._edges)]
        self._margins = [margin * min(distances) for distances in around]

    def fit(self, is_label: bool) -> bool:
        """Whether a score of that kind can be in one of them."""
        return is_label != bool(self._edges)

    def of(self, score: float | str, held: str | None) -> str | None:
        """The band of a score of somebody who is in the band `held`; None below all bands."""
        edges, margins = self._edges, self._margins
        if isinstance(score, str):
            return None if edges else score
        place = bisect_right(edges, score) - 1
        before = self._places.get(held or "")
        if before is not None and place > before and score < edges[place] + margins[place]:
            place -= 1
        elif before is not None and place < before and score >= edges[place + 1] - margins[place + 1]:
            place += 1
        return self._names[place] if place >= 0 else None


class Held(NamedTuple):
    """What a profile has of the band of one score."""

    band: str | None
    may_be_kept: bool  # a purpose that the trait serves has a basis
    is_old: bool  # half of the time is over for which what was stated is kept


class Standing(NamedTuple):
    """A person's bands as the profile has them, by `Banding.names`."""

    customer_id: int
    is_scored: bool  # models may score them
    held: list[Held]


class Banding:
    """The bands of all scores that have some, and of those that had some until now, which are taken back."""

    def __init__(
        self, bands: Mapping[str, Edges], margin: float, purposes: Purposes, former: Collection[str] = ()
    ) -> None:
        self.conditions = [sorted((name, sorted(edges.items())) for name, edges in bands.items()), margin]
        self.names = sorted({*bands, *former})
        self._bands = {name: Bands(edges, margin) for name, edges in bands.items()}
        self._purposes = purposes

    def misfits(self, is_label: Mapping[str, bool]) -> list[str]:
        """Of these scores, by name, those whose bands are not of their kind: nobody is ever in one."""
        return [name for name, label in is_label.items() if name in self._bands and not self._bands[name].fit(label)]

    def standing(self, profile: Profile, is_scored: bool, at: int) -> Standing | None:
        """How a person stands at a time, ms; None if nothing may be changed: their processing is restricted."""
        if is_restricted(profile.consents):
            return None
        terms = terms_of(profile, self._purposes, at)
        held = []
        for name in self.names:
            trait = band_trait(name)
            since = terms.of("traits", trait).since if terms is not None else 0
            attribute = profile.attributes.get(trait)
            if attribute is None:
                held.append(Held(None, since != NOW, False))
                continue
            winner = attribute.winner
            is_ours = winner.source == SCORER_SOURCE and (winner.value is None or isinstance(winner.value, str))
            is_old = bool(since) and 2 * winner.timestamp < at + since
            held.append(Held(winner.value if is_ours else _OTHERS, since != NOW, is_old))
        return Standing(profile.customer_id, is_scored, held)

    def changes(
        self, standing: Standing, scores: Mapping[str, float | str], champions: Collection[str]
    ) -> dict[str, str | None]:
        """The bands that are to be stated of a person, by the score's name; None to take one back. `scores` are those
        that champions gave just now: who has none keeps their band, as they keep their last score."""
        changed: dict[str, str | None] = {}
        for name, held in zip(self.names, standing.held, strict=True):
            bands, wanted = self._bands.get(name), None
            if bands is not None and name in champions and standing.is_scored and held.may_be_kept:
                score = scores.get(name)
                if score is not None:
                    wanted = bands.of(score, held.band)
                elif held.band != _OTHERS:
                    continue
            if wanted != held.band or (held.is_old and wanted is not None):
                changed[name] = wanted
        return changed


def policy_with_bands(policy: ProfilePolicy, names: Collection[str]) -> ProfilePolicy:
    """The policy under which what scorers state of bands outranks what others tell of the same traits. Raises
    ValueError if it says otherwise itself."""
    ours = AttributePolicy("source_priority", (SCORER_SOURCE,))
    for trait in map(band_trait, names):
        if policy.attributes.get(trait, ours) != ours:
            raise ValueError(f"profile.attributes.{trait}: scoring.bands says what this trait is: leave it out here")
    return msgspec.structs.replace(policy, attributes={**policy.attributes, **{band_trait(n): ours for n in names}})


def purposes_with_bands(purposes: Purposes, names: Collection[str]) -> Purposes:
    """The registry in which bands serve what scores do, as far as no purpose names the trait: they tell the same."""
    known = dict(purposes.known)
    for trait in map(band_trait, names):
        if not purposes.named("traits", trait):
            for purpose in purposes.named("sections", "scores"):
                data = known[purpose].data
                data = msgspec.structs.replace(data, traits=(*data.traits, trait))
                known[purpose] = msgspec.structs.replace(known[purpose], data=data)
    return msgspec.structs.replace(purposes, known=known)
