"""What decides by itself asks here, before it acts: people who have opted out are left alone, and all is logged."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from actors.errors import Conflict, NotFound, Unavailable
from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.router import Router
from models.identity.customer_id import to_text
from models.privacy.decisions import Choice, DecisionRecord, Kind, decision_of
from models.privacy.purposes import has_opted_out
from models.profile.state import Profile

_PAUSES_S = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # while two people become one


Look = Callable[[list[int], DecisionRecord], Awaitable[DecisionRecord | None]]
"""How the log is looked into: see `Router.decision`."""


class AutomatedDecisions:
    """Asked by the deliverer, and by whatever acts on a model's scores. `now` is in ms; `look`, if not by asking the
    shards."""

    def __init__(
        self, router: Router, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000, look: Look | None = None
    ) -> None:
        self._router = router
        self._now = now
        self._look = look or router.decision

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
        key: str,
        profile: Profile,
        decision: str,
        decision_id: str,
        purpose: str,
        choose: Callable[[Profile], Choice],
        is_new: bool = False,
    ) -> DecisionRecord:
        """A decision about the person of a normalised key, seen as `profile`, at a decision point, as it is in the log
        when this returns: the one with this id if it was taken before, whatever `choose` says now; none is taken of who
        has opted out. `is_new`: nobody can have asked with this id before. Raises NotFound if the person is erased
        meanwhile, Conflict if the decision was taken for another purpose, for which other data may have counted,
        Unavailable, and what `choose` does.

        One id has one decision of a person, also if they are merged with somebody while it is asked for: it is logged
        only about whom it was chosen for, and after an unmerge chosen for whom the key is of. Of two people for whom
        decisions of one id were taken, and who turn out to be one later, both stay in the log, since both were told,
        and the first is told from then on."""
        for pause_s in _PAUSES_S:
            await asyncio.sleep(pause_s)
            about, is_opted_out = profile.customer_id, has_opted_out(profile.consents)
            record = decision_of("model", decision, about, decision_id, purpose, is_opted_out, self._now())
            held = None if is_new else await self._look([about, *profile.absorbed], record)
            if held is None:
                made = record if is_opted_out else msgspec.structs.replace(record, **choose(profile)._asdict())
                held = await self._router.take_decision(made, profile.absorbed)
            if held is None:  # unless it was, but the answer was lost
                held = await self._look([about], record)
            if held is not None:
                return _checked(held, purpose)
            present = await self._router.profile(key)
            if present is None:
                raise NotFound("key: the person was erased meanwhile")
            profile = present
        raise Unavailable("key: the person is being merged with another: ask again")


def _checked(held: DecisionRecord, purpose: str) -> DecisionRecord:
    if held.purpose != purpose:
        raise Conflict("decision_id: it was decided for another purpose; ask for that one, or with another id")
    return held
