"""A run of the purge over everything that keeps data: shards, dead letters, deliveries, decisions, results of requests.

Each part may be done again, so a run that was cut short begins anew. People who are changed are so in the shards' own
steps; here is the walk through them, at a pace that leaves the shards to their events.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from uuid import UUID

import msgspec

from actors.privacy_calls import PrivacyCalls
from actors.privacy_store import PrivacyStore
from actors.purge_store import PurgeReport
from models.identity.customer_id import to_text
from models.privacy.deadlines import due
from models.privacy.requests import SubjectIdentity, SubjectRequest
from models.privacy.retention import is_empty
from models.privacy.settings import PrivacySettings
from models.profile.state import DAY_MS

_PEOPLE = 50  # in one step
_PAUSE_S = 0.02
_LETTERS = 500
_PAGE = 500


class Purger:
    """`discard` deletes a request's results by their name."""

    def __init__(
        self, calls: PrivacyCalls, store: PrivacyStore, settings: PrivacySettings, discard: Callable[[str], None]
    ) -> None:
        self._calls = calls
        self._store = store
        self._settings = settings
        self._discard = discard

    async def purge(self, run: int) -> PurgeReport:
        """Takes out what is past its time, as of `run` (ms), which numbers the run. Raises Unavailable."""
        report, kept = PurgeReport(), self._settings.retention
        gone: Counter[tuple[str, str]] = Counter()
        for shard in range(self._calls.shards):
            await self._purge_shard(shard, run, report, gone)
        report.purged = sorted((*place, entries) for place, entries in gone.items())
        if kept.dead_letter_days:
            report.dead_letters = await self._calls.purge_letters(run - kept.dead_letter_days * DAY_MS, _LETTERS)
        if kept.delivery_days:
            report.deliveries = await self._calls.purge_deliveries(run - kept.delivery_days * DAY_MS)
        if kept.decision_days:
            report.decisions = await self._purge_decisions(run - kept.decision_days * DAY_MS)
        if kept.result_days:
            report.results = self._purge_results(run - kept.result_days * DAY_MS)
        if report != PurgeReport():
            await self._calls.scrub()
            self._store.scrub()
        return report

    async def _purge_shard(self, shard: int, run: int, report: PurgeReport, gone: Counter[tuple[str, str]]) -> None:
        inactive_ms = self._settings.inactive_days * DAY_MS
        left, number = 1, 0
        while left:
            number += 1
            step = await self._calls.purge_people(shard, run, number, _PEOPLE, inactive_ms)
            left = step.left
            report.people += step.people
            for purpose, section, entries in step.purged:
                gone[purpose, section] += entries
            for customer_id in step.empty:
                report.erased += await self._erase(run, customer_id, inactive_ms)
            await asyncio.sleep(_PAUSE_S)

    async def _erase(self, run: int, customer_id: int, inactive_ms: int) -> bool:
        """Has a person erased of whom nothing is left, unless they were back by now: a request like any other, so that
        nothing of them stays anywhere. Later events are a new person's."""
        profile = await self._calls.profile(f"customer_id:{to_text(customer_id)}")
        if (
            profile is None
            or not is_empty(profile)
            or profile.last_seen >= run - inactive_ms
            or not profile.identifiers
        ):
            return False
        namespace, _, value = next(iter(profile.identifiers)).partition(":")
        digest = blake2b(f"{run}:{customer_id}".encode(), digest_size=16).digest()
        request = SubjectRequest(
            request_id=str(UUID(bytes=digest, version=4)),
            kind="erasure",
            regulation="gdpr",
            submitted_at=run,
            received_at=run,
            due_at=due("gdpr", run),
            identities=[SubjectIdentity(namespace, value)],
            actor="retention",
            verified_by="retention",
            verified_how="nothing was kept of the person, who was not seen for privacy.inactive_days",
            suppress="earlier",
        )
        self._store.add(request)
        return True

    async def _purge_decisions(self, before: int) -> int:
        """Deletes what was decided by itself before a time (ms), but about people whose processing is restricted."""
        purged = 0
        for shard in range(self._calls.shards):
            after = (0, "")
            while page := await self._calls.decided_before(shard, before, after, _PAGE):
                restricted = await self._calls.restricted({customer_id for _, _, customer_id in page})
                gone = [record_id for _, record_id, customer_id in page if customer_id not in restricted]
                await self._calls.purge_decisions(shard, gone)
                purged += len(gone)
                after = page[-1][:2]
                await asyncio.sleep(_PAUSE_S)
        return purged

    def _purge_results(self, before: int) -> int:
        """Deletes the files of requests that were completed before a time (ms); that they were made stays."""
        purged, after = 0, (0, "")
        while page := self._store.requests(("completed",), _PAGE, after):
            for request in page:
                if request.kind != "erasure" and request.results and request.steps[-1].at < before:
                    self._discard(request.results)
                    self._store.change(request.request_id, lambda told: msgspec.structs.replace(told, results=""))
                    purged += 1
            after = (page[-1].received_at, page[-1].request_id)
        return purged
