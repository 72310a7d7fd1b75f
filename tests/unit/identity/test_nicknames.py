"""Related given names: short forms and forms in other languages, without making relatives of all who share one."""

import pytest

from models.identity.fold import fold
from models.identity.name_variants import SHORT_FORMS, VARIANTS
from models.identity.nicknames import NicknameTable

SHIPPED = NicknameTable.shipped()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("bob", "robert"),
        ("bob", "rob"),
        ("al", "albert"),
        ("al", "alan"),
        ("peggy", "margaret"),
        ("wm", "william"),
        ("jack", "john"),
        ("howie", "howard"),
        ("alejandro", "aleksandr"),
        ("alyaksandr", "alexander"),
        ("sasha", "alexander"),
        ("yusuf", "joseph"),
        ("yusuf", "joe"),
        ("mehmet", "muhammad"),
        ("gosia", "margaret"),
        ("kristin", "kristen"),
        ("zorblax", "zorblax"),
    ],
)
def test_related(a: str, b: str) -> None:
    assert SHIPPED.related(a, b)
    assert SHIPPED.related(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [("alan", "albert"), ("bill", "bob"), ("john", "mary"), ("daniel", "david"), ("zorblax", "bob"), ("xq", "zorblax")],
)
def test_not_related(a: str, b: str) -> None:
    assert not SHIPPED.related(a, b)
    assert not SHIPPED.related(b, a)


def test_a_name_stands_for_itself_and_its_full_forms() -> None:
    table = NicknameTable([("albert", "al"), ("alan", "al")], [("albert", "alberto")])
    assert table.canonical_keys("al") == ("al", "alan", "albert")
    assert table.canonical_keys("alberto") == ("albert", "alberto")
    assert table.canonical_keys("albert") == ("albert",)
    assert table.canonical_keys("zorblax") == ("zorblax",)
    assert table.related("al", "alberto")


def test_a_full_name_that_is_only_a_full_name_is_known_by_its_short_form() -> None:
    table = NicknameTable([("zorblax", "zor")])
    assert table.related("zorblax", "zor")
    assert table.related("zor", "zorblax")


def test_the_supplement_is_in_folded_form_and_repeats_nothing_within_a_line() -> None:
    for line in [*VARIANTS.strip().splitlines(), *SHORT_FORMS.strip().splitlines()]:
        names = line.split()
        assert names == [fold(name) for name in names]
        assert len(set(names)) == len(names) > 1, line
