"""All models that score the same people: their features, read of each profile once, and rows made of their answers."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from models.privacy.purposes import Purposes
from models.privacy.visibility import looked_at_until, may_be_scored
from models.profile.lifecycle import LifecycleRules
from models.profile.parts import PartDecoder
from models.profile.state import DAY_MS, Profile
from models.scoring.bands import PARTS, Banding, Standing
from models.scoring.contract import HIGH, LOW, RIVAL, VALUE, Signature
from models.scoring.drift import columns, counts
from models.scoring.feature_age import recent
from models.scoring.features import CUSTOMER, Feature, FeatureReader
from models.scoring.kept import Row, body_of
from models.scoring.registry import Alias, ModelVersion

NO_SCORE = "the model gave no valid score"

Current = Mapping[tuple[str, Alias], ModelVersion]


class People(NamedTuple):
    """Some people as models see them at a time, ms: n ids, when each is to be looked at again (ms, 0 for never), when
    each was last seen (ms), and a batch of all features of all models; and how people stand in bands."""

    customer_ids: list[int]
    until: list[int]
    last_seen: list[int]
    features: pa.RecordBatch
    at: int
    standings: list[Standing]  # of them and of those who may not be scored, if there are bands


class Lineup:
    """The champions and challengers of a moment, in a fixed order."""

    def __init__(self, current: Current, purposes: Purposes, rules: LifecycleRules, banding: Banding) -> None:
        self.versions: list[tuple[Alias, ModelVersion]] = [
            (alias, version)
            for (_, alias), version in sorted(current.items(), key=lambda item: item[0])
            if version.is_score
        ]
        self._purposes = purposes
        self._banding = banding
        self._conditions = blake2b(
            msgspec.json.encode([purposes, rules, banding.conditions]), digest_size=8
        ).hexdigest()
        features: dict[str, Feature] = {}  # by what they are: models share many
        self._columns: list[dict[str, str]] = []  # of each model: its feature -> the one of `features`
        for _, version in self.versions:
            keys = {name: msgspec.json.encode(each).decode() for name, each in version.signature.features.items()}
            features |= {keys[name]: each for name, each in version.signature.features.items()}
            self._columns.append(keys)
        self._reader = FeatureReader(features, rules)
        permission = {"consents", "attributes"} if purposes.is_on else {"consents"}
        self._decoder = PartDecoder(self._reader.parts | permission | (PARTS if banding.names else set()))

    @property
    def text(self) -> str:
        """Which versions these are, as which, and under which settings: equal if everybody would score the same."""
        return " ".join([*(f"{alias}:{version.reference}" for alias, version in self.versions), self._conditions])

    @property
    def has_work(self) -> bool:
        """Whether there is anybody to score, or bands to take back."""
        return bool(self.versions or self.banded)

    @property
    def banded(self) -> list[str]:
        """The scores whose bands are looked after."""
        return self._banding.names

    @property
    def champions(self) -> dict[str, str]:
        """The champion of each score, by its reference."""
        return {version.name: version.reference for alias, version in self.versions if alias == "champion"}

    @property
    def misfits(self) -> list[str]:
        """The scores of champions whose bands are not of their kind: edges of labels, or no edges of numbers."""
        champions = [version for alias, version in self.versions if alias == "champion"]
        return self._banding.misfits({each.name: each.signature.output.kind == "label" for each in champions})

    def names(self, alias: Alias) -> list[str]:
        """Of which scores there is a champion, or a challenger."""
        return [version.name for each, version in self.versions if each == alias]

    def people(self, states: Sequence[tuple[int, bytes]], at: int) -> People:
        """Those of encoded profiles who may be scored at a time, ms."""
        profiles: list[Profile] = []
        standings: list[Standing] = []
        for _, state in states:
            profile = self._decoder.decode(state)
            is_scored = may_be_scored(profile, self._purposes, at)
            if is_scored:
                profiles.append(profile)
            if self._banding.names and (standing := self._banding.standing(profile, is_scored, at)) is not None:
                standings.append(standing)
        return People(
            [profile.customer_id for profile in profiles],
            [looked_at_until(profile, self._purposes, at) for profile in profiles],
            [profile.last_seen for profile in profiles],
            self._reader.batch(profiles, at),
            at,
            standings,
        )

    def band_changes(self, people: People, rows: Iterable[Sequence[Row]]) -> dict[int, dict[str, str | None]]:
        """Customer id -> the bands to state (`Banding.changes`), of those whose bands are other ones now. `rows`: what
        each model just gave, in their order."""
        if not people.standings:
            return {}
        champions = self.champions
        scores: dict[int, dict[str, float | str]] = {}
        for (alias, _), mine in zip(self.versions, rows, strict=True):
            for row in mine if alias == "champion" else ():
                scores.setdefault(row.customer_id, {})[row.name] = row.value
        found = {
            s.customer_id: self._banding.changes(s, scores.get(s.customer_id, {}), champions) for s in people.standings
        }
        return {customer_id: changes for customer_id, changes in found.items() if changes}

    def question(self, number: int, people: People) -> tuple[list[int], pa.RecordBatch]:
        """What a model is asked, and about whom: places in `people`."""
        signature, batch = self._asked(number, people)
        places = np.flatnonzero(recent(signature, (people.at - np.array(people.last_seen, np.float64)) / DAY_MS))
        if len(places) < len(people.customer_ids):
            batch = batch.take(pa.array(places))
        return places.tolist(), batch

    def drift_counts(self, number: int, people: People, rows: Sequence[Row]) -> dict[str, list[int]]:
        """Of people who are scored: how many are where, against those from whom a model learned; `rows`: their scores
        by it."""
        version = self.versions[number][1]
        if not version.distributions:
            return {}
        _, batch = self._asked(number, people)
        told = [*(row.value for row in rows), *[None] * (len(people.customer_ids) - len(rows))]
        return counts(version.distributions, columns(version.signature, batch, told))

    def rows(
        self,
        number: int,
        model: int,
        people: People,
        question: tuple[list[int], pa.RecordBatch],
        answer: Mapping[str, Sequence[float | str | None]],
    ) -> list[Row]:
        """Rows of a model's checked answer; who has no score has none. `model`: its number in the file."""
        name = self.versions[number][1].name
        places, batch = question
        nothing: list[float | str | None] = [None] * len(places)
        answered = zip(
            places,
            answer[VALUE],
            answer.get(LOW, nothing),
            answer.get(HIGH, nothing),
            answer.get(RIVAL, nothing),
            zip(*(column.to_pylist() for column in batch.columns[1:]), strict=True),
            strict=True,
        )
        return [
            Row(
                people.customer_ids[p], name, model, people.at, people.until[p], value, "", body_of(low, high, rival, f)
            )
            for p, value, low, high, rival, f in answered
            if value is not None
        ]

    def _asked(self, number: int, people: People) -> tuple[Signature, pa.RecordBatch]:
        """A model's signature and its features of all people."""
        keys = self._columns[number]
        given = [people.features.column(CUSTOMER), *(people.features.column(key) for key in keys.values())]
        return self.versions[number][1].signature, pa.RecordBatch.from_arrays(given, names=[CUSTOMER, *keys])
