"""What became of a request: events taken, messages refused with their reasons, and warnings.

Texts here reach clients, logs and the dead-letter store: they name fields and expectations, never values.
"""

from typing import Any, Literal

import msgspec

from models.events.event import Event
from models.privacy.door import Tally

Reason = dict[str, Any]  # {"code", "field", "message"}
REASONS_MAX = 20  # of one message, and warnings of one message


class WireError(Exception):
    """The request as a whole is refused.

    `status` is the HTTP status (400 or 413), `code` a stable word for programs, `message` says the way out.
    """

    def __init__(self, status: Literal[400, 413], code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Rejection(msgspec.Struct, frozen=True):
    """A message that was not taken.

    `body` is JSON that stands alone: what its batch or path said for it (sentAt, context, integrations, type)
    has been put in, so that `WireParser.parse_items` can replay it. A message that is not JSON is kept as it came.
    """

    index: int  # place in the batch, from 0
    body: bytes
    kind: str  # identify, track, ... or "" if unknown
    reasons: list[Reason]
    minimised: bool = False  # it is what its source's door has let in
    kept: bool = True  # as a dead letter; nothing of it is, if it must not be written here


class Notice(msgspec.Struct, frozen=True):
    """Something that was changed or left out of a message that was taken (a warning)."""

    index: int  # place in the batch, from 0; -1 for the batch itself
    code: str
    field: str
    message: str


class ParsedBatch(msgspec.Struct, frozen=True):
    """Every message of a request is either in `events` or in `rejected`."""

    events: list[Event]
    positions: list[int]  # place in the batch of each of `events`
    rejected: list[Rejection]
    warnings: list[Notice]
    single: bool = False  # one message by its own path, not a batch
    left_out: dict[int, list[str]] = {}  # by place in `events`: paths of what the door has left out
    tally: Tally = msgspec.field(default_factory=Tally)

    def failure(self) -> WireError | None:
        """For a message sent by its own path that was refused: the answer to give. None for batches.

        A batch is answered with 200 and reports its refused messages by index.
        """
        if not self.single or not self.rejected:
            return None
        first = self.rejected[0].reasons[0]
        status: Literal[400, 413] = 413 if first["code"] == "event_too_large" else 400
        return WireError(status, first["code"], "; ".join(reason["message"] for reason in self.rejected[0].reasons))


def reason(code: str, field: str, message: str) -> Reason:
    """A reason for a rejection, as it is shown and stored."""
    return {"code": code, "field": field, "message": message}


class Report:
    """Collects what is wrong with one message: reasons to refuse it, and warnings if it is taken all the same."""

    __slots__ = ("reasons", "warnings")

    def __init__(self) -> None:
        self.reasons: list[Reason] = []
        self.warnings: list[Reason] = []

    def refuse(self, code: str, field: str, message: str) -> None:
        """The message cannot be taken. Only the first REASONS_MAX reasons are kept."""
        if len(self.reasons) < REASONS_MAX:
            self.reasons.append(reason(code, field, message))

    def warn(self, code: str, field: str, message: str) -> None:
        """Something is changed or left out. The last warning kept says that there are more."""
        if len(self.warnings) < REASONS_MAX:
            self.warnings.append(reason(code, field, message))
        elif len(self.warnings) == REASONS_MAX:
            self.warnings.append(reason("more_warnings", "", "there are more warnings for this message"))
