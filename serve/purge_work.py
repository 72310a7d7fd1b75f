"""The clock of the purge: runs it every `privacy.purge_hours`, and whenever somebody wants it."""

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

from actors.errors import OnefoldError
from actors.purge_store import FILE, PurgeStore
from actors.purger import Purger
from serve.settings import Settings

_POLL_S = 0.5
_RETRY_S = 10.0
_HOUR_MS = 3_600_000

log = logging.getLogger("onefold.privacy")


async def purge_on_time(settings: Settings, purger: Purger, now: Callable[[], int]) -> NoReturn:
    """Runs for ever; what cannot be done now (a shard starts) is tried again."""
    store = PurgeStore(settings.data_path / FILE)
    every_ms = int(settings.privacy.purge_hours * _HOUR_MS)
    while True:
        latest = store.latest()
        if every_ms and (not latest or now() >= latest[0].run + every_ms):
            store.want(now())
        run = store.next()
        if run is None:
            await asyncio.sleep(_POLL_S)
            continue
        try:
            report = await purger.purge(run)
        except OnefoldError as error:
            log.warning("a purge waits", extra={"fields": {"reason": error.code}})
            await asyncio.sleep(_RETRY_S)
            continue
        store.finish(run, now(), report)
        log.info("a purge is done", extra={"fields": {"count": report.people}})
