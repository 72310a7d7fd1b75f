"""Made-up people for training the embedding: seeded, held out, and of one person where they say so."""

import random

import pytest
from rapidfuzz.distance import JaroWinkler

from models.identity.fold import fold
from pipelines.embedding_noise import (
    digit_off,
    heard,
    romanised,
    scanned,
    typed,
    with_vowels,
    without_vowels,
)
from pipelines.embedding_pairs import KINDS, Kind, make_triplets
from pipelines.embedding_people import draw_person, lookalike
from pipelines.embedding_words import Words, load_words


@pytest.fixture(scope="module")
def words() -> tuple[Words, Words]:
    return load_words(1)


def test_no_name_or_street_is_in_both_parts(words: tuple[Words, Words]) -> None:
    training, held_out = ({name for names in part.names for name in names.given + names.family} for part in words)
    assert len(training) > 20_000 and len(held_out) > 2_000
    assert not training & held_out
    streets, other_streets = ({street for places in part.places for street in places.streets} for part in words)
    assert len(other_streets) > 500 and not streets & other_streets


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_triplets(words: tuple[Words, Words], kind: Kind) -> None:
    first, again, other = (list(make_triplets(seed, words[0], kind, 50)) for seed in (3, 3, 4))
    assert first == again != other
    assert len(first) == 50


@pytest.mark.parametrize("kind", KINDS)
def test_positives_are_more_like_the_anchor_than_strangers(words: tuple[Words, Words], kind: Kind) -> None:
    triplets = list(make_triplets(5, words[1], kind, 300))
    nearer = 0
    for triplet, stranger in zip(triplets, triplets[1:] + triplets[:1], strict=True):
        anchor = " ".join(sorted(fold(triplet.anchor).split()))
        own, other = (" ".join(sorted(fold(text).split())) for text in (triplet.positive, stranger.positive))
        nearer += JaroWinkler.similarity(anchor, own) > JaroWinkler.similarity(anchor, other)
    assert nearer > 240  # the rest were spelt by other rules, or left out what they share


def test_lookalikes_share_but_are_others(words: tuple[Words, Words]) -> None:
    rng = random.Random(1)
    for _ in range(200):
        person = draw_person(rng, words[0])
        other = lookalike(rng, words[0], person)
        shared = (other.family == person.family, other.street == person.street)
        assert any(shared)
        assert (other.given, other.birth, other.mailbox) != (person.given, person.birth, person.mailbox)


def test_noise_is_one_change_each() -> None:
    rng = random.Random(2)
    for _ in range(200):
        assert abs(len(typed(rng, "margaret")) - len("margaret")) <= 1
        assert scanned(rng, "zzzyyy") in {"2zzyyy", "z2zyyy", "zz2yyy"}
        assert heard(rng, "phil") != "" and digit_off(rng, "none") == "none"
        assert sum(a != b for a, b in zip(digit_off(rng, "12345"), "12345", strict=True)) <= 2
    assert without_vowels("Mohammed Ali") == "mhmmd al"
    assert {with_vowels(rng, "mhmd")[0] for _ in range(20)} == {"m"}
    assert {romanised(rng, "Müller").isascii() for _ in range(50)} == {True}
    assert "mueller" in {romanised(rng, "Müller") for _ in range(200)}
