"""Follows who was told of erasures until each has answered or was given up, and then has that stated.

Who was given up and is told again after all is stated anew.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from actors.privacy_store import PrivacyStore
from models.privacy.recipients import Recipient, is_due
from models.privacy.requests import SubjectRequest

PAGE = 500

Issue = Callable[[SubjectRequest, list[Recipient]], str]
"""Makes and keeps the statement about the recipients of an erasure; its id."""


class Ledger(Protocol):
    """Who was told (`actors.privacy_calls.PrivacyCalls`)."""

    async def recipients(self, people: list[list[int]]) -> list[list[Recipient]]: ...


class RecipientStatements:
    """Looks at the completed erasures. Everything may be done again."""

    def __init__(self, store: PrivacyStore, ledger: Ledger, issue: Issue) -> None:
        self._store = store
        self._ledger = ledger
        self._issue = issue

    async def issue_due(self) -> int:
        """Has everything stated that is due; how many statements that was."""
        issued, after = 0, (0, "")
        while page := self._store.requests(("completed",), PAGE, after):
            followed = [each for each in page if each.recipients and not _is_over(each)]
            ledger = await self._ledger.recipients([each.people for each in followed]) if followed else []
            for request, recipients in zip(followed, ledger, strict=True):
                if is_due(recipients, request.stated):
                    self._note(request, recipients, self._issue(request, recipients))
                    issued += 1
            after = (page[-1].received_at, page[-1].request_id)
        return issued

    def _note(self, request: SubjectRequest, recipients: list[Recipient], statement: str) -> None:
        changes = {"statement": statement, "stated": recipients}
        self._store.change(request.request_id, lambda found: msgspec.structs.replace(found, **changes))


def _is_over(request: SubjectRequest) -> bool:
    """Whether all recipients are known to have acknowledged: nothing will change any more."""
    return bool(request.stated) and all(each.state == "acknowledged" for each in request.stated)
