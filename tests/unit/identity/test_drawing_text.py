"""Words and numbers in drawings: what is replaced, how wide things are, how figures round."""

import pytest

from models.identity.drawing_svg import escape, typeset
from models.identity.drawing_text import bits, cells, counted, cut, fit, percent, plain


def test_what_could_harm_a_terminal_or_a_file_is_replaced() -> None:
    assert plain("a\x1b[31mb\x00c\ud800d\u202ee\u2028f") == "a\ufffd[31mb\ufffdc\ufffdd\ufffde\ufffdf"
    assert plain("two\nlines\tand a tab") == "two lines and a tab"
    assert plain("Łódź 東京 José 👩") == "Łódź 東京 José 👩"


def test_markup_is_escaped() -> None:
    assert escape("<script>\"a\" & 'b'</script>") == "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;"


def test_widths_are_those_of_a_terminal() -> None:
    assert cells("abc") == 3
    assert cells("東京") == 4
    assert cells("e\u0301") == 1
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 4) == "abc…"
    assert cut("東京大学", 6) == "東京…"
    assert cut("ab cdef", 4) == "ab…"
    assert fit("東京", 5) == "東京 " and fit("7", 3, right=True) == "  7"


@pytest.mark.parametrize(("value", "text"), [(3.14159, "+3.14"), (-2, "-2.00"), (0.001, "0.00"), (-0.001, "0.00")])
def test_bits_have_a_sign_unless_they_read_zero(value: float, text: str) -> None:
    assert bits(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100%"),
        (0.0, "0%"),
        (0.5, "50.0%"),
        (0.9996, "99.96%"),
        (0.999999, "99.9999%"),
        (1 - 1e-9, "> 99.9999%"),
        (0.00001, "0.001%"),
        (1e-9, "< 0.0001%"),
    ],
)
def test_only_certainty_reads_as_certain(share: float, text: str) -> None:
    assert percent(share) == text


def test_words_for_counts() -> None:
    assert counted(1, "record") == "1 record"
    assert counted(1200, "record") == "1,200 records"
    assert counted(2, "entity", "entities") == "2 entities"


def test_minus_signs_are_for_figures_only() -> None:
    assert typeset("prior -1.5 to -7; model 2025-03-01, jaro-winkler") == (
        "prior \u22121.5 to \u22127; model 2025-03-01, jaro-winkler"
    )
