"""Bulk resolution and the matcher of single records: one engine."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from models.identity import resolve as resolving
from models.identity.columns import role_columns
from models.identity.drawing_waterfall import check_sum
from models.identity.evaluation import evaluate
from models.identity.fields import guess_reading, normalised_fields
from models.identity.matcher import OTHER_KINSHIP, Matcher
from models.identity.mixture import KINSHIPS, confidence
from models.identity.model import COMMON_MIN, MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord
from models.identity.resolve import ResolveSettings, resolve
from tests.strategies.people import households

NICKNAMES = NicknameTable.shipped()


def run(records: Any, **options: Any) -> Any:
    roles = role_columns(records)
    reading = guess_reading(roles)
    return resolve(normalised_fields(roles, reading), reading, NICKNAMES, ResolveSettings(), **options)


@pytest.fixture(scope="module")
def people() -> Any:
    records, truth = households(5, 700)
    return records, truth, run(records)


def test_people_are_found_without_labels(people: Any) -> None:
    records, truth, found = people
    scores = evaluate(found.entities, np.array(truth))
    assert len(records) > 2_000
    assert scores.bcubed_f1 > 0.96
    assert scores.bcubed_precision > 0.98


def test_what_is_learned_is_near_the_truth(people: Any) -> None:
    _, truth, found = people
    mixture = found.model.mixture
    true_pairs = sum(n * (n - 1) / 2 for n in np.bincount(truth).tolist())
    learned = mixture.shares[0] * len(truth) * (len(truth) - 1) / 2
    assert learned == pytest.approx(true_pairs, rel=0.1)
    assert sum(mixture.shares) == pytest.approx(1)
    given = mixture.levels[0][mixture.fields.index("given_name")]
    household = mixture.levels[KINSHIPS.index("household")][mixture.fields.index("given_name")]
    assert given[1] > 0.95 > 0.2 > household[1]


def test_the_first_record_of_a_person_names_it(people: Any) -> None:
    _, _, found = people
    assert (found.entities <= np.arange(len(found.entities))).all()
    assert (found.entities[found.entities] == found.entities).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


@pytest.mark.parametrize("chunk", [7_000, 50_000])
def test_chunks_and_threads_change_nothing(people: Any, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    records, _, found = people
    monkeypatch.setattr(resolving, "CHUNK_PAIRS", chunk)
    monkeypatch.setattr(resolving, "SCORED_PAIRS", chunk // 3)
    with ThreadPoolExecutor(3) as pool:
        again = run(records, run=pool.map)
    assert (again.entities == found.entities).all()
    assert (again.pairs.scores == found.pairs.scores).all()


def test_a_model_serves_again_after_it_was_written(people: Any) -> None:
    records, _, found = people
    model = MatchModel.decode(found.model.encode())
    assert model.version == found.model.version
    again = run(records, model=model)
    assert (again.entities == found.entities).all()
    assert (again.pairs.scores == found.pairs.scores).all()


def test_a_model_names_no_rare_value(people: Any) -> None:
    records, _, found = people
    for field, frequencies in found.model.frequencies.items():
        for value, share in frequencies.common.items():
            have = round(share * sum(1 for record in records if field in record.values))
            assert have >= COMMON_MIN or field in ("street", "street_number"), value
    assert not found.model.frequencies["email"].common


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="not a matching model"):
        MatchModel.decode(b'{"keys": 1}')


def test_single_records_score_as_in_bulk_and_weights_add_up(people: Any) -> None:
    records, _, found = people
    matcher = Matcher(found.model, NICKNAMES)
    some = np.flatnonzero(found.pairs.scores > -15)[::400]
    assert len(some) > 10
    for pair in some.tolist():
        left, right = (int(found.distinct[side[pair]]) for side in (found.pairs.left, found.pairs.right))
        (explanation,) = matcher.score(records[left], [records[right]])
        check_sum(explanation)
        clipped = min(explanation.score, resolving.SCORE_MAX)
        assert clipped == pytest.approx(found.pairs.scores[pair], abs=1e-6)
        assert explanation.confidence == pytest.approx(float(confidence(np.array(explanation.score))))
        assert explanation.fields[-1].field == OTHER_KINSHIP
        assert explanation.model_version == found.model.version


def test_single_records_share_a_key_exactly_if_they_are_compared_in_bulk(people: Any) -> None:
    records, _, found = people
    matcher = Matcher(found.model, NICKNAMES)
    some = [records[position] for position in found.distinct[:400].tolist()]
    keys = [set(found_keys) for found_keys in matcher.keys(some)]
    compared = set(zip(found.pairs.left.tolist(), found.pairs.right.tolist(), strict=True))
    for left in range(len(some)):
        for right in range(left + 1, len(some)):
            assert bool(keys[left] & keys[right]) == ((left, right) in compared)


def test_equal_records_are_one_person_if_they_tell_enough() -> None:
    records, _ = households(8, 300)
    rich = max(records, key=lambda record: len(record.values))
    copies = [MatchRecord(f"s{i:05d}", rich.values) for i in range(1_000)]  # more than any block may hold
    found = run([*records, *copies])
    assert len(set(found.entities[len(records) :].tolist())) == 1


def test_a_generational_suffix_keeps_father_and_son_apart() -> None:
    records, _ = households(9, 300)
    suffixes = [
        MatchRecord(f"t{i}", {**records[i].values, "name_suffix": ("Sr" if i % 2 else "Jr",)}) for i in range(40)
    ]
    values: Any = {**max(records, key=lambda record: len(record.values)).values}
    father = MatchRecord("u1", {**values, "name_suffix": ("Sr",)})
    son = MatchRecord("u2", {**values, "name_suffix": ("Jr",)})
    found = run([*records, *suffixes, father, son])
    assert found.entities[-1] != found.entities[-2]


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_records(count: int) -> None:
    records, _ = households(1, 5)
    assert len(run(records[:count]).entities) == count


def test_the_shipped_matcher_tells_household_from_person() -> None:
    matcher = Matcher.shipped()
    street: Any = {"street_address": ("12 Main Street",), "city": ("Springfield",)}
    robert = MatchRecord(
        "1", {"given_name": ("Robert",), "family_name": ("Quimby",), "birth_date": ("1980-04-09",), **street}
    )
    bob = MatchRecord("2", {"full_name": ("Quimby, Bob",), "birth_date": ("04/09/1980",), **street})
    mary = MatchRecord("3", {"full_name": ("Mary Quimby",), **street})
    likely, unlikely = matcher.score(robert, [bob, mary])
    assert likely.confidence > 0.95
    assert unlikely.confidence < 0.5
    assert set(matcher.keys([robert])[0]) & set(matcher.keys([bob])[0])
    assert matcher.score(robert, []) == []
