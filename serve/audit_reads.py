"""What HTTP and the command line both ask of the audit log."""

from actors.api_keys import ApiKeys
from actors.audit_log import Affected, EntryFilter
from actors.errors import Invalid
from models.audit.chain import Entry
from models.identity.customer_id import from_text, to_text
from models.segments.times import parse_instant
from serve.http_audit_schemas import AffectedPerson, AuditEntry
from serve.http_schemas import time_text

COMMAND_LINE = "cli:"  # before the user of the operating system


def entry_filter(
    keys: ApiKeys, key: str = "", action: str = "", since: str = "", until: str = "", subject: str = ""
) -> EntryFilter:
    """Which entries are meant; empty texts leave open what they are about.

    `key` is the id of a key, a name that one key has, or "cli:" and a user. Raises Invalid, NotFound, Conflict.
    """
    actor = key if key.startswith(COMMAND_LINE) else keys.find_key(key).key_id if key else None
    wanted = EntryFilter(actor=actor, action=action or None, subject=_customer(subject) if subject else None)
    start = _instant("from", since) if since else wanted.since
    end = _instant("to", until) if until else wanted.until
    if not start < end:
        raise Invalid("from: expected a time before `to`")
    return EntryFilter(wanted.actor, wanted.action, start, end, wanted.subject)


def audit_entry(entry: Entry) -> AuditEntry:
    """An entry as it is shown."""
    return AuditEntry(
        number=entry.number,
        at=time_text(entry.at),
        actor=entry.actor,
        action=entry.action,
        outcome=entry.outcome,
        subjects=[to_text(customer_id) for customer_id in entry.subjects],
        detail=entry.detail,
    )


def affected_person(person: Affected) -> AffectedPerson:
    """A person who was affected, as it is shown."""
    return AffectedPerson(
        to_text(person.customer_id), person.reads, person.changes, time_text(person.first_at), time_text(person.last_at)
    )


def _customer(text: str) -> int:
    try:
        return from_text(text)
    except ValueError:
        raise Invalid('subject: expected a customer id such as "cus_0d3k5w2m8r000"') from None


def _instant(field: str, text: str) -> int:
    found = parse_instant(text)
    if found is None:
        raise Invalid(f'{field}: expected an ISO 8601 date or time such as "2026-05-01" or "2026-05-01T12:00:00Z"')
    return found
