"""Whether a purpose has a basis for people, at the moment at which they are told of."""

import time
from collections.abc import Collection, Sequence

from actors.reader import CUSTOMER_ID_NAMESPACE
from actors.router import Router
from models.privacy.purposes import Purposes
from models.privacy.visibility import may_read


class BasisCheck:
    """Implements `actors.deliverer.MayTell`."""

    def __init__(self, router: Router, purposes: Purposes) -> None:
        self._router = router
        self._purposes = purposes

    async def __call__(self, customer_ids: Sequence[str], purpose: str) -> Collection[str]:
        """Those of the customer ids, as text, for whom the purpose (the default one if empty) has a basis. Nobody for a
        purpose that is not in the registry any more. Raises Unavailable."""
        name = purpose or self._purposes.default
        if name not in self._purposes.known:
            return ()
        profiles = await self._router.profiles([f"{CUSTOMER_ID_NAMESPACE}{each}" for each in customer_ids])
        now = time.time_ns() // 1_000_000
        return {
            customer_id
            for customer_id, profile in zip(customer_ids, profiles, strict=True)
            if profile is not None and may_read(profile, self._purposes, name, now)
        }
