"""A small real matcher for tests: weights of a few fields that add up, by equality and Jaro-Winkler similarity."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from rapidfuzz.distance import JaroWinkler

from models.identity.evidence import Explanation, FieldEvidence
from models.identity.record import MatchRecord, Role

PRIOR = -10.0
# role -> bits if equal, if similar, if different
WEIGHTS: dict[Role, tuple[float, float, float]] = {
    "given_name": (5, 3, -4),
    "family_name": (6, 4, -4),
    "birth_date": (8, 2, -7),
    "postcode": (3, 0, -1),
    "phone": (9, 0, -1),
    "email": (10, 0, -1),
}
_SIMILAR = 0.88


def _text(record: MatchRecord, role: Role) -> list[str]:
    return [value.casefold() for value in record.values.get(role, ())]


class AdditiveMatcher:
    """Implements `models.identity.online.PairMatcher`."""

    version = "additive-1"

    def keys(self, records: Sequence[MatchRecord]) -> list[tuple[int, ...]]:
        return [tuple(_hash(text) for text in self._key_texts(record)) for record in records]

    def score(self, left: MatchRecord, rights: Sequence[MatchRecord]) -> list[Explanation]:
        return [self._explain(left, right) for right in rights]

    def _key_texts(self, record: MatchRecord) -> Iterable[str]:
        for role in ("birth_date", "phone", "email"):
            for value in _text(record, role):
                yield f"{role}:{value}"
        for given in _text(record, "given_name"):
            for family in _text(record, "family_name"):
                yield f"name:{given[:1]}{family[:3]}"

    def _explain(self, left: MatchRecord, right: MatchRecord) -> Explanation:
        fields = tuple(_compare(role, _text(left, role), _text(right, role)) for role in WEIGHTS)
        score = PRIOR + sum(field.weight for field in fields)
        return Explanation(
            method="probabilistic",
            model_version=self.version,
            prior=PRIOR,
            fields=fields,
            score=score,
            confidence=1 / (1 + 2**-score),
        )


def _compare(role: Role, left: list[str], right: list[str]) -> FieldEvidence:
    equal, similar, different = WEIGHTS[role]
    if not left or not right:
        return FieldEvidence(field=role, level="missing", weight=0.0)
    level, weight = "different", different
    if set(left) & set(right):
        level, weight = "equal", equal
    elif any(JaroWinkler.similarity(x, y) >= _SIMILAR for x in left for y in right):
        level, weight = "similar", similar
    return FieldEvidence(field=role, level=level, weight=weight, left=left[0], right=right[0])


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
