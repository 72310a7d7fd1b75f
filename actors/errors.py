"""What can go wrong, as callers of every layer see it.

OnefoldError
 +- Invalid       the request is wrong; the message names the field, what was expected and the way out
 +- NotFound      there is no such thing
 +- Conflict      it contradicts what is there
 +- Unavailable   not now; the same call may succeed later

`code` is the stable word for programs, `message` the sentence for people. Neither holds personal data. Transports
map codes to their own (HTTP 400, 404, 409, 503; gRPC INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNAVAILABLE).
"""


class OnefoldError(Exception):
    """Base of all: raise a subclass."""

    code = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[type["OnefoldError"], tuple[str]]:
        # Errors cross process boundaries (Ray pickles them).
        return type(self), (self.message,)


class Invalid(OnefoldError):
    """The request is wrong, and will be wrong again."""

    code = "invalid"


class NotFound(OnefoldError):
    """There is no such thing."""

    code = "not_found"


class Conflict(OnefoldError):
    """It contradicts what is there."""

    code = "conflict"


class Unavailable(OnefoldError):
    """Not now: nothing was done, or it is not known what was; retry with the same ids."""

    code = "unavailable"
