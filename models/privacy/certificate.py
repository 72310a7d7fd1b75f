"""The certificate of an erasure: what was erased, where it was looked for afterwards, and what was found; signed.

It names nobody: identifiers are keyed hashes, customer ids are opaque. How it is written and signed says
`models.privacy.signed_document`.
"""

from typing import Final, Literal

import msgspec

from models.privacy import signed_document
from models.privacy.recipients import FORMAT as RECIPIENTS_FORMAT
from models.privacy.recipients import Recipient, RecipientStatement
from models.privacy.requests import Regulation
from models.privacy.signed_document import Signable

FORMAT: Final = "onefold-erasure-certificate/1"

REMAINS = (
    "segment history: entries and exits under the opaque customer ids, which are counted in every segment's past sizes",
    "audit log: who did what, when, under the opaque customer ids",
    "suppression list: keyed hashes of the identifiers, so that later events of the person are refused",
)
"""What an erasure leaves, none of which names the person."""


class StoreEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What scans saw in one store, before the erasure and after it."""

    store: str
    files: int
    bytes: int
    rows: int  # decoded
    found_before: int | None  # places: a column of a table, or the bytes of a file; None: it was not scanned before
    found_after: int
    alike_after: int  # places with longer texts or equal short values, which may well be of others


class ControlEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A random text planted in a copy of one kind of store, and whether the scan found it. None: not to be seen so."""

    kind: str
    raw: bool | None
    decoded: bool | None


class Certificate(Signable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed."""

    certificate_id: str
    issued_at: int  # ms
    request_id: str
    regulation: Regulation
    fingerprints: list[str]  # keyed hashes of the erased identifiers
    customer_ids: list[str]  # opaque
    events_erased: int
    stores: list[StoreEvidence]
    controls: list[ControlEvidence]
    recipients: list[Recipient]
    software_version: str
    remains: tuple[str, ...] = REMAINS
    format: Literal["onefold-erasure-certificate/1"] = FORMAT


def certificate_or_statement(document: bytes, public_key: bytes) -> Certificate | RecipientStatement:
    """What a document says that it is, verified. Raises InvalidDocument."""
    if signed_document.format_of(document) == RECIPIENTS_FORMAT:
        return signed_document.verify(document, RecipientStatement, public_key, "a statement about recipients")
    return verify(document, public_key)


def verify(document: bytes, public_key: bytes) -> Certificate:
    """The certificate in a document as `models.privacy.signed_document.sign` made it. Raises InvalidDocument if so much
    as a byte is another."""
    return signed_document.verify(document, Certificate, public_key, "a certificate of an erasure")
