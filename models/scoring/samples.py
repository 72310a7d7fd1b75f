"""Which scores are kept with their time, to be measured later by what came of the people.

Of each shard some people are chosen by their customer ids, always the same as far as they can be, and among those from
whom built-in models never learn. Of each of them and each model the last score of a week is kept, until its horizon is
well over.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.profile.state import DAY_MS
from models.scoring.contract import Output
from models.segments.holdout import held_out

MEASURED_PERCENT = 30.0  # of the people, who are not learned from
PEOPLE_MAX = 5_000  # of a shard, of whom scores are kept
WEEK_MS = 7 * DAY_MS
MEASURED = "people who are measured"  # salt
_HORIZON_DAYS = 90  # of models that are for no time
_SPARE_DAYS = 28


class Sample(NamedTuple):
    """A score that was kept: its number, and its rival's, NaN if there was none."""

    value: float
    rival: float


class OtherScore(NamedTuple):
    """A score of a person that is not in their profile: one that a challenger told, or one that was kept."""

    customer_id: int
    model: str  # name@version
    at: int  # ms
    value: float | str


Samples = Mapping[tuple[int, int], Sample]
"""(customer id, time in ms) -> score, of one version."""


def kept_percent(people: int) -> float:
    """Of how many of so many people of a shard scores are kept: of all who are measured, or of PEOPLE_MAX of them."""
    return min(100.0 * PEOPLE_MAX / max(people, 1), MEASURED_PERCENT)


def are_kept(customer_ids: NDArray[np.int64], percent: float) -> NDArray[np.bool_]:
    """Whether scores of these people are kept, (n,). Who is among fewer percent is among more."""
    return held_out(MEASURED, customer_ids, percent)


def kept_ms(output: Output) -> int:
    """How long a score is kept."""
    return ((output.horizon_days or _HORIZON_DAYS) + _SPARE_DAYS) * DAY_MS


def latest_of_all(versions: Sequence[Samples], until: int) -> dict[int, int]:
    """The time, at most `until` ms, as of which people are compared: the latest of which there is a score of each
    version; of who has none such, the latest of any. By customer id."""
    common = set(versions[0]).intersection(*versions[1:])
    latest: dict[int, int] = {}
    for keys in (set().union(*versions), common):
        found: dict[int, int] = {}
        for customer_id, at in keys:
            if at <= until:
                found[customer_id] = max(at, found.get(customer_id, at))
        latest |= found
    return latest
