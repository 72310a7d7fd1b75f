"""No byte of a certificate can be changed, removed or added."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from models.privacy.certificate import verify
from models.privacy.signed_document import InvalidDocument, sign
from tests.strategies.certificates import PRIVATE_KEY, certificate

DOCUMENT = sign(certificate(), PRIVATE_KEY)
PUBLIC_KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY).public_key().public_bytes_raw()
places = st.integers(0, len(DOCUMENT) - 1)


def refuse(document: bytes) -> None:
    with pytest.raises(InvalidDocument):
        verify(document, PUBLIC_KEY)


@given(places, st.integers(1, 255))
def test_a_changed_byte(place: int, difference: int) -> None:
    refuse(DOCUMENT[:place] + bytes([DOCUMENT[place] ^ difference]) + DOCUMENT[place + 1 :])


def test_every_byte_with_one_bit_changed() -> None:
    for place in range(len(DOCUMENT)):
        refuse(DOCUMENT[:place] + bytes([DOCUMENT[place] ^ 1]) + DOCUMENT[place + 1 :])


@given(places, st.binary(min_size=1, max_size=3))
def test_added_bytes(place: int, added: bytes) -> None:
    refuse(DOCUMENT[:place] + added + DOCUMENT[place:])


@given(places, places)
def test_removed_bytes(one: int, other: int) -> None:
    start, end = min(one, other), max(one, other) + 1
    refuse(DOCUMENT[:start] + DOCUMENT[end:])
