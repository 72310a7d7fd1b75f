"""From parsed messages to durable events: what every transport does with them, once.

`Intake.take` gives each refused message to the dead-letter store and each event to its shard, and counts both. When
it returns, nothing of the request can be lost: an event is durable, a refused message is kept with its reasons.
"""

import math
import time
from collections import Counter
from dataclasses import dataclass

import msgspec

from models.events.limits import Limits
from models.events.outcome import ParsedBatch
from models.events.wire import Source, WireParser
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.door import Doors
from models.privacy.field_rules import Keys
from models.privacy.free_text import Scan
from models.shard.protocol import DeadLetter, EventResult, IngestResult
from serve import settings
from serve.auth import Principal
from serve.data_dir import field_keys
from serve.errors import RateLimited
from serve.findings import Findings
from serve.rate_limit import RateLimiter
from serve.residency import keep_here, may_be_told
from serve.services import Services
from serve.source_schemas import SourceSchemas


@dataclass(frozen=True)
class Taken:
    """What became of a request: `result.results` are those of `parsed.events`, in their order."""

    parsed: ParsedBatch
    result: IngestResult
    duplicates: int
    suppressed: int  # of erased people: not kept


class Intake:
    """The way in of one replica."""

    def __init__(self, services: Services) -> None:
        self._services = services
        limits = services.settings.limits
        self.normaliser = IdentifierNormaliser(services.settings.identity)
        self.parser = WireParser(self.normaliser, wire_limits(limits))
        self.findings = Findings(services.settings.data_path, services.now)
        self._doors = _doors(services.settings)
        self._sources = SourceSchemas(services.control, services.now)
        self._limiter = RateLimiter(limits.events_per_second, limits.events_burst)

    def source(self, source_id: str, trusted: bool = False, gpc: bool = False) -> Source:
        """The source that a caller delivers for, with its door, and its schemas as they are now (at most half a second
        old).

        `trusted` callers may do what operators do: their aliases and merges hold whatever the limits. `gpc`: the
        request came with Global Privacy Control.
        """
        source, door = self._sources.of(source_id), self._doors.of(source_id)
        if trusted or gpc or door is not None:
            return msgspec.structs.replace(source, trusted=trusted, gpc=gpc, door=door)
        return source

    def admit(self, caller: Principal) -> None:
        """Raises RateLimited if the caller has sent too much; to be asked before the work of parsing."""
        wait_s = self._limiter.wait_s(caller.key_id, self._services.now())
        if wait_s > 0:
            raise RateLimited(
                f"this key sends more than its {self._services.settings.limits.events_per_second:g} events per second: "
                f"send again in {math.ceil(wait_s)} s",
                wait_s,
            )

    async def take(self, parsed: ParsedBatch, caller: Principal, wait: bool = False) -> Taken:
        """Make the events durable (with `wait`: applied), and keep what was refused. Raises Unavailable.

        With `wait`, `processing_ms` of the results is the time from here until all of them were known. What they tell
        of people, callers are told who may read.
        """
        services = self._services
        parsed = keep_here(services.settings.residency, parsed, caller.source_id)
        now = services.now()
        started_s = time.perf_counter()
        self._limiter.spend(caller.key_id, len(parsed.events) + len(parsed.rejected), now)
        result = await services.router.ingest(parsed.events, wait) if parsed.events else IngestResult("", [])
        if wait:
            elapsed_ms = (time.perf_counter() - started_s) * 1000
            if not may_be_told(services.settings.residency, caller):
                result.results = [EventResult(outcome.message_id, outcome.status) for outcome in result.results]
            for outcome in result.results:
                outcome.processing_ms = elapsed_ms
            for index, left_out in parsed.left_out.items():
                result.results[index].withheld = [*left_out, *result.results[index].withheld]
        if any(rejected.kept for rejected in parsed.rejected):
            await services.router.reject(
                [
                    DeadLetter(
                        services.new_id(),
                        now,
                        caller.source_id,
                        rejected.kind,
                        rejected.reasons,
                        rejected.body,
                        minimised=rejected.minimised,
                    )
                    for rejected in parsed.rejected
                    if rejected.kept
                ]
            )
        self.count_entry(parsed, caller.source_id)
        counts = self._count(parsed, result)
        return Taken(parsed, result, counts["duplicate"], counts["suppressed"])

    def count_entry(self, parsed: ParsedBatch, source_id: str) -> None:
        """Counts what the door has left out, and notes what it has found."""
        metrics, tally = self._services.metrics, parsed.tally
        for field, amount in tally.left_out.items():
            metrics.count("onefold_withheld_fields", amount, source=source_id, field=field)
        if tally.found:
            self.findings.add(source_id, tally.found)
            for (_, kind), amount in tally.found.items():
                metrics.count("onefold_free_text_findings", amount, source=source_id, kind=kind)

    def _count(self, parsed: ParsedBatch, result: IngestResult) -> Counter[str]:
        """Counts what was taken and refused; returns how many events met which end."""
        metrics = self._services.metrics
        outcomes = Counter(
            (event.type, outcome.status) for event, outcome in zip(parsed.events, result.results, strict=True)
        )
        for (kind, status), amount in outcomes.items():
            metrics.count("onefold_events", amount, type=kind, outcome=status)
        for kind, amount in Counter(rejected.kind or "unknown" for rejected in parsed.rejected).items():
            metrics.count("onefold_events", amount, type=kind, outcome="rejected")
        for code, amount in Counter(reason["code"] for r in parsed.rejected for reason in r.reasons[:1]).items():
            metrics.count("onefold_rejections", amount, code=code)
        return Counter(outcome.status for outcome in result.results)


def _doors(given: settings.Settings) -> Doors:
    privacy, identity = given.privacy, given.identity
    keys = field_keys(given.data_path) if privacy.fields else Keys(b"", b"")
    scan = None
    if privacy.free_text != "off":
        known = frozenset(identity.trait_identifiers)
        scan = Scan(identity.phone_region, known, redacts=privacy.free_text == "redact")
    return Doors(privacy.sources, privacy.fields, keys, scan)


def wire_limits(limits: settings.Limits) -> Limits:
    """The parser's limits, from the settings."""
    return Limits(
        event_bytes_max=limits.event_bytes,
        batch_bytes_max=min(Limits().batch_bytes_max, limits.batch_bytes),
        rudderstack_batch_bytes_max=limits.batch_bytes,
        batch_events_max=limits.batch_events,
    )
