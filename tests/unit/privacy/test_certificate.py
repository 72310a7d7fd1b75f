"""A certificate holds as it was signed, for the key that signed it, and not otherwise."""

import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.privacy.certificate import REMAINS, verify
from models.privacy.signed_document import InvalidDocument, public_key_id, sign
from tests.strategies.certificates import PRIVATE_KEY, certificate

PUBLIC_KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY).public_key().public_bytes_raw()


def test_what_was_signed_comes_back() -> None:
    verified = verify(sign(certificate(), PRIVATE_KEY), PUBLIC_KEY)
    assert verified == msgspec.structs.replace(certificate(), public_key_id=public_key_id(PUBLIC_KEY))
    assert verified.remains == REMAINS


def test_the_document_is_json_in_order_that_anybody_can_check() -> None:
    document = sign(certificate(), PRIVATE_KEY)
    fields = json.loads(document)
    assert document == json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    signature = bytes.fromhex(fields.pop("signature"))
    signed = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY).public_key().verify(signature, signed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda document: document + b"\n", "not written as it was signed"),
        (lambda document: json.dumps(json.loads(document), indent=1).encode(), "not written as it was signed"),
        (lambda document: document[:-1], "not a certificate"),
        (lambda document: document.replace(b'"events_erased":17', b'"events_erased":18'), "was changed"),
        (lambda document: document.replace(b'"events_erased":17', b'"more":1,"events_erased":17'), "not a certificate"),
        (lambda document: b"{}", "not a certificate"),
        (lambda document: b"[" * 100_000, "not a certificate"),
    ],
)
def test_what_was_changed_does_not_hold(change: object, reason: str) -> None:
    assert callable(change)
    with pytest.raises(InvalidDocument, match=reason):
        verify(change(sign(certificate(), PRIVATE_KEY)), PUBLIC_KEY)


def test_another_key_is_named() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key().public_bytes_raw()
    with pytest.raises(InvalidDocument, match=public_key_id(PUBLIC_KEY)):
        verify(sign(certificate(), PRIVATE_KEY), other)
