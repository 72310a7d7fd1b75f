"""The section `insights` of a profile's document: made as people are read, from the profile and what models learned."""

from collections.abc import Callable, Mapping
from typing import Any

from actors.control import ControlStore
from models.privacy.visibility import serves, serves_all
from models.profile.state import DAY_MS, Profile
from models.scoring.insights import LifeEvents, told_signs
from models.scoring.rate_changes import RateChanges
from models.scoring.unusual import anomalies, told_anomalies
from models.segments.catalogue import catalogue_of
from models.segments.compile import TraitReader, trait_readers
from models.segments.computed import computed_values
from serve.decision_points import DecisionPoints
from serve.http_schemas import time_text
from serve.learned_insights import Learned, LearnedInsights
from serve.settings import Settings
from serve.snapshot import Snapshot

_RECOMMENDED_MS = 3_600_000  # that a recommendation stays as it is: what it is made of changes by time alone


class Insights:
    """Those of one process, under the purposes of its settings."""

    def __init__(self, settings: Settings, control: ControlStore, now: Callable[[], int]) -> None:
        """`now` is in ms."""
        scoring = settings.scoring
        self._purposes = settings.privacy.purposes
        self._rules = settings.lifecycle
        self._control = control
        self._life_events = LifeEvents(scoring.life_events)
        self._rate_changes = RateChanges(scoring.rate_changes)
        self._learned = LearnedInsights(control, settings.data_path, scoring.enabled, now)
        self._trait_readers = Snapshot(control, self._load_trait_readers, now)
        self.decisions = DecisionPoints(settings, control, now)

    @property
    def trait_readers(self) -> Mapping[str, TraitReader]:
        """Readers of the computed traits, at most half a second behind the control store."""
        return self._trait_readers.get()

    @property
    def learned(self) -> Learned:
        """What models have learned that is told as people are read, at most half a second behind the control store."""
        return self._learned.get()

    @property
    def made_by(self) -> tuple[object, ...]:
        """What insights are made by beside the profile: the same objects as long as these do not change."""
        return self.trait_readers, self.decisions.champions, self.learned

    def told(self, profile: Profile, purpose: str, now: int) -> tuple[dict[str, Any], int, int]:
        """The section for a purpose at `now` ms: of computed traits those that are made of what serves it, and signs,
        affinities and next best actions as far as they are. Also until when (ms) it is so if nothing happens, and how
        many computed traits were withheld."""
        readers, beside = self.trait_readers, self._beside(profile, purpose, now)
        # Purchases grow old, and silences long, by days; what is recommended is looked at again sooner.
        midnight = (now // DAY_MS + 1) * DAY_MS
        lasts = min(midnight, now + _RECOMMENDED_MS) if "next_best_actions" in beside else midnight
        if not readers:
            return beside, lasts, 0
        shown = {
            trait_id: (each.kind, each.read)
            for trait_id, each in readers.items()
            if serves_all(self._purposes, purpose, each.reads)
        }
        values, until = computed_values(shown, profile, now, time_text)
        return {"computed_traits": values, **beside}, min(until, lasts), len(readers) - len(shown)

    def _beside(self, profile: Profile, purpose: str, now: int) -> dict[str, Any]:
        """The insights that are no computed traits."""
        purposes = self._purposes
        orders = serves(purposes, purpose, "sections", "transactions")

        def may_read(event: str) -> bool:
            return serves(purposes, purpose, "events", event)

        found = [
            *self._life_events.signs(profile, now, may_read, orders),
            *self._rate_changes.signs(profile, now, may_read, orders),
        ]
        told: dict[str, Any] = {"life_events": told_signs(found, time_text)} if found else {}
        engagement = serves(purposes, purpose, "sections", "engagement")
        told |= self._learned.told(profile, now, orders, engagement)
        if unusual := anomalies(profile, now, may_read, orders):
            told["anomalies"] = told_anomalies(unusual, time_text)
        if recommended := self.decisions.recommended(profile, purpose, now):
            told["next_best_actions"] = recommended
        return told

    def _load_trait_readers(self) -> dict[str, TraitReader]:
        known = catalogue_of(self._control.segments(), self._control.computed_traits())
        return trait_readers(known, self._rules)
