"""Decision points of one replica: what their champions recommend, and what is chosen for a person."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from actors.control import ControlStore
from actors.errors import Conflict
from actors.special_segments import SpecialSegments
from models.privacy.decisions import Choice
from models.privacy.purposes import has_opted_out
from models.privacy.visibility import serves
from models.profile.state import Profile
from models.scoring.deciding import Champion, choose, expected_values, served_features
from models.scoring.decision_point import DecisionPoint
from models.scoring.features import FeatureReader, Value
from models.scoring.registry import ModelVersion
from models.segments.holdout import is_held_out
from serve.decision_models import decision_point
from serve.settings import Settings
from serve.snapshot import Snapshot

log = logging.getLogger("onefold.models")


class Standing(NamedTuple):
    """A champion with what tells it of people."""

    champion: Champion
    reader: FeatureReader
    served: Callable[[str], frozenset[str]]  # by purpose the features that serve it


_NO_CHAMPIONS: Mapping[str, Standing | None] = {}


class DecisionPoints:
    """Those of the settings, with the champions of the registry, at most half a second behind it."""

    def __init__(self, settings: Settings, control: ControlStore, now: Callable[[], int]) -> None:
        """`now` is in ms."""
        self._settings = settings
        self._points = settings.scoring.decisions
        self._purposes = settings.privacy.purposes
        self._rules = settings.lifecycle
        self._control = control
        self._special = SpecialSegments(control, self._purposes)
        self._champions = Snapshot(control, self._load, now)
        self._holdouts = Snapshot(control, self._load_holdouts, now)

    @property
    def champions(self) -> Mapping[str, Standing | None]:
        """By decision point; None for one that is a score's, or that cannot be read.
        The same object as long as these are: encoded profiles are kept with it."""
        return self._champions.get() if self._points else _NO_CHAMPIONS

    def point(self, name: str) -> DecisionPoint:
        """Raises NotFound."""
        return decision_point(self._settings, name)

    def choose(self, name: str, profile: Profile, purpose: str, now: int, uniform: float) -> Choice:
        """What to do for a person, for a purpose at `now` ms, as chance (a number from 0 to below 1) has it. Raises
        NotFound, Conflict."""
        point, allowed, champions = self.point(name), self._allowed(name, profile, purpose), self.champions
        if name not in champions:
            return choose(point, None, None, allowed, uniform)
        found = champions[name]
        if found is None:
            raise Conflict(
                f"decision: the champion {name} is a score's or of another release: rename the decision point, or "
                "train it again"
            )
        return choose(point, found.champion, _features(found, profile, purpose, now), allowed, uniform)

    def withheld(self, name: str, purpose: str) -> Counter[str]:
        """What does not serve a purpose and so does not count in decisions for it: features of the champion, of which
        then none does, and actions for members of segments."""
        withheld: Counter[str] = Counter()
        if (found := self.champions.get(name)) is not None:
            withheld["features"] = len(found.champion.parameters.features) - len(found.served(purpose))
        segments = [action.segment for action in self._points[name].actions.values() if action.segment]
        withheld["segments"] = sum(not self._may_count(each, purpose) for each in segments)
        return withheld

    def recommended(self, profile: Profile, purpose: str, now: int) -> list[dict[str, Any]]:
        """What champions expect most of for a person: this decides nothing and is not logged. Nothing for
        those who have opted out of automated decisions, or where the data does not serve the purpose."""
        entries: list[dict[str, Any]] = []
        if has_opted_out(profile.consents):
            return entries
        for name, found in self.champions.items():
            if found is None or (features := _features(found, profile, purpose, now)) is None:
                continue
            champion, point = found.champion, self._points[name]
            expected = expected_values(point, champion, features, self._allowed(name, profile, purpose))
            if expected:
                entries.append(
                    {
                        "decision": name,
                        "action": max(expected, key=lambda action: expected[action]),
                        "expected": {action: round(value, 4) for action, value in expected.items()},
                        "unit": point.unit,
                        "horizon_days": champion.parameters.horizon_days,
                        "personal": champion.parameters.model.is_personal,
                        "version": champion.reference,
                    }
                )
        return entries

    def _allowed(self, name: str, profile: Profile, purpose: str) -> list[str]:
        """What is for the person. That somebody is in a segment counts only where that may be told for the purpose, and
        not of its holdout, who are to be left alone."""
        point, kept, customer_id = self._points[name], self._holdouts.get(), profile.customer_id
        named = {action.segment for action in point.actions.values()} & profile.memberships.keys()
        mine = {each for each in named if not is_held_out(each, customer_id, kept.get(each, 0.0))}
        return point.allowed({each for each in mine if self._may_count(each, purpose)})

    def _may_count(self, segment: str, purpose: str) -> bool:
        """Whether a segment may count for a purpose: what may be done for somebody tells whether they are in it."""
        return serves(self._purposes, purpose, "sections", "segments") and self._special.may_tell(segment, purpose)

    def _load_holdouts(self) -> dict[str, float]:
        """Percent of the members, by segment."""
        return {each: float(segment.get("holdout", 0)) for each, segment in self._control.segments().items()}

    def _load(self) -> dict[str, Standing | None]:
        standing = self._control.current_models()
        found: dict[str, Standing | None] = {}
        for name in self._points:
            version = standing.get((name, "champion"))
            if version is not None:
                found[name] = self._readable(version) if version.is_decision else None
        return found

    def _readable(self, version: ModelVersion) -> Standing | None:
        try:
            champion = Champion.of(version)
            features = champion.parameters.features
            return Standing(champion, FeatureReader(features, self._rules), served_features(features, self._purposes))
        except ValueError:
            log.error("a model cannot be read", extra={"fields": {"model": version.reference}})
            return None


def _features(standing: Standing, profile: Profile, purpose: str, now: int) -> Mapping[str, Value] | None:
    """What a champion is told of a person; None if that may not be used for the purpose."""
    if len(standing.served(purpose)) < len(standing.champion.parameters.features):
        return None
    return standing.reader.one(profile, now)
