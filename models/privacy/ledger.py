"""The ledger of consents: every answer as it was given, append-only, and what held at any time."""

from collections.abc import Iterable

import msgspec

from models.events.event import Event
from models.privacy.purposes import STATEMENT, Purposes
from models.privacy.statements import methods, stated


class ConsentRecord(msgspec.Struct, array_like=True, frozen=True):
    """One answer for one purpose or category. Its receipt id is "rcpt_<shard>_<sequence>"."""

    sequence: int
    customer_id: int
    purpose: str
    granted: bool
    at: int  # ms, when it was given
    recorded_at: int  # ms
    source: str
    methods: list[str]  # api, categories, tcf, gpp, gpc
    basis: str = ""  # of the purpose, if the registry names it
    jurisdiction: str = ""
    notice: str = ""  # version of the notice that the person saw
    raw: str = ""  # signals as they came, JSON
    message_id: str = ""
    reason: str = ""  # of an operator's statement; never names the person


def records_of(
    event: Event, customer_id: int, changed: Iterable[str], purposes: Purposes, sequence: int
) -> list[ConsentRecord]:
    """A record for each answer of an event that is another one than before, numbered after `sequence`."""
    given = event.context.get("consent")
    if not isinstance(given, dict):
        return []
    answers = stated(event, purposes)
    raw = "" if event.type == STATEMENT else msgspec.json.encode(given).decode()
    found: list[ConsentRecord] = []
    for category in changed:
        purpose = purposes.known.get(category)
        found.append(
            ConsentRecord(
                sequence=sequence + len(found) + 1,
                customer_id=customer_id,
                purpose=category,
                granted=answers[category],
                at=event.timestamp,
                recorded_at=event.received_at,
                source=event.source,
                methods=methods(event),
                basis="" if purpose is None else purpose.basis,
                jurisdiction=_text(given.get("jurisdiction")),
                notice=_text(given.get("noticeVersion")),
                raw=raw,
                message_id=event.message_id,
                reason=_text(given.get("reason")) if event.type == STATEMENT else "",
            )
        )
    return found


def held_at(records: Iterable[ConsentRecord], at: int) -> dict[str, ConsentRecord]:
    """The answers that held at a time (ms), by purpose: of each the latest that had been given and recorded by then."""
    found: dict[str, ConsentRecord] = {}
    for record in records:
        if record.recorded_at > at or record.at > at:
            continue
        held = found.get(record.purpose)
        if held is None or (held.at, held.sequence) <= (record.at, record.sequence):
            found[record.purpose] = record
    return found


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""
