"""Training and evaluation texts: two writings of one person, and the writing of somebody who looks like them.

Three kinds, because the model is asked for all three: a name, an address, and a whole record as
`models.identity.record_text.record_text` writes it.
"""

import random
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from models.identity.record_text import record_text
from pipelines.embedding_people import (
    Person,
    draw_person,
    lookalike,
    moved,
    neighbour,
    written,
    written_address,
    written_name,
)
from pipelines.embedding_words import Words

Kind = Literal["name", "address", "record"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MOVED = 0.2  # share of people whose two records are of different addresses
_ERRORS, _ERRORS_WEIGHTS = (0, 1, 2, 3), (0.25, 0.45, 0.2, 0.1)


class Triplet(NamedTuple):
    """`anchor` and `positive` are of one person, `negative` is of another who looks like them."""

    anchor: str
    positive: str
    negative: str


def make_triplets(seed: int, words: Words, kind: Kind, count: int) -> Iterator[Triplet]:
    """`count` triplets of a kind; the same seed and words give the same triplets."""
    rng = random.Random(f"onefold embedding {kind} {seed}")  # nosec B311
    made = 0
    while made < count:
        person = draw_person(rng, words)
        other = neighbour(rng, words, person) if kind == "address" else lookalike(rng, words, person)
        if kind == "name" and (other.given, other.family) == (person.given, person.family):
            continue  # a namesake cannot be told by the name
        errors = rng.choices(_ERRORS, _ERRORS_WEIGHTS, k=2)
        anchor = _text(rng, words, person, kind, max(errors[0] - 1, 0))
        later = moved(rng, words, person) if kind == "record" and rng.random() < _MOVED else person
        positive = _text(rng, words, later, kind, errors[1])
        negative = _text(rng, words, other, kind, 0)
        if anchor.strip() and positive.strip() and negative.strip():
            made += 1
            yield Triplet(anchor, positive, negative)


def _text(rng: random.Random, words: Words, person: Person, kind: Kind, errors: int) -> str:
    if kind == "name":
        return written_name(rng, words, person, errors)
    if kind == "address":
        return written_address(rng, words, person, errors)
    return record_text(written(rng, words, person, errors))
