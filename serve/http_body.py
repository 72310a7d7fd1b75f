"""Request bodies: read up to a limit, unzipped up to the same limit, decoded as JSON whatever the Content-Type says.

Tracking SDKs label JSON as text/plain (to spare the browser a preflight) or as a form. A body over the limit is
refused as soon as that is known.
"""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from actors.errors import Invalid
from models.events.envelope import decompress
from models.events.limits import Limits
from models.events.structure import check_json
from serve.errors import FieldError, InvalidFields, TooLarge, invalid_fields

CONTROL_BYTES_MAX = 1_000_000  # of all that is not events
_CONTROL_LIMITS = Limits(batch_bytes_max=CONTROL_BYTES_MAX, rudderstack_batch_bytes_max=CONTROL_BYTES_MAX)

T = TypeVar("T")


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body, unzipped; the limit is for what is sent and for what it unfolds into. Raises TooLarge, WireError."""
    limit = limits.request_bytes_max
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return decompress(b"".join(chunks), limits)


async def read_json(request: Request, kind: type[T]) -> T:
    """The body as a `kind` (a msgspec struct). Raises InvalidFields with the place of what is wrong, or WireError.

    What holds of events holds of it: bounded nesting, integers of 64 bits, no NUL characters.
    """
    body = await read_body(request, _CONTROL_LIMITS)
    try:
        decoded = msgspec.json.decode(body, type=kind)
        broken = check_json(body, _CONTROL_LIMITS.depth_max)
    except msgspec.ValidationError as error:
        raise invalid_fields(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("body: it is not JSON") from None
    if broken:
        found = [FieldError(each["field"] or "body", each["message"]) for each in broken]
        raise InvalidFields(f"{found[0].field}: {found[0].message}", found)
    return decoded


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"body: larger than {limit // 1024} KB; send it in smaller parts")
