"""Who had a person's data, and what became of telling them that it was erased (GDPR 19); signed once all is known.

A certificate of an erasure is issued when nothing of the person is left here. Recipients are told then, and may take
days to answer: the statement that follows says of each whether it has acknowledged, or was given up.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from models.privacy.signed_document import Signable

FORMAT: Final = "onefold-erasure-recipients/1"

RecipientState = Literal["acknowledged", "waiting", "failed"]


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who had the person's data, and what became of telling them."""

    name: str
    state: RecipientState
    at: int = 0  # ms; 0 for never


class RecipientStatement(Signable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed."""

    statement_id: str
    issued_at: int  # ms
    request_id: str
    certificate_id: str  # of the erasure
    recipients: list[Recipient]
    software_version: str
    format: Literal["onefold-erasure-recipients/1"] = FORMAT


def is_due(recipients: Sequence[Recipient], stated: Sequence[Recipient]) -> bool:
    """Whether a statement is to be made: nobody is waited for, and it says something that the last one did not."""
    return bool(recipients) and all(each.state != "waiting" for each in recipients) and list(recipients) != list(stated)
