"""Certificates of erasures, and a key to sign them."""

from models.privacy.certificate import Certificate, ControlEvidence, StoreEvidence
from models.privacy.recipients import Recipient

PRIVATE_KEY = bytes(range(32))


def certificate() -> Certificate:
    """One with something in every field."""
    return Certificate(
        certificate_id="5a4c3b7e-0f57-4c58-9b4b-0f3b3a2f7c11",
        issued_at=1_790_000_000_123,
        request_id="0f7d3a1c-3a77-4a0e-8f3b-6a1de3f1a9d2",
        regulation="gdpr",
        fingerprints=["00112233445566778899aabbccddeeff"],
        customer_ids=["cus_0000000000001"],
        events_erased=17,
        stores=[
            StoreEvidence(
                store="shards", files=4, bytes=1 << 20, rows=1_000, found_before=6, found_after=0, alike_after=1
            )
        ],
        controls=[ControlEvidence(kind="parquet", raw=None, decoded=True)],
        recipients=[Recipient(name="webhook crm", state="acknowledged", at=1_790_000_000_000)],
        software_version="0.1.0",
    )
