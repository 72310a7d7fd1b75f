"""State-given numbers in one spelling; placeholders and masked numbers tell nobody apart."""

import pytest

from models.identity.normalise_national_id import fold_id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("237-17-1862", "237171862"),
        (" 237 17 1862 ", "237171862"),
        ("ab 12.34-c", "AB1234C"),
        ("SSN:617635033", "SSN617635033"),
        ("\uff11\uff12\uff13\uff15", "1235"),
        ("1112", "1112"),
        ("4|3-O4-3711", "413043711"),
        ("O12345X", "O12345X"),
    ],
)
def test_one_spelling(text: str, expected: str) -> None:
    assert fold_id(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "123", "000-00-0000", "999999999", "123456789", "1234", "987654321", "unknown", "Not available"),
        *("***-**-1234", "XXX-XX-1234", "SSN:000000000", "SSN:", "078-05-1120", "\u2022\u2022\u2022\u20221234"),
    ],
)
def test_nobody(text: str) -> None:
    assert fold_id(text) == ""
