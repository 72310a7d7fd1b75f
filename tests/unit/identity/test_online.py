"""What follows from scores: the rules of linking, reviewing and neither, from both sides."""

from collections.abc import Mapping, Sequence

import pytest

from models.identity.assessment import Assessor
from models.identity.evidence import Explanation
from models.identity.identifiers import IdentitySettings
from models.identity.match_index import MatchIndex, Query
from models.identity.online import MatchingSettings, Option, Scored, Verdict, judge
from models.identity.profile_record import traits_record
from models.identity.record import MatchRecord
from models.identity.resolution import Candidate, Standing, standing
from models.profile.state import Attribute, Observation, Profile, encode_profile
from tests.strategies.additive_matcher import AdditiveMatcher

SETTINGS = MatchingSettings()


def option(customer_id: int, confidence: float, stand: Standing = "free") -> Option:
    told = Explanation(
        method="probabilistic", model_version="t", prior=0, fields=(), score=confidence, confidence=confidence
    )
    return Option(Scored(customer_id, 0, MatchRecord(str(customer_id), {}), told), stand)


def verdict(*options: Option, alike: bool = True) -> Verdict:
    return judge(options, lambda left, right: 0.9 if alike else 0.1, SETTINGS)


def reviews(found: Verdict) -> list[tuple[int, str]]:
    return [(review.customer_id, reason) for review, reason in found.reviews]


def test_thresholds_decide() -> None:
    assert verdict() == verdict(option(1, 0.49)) == Verdict("new")
    assert reviews(verdict(option(1, 0.79))) == reviews(verdict(option(1, 0.5))) == [(1, "confidence")]
    linked = verdict(option(1, 0.8), option(2, 0.95), option(3, 0.6))
    assert linked.decision == "link" and linked.link is not None and linked.link.customer_id == 2
    assert linked.reviews == ()


def test_equals_go_to_the_older() -> None:
    linked = verdict(option(7, 0.9), option(5, 0.9))
    assert linked.link is not None and linked.link.customer_id == 5


def test_limits_go_to_review_and_partings_are_final() -> None:
    assert verdict(option(1, 0.99, "apart")) == Verdict("new")
    assert reviews(verdict(option(1, 0.99, "limits"), option(2, 0.6))) == [(1, "limits"), (2, "confidence")]
    linked = verdict(option(1, 0.99, "limits"), option(2, 0.9))
    assert linked.link is not None and linked.link.customer_id == 2


def test_two_who_do_not_resemble_each_other_are_for_a_person_to_decide() -> None:
    assert reviews(verdict(option(1, 0.9), option(2, 0.95), alike=False)) == [(2, "ambiguous"), (1, "ambiguous")]
    # Nor is one who only might be it a contradiction, nor one who was set apart.
    for other in (option(2, 0.7), option(2, 0.9, "apart")):
        assert verdict(option(1, 0.9), other, alike=False).decision == "link"


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"matching\.review_confidence"):
        MatchingSettings(link_confidence=0.4)


def test_standing_names_what_forbids_a_link() -> None:
    limits = {"user_id": 1}
    left, right = Candidate(1, ["user_id:1", "crm:1"]), Candidate(2, ["crm:2"])
    assert standing(left, right, limits, 5) == "free"
    assert standing(left, right, limits, 1) == "limits"
    assert standing(left, Candidate(2, ["user_id:2"]), limits, 5) == "limits"
    assert standing(left, Candidate(2, ["user_id:2"], lineage=[9], apart=[1]), limits, 5) == "apart"
    assert standing(Candidate(1, [], apart=[9]), Candidate(2, [], lineage=[9]), limits, 5) == "apart"


class Around:
    """Answers an assessment from one index and from candidates that are given."""

    def __init__(self, people: Mapping[int, Mapping[str, str]], missing: Sequence[int] = ()) -> None:
        self.matcher = AdditiveMatcher()
        self.index = MatchIndex(self.matcher, SETTINGS)
        self.missing = missing
        self.queries = {
            query.customer_id: query for query in self.index.take([(c, state(c, t)) for c, t in people.items()])
        }

    async def kin(self, queries: Sequence[Query]) -> list[list[Scored]]:
        return [self.index.nearest_kin(query) for query in queries]

    async def candidates(self, customer_ids: Sequence[int]) -> dict[int, Candidate]:
        return {c: Candidate(c, []) for c in customer_ids if c not in self.missing}


def state(customer_id: int, traits: Mapping[str, str]) -> bytes:
    attributes = {name: Attribute(Observation(1, 1, value)) for name, value in traits.items()}
    return encode_profile(Profile(customer_id, 1, attributes=attributes))


ANN = {"firstName": "Ann", "lastName": "Lee", "birthday": "1980-01-02", "phone": "1"}
ZOE = {"firstName": "Zoe", "lastName": "Lee", "birthday": "2015-11-29", "phone": "1"}
SOMEBODY_LEE = {"lastName": "Lee", "phone": "1"}  # Ann or Zoe


async def assess(around: Around, customer_id: int) -> tuple[str, list[tuple[int, str]], tuple[int, ...]]:
    (found,) = await Assessor(around, around.matcher, SETTINGS, IdentitySettings()).assess(
        [around.queries[customer_id]]
    )
    return found.verdict.decision, reviews(found.verdict), found.outdated


def now(around: Around, customer_id: int) -> tuple[str, list[tuple[int, str]], tuple[int, ...]]:
    try:
        assess(around, customer_id).send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


def test_a_link_is_the_answer_from_both_sides() -> None:
    assert now(Around({1: ANN, 2: ANN}), 1) == ("link", [], ())
    assert now(Around({1: ANN, 3: SOMEBODY_LEE}), 1) == ("link", [], ())
    around = Around({1: ANN, 2: ZOE, 3: SOMEBODY_LEE})
    assert now(around, 3) == ("review", [(1, "ambiguous"), (2, "ambiguous")], ())
    # Ann resembles nobody else; but who she resembles does.
    assert now(around, 1) == ("review", [(3, "ambiguous")], ())


def test_people_that_are_no_more_are_told() -> None:
    assert now(Around({1: ANN, 2: ANN}, missing=[2]), 1) == ("new", [], (2,))
    assert now(Around({1: ANN, 2: ANN}, missing=[1]), 1) == ("new", [], (1,))


def test_candidates_without_a_key_in_common_are_compared_too() -> None:
    around = Around({1: ANN, 2: {"firstName": "Catherine", "lastName": "Lees", "postcode": "N1"}})
    record = traits_record({"firstName": "Katherine", "lastName": "Lees", "postcode": "N1"}, [])
    assert record is not None
    query = Query(0, record, around.matcher.keys([record])[0])
    assert around.index.nearest_kin(query) == []
    assert [s.customer_id for s in around.index.nearest_kin(query, also=[1, 2, 99])] == [2]
