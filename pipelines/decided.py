"""Decisions of a decision point: what was known of people when they were taken, and what came of them.

Read from the shards' committed files, as `pipelines.people_as_of` does: features are those of the profile as it was at
the time of the decision, made of the events up to then, as far as they serve what the decision was for: the others are
unknown. A decision counts for whom the person is today, and once its horizon is over. An action that the settings do
not have any more counts as if it had never been allowed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.shard_log import ShardLog
from models.identity.customer_id import shard_of
from models.privacy.decisions import DecisionRecord
from models.privacy.purposes import NO_PURPOSES, Purposes
from models.privacy.visibility import may_be_scored
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.profile.policy import ProfilePolicy
from models.profile.reduce import time_of
from models.profile.state import DAY_MS, Profile, decode_profile
from models.scoring.deciding import columns, served_features
from models.scoring.decision_point import DecisionPoint
from models.scoring.features import FeatureReader, Value
from models.scoring.next_best_action import History
from models.scoring.outcomes import outcome_of
from models.scoring.replay import profiles_as_of
from models.segments.holdout import is_held_out
from pipelines.people_as_of import events_of, is_measured

DECISIONS_MAX = 200_000
_PAGE = 500  # people read at once
_SAMPLE = "sample of decisions"  # salt


class Decided(NamedTuple):
    """n decisions whose horizon is over, k actions in the order of the settings."""

    at: NDArray[np.int64]  # (n,), ms
    history: History
    waiting: int = 0  # decisions whose horizon is not over
    withheld: int = 0  # about people who may not be scored
    retired: int = 0  # for an action that is not in the settings any more
    share: float = 1.0  # of people who are in it, if there were more decisions than were asked for
    left_out: int = 0  # decisions about the others

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(n,), about whom nothing is learned from."""
        return np.array([is_measured(each) for each in self.people.tolist()], np.bool_)

    @property
    def people(self) -> NDArray[np.int64]:
        """(n,), customer ids."""
        found = self.history.people
        assert found is not None  # `collect_decisions` always says it
        return found


class Times(NamedTuple):
    """When decisions were taken, from `since` up to and without `until`, and the present; ms."""

    since: int
    until: int
    now: int


class _Row(NamedTuple):
    customer_id: int
    record: DecisionRecord
    features: Mapping[str, Value]
    served: frozenset[str]  # features that the decision might be told of
    responded: bool
    value: float


def collect_decisions(
    data_dir: Path,
    shards: int,
    name: str,
    point: DecisionPoint,
    times: Times,
    policy: ProfilePolicy,
    purposes: Purposes = NO_PURPOSES,
    rules: LifecycleRules = DEFAULT_RULES,
    decisions_max: int = DECISIONS_MAX,
) -> Decided:
    """Those of some time; of more than `decisions_max`, those of a part of the people. Raises NotFound if a shard's
    file is not on this machine."""
    horizon = point.horizon_days * DAY_MS
    with ExitStack() as stack:
        logs = [stack.enter_context(closing(ShardLog(data_dir, shard, shards))) for shard in range(shards)]
        counts = Counter(_kind(record, point, times) for record in _of_point(logs, name, times))
        percent = min(100.0 * decisions_max / max(counts["over"], 1), 100.0)
        found: dict[int, list[DecisionRecord]] = {}
        left_out = 0
        for record in _of_point(logs, name, times):  # again, so that no more than the sample is held
            if _kind(record, point, times) == "over":
                customer_id = _present(logs, record.customer_id)
                if percent >= 100 or is_held_out(_SAMPLE, customer_id, percent):
                    found.setdefault(customer_id, []).append(record)
                else:
                    left_out += 1
        reader, rows, withheld = FeatureReader(point.features, rules), [], 0
        served_for = served_features(point.features, purposes)
        for profile in _profiles(logs, sorted(found)):
            records = sorted(found[profile.customer_id], key=lambda record: record.at)
            if not may_be_scored(profile, purposes, times.now):
                withheld += len(records)
                continue
            events, nobody = events_of(logs, profile), Profile(profile.customer_id, 0)
            times_of = [record.at for record in records], [record.at + horizon for record in records]
            before, behind = (profiles_as_of(profile.customer_id, events, each, policy, purposes) for each in times_of)
            for record, then, later in zip(records, before, behind, strict=True):
                end = record.at + horizon
                after = [event for event in events if record.at < time_of(event) <= end]
                responded, value = (
                    outcome_of(each, then or nobody, later or nobody, after, (record.at, end))
                    for each in (point.response, point.value)
                )
                served = served_for(record.purpose or purposes.default)
                told = reader.one(then or nobody, record.at).items()
                features = {name: each if name in served else None for name, each in told}
                rows.append(_Row(profile.customer_id, record, features, served, responded > 0, value))
        return Decided(
            np.array([row.record.at for row in rows], np.int64),
            _history(point, rows),
            counts["waiting"],
            withheld,
            counts["retired"],
            percent / 100,
            left_out,
        )


def _kind(record: DecisionRecord, point: DecisionPoint, times: Times) -> Literal["waiting", "retired", "over"]:
    if record.at + point.horizon_days * DAY_MS > times.now:
        return "waiting"
    return "over" if record.action in point.actions else "retired"


def _of_point(logs: Sequence[ShardLog], name: str, times: Times) -> Iterator[DecisionRecord]:
    for log in logs:
        for record in log.decisions_between(times.since, times.until):
            if (record.kind, record.subject, record.decided) == ("model", name, "taken"):
                yield record


def _present(logs: Sequence[ShardLog], customer_id: int) -> int:
    """Whom somebody is today."""
    while target := logs[shard_of(customer_id)].merged_into(customer_id):
        customer_id = target
    return customer_id


def _profiles(logs: Sequence[ShardLog], people: Sequence[int]) -> Iterator[Profile]:
    """Those who are there."""
    for shard, log in enumerate(logs):
        mine = [each for each in people if shard_of(each) == shard]
        for start in range(0, len(mine), _PAGE):
            for _, state in log.states_of(mine[start : start + _PAGE]):
                yield decode_profile(state)


def _history(point: DecisionPoint, rows: Sequence[_Row]) -> History:
    places = {name: place for place, name in enumerate(point.actions)}
    propensities = np.zeros((len(rows), len(places)))
    for number, row in enumerate(rows):
        for action, likely in row.record.propensities.items():
            if action in places:
                propensities[number, places[action]] = likely
    propensities /= propensities.sum(1, keepdims=True)
    allowed = [{action: None for action in row.record.propensities if action in places} for row in rows]
    return History(
        columns(point.features, [row.features for row in rows], allowed),
        np.array([places[row.record.action] for row in rows], np.int64),
        propensities,
        np.array([row.responded for row in rows], np.bool_),
        np.array([row.value for row in rows], np.float64),
        np.array([row.customer_id for row in rows], np.int64),
        {name: np.array([name in row.served for row in rows], np.bool_) for name in point.features},
    )
