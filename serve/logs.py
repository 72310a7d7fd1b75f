"""Structured logs: one JSON object a line on standard error, and never personal data.

Three rules make that hold without anyone having to remember it:

1. The message is a constant of the code. What varies goes in `fields`, and only the keys of FIELDS are written.
2. Of an exception, its type and the places in the code are written, not its message: messages quote values.
3. A request is named by its route's template (`/v1/profiles/{key}`), never by its path or its query.

    log = logs.logger("http")
    log.warning("request failed", extra=logs.fields(route="/v1/profiles/{key}", status=404))
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

ROOT = "onefold"

# Every field that a line may carry. Ids are ours (random or counted) or UUIDs, never a caller's words.
FIELDS = frozenset(
    {
        "action",
        "address",
        "attempt",
        "code",
        "count",
        "duration_ms",
        "key_id",
        "left_ms",
        "limit",
        "method",
        "port",
        "ready",
        "reason",
        "route",
        "scope",
        "shard",
        "shards",
        "size_bytes",
        "source_id",
        "status",
        "subject_request_id",
        "tenant",
        "version",
        "webhook_id",
        "work",
    }
)

request_id: ContextVar[str] = ContextVar("onefold_request_id", default="")
"""Id of the request being answered, in every line logged meanwhile; empty outside of requests."""

# Ids that clients may choose: UUIDs and the like. Too long for a phone number, no room for an address.
_CLIENT_REQUEST_ID = re.compile(r"[0-9a-fA-F]{16,32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def logger(area: str) -> logging.Logger:
    """The logger of one part of the product, e.g. "http"."""
    return logging.getLogger(f"{ROOT}.{area}")


def fields(**values: str | int | float | bool) -> dict[str, Any]:
    """The `extra` argument of a log call. Raises ValueError for a key that is not in FIELDS."""
    unknown = values.keys() - FIELDS
    if unknown:
        raise ValueError(f"log fields {sorted(unknown)} are not in serve.logs.FIELDS: add them there if they are safe")
    return {"fields": values}


def accept_request_id(proposed: str) -> str | None:
    """`proposed` if it is a hexadecimal id or a UUID; None for all else, which could be somebody's data."""
    return proposed if _CLIENT_REQUEST_ID.fullmatch(proposed) else None


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, the fields, and where an error came from."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
        }
        if current := request_id.get():
            line["request_id"] = current
        values: Mapping[str, Any] = getattr(record, "fields", {})
        line.update((key, value) for key, value in values.items() if key in FIELDS)
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = [
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2], limit=-8)
            ]
        return msgspec.json.encode(line).decode()


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the product's logs to `stream` (standard error) as JSON lines. Safe to call again: the last call counts.

    `level` is one of debug, info, warning, error. The web server's own access log is turned off: it writes paths,
    and paths name people.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger(ROOT)
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    for name in ("uvicorn.access", "httpx"):
        logging.getLogger(name).disabled = True
