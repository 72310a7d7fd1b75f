"""What of a request goes into the audit log, for both transports: decided by the scope that it asks for.

    read              who read whom (`reads`): written within a quarter of a second
    privacy, admin    who did what (`actions`): on disk before the answer leaves, whatever the outcome
    ingest, analyse   nothing: the event log has the events, and counts are of nobody

and of all of them who was refused. Of ingestion only refusals of the key, not of the rate: busy senders run into that.
docs/audit.md says it in full.
"""

import asyncio
from collections.abc import Iterable
from typing import Literal

from actors.api_keys import Scope
from actors.audit_trail import AuditTrail

Rule = Literal["reads", "actions", "refusals", "refused_keys", "nothing"]

REFUSED_KEYS = frozenset({"401", "403", "UNAUTHENTICATED", "PERMISSION_DENIED"})
_REFUSED = REFUSED_KEYS | {"429", "RESOURCE_EXHAUSTED"}


class Told:
    """What is known of a request by the time of its answer: who calls, and whose data is in it. Nothing personal."""

    __slots__ = ("actor", "facts", "subjects")

    def __init__(self) -> None:
        self.actor = ""
        self.subjects: list[int] = []
        self.facts: dict[str, str] = {}

    def people(self, customer_ids: Iterable[int]) -> None:
        """The answer has data of these people, or they were changed. 0 stands for nobody."""
        self.subjects += [customer_id for customer_id in customer_ids if customer_id]


def rule_of(scope: Scope | Literal["public"], tells_people: bool = True) -> Rule:
    """What is recorded of requests that ask for `scope`."""
    if scope == "public":
        return "nothing"
    if scope == "ingest":
        return "refused_keys"
    if scope in ("admin", "privacy"):
        return "actions"
    return "reads" if scope == "read" and tells_people else "refusals"


async def record(trail: AuditTrail, rule: Rule, action: str, outcome: str, told: Told, requests: int = 1) -> None:
    """Records what was told up to now; when this returns the answer may leave. Raises Unavailable if it may not.

    `requests` is 0 for the further messages of a stream.
    """
    written = note(trail, rule, action, outcome, told, requests)
    if written is not None:
        await written
    elif trail.is_full:
        await trail.room()


def note(
    trail: AuditTrail, rule: Rule, action: str, outcome: str, told: Told, requests: int = 1
) -> asyncio.Future[None] | None:
    """Like `record`, for those who do not wait. An action is on disk when what this returns is done."""
    if rule == "nothing":
        return None
    if outcome in (REFUSED_KEYS if rule == "refused_keys" else _REFUSED):
        trail.refusal(told.actor, action, outcome)
        return None
    written = None
    if rule == "actions":
        written = trail.action(told.actor, action, outcome, told.subjects, tuple(told.facts.items()))
    elif rule == "reads":
        trail.read(told.actor, action, outcome, told.subjects, tuple(told.facts.items()), requests)
    told.subjects = []
    return written
