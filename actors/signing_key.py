"""The key that OpenDSR answers are signed with: a file of the data directory, made when it is first needed.

Several processes may need it first at the same time: the first one whose file is whole counts for all.
"""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from actors.errors import Conflict
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
        draft = _draft(
            path, _private(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), domain, now)
        )
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
        pem = path.read_bytes()
    try:
        signer = Signer(pem)
        if signer.signs_itself and not signer.is_for(domain):
            key_pem = load_pem_private_key(pem, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            pem = _private(key_pem, domain, now)
            _draft(path, pem).replace(path)
            signer = Signer(pem)
    except (ValueError, TypeError):
        raise Conflict(
            f"{FILE} holds no RSA key followed by its certificate: put them there, or move the file away for a new key"
        ) from None
    return signer


def _private(key_pem: bytes, domain: str, now: Callable[[], int]) -> bytes:
    return key_pem + self_signed(key_pem, domain, x509.random_serial_number(), now())


def _draft(path: Path, content: bytes) -> Path:
    """A file of its own beside `path`, on disk, for its owner only."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft
