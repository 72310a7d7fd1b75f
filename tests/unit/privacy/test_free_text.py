"""What is found in free text, and what is not taken for it."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.privacy.free_text import Scan, matches, redacted


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail jane.doe+x@mail.example.com, please", "mail [email], please"),
        ("card 4111 1111 1111 1111 (visa)", "card [payment_card] (visa)"),
        ("card 4111-1111-1111-1112", "card 4111-1111-1111-1112"),  # a wrong check digit
        ("to DE89 3704 0044 0532 0130 00 until Monday", "to [iban] until Monday"),
        ("to GB82WEST12345698765432", "to [iban]"),
        ("to DE88 3704 0044 0532 0130 00", "to DE88 3704 0044 0532 0130 00"),
        ("ssn 078-05-1120.", "ssn [us_ssn]."),
        ("ssn 000-05-1120 or 900-05-1120", "ssn 000-05-1120 or 900-05-1120"),
        ("call +49 30 901820 today", "call [phone] today"),
        ("call (212) 736-5000 today", "call [phone] today"),
        ("both a@example.org and +44 20 7183 8750", "both [email] and [phone]"),
        ("ordered on 2026-03-01 at 12:30:00", "ordered on 2026-03-01 at 12:30:00"),
        ("3 of 4 for 1,299.00 EUR", "3 of 4 for 1,299.00 EUR"),
        ("follow @jane", "follow @jane"),
        ("", ""),
    ],
)
def test_findings(text: str, left: str) -> None:
    assert redacted(text, matches(text, "US")) == left


def test_fields_are_looked_through_and_named() -> None:
    found: list[tuple[str, Any]] = []
    fields = {
        "note": "write to a@example.org",
        "order_id": "4111111111111111",
        "reference": "4111111111111111",
        "url": "https://x.example/?m=a@example.org",
        "email": "a@example.org",
        "answers": [{"text": "078-05-1120"}, 7, "no"],
    }
    left = Scan("US", frozenset({"email"}), redacts=True)(fields, "properties", found)
    assert found == [
        ("properties.note", "email"),
        ("properties.reference", "payment_card"),
        ("properties.url", "email"),
        ("properties.answers.text", "us_ssn"),
    ]
    assert left == {
        **fields,
        "note": "write to [email]",
        "reference": "[payment_card]",
        "url": "https://x.example/?m=[email]",
        "answers": [{"text": "[us_ssn]"}, 7, "no"],
    }
    assert Scan("US", frozenset(), redacts=False)(fields, "properties", []) is fields


@given(st.text(st.sampled_from("a@.5 4111-078GB82+() "), max_size=80))
def test_what_is_redacted_is_found_no_more(text: str) -> None:
    found = matches(text, "US")
    assert all(one.end <= other.start for one, other in pairwise(found))
    again = matches(redacted(text, found), "US")
    assert len(again) <= len(found)
    assert not found or again != found
