"""What decides by itself asks here, before it acts: people who have opted out are left alone, and all is logged."""

import time
from collections.abc import Callable

import msgspec

from actors.errors import Conflict, NotFound
from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.router import Router
from models.identity.customer_id import to_text
from models.privacy.decisions import Choice, DecisionRecord, Kind, decision_of
from models.privacy.purposes import has_opted_out
from models.profile.state import Profile


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
        is_opted_out = has_opted_out(profile.consents)
        await self._router.log_decision(
            decision_of(kind, subject, profile.customer_id, cause, purpose, is_opted_out, self._now())
        )
        return not is_opted_out

    async def decide(
        self,
        profile: Profile,
        decision: str,
        decision_id: str,
        purpose: str,
        choose: Callable[[], Choice],
        is_new: bool = False,
    ) -> DecisionRecord:
        """A decision about a person at a decision point, as it is in the log when this returns: the one with this id if
        it was taken before, whatever `choose` says now; none is taken of who has opted out. `is_new`: nobody can have
        asked with this id before. Raises NotFound if the person is erased meanwhile, Conflict if the decision was taken
        for another purpose, for which other data may have counted, Unavailable, and what `choose` does."""
        key = f"{CUSTOMER_ID_NAMESPACE}{to_text(profile.customer_id)}"
        is_opted_out = has_opted_out(profile.consents)
        record = decision_of("model", decision, profile.customer_id, decision_id, purpose, is_opted_out, self._now())
        if not is_opted_out:
            held = None if is_new else await self._held(key, record)
            if held is not None:
                return held
            record = msgspec.structs.replace(record, **choose()._asdict())
        await self._router.log_decision(record)
        # Of two that come at once, the first is kept.
        held = await self._held(key, record)
        if held is None:
            raise NotFound("key: the person was erased meanwhile")
        return held

    async def _held(self, key: str, record: DecisionRecord) -> DecisionRecord | None:
        """The decision of the log, also of somebody whom the person was before a merge. Raises Conflict."""
        held = await self._router.decision(key, record)
        if held is not None and held.purpose != record.purpose:
            raise Conflict("decision_id: it was decided for another purpose; ask for that one, or with another id")
        return held
