"""Bulk resolution at its edges: nobody, one, all alike, and values that nearly everybody has."""

from typing import Any

import numpy as np
import pytest

from models.identity.columns import ABSENT, Column, role_columns
from models.identity.fields import guess_reading, normalised_fields
from models.identity.matcher import Matcher
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord
from models.identity.resolve import Resolved, ResolveSettings, resolve
from tests.strategies.people import households

NICKNAMES = NicknameTable.shipped()
RICH = {
    "given_name": ("Anna",),
    "family_name": ("Quimby",),
    "birth_date": ("1980-02-03",),
    "email": ("anna.quimby@example.com",),
    "phone": ("2025550123",),
}


def record(**values: str) -> MatchRecord:
    return MatchRecord("", {role: (text,) for role, text in values.items()})  # type: ignore[misc]


def run(records: list[MatchRecord], **options: Any) -> Resolved:
    roles = role_columns(records)
    reading = guess_reading(roles)
    found = resolve(normalised_fields(roles, reading), reading, NICKNAMES, ResolveSettings(), **options)
    assert len(found.entities) == len(found.confidence) == len(records)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert sum(found.model.mixture.shares) == pytest.approx(1)
    assert np.isfinite(found.model.mixture.array).all()
    return found


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_and_one_with_a_model(count: int) -> None:
    model = Matcher.shipped().model
    absent = Column(np.full((count, 1), ABSENT, np.int32), [])
    found = resolve(
        dict.fromkeys(model.mixture.fields, absent), model.reading, NICKNAMES, ResolveSettings(), model=model
    )
    assert found.entities.tolist() == list(range(count))
    assert len(found.pairs.left) == 0


@pytest.mark.parametrize("records", [[], [MatchRecord("", {})], [record(city="", given_name=" ")] * 5])
def test_records_without_any_field_are_refused(records: list[MatchRecord]) -> None:
    with pytest.raises(ValueError, match="fields: expected at least one"):
        run(records)


def test_one_record_is_one_person() -> None:
    found = run([record(given_name="Anna", family_name="Lee")])
    assert (found.entities.tolist(), len(found.pairs.left)) == ([0], 0)
    assert found.confidence[0] > 0.99


def test_two_records_that_have_nothing_in_common() -> None:
    found = run([record(given_name="Anna", family_name="Lee"), record(email="jo@example.com")])
    assert found.entities.tolist() == [0, 1]


def test_one_field_alone() -> None:
    found = run([record(city=f"town {chr(97 + i % 20)}") for i in range(500)])
    assert len(found.distinct) == 20


@pytest.mark.parametrize("count", [2, 3, 100, 10_000])
def test_if_all_records_are_the_same_nothing_tells_people_apart_and_nothing_breaks(count: int) -> None:
    """What everybody has is worth nothing: such a set cannot teach that its values identify anybody."""
    found = run([MatchRecord("", RICH)] * count)  # type: ignore[arg-type]
    assert len(found.distinct) == 1
    assert len(found.pairs.left) == 0
    if len(set(found.entities.tolist())) == count:
        assert found.confidence.max() < 1  # an equal record may be the same person


def test_a_trained_model_knows_that_equal_records_are_one_person() -> None:
    model = Matcher.shipped().model
    absent = Column(np.full((10_000, 1), ABSENT, np.int32), [])
    columns = normalised_fields(role_columns([MatchRecord("", RICH)] * 10_000), model.reading)  # type: ignore[arg-type]
    fields = {field: columns.get(field, absent) for field in model.mixture.fields}
    found = resolve(fields, model.reading, NICKNAMES, ResolveSettings(), model=model)
    assert set(found.entities.tolist()) == {0}


def test_ten_thousand_equal_records_among_others_are_one_person_and_few_pairs() -> None:
    records, _ = households(5, 700)
    alone = run(records)
    found = run([*records, *[MatchRecord("", RICH)] * 10_000])  # type: ignore[arg-type]
    assert set(found.entities[len(records) :].tolist()) == {len(records)}
    assert (found.entities[: len(records)] < len(records)).all()
    assert len(found.pairs.left) < 3 * len(alone.pairs.left)


def test_a_value_that_everybody_has_changes_nothing() -> None:
    records, _ = households(5, 700)
    found = run([MatchRecord("", {**record.values, "phone": ("2025550199",)}) for record in records])
    assert (found.entities == run(records).entities).all()


def test_a_value_of_very_many_joins_nobody() -> None:
    records, _ = households(5, 700)
    shop = [record(email="info@example.com", city=f"town {i}") for i in range(1_000)]
    found = run([*records, *shop])
    assert np.bincount(found.entities[len(records) :]).max() == 1


def test_records_that_are_all_nearly_the_same_leave_nothing_undefined() -> None:
    records = [MatchRecord("", {**RICH, "street_number": (str(i),)}) for i in range(1_000)]  # type: ignore[dict-item]
    found = run(records)
    assert len(found.pairs.left) == 1_000 * 999 / 2
