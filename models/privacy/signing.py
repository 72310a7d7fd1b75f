"""Signatures of OpenDSR answers and callbacks: RSA PKCS #1 v1.5 with SHA-256 over the bytes that are sent (FIPS 186-4).

The key and its certificate are one PEM text, the key first. Whoever has a certificate of an authority for the same key
puts it in the place of the one that signs itself.
"""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

DOMAIN_HEADER = "X-OpenDSR-Processor-Domain"
SIGNATURE_HEADER = "X-OpenDSR-Signature"
KEY_BITS = 2048
VALID_DAYS = 3_650
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Onefold data subject requests")])


class Signer:
    """Signs with a key of which everybody has the certificate."""

    def __init__(self, pem: bytes) -> None:
        """`pem`: the key, then its certificate, and those that lead to its authority. Raises ValueError."""
        key = load_pem_private_key(pem, None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("expected an RSA key")
        chain = x509.load_pem_x509_certificates(pem)
        if chain[0].public_key() != key.public_key():
            raise ValueError("expected the key's own certificate before all others")
        self._key = key
        self._leaf = chain[0]
        self.certificate = b"".join(each.public_bytes(Encoding.PEM) for each in chain)  # PEM, all that were given

    @property
    def signs_itself(self) -> bool:
        """Whether no authority stands behind the certificate."""
        return self._leaf.issuer == self._leaf.subject

    def is_for(self, domain: str) -> bool:
        """Whether the certificate names a domain."""
        try:
            names = self._leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return False
        return domain in names.get_values_for_type(x509.DNSName)

    def sign(self, body: bytes) -> str:
        """The signature of a body, base64."""
        return b64encode(self._key.sign(body, PKCS1v15(), hashes.SHA256())).decode()

    def headers(self, domain: str, body: bytes) -> dict[str, str]:
        """The headers that show who sends a body."""
        return {DOMAIN_HEADER: domain, SIGNATURE_HEADER: self.sign(body)}


def self_signed(key_pem: bytes, domain: str, serial: int, made_at: int) -> bytes:
    """A certificate, PEM, of a key for a domain, valid from `made_at` ms; `serial` is random. Raises ValueError."""
    key = load_pem_private_key(key_pem, None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("expected an RSA key")
    begin = datetime.fromtimestamp(made_at // 1000, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)
