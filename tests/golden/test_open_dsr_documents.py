"""OpenDSR documents, kept as they are: a change of a field's name or order shows here.

tests/golden/privacy/NAME.json holds the bytes that are sent, indented. Set ONEFOLD_GOLDEN_UPDATE=1 to write them anew,
and look at the difference before committing it.
"""

import os
from pathlib import Path

import msgspec
import pytest

from models.privacy import open_dsr_documents as documents
from models.privacy.requests import SubjectIdentity, SubjectRequest, advanced, anonymised

FOLDER = Path(__file__).parent / "privacy"
NOW = 1_772_368_200_000  # 2026-03-01T12:30:00Z
PROCESSOR = documents.Processor("example-shop", "privacy.example.com", "https://privacy.example.com")
ACCESS = SubjectRequest(
    request_id="a7551968-d5d6-44b2-9831-815ac9017798",
    kind="access",
    regulation="gdpr",
    submitted_at=NOW - 86_400_000,
    received_at=NOW,
    due_at=1_775_087_999_999,
    identities=[SubjectIdentity("email", "jane@example.com")],
    encoded="eyJyZWd1bGF0aW9uIjogImdkcHIifQ==",
)
ANSWERED = advanced(ACCESS, "completed", NOW + 5, results="d188d4ba.zip", results_count=103)
ERASED = anonymised(
    advanced(msgspec.structs.replace(ACCESS, kind="erasure"), "completed", NOW, results="cert_1", results_count=7)
)
PROBLEM = documents.OpenDsrErrorDetail("Validation", "required", "regulation: expected one of gdpr, ccpa")


def sign(body: bytes) -> str:
    return f"signature of {len(body)} bytes"


DOCUMENTS = {
    "discovery": documents.discovery(PROCESSOR),
    "receipt": documents.receipt(ACCESS, PROCESSOR, sign),
    "cancellation": documents.cancellation(ACCESS.request_id, NOW, PROCESSOR, sign),
    "status_pending": documents.status(ACCESS, PROCESSOR),
    "status_completed_access": documents.status(ANSWERED, PROCESSOR),
    "status_completed_erasure": documents.status(ERASED, PROCESSOR),
    "callback_in_progress": documents.addressed(
        documents.callback(advanced(ACCESS, "in_progress", NOW), PROCESSOR), "https://c.example/cb"
    ),
    "callback_completed": documents.addressed(documents.callback(ANSWERED, PROCESSOR), "https://c.example/cb"),
    "error": documents.refusal(400, "the request cannot be taken", [PROBLEM]),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_as_before(name: str) -> None:
    path = FOLDER / f"{name}.json"
    found = msgspec.json.format(DOCUMENTS[name], indent=2).decode() + "\n"
    if os.environ.get("ONEFOLD_GOLDEN_UPDATE"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_the_signature_is_of_the_document_without_it() -> None:
    body = DOCUMENTS["receipt"]
    signature = msgspec.json.decode(body)["processor_signature"]
    without = body.replace(b',"processor_signature":"' + signature.encode() + b'"', b"")
    assert signature == sign(without)
