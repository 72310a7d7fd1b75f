"""The matcher of single records: keys, scores and their explanations."""

from typing import Any

import pytest

from models.identity.drawing_waterfall import check_sum, waterfall
from models.identity.matcher import OTHER_KINSHIP, Matcher
from models.identity.mixture import KINSHIPS
from models.identity.record import MatchRecord


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher.shipped()


def record(**values: Any) -> MatchRecord:
    return MatchRecord("", {role: (v,) if isinstance(v, str) else v for role, v in values.items()})  # type: ignore[misc]


JANE = {"given_name": "Jane", "family_name": "Quimby", "birth_date": "1980-04-09", "email": "jane.q@example.com"}


def test_records_that_say_nothing_have_no_keys_and_a_score(matcher: Matcher) -> None:
    assert matcher.keys([]) == []
    assert matcher.keys([record(), record(city=""), record(phone="000000")]) == [(), (), ()]
    (explanation,) = matcher.score(record(), [record()])
    check_sum(explanation)
    assert explanation.score < 0
    assert [field.field for field in explanation.fields] == [OTHER_KINSHIP]


def test_keys_are_unsigned_and_the_same_for_the_same_person_written_otherwise(matcher: Matcher) -> None:
    one, other = matcher.keys([record(**JANE), record(full_name="QUIMBY, Jane", birth_date="04/09/1980")])
    assert all(0 < key < 2**64 for key in one)
    assert list(one) == sorted(set(one))
    assert set(one) & set(other)


def test_the_second_email_of_one_is_the_first_of_another(matcher: Matcher) -> None:
    one = record(email=("x@example.com", "jane.q@example.com"))
    other = record(email=("jane.q@example.com", "y@example.com"))
    keys = matcher.keys([one, other])
    assert set(keys[0]) & set(keys[1])
    (explanation,) = matcher.score(one, [other])
    email = next(field for field in explanation.fields if field.field == "email")
    assert (email.level, email.left) == ("exact", "x@example.com, jane.q@example.com")


def test_an_explanation_tells_what_was_compared(matcher: Matcher) -> None:
    (explanation,) = matcher.score(record(**JANE), [record(**{**JANE, "given_name": "Janet", "gender": "f"})])
    *fields, other = explanation.fields
    assert explanation.method == "probabilistic" and explanation.model_version == matcher.version
    assert {(f.field, f.level) for f in fields} >= {("family_name", "exact"), ("birth_date", "exact")}
    assert "gender" not in {f.field for f in fields}  # only one of them says it
    assert (other.field, other.left, other.right) == (OTHER_KINSHIP, "", "")
    assert other.level in KINSHIPS[1:-1]
    assert other.weight <= 0  # more explanations than chance never make one person likelier
    name = next(f for f in fields if f.field == "family_name")
    assert (name.left, name.right) == ("quimby", "quimby")
    assert 0 < name.frequency < name.weight  # a rare name: part of what it weighs
    assert waterfall(explanation).steps[-1].end == pytest.approx(explanation.score)


def test_scores_do_not_depend_on_who_is_asked_about_whom(matcher: Matcher) -> None:
    people = [
        record(**JANE),
        record(**{**JANE, "email": ("a@example.com", "jane.q@example.com", "jane@example.org")}),
        record(full_name="Quimby, J."),
        record(given_name="Quimby", family_name="Jane", phone=("+44 3814 250533", "03814 250534")),
        record(email=("jane@example.org", "a@example.com"), phone="3814 250534"),
    ]
    for one in people:
        together = matcher.score(one, people)
        for other, explanation in zip(people, together, strict=True):
            assert matcher.score(other, [one])[0].score == pytest.approx(explanation.score, abs=1e-9)
            assert matcher.score(one, [other])[0] == explanation  # candidates do not change each other


@pytest.mark.parametrize(
    "values",
    [
        {"given_name": "\x00"},
        {"full_name": "É́" * 500},
        {"family_name": "李"},
        {"email": "@"},
        {"email": "a@b@c"},
        {"birth_date": "99/99/9999"},
        {"birth_date": "٣/٤/١٩٨٠"},
        {"phone": "²³⁴⁵⁶⁷⁸"},
        {"street_address": ",,,"},
        {"full_address": "\n" * 50},
        {"national_id": "SSN:"},
        {"given_name": ("a", "b", "c", "d", "e", "f")},
    ],
)
def test_odd_values_are_compared_like_any_other(matcher: Matcher, values: Any) -> None:
    odd = record(**{**JANE, **values})
    for explanation in (*matcher.score(odd, [odd, record(**JANE)]), *matcher.score(record(**values), [odd])):
        check_sum(explanation)
    assert matcher.keys([odd])[0]
