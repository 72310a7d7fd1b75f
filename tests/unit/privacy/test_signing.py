"""Signatures can be checked with the certificate alone, and keys that do not fit are refused."""

from base64 import b64decode

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key

from models.privacy.signing import DOMAIN_HEADER, SIGNATURE_HEADER, Signer, self_signed
from tests.strategies.signing import DOMAIN, MADE_AT, one_signer

BODY = b'{"request_status":"pending"}'


def pem_of(key: ec.EllipticCurvePrivateKey | object) -> bytes:
    assert hasattr(key, "private_bytes")
    made: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made


def check(certificate: bytes, body: bytes, signature: str) -> None:
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(b64decode(signature), body, PKCS1v15(), hashes.SHA256())


def test_what_is_signed_can_be_checked_and_nothing_else() -> None:
    signer = one_signer()
    headers = signer.headers(DOMAIN, BODY)
    assert headers[DOMAIN_HEADER] == DOMAIN
    check(signer.certificate, BODY, headers[SIGNATURE_HEADER])
    with pytest.raises(InvalidSignature):
        check(signer.certificate, BODY + b" ", headers[SIGNATURE_HEADER])


def test_the_certificate_signs_itself_for_its_domain() -> None:
    signer = one_signer()
    assert (signer.signs_itself, signer.is_for(DOMAIN), signer.is_for("other.example.com")) == (True, True, False)
    made = x509.load_pem_x509_certificate(signer.certificate)
    made.verify_directly_issued_by(made)
    assert made.not_valid_before_utc.timestamp() * 1000 == MADE_AT


def test_keys_that_do_not_fit_are_refused() -> None:
    first, second = generate_private_key(65_537, 1024), generate_private_key(65_537, 1024)
    mine, other = pem_of(first), pem_of(second)
    assert Signer(mine + self_signed(mine, "a.example", 5, MADE_AT)).is_for("a.example")
    curve = pem_of(ec.generate_private_key(ec.SECP256R1()))
    for wrong in (b"", b"x", mine, mine + self_signed(other, "a.example", 5, MADE_AT), curve):
        with pytest.raises(ValueError):
            Signer(wrong)
    with pytest.raises(ValueError, match="RSA"):
        self_signed(curve, "a.example", 5, MADE_AT)
    assert Signer(mine + self_signed(mine, "a.example", 5, MADE_AT) * 2).certificate.count(b"BEGIN") == 2
