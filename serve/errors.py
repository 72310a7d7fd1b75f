"""What a transport refuses before the work begins, and how every error looks over HTTP.

Adds to the tree of `actors.errors`:

OnefoldError
 +- Unauthenticated   no key, or one that is not valid
 +- Forbidden         a valid key without the scope
 +- RateLimited       too much, too fast; carries the seconds to wait
 +- TooLarge          the body, or one event of it, is over the limit
 +- InvalidFields     an Invalid with a list of everything that is wrong

Over HTTP each is `{"code": ..., "message": ...}` at the top level (tracking SDKs read exactly these two), with
`errors: [{"field", "message"}]` where there is a list.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from actors.errors import Conflict, Invalid, NotFound, OnefoldError, Unavailable

_PLAIN_NAME = re.compile(r"\w{1,40}", re.ASCII)


class Unauthenticated(OnefoldError):
    """No credential, or one that is not valid."""

    code = "unauthenticated"


class Forbidden(OnefoldError):
    """The credential is valid and does not allow this."""

    code = "forbidden"


class RateLimited(OnefoldError):
    """Too much, too fast: the same call may be made again after `retry_after_s` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[type["RateLimited"], tuple[str, float]]:  # type: ignore[override]
        return type(self), (self.message, self.retry_after_s)


class TooLarge(OnefoldError):
    """Over a size limit, which the message names."""

    code = "too_large"


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with a request: where, and what was expected there."""

    field: str
    message: str


class InvalidFields(Invalid):
    """Several things are wrong; `errors` has all of them."""

    def __init__(self, message: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[type["InvalidFields"], tuple[str, tuple[FieldError, ...]]]:  # type: ignore[override]
        return type(self), (self.message, self.errors)


def invalid_fields(error: msgspec.ValidationError) -> InvalidFields:
    """What is wrong with a request, and where."""
    # "Expected `int`, got `str` - at `$.limit`": msgspec names kinds and places, never values.
    expected, _, place = str(error).partition(" - at `")
    before, unknown, name = expected.partition("unknown field `")
    if unknown and not _PLAIN_NAME.fullmatch(name.rstrip("`")):
        expected = f"{before}an unknown field"
    field = place.rstrip("`").removeprefix("$").lstrip(".") or "body"
    return InvalidFields(f"{field}: {expected}", [FieldError(field, expected)])


# First match counts: subclasses stand before their base.
_HTTP_STATUS: tuple[tuple[type[OnefoldError], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (RateLimited, 429),
    (Invalid, 400),
    (Unavailable, 503),
)
_RETRY_UNAVAILABLE_S = 1


def http_status(error: OnefoldError) -> int:
    """The HTTP status of an error: 500 for what has no better one."""
    return next((status for kind, status in _HTTP_STATUS if isinstance(error, kind)), 500)


def http_body(error: OnefoldError) -> dict[str, Any]:
    """The error as a client sees it."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, InvalidFields):
        body["errors"] = error.errors
    return body


def http_headers(error: OnefoldError) -> dict[str, str]:
    """What has to go with it: how to authenticate, when to come back."""
    if isinstance(error, Unauthenticated):
        # Not Basic, although that is taken too: browsers would ask for a password and send it from then on.
        return {"WWW-Authenticate": 'Bearer realm="onefold"'}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if isinstance(error, Unavailable):
        return {"Retry-After": str(_RETRY_UNAVAILABLE_S)}
    return {}
