"""The proof of erasures: every store is searched for the people before and after, and what came of it is signed.

One search serves many requests. A certificate speaks of one request alone.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from actors.privacy_desk import Finished, Proof
from actors.private_file import write_private
from models.identity.customer_id import to_text
from models.privacy.needles import needles_of
from models.privacy.recipients import Recipient
from models.privacy.requests import SubjectRequest
from models.privacy.scan_report import ScanReport
from models.privacy.suppression import fingerprint
from pipelines.erasure_certificate import CannotCertify, Erasure, issue, state_recipients
from pipelines.privacy_scan import scan
from pipelines.reresolve_store import drop_left_records

FOLDER = "privacy/certificates"  # in the data directory


class ErasureProof:
    """Implements `actors.privacy_desk.Prover` for a data directory."""

    def __init__(self, data_dir: Path, beside: Sequence[Path], key: bytes) -> None:
        """`beside`: directories outside of it that belong to it; `key`: that of the fingerprints."""
        self._data_dir = data_dir
        self._beside = beside
        self._key = key

    async def look(self, requests: Sequence[SubjectRequest]) -> ScanReport | None:
        """What is found of these people; None if there is nobody to look for."""
        identifiers = [identifier for request in requests for identifier in request.identifiers]
        return await self._scan(identifiers) if identifiers else None

    async def certify(self, finished: Sequence[Finished], before: object) -> Mapping[str, Proof]:
        """Looks again. Request id -> its certificate, or what of the person is found."""
        if not await asyncio.to_thread(drop_left_records, self._data_dir):
            waits = Proof("", "a re-resolution is being planned, which has records of everybody until that is done")
            return {each.request.request_id: waits for each in finished}
        after = await self._scan([i for each in finished for i in each.request.identifiers])
        proofs: dict[str, Proof] = {}
        for each in finished:
            fingerprints = {fingerprint(i, self._key) for i in each.request.identifiers}
            earlier = before.about(fingerprints) if isinstance(before, ScanReport) else None
            # Nobody was found under these identifiers, or the work on the request goes on after a crash.
            seen_before = earlier if earlier is not None and earlier.found else None
            try:
                certificate = self._issue(each, fingerprints, seen_before, after.about(fingerprints))
                proofs[each.request.request_id] = Proof(certificate, "")
            except CannotCertify as error:
                proofs[each.request.request_id] = Proof("", str(error))
        return proofs

    def _issue(self, finished: Finished, fingerprints: set[str], before: ScanReport | None, after: ScanReport) -> str:
        request = finished.request
        erasure = Erasure(
            request_id=request.request_id,
            regulation=request.regulation,
            fingerprints=sorted(fingerprints),
            customer_ids=[to_text(customer_id) for customer_id in request.people],
            events=finished.events,
            recipients=[Recipient(name=f"webhook:{webhook_id}", state="waiting") for webhook_id in finished.recipients],
        )
        return self._keep(*issue(self._data_dir, erasure, before, after, time.time_ns() // 1_000_000))

    def state(self, request: SubjectRequest, recipients: list[Recipient]) -> str:
        """States what came of telling the recipients of an erased person's data; the id of the signed statement."""
        now = time.time_ns() // 1_000_000
        return self._keep(*state_recipients(self._data_dir, request.request_id, request.results, recipients, now))

    def _keep(self, name: str, document: bytes) -> str:
        folder = self._data_dir / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(folder / f"{name}.json", document)
        return name

    async def _scan(self, identifiers: Sequence[str]) -> ScanReport:
        needles = needles_of(identifiers, (), self._key)
        return await asyncio.to_thread(scan, self._data_dir, needles, (), self._beside)
