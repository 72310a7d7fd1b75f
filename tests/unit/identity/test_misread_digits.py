"""Digits misread as letters are restored only where that leaves no letters."""

import pytest

from models.identity.misread_digits import restore_digits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0G/|7/1964", "06/17/1964"),
        ("l98O", ""),
        ("l9800O", "198000"),
        ("1984", ""),
        ("1984 Sep", ""),
        ("OSZ", ""),
        ("", ""),
    ],
)
def test_restored(text: str, expected: str) -> None:
    assert restore_digits(text) == expected
