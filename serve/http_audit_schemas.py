"""The shapes of /v1/audit. Times are ISO 8601 in UTC with milliseconds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from serve.http_schemas import Cursor, CustomerId, Time


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what, when, and with whose data."""

    number: int
    at: Time
    actor: Annotated[str, Meta(description='id of a key; "" for none; "cli:" and a user of the operating system')]
    action: Annotated[str, Meta(examples=["GET /v1/profiles/{key}"])]
    outcome: Annotated[str, Meta(description="HTTP status, or the name of a gRPC status", examples=["200", "OK"])]
    subjects: Annotated[list[CustomerId], Meta(description="one is repeated if it was answered several times")]
    detail: Annotated[dict[str, str | int], Meta(description="`kind` is read, action or refusal; facts of nobody")]


class AuditEntriesPage(msgspec.Struct, frozen=True):
    """Entries of the audit log, the latest first."""

    data: list[AuditEntry]
    cursor: Cursor


class AffectedPerson(msgspec.Struct, frozen=True):
    """What a key has done with one person's data: how many requests answered it or changed it, and when."""

    customer_id: CustomerId
    reads: int
    changes: int
    first_at: Time
    last_at: Time


class AffectedPage(msgspec.Struct, frozen=True):
    """Everybody whose data a key has read or changed, by customer id; `people` counts them all."""

    key_id: str
    people: int
    data: list[AffectedPerson]
    cursor: Cursor
