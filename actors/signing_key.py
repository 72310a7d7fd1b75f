"""The key that OpenDSR answers are signed with: a file of the data directory, made when it is first needed.

Several processes may need it first at the same time: the first one whose file is whole counts for all.
"""

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from actors.errors import Conflict
from actors.private_file import write_private, write_private_once
from models.privacy.signing import KEY_BITS, Signer, self_signed

FILE = "privacy-signing.pem"
_EXPONENT = 65_537


def load_signer(data_dir: Path, domain: str, now: Callable[[], int]) -> Signer:
    """The signer of a data directory. Makes the key if there is none, and another certificate if the one that it made
    is for another domain. `now` is in ms. Raises Conflict if the file cannot be used."""
    path = data_dir / FILE
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        key = generate_private_key(_EXPONENT, KEY_BITS)
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private_once(path, _private(key_pem, domain, now))
        pem = path.read_bytes()
    try:
        signer = Signer(pem)
        if signer.signs_itself and not signer.is_for(domain):
            key_pem = load_pem_private_key(pem, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            pem = _private(key_pem, domain, now)
            write_private(path, pem)
            signer = Signer(pem)
    except (ValueError, TypeError):
        raise Conflict(
            f"{FILE} holds no RSA key followed by its certificate: put them there, or move the file away for a new key"
        ) from None
    return signer


def _private(key_pem: bytes, domain: str, now: Callable[[], int]) -> bytes:
    return key_pem + self_signed(key_pem, domain, x509.random_serial_number(), now())
