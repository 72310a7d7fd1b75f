"""Hashed n-grams: the same features as a plain reading of the definition gives, for any batch."""

import numpy as np
import pytest

from models.identity.fold import fold
from models.identity.ngrams import AsciiTable, NgramHasher

TEXTS = [
    "",
    "a",
    "ab",
    "Mary",
    "  mary   O'Brien-Smith ",
    "\n",
    "two\nlines",
    "Müller, Jürgen",
    "Владимир Путятин",
    "山田太郎",
    "!!! ---",
    "12b Elm St., Apt 4",
    "x" * 300,
    "",
]


def features(text: str) -> list[str]:
    """The definition: n-grams of padded words, and words of three letters or more."""
    found = []
    for word in fold(text).split():
        padded = f" {word} "
        found += [padded[i : i + n] for n in (2, 3, 4) for i in range(len(padded) - n + 1)]
        found += [f"word {word}"] if len(word) >= 3 else []
    return found


def bag(hasher: NgramHasher, text: str) -> list[int]:
    ids, _ = hasher.bags([text])
    return sorted(ids.tolist())


@pytest.fixture(scope="module")
def hasher() -> NgramHasher:
    return NgramHasher(1 << 20)


def test_each_text_has_the_features_of_the_definition(hasher: NgramHasher) -> None:
    ids, offsets = hasher.bags(TEXTS)
    assert np.diff(offsets).tolist() == [len(features(text)) for text in TEXTS]
    assert ids.min() >= 0 and ids.max() < hasher.buckets
    for i, text in enumerate(TEXTS):
        own = ids[offsets[i] : offsets[i + 1]]
        assert sorted(own.tolist()) == bag(hasher, text)  # whatever stands before and after it
        # As many distinct buckets as distinct features, but for collisions in a million.
        assert len(set(own.tolist())) >= len(set(features(text))) - 1


def test_shared_features_share_buckets(hasher: NgramHasher) -> None:
    for left, right in [("maria", "marie"), ("anna lee", "lee anna"), ("ann", "hannah")]:
        common = len(set(features(left)) & set(features(right)))
        assert abs(len(set(bag(hasher, left)) & set(bag(hasher, right))) - common) <= 1


def test_order_of_words_and_case_and_marks_do_not_matter(hasher: NgramHasher) -> None:
    assert bag(hasher, "MÜLLER, Jürgen") == bag(hasher, "jurgen muller") == bag(hasher, fold("MÜLLER, Jürgen"))


def test_no_texts_and_empty_texts(hasher: NgramHasher) -> None:
    ids, offsets = hasher.bags([])
    assert (len(ids), offsets.tolist()) == (0, [0])
    ids, offsets = hasher.bags(["", " ", "\n\n"])
    assert (len(ids), offsets.tolist()) == (0, [0, 0, 0, 0])


@pytest.mark.parametrize("buckets", [0, 100, 128, 1 << 25])
def test_buckets_are_a_power_of_two(buckets: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        NgramHasher(buckets)


def test_ascii_table_spells_like_the_fold() -> None:
    table = AsciiTable()
    for text in ("Straße", "Ελένη", "محمد", "김민수", "e\u0301"):
        assert fold(text.translate(table)) == fold(text)
