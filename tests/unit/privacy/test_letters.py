"""Which refused messages name somebody: before an erasure, and those that come after it."""

import msgspec
import pytest

from models.identity.identifiers import IdentifierNormaliser, IdentitySettings
from models.privacy.letters import mentions, named_in

NORMALISER = IdentifierNormaliser(IdentitySettings(trait_identifiers={"email": "email", "card": "loyalty"}))
JANE = {"email:jane@example.com", "user_id:jane-17", "phone:+12025550123", "loyalty:C-7788", "crm:crm-jane"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "track", "userId": "jane-17"}',
        b'{"type": "alias", "previousId": "jane-17"}',
        b'{"traits": {"email": "Jane@Example.com"}}',
        b'{"properties": {"about": ["JANE@example.com"]}}',
        b'{"context": {"traits": {"phone": "(202) 555-0123"}}}',
        b'{"traits": {"card": "C-7788"}}',
        b'{"context": {"externalIds": [{"type": "crm", "id": "crm-jane"}]}}',
        b'{"userId": "jane-17", "properties": {"amount": 1e999}}',
        b'{"traits": {"email": "JANE@EXAMPLE.COM"}, "properties": {"name": "\xff"}}',
    ],
)
def test_a_message_that_names_somebody_is_known_before_and_after_their_erasure(body: bytes) -> None:
    assert mentions(body, JANE, NORMALISER.normal_form)
    assert named_in(body, NORMALISER) & JANE


@pytest.mark.parametrize("body", [b'{"userId": "mary"}', b'{"userId": "mary", "x": 1e999}', b'"jane', b"[" * 5000])
def test_a_message_of_somebody_else_is_not(body: bytes) -> None:
    assert not named_in(body, NORMALISER) & JANE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("jane@example.com", True),
        ("write to <JANE@example.com>!", True),
        ("xjane@example.com, jane@example.com", True),
        ("xjane@example.com", False),
        ("jane@example.community", False),
        ("1jane@example.com2", False),
        ("mary.jane@example.com", False),
        ("mary.jane@example.com, or jane@example.com.", True),
    ],
)
def test_a_word_alone_and_a_part_of_a_longer_one(text: str, named: bool) -> None:
    body = msgspec.json.encode({"note": text})

    def told(alone: bool) -> bool:
        return mentions(body, {"email:jane@example.com"}, lambda *_: None, alone)

    assert (told(alone=True), told(alone=False)) == (named, True)
