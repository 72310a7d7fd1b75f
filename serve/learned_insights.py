"""What models have learned that is told of people as they are read, rather than kept as scores: products and channels.

Each is the champion of its name. A promotion is noticed within half a second; what a version has learned is read once.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors.affinity_file import read_affinity
from actors.control import ControlStore
from actors.errors import OnefoldError
from actors.model_artefacts import DIRECTORY
from models.profile.state import Profile
from models.scoring.builtin_behaviour import ChannelParameters, channel_model
from models.scoring.channels import ChannelModel
from models.scoring.insights import affinities, told_affinities, told_channels, told_prospects
from models.scoring.product_affinity import ProductAffinity
from models.scoring.registry import AFFINITY, CHANNEL, ModelVersion
from serve.snapshot import Snapshot

log = logging.getLogger("onefold.models")


class LearnedChannels(NamedTuple):
    """How people respond on channels, and which version has learned it."""

    version: str
    model: ChannelModel


class Learned(NamedTuple):
    """What there are champions of. The same objects as long as these are."""

    affinity: ProductAffinity | None = None
    channels: LearnedChannels | None = None


NOTHING = Learned()


class LearnedInsights:
    """Those of one replica."""

    def __init__(self, control: ControlStore, data_dir: Path, is_on: bool, now: Callable[[], int]) -> None:
        """`is_on`: whether scoring is; `now` is in ms."""
        self._control = control
        self._is_on = is_on
        self._models_dir = data_dir / DIRECTORY
        self._champions: list[ModelVersion | None] = []
        self._learned = NOTHING
        self._snapshot = Snapshot(control, self._load, now)

    def get(self) -> Learned:
        """What counts now."""
        return self._snapshot.get() if self._is_on else NOTHING

    def told(self, profile: Profile, now: int, orders: bool, engagement: bool) -> dict[str, Any]:
        """What of a profile's insights is made of these at `now` ms, and what the person buys most; of `orders` and
        `engagement`, if they may be read."""
        learned = self.get()
        bought = told_affinities(affinities(profile)) if orders else {}
        if bought and learned.affinity is not None:
            bought |= told_prospects(learned.affinity, profile, now)
        responses = told_channels(*learned.channels, profile) if learned.channels and engagement else {}
        told = {"affinities": bought, "channel_responses": responses}
        return {name: part for name, part in told.items() if part}

    def _load(self) -> Learned:
        champions = [self._control.champion(name) for name in (AFFINITY, CHANNEL)]
        if champions != self._champions:
            affinity, channels = champions
            self._learned = Learned(
                None if affinity is None else self._affinity(affinity),
                None if channels is None else _channels(channels),
            )
            self._champions = champions
        return self._learned

    def _affinity(self, version: ModelVersion) -> ProductAffinity | None:
        """None of what cannot be read: people are told of without it."""
        if not version.is_affinity:
            return None
        try:
            return read_affinity(version, self._models_dir)
        except OnefoldError as error:
            log.error("a model cannot be read", extra={"fields": {"model": version.reference, "reason": error.message}})
            return None


def _channels(version: ModelVersion) -> LearnedChannels | None:
    """None of one that is plugged in under the name, or that cannot be read."""
    if not version.is_channels:
        return None
    try:
        return LearnedChannels(version.reference, channel_model(msgspec.convert(version.parameters, ChannelParameters)))
    except ValueError:
        log.error("a model cannot be read", extra={"fields": {"model": version.reference}})
        return None
