"""Gender from words of several languages."""

import pytest

from models.identity.normalise_gender import fold_gender


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("f", ["F", "Female", "weiblich", "femme", "Mujer", "женский", "kvinna"]),
        ("m", ["M", "male", "männlich", "Homme", "hombre", "мужской", "erkek"]),
        ("x", ["X", "divers", "Non-binary", "other"]),
        ("", ["", "?", "unknown", "1", "2", "prefer not to say"]),
    ],
)
def test_words(code: str, words: list[str]) -> None:
    assert {word: fold_gender(word) for word in words} == dict.fromkeys(words, code)
