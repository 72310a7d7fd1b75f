"""What decides by itself asks here, before it acts: people who have opted out are left alone, and all is logged."""

import time
from collections.abc import Callable

from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.router import Router
from models.identity.customer_id import to_text
from models.privacy.decisions import Kind, decision_of
from models.privacy.purposes import NO_AUTOMATED_DECISIONS


class AutomatedDecisions:
    """Asked by the deliverer, and by whatever acts on a model's scores. `now` is in ms."""

    def __init__(self, router: Router, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._router = router
        self._now = now

    async def may_decide(self, kind: Kind, subject: str, customer_id: int, cause: str, purpose: str) -> bool:
        """Whether a decision may be taken about a person now. That it is, or why not, is in the log when this returns;
        asked again for the same cause, it is logged once. Raises Unavailable."""
        profile = await self._router.profile(f"{CUSTOMER_ID_NAMESPACE}{to_text(customer_id)}")
        if profile is None:
            return False
        told = profile.consents.get(NO_AUTOMATED_DECISIONS)
        is_opted_out = told is not None and told.value is True
        await self._router.log_decision(
            decision_of(kind, subject, profile.customer_id, cause, purpose, is_opted_out, self._now())
        )
        return not is_opted_out
