"""Settings of scoring: the table [scoring] of onefold.toml."""

from typing import Annotated

import msgspec
from msgspec import Meta

from models.scoring.bands import check_edges
from models.scoring.decision_point import DecisionPoint, check_decisions
from models.scoring.gate import Gate
from models.scoring.hosting import HostSettings
from models.scoring.life_events import DEFAULT_LIFE_EVENTS, OnsetRule
from models.scoring.rate_changes import DEFAULT_RATE_CHANGES, RateRule


class ScoringSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whether people are scored, and what models may take for that."""

    enabled: bool = True  # without a champion in the registry nothing is done, whatever this says
    hosts: HostSettings = HostSettings()
    gates: dict[str, Gate] = {}  # by the name of the score
    decisions: dict[str, DecisionPoint] = {}  # points at which one of several actions is chosen, by name
    # By the name of the score: the name of each band -> the least score in it; none for labels.
    bands: dict[str, dict[str, float]] = {}
    # How far beyond an edge a score must be for another band, as a part of the distance to the next edge.
    band_margin: Annotated[float, Meta(ge=0, lt=0.5)] = 0.1
    # What makes a sign, by its name.
    life_events: dict[str, OnsetRule] = msgspec.field(default_factory=DEFAULT_LIFE_EVENTS.copy)
    rate_changes: dict[str, RateRule] = msgspec.field(default_factory=DEFAULT_RATE_CHANGES.copy)

    def __post_init__(self) -> None:
        check_decisions(self.decisions)
        check_edges(self.bands)
