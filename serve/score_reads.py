"""People's scores by the shortest way: the scorers' committed files if they are on this node, else a call to them."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from models.scoring.kept import KeptScore, Row

Remote = Callable[[Sequence[int]], Awaitable[dict[int, list[KeptScore]]]]
"""Asks scorers (`actors.router.Router.scores`)."""


class LocalScores(Protocol):
    """Scores of this node (`actors.score_reader.ScoreReader`)."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it, many reads cost less."""

    # Both raise LookupError if the files cannot tell now.
    def rows(self, customer_id: int) -> Sequence[Row]: ...
    def scores(self, rows: Sequence[Row]) -> list[KeptScore]: ...


class ScoreReads:
    """Reads of one replica. Without either way nobody has scores."""

    def __init__(self, local: LocalScores | None = None, remote: Remote | None = None) -> None:
        self._local = local
        self._remote = remote

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it, many reads of this node's files cost less. Nothing within may await."""
        return nullcontext() if self._local is None else self._local.snapshot()

    def rows(self, customer_id: int) -> Sequence[Row]:
        """What this node's files hold of a person: equal as long as no score has changed. Raises LookupError."""
        if self._local is not None:
            return self._local.rows(customer_id)
        if self._remote is not None:
            raise LookupError
        return ()

    def scores(self, rows: Sequence[Row]) -> list[KeptScore]:
        """What rows tell. Raises LookupError."""
        return self._local.scores(rows) if self._local is not None and rows else []

    async def of(self, customer_ids: Sequence[int]) -> dict[int, list[KeptScore]]:
        """The scores of some people; of those who have none there may be nothing."""
        found: dict[int, list[KeptScore]] = {}
        elsewhere: list[int] = []
        for customer_id in customer_ids:
            try:
                found[customer_id] = self.scores(self.rows(customer_id))
            except LookupError:
                elsewhere.append(customer_id)
        if elsewhere and self._remote is not None:
            found |= await self._remote(elsewhere)
        return found
