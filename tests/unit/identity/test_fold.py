"""Folding: one plain spelling for what differs in case, accents, punctuation or script."""

import pytest

from models.identity.fold import fold


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Robert   SMITH ", "robert smith"),
        ("O'Brien", "obrien"),
        ("O\u2019Brien", "obrien"),
        ("Müller-Lüdenscheidt", "muller ludenscheidt"),
        ("Zoe\u0308", "zoe"),
        ("Straße", "strasse"),
        ("ВАСИЛЬЕВ", "vasilev"),
        ("Łódź", "lodz"),
        ("\uff11\uff19\uff18\uff14", "1984"),
        ("a.b_c/d\te\x00f", "a b c d e f"),
        ("", ""),
        (" .,- ", ""),
    ],
)
def test_one_plain_spelling(text: str, expected: str) -> None:
    assert fold(text) == expected


def test_half_of_a_surrogate_pair_is_left_out() -> None:
    assert fold("a\ud800b") == "ab"
