"""Issues certificates of erasures: from what two scans saw to a signed document, with the key of the data directory.

    certificate-signing.key   private key, 64 hexadecimal digits (mode 0600)
    certificate-signing.pub   public key, 64 hexadecimal digits, to be given to whoever verifies

Both are made at the first use. Keep the key: certificates stay valid without it, but new ones are of another issuer.
"""

import os
import re
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.private_file import write_private_once
from models.privacy.certificate import Certificate, ControlEvidence, StoreEvidence
from models.privacy.recipients import Recipient, RecipientStatement
from models.privacy.requests import Regulation
from models.privacy.scan_report import ScanReport, StoreScan
from models.privacy.signed_document import sign

KEY_FILE, PUBLIC_FILE = "certificate-signing.key", "certificate-signing.pub"
_TOLD_MAX = 10
_KEY = re.compile(r"[0-9a-f]{64}\s*")


class CannotCertify(RuntimeError):
    """The erasure cannot be certified; the message says what stands in the way, and names nobody."""


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, as a certificate tells it."""

    request_id: str
    regulation: Regulation
    fingerprints: list[str]
    customer_ids: list[str]  # opaque, in their text form
    events: int
    recipients: list[Recipient] = []


def issue(
    data_dir: Path, erasure: Erasure, before: ScanReport | None, after: ScanReport, now: int
) -> tuple[str, bytes]:
    """Id and document of the certificate; `before` and `after` are scans for the erased person, `now` is in ms.

    `before` is None where nothing was left to be scanned, as after a crash between the erasure and its certificate;
    the certificate says so. Raises CannotCertify if the person was not found before (the scan may be blind for them),
    if the scan afterwards is not whole, or if it found the person. Raises what `signing_key` raises.
    """
    if before is not None and not before.found:
        raise CannotCertify("the person was not found before the erasure: nothing shows that the scan sees them")
    if after.failures:
        raise CannotCertify(f"the scan proves nothing ({_some(after.failures)}): mend that and scan again")
    if after.found:
        places = sorted({f"{each.file}: {each.place}" for each in after.found})
        raise CannotCertify(f"the person was still found ({_some(places)}): erase that and scan again")
    certificate = Certificate(
        certificate_id=str(uuid4()),
        issued_at=now,
        request_id=erasure.request_id,
        regulation=erasure.regulation,
        fingerprints=sorted(erasure.fingerprints),
        customer_ids=erasure.customer_ids,
        events_erased=erasure.events,
        stores=_evidence(before, after),
        controls=[ControlEvidence(kind=each.kind, raw=each.raw, decoded=each.decoded) for each in after.planted],
        recipients=erasure.recipients,
        software_version=version("onefold"),
    )
    return certificate.certificate_id, sign(certificate, signing_key(data_dir))


def _some(told: list[str]) -> str:
    rest = [f"and {len(told) - _TOLD_MAX} more"] if len(told) > _TOLD_MAX else []
    return "; ".join(told[:_TOLD_MAX] + rest)


def state_recipients(
    data_dir: Path, request_id: str, certificate_id: str, recipients: list[Recipient], now: int
) -> tuple[str, bytes]:
    """Id and document of the statement about the recipients of an erased person's data; `now` is in ms. Raises what
    `signing_key` raises."""
    statement = RecipientStatement(
        statement_id=str(uuid4()),
        issued_at=now,
        request_id=request_id,
        certificate_id=certificate_id,
        recipients=recipients,
        software_version=version("onefold"),
    )
    return statement.statement_id, sign(statement, signing_key(data_dir))


def signing_key(data_dir: Path) -> bytes:
    """The private key of a data directory, made if there is none. Raises OSError, and ValueError for a damaged file."""
    path = data_dir / KEY_FILE
    try:
        key = read_key(path)
    except FileNotFoundError:
        key = _make(path)
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw().hex() + "\n"
    shown = data_dir / PUBLIC_FILE
    if not shown.exists() or shown.read_text() != public:
        fresh = shown.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(public)
        fresh.replace(shown)
    return key


def read_key(path: Path) -> bytes:
    """A private or public key, 32 bytes. Raises OSError, and ValueError for what is none."""
    try:
        text = path.read_text("ascii")
    except UnicodeDecodeError:
        text = ""
    if not _KEY.fullmatch(text):
        raise ValueError(f"{path.name}: expected 64 hexadecimal digits, as in {PUBLIC_FILE} and {KEY_FILE}")
    return bytes.fromhex(text)


def _make(path: Path) -> bytes:
    """Of several processes one makes the key, and all use that; a crash leaves none half written."""
    write_private_once(path, Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
    return read_key(path)


def _evidence(before: ScanReport | None, after: ScanReport) -> list[StoreEvidence]:
    """Of every store that either scan saw."""
    earlier = {store.store: store for store in before.stores} if before is not None else {}
    later = {store.store: store for store in after.stores}
    return [
        _of_store(None if before is None else earlier.get(name, StoreScan(name)), later.get(name, StoreScan(name)))
        for name in sorted(earlier.keys() | later.keys())
    ]


def _of_store(before: StoreScan | None, after: StoreScan) -> StoreEvidence:
    certain = sum(each.certain for each in after.found)
    return StoreEvidence(
        store=after.store,
        files=after.files,
        bytes=after.bytes,
        rows=after.rows,
        found_before=None if before is None else sum(each.certain for each in before.found),
        found_after=certain,
        alike_after=len(after.found) - certain,
    )
