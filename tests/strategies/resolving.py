"""Records resolved in bulk, as tests compare them with what was resolved otherwise."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from models.identity.columns import ABSENT, Column, role_columns
from models.identity.fields import guess_reading, normalised_fields
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord
from models.identity.resolve import ResolveSettings, resolve

Partition = set[frozenset[str]]


def learned(records: Sequence[MatchRecord], nicknames: NicknameTable) -> MatchModel:
    """A model learned from the records."""
    roles = role_columns(records)
    reading = guess_reading(roles)
    return resolve(normalised_fields(roles, reading), reading, nicknames, ResolveSettings()).model


def in_bulk(records: Iterable[MatchRecord], model: MatchModel, nicknames: NicknameTable) -> Partition:
    """The people that bulk resolution with a model finds."""
    ordered = sorted(records, key=lambda record: record.record_id)
    found = normalised_fields(role_columns(ordered), model.reading)
    absent = Column(np.full((len(ordered), 1), ABSENT, np.int32), [])
    fields = {field: found.get(field, absent) for field in model.mixture.fields}
    resolved = resolve(fields, model.reading, nicknames, ResolveSettings(), model=model)
    people: dict[int, list[str]] = {}
    for record, entity in zip(ordered, resolved.entities.tolist(), strict=True):
        people.setdefault(entity, []).append(record.record_id)
    return partition(people)


def partition(entities: Mapping[Any, Iterable[str]]) -> Partition:
    """The entities without their ids."""
    return {frozenset(records) for records in entities.values()}
