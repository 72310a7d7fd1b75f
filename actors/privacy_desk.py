"""The desk: works on the requests of data subjects, one after the other, until each is completed.

Every step may be done again, so that a restart goes on with the request that was in progress. What cannot be done now
(a shard starts) is tried again; what fails is told by its kind, and does not hold up the requests behind it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from actors.errors import OnefoldError
from actors.privacy_store import PrivacyStore, Tell
from models.privacy.letters import Normalise
from models.privacy.requests import IdentityFormat, SubjectRequest, advanced, anonymised
from models.privacy.suppression import refused_until
from models.profile.state import Profile
from models.shard.protocol import Erased

PAGE = 50
POLL_S = 0.2
RETRY_S = 2.0

Result = TypeVar("Result")

log = logging.getLogger("onefold.privacy")


class Platform(Protocol):
    """All that holds people (`actors.privacy_calls.PrivacyCalls`)."""

    async def profile(self, key: str) -> Profile | None: ...
    async def find(self, namespace: str, digests: Sequence[str], form: IdentityFormat) -> list[str]: ...
    async def erase(self, request_id: str, customer_id: int, refused_until: int) -> Erased: ...
    async def suppress(self, identifiers: list[str], refused_until: int) -> None: ...
    async def forget_letters(self, identifiers: Sequence[str], normalise: Normalise) -> int: ...
    async def forget_matches(self, people: list[int]) -> None: ...
    async def tell_recipients(self, people: list[int]) -> list[str]: ...
    async def scrub(self) -> None: ...


class Finished(NamedTuple):
    """An erasure, for its certificate."""

    request: SubjectRequest
    events: int  # that were erased
    letters: int  # dead letters that were deleted
    recipients: list[str]  # ids of the webhooks that are told


Certify = Callable[[Sequence[Finished]], Awaitable[Mapping[str, str]]]
"""Scans every store, once, for all who were erased. Request id -> id of the signed certificate, for those of whom
nothing was found."""

Export = Callable[[SubjectRequest, list[str]], Awaitable[tuple[str, int]]]
"""Writes the result of an access or portability request about these keys: its name, and how many records it holds."""


class Cancelled(Exception):
    """The request was cancelled before the work on it began."""


class Desk:
    """Works until it is cancelled. `is_ready` says which pending requests may be begun; `now` is in ms."""

    def __init__(
        self,
        store: PrivacyStore,
        platform: Platform,
        normalise: Normalise,
        is_ready: Callable[[SubjectRequest], bool],
        tell: Tell,
        certify: Certify,
        export: Export,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._platform = platform
        self._normalise = normalise
        self._is_ready = is_ready
        self._tell = tell
        self._certify = certify
        self._export = export
        self._now = now

    async def run(self) -> None:
        """Works on what is there, oldest first, for ever."""
        while True:
            worked = await self.work()
            await asyncio.sleep(0 if worked else POLL_S)

    async def work(self) -> int:
        """Takes every request that can be worked on as far as it goes; how many were completed."""
        completed, after = 0, (0, "")
        while page := self._store.requests(("in_progress", "pending"), PAGE, after):
            finished = []
            for request in page:
                if request.state == "in_progress" or self._is_ready(request):
                    erasure = await self._try(request, self._complete(request.request_id))
                    finished += [erasure] if isinstance(erasure, Finished) else []
                    completed += erasure is None
            if finished:
                completed += await self._try(finished[0].request, self._prove(finished)) or 0
            after = (page[-1].received_at, page[-1].request_id)
        return completed

    async def _try(self, request: SubjectRequest, work: Coroutine[Any, Any, Result]) -> Result | Literal[False]:
        """What comes of some work on a request; False if it cannot be done now."""
        fields = {"request_id": request.request_id}
        try:
            return await work
        except Cancelled:
            return False
        except OnefoldError as error:
            log.warning("a request of a data subject waits", extra={"fields": {**fields, "reason": error.code}})
        except Exception as error:
            # Its message may hold personal data: it is not logged.
            reason = type(error).__name__
            log.error("a request of a data subject failed", extra={"fields": {**fields, "reason": reason}})
        await asyncio.sleep(RETRY_S)
        return False

    async def _complete(self, request_id: str) -> Finished | None:
        """None if the request is completed; of an erasure what is left to prove."""
        request = self._store.change(request_id, self._begun, self._tell)
        if request.kind == "erasure":
            return await self._erase(request)
        name, count = await self._export(request, await self._keys(request))
        self._close(request_id, name, count)
        return None

    async def _prove(self, finished: list[Finished]) -> int:
        """Completes the erasures of whom nothing is found any more; how many."""
        await self._platform.scrub()
        certificates = await self._certify(finished)
        for each in finished:
            request_id = each.request.request_id
            if request_id in certificates:
                self._close(request_id, certificates[request_id], each.events)
            else:
                log.error("something of an erased person was found", extra={"fields": {"request_id": request_id}})
        return len(certificates)

    def _begun(self, request: SubjectRequest) -> SubjectRequest:
        if request.state == "in_progress":
            return request
        if request.state != "pending":
            raise Cancelled
        return advanced(request, "in_progress", self._now())

    def _close(self, request_id: str, results: str, results_count: int) -> None:
        def closed(request: SubjectRequest) -> SubjectRequest:
            done = advanced(request, "completed", self._now(), results=results, results_count=results_count)
            return anonymised(done) if done.kind == "erasure" else done

        self._store.change(request_id, closed, self._tell)
        self._store.scrub()

    async def _keys(self, request: SubjectRequest) -> list[str]:
        """The normalised identifiers that a request names, those that it names by a hash too if they are known."""
        keys = [f"{i.namespace}:{i.value}" for i in request.identities if i.format == "raw"]
        for identity in request.identities:
            if identity.format != "raw":
                keys += await self._platform.find(identity.namespace, [identity.value], identity.format)
        return list(dict.fromkeys(keys))

    async def _erase(self, request: SubjectRequest) -> Finished:
        platform, request_id = self._platform, request.request_id
        until = refused_until(request.suppress, request.received_at)
        keys = await self._keys(request)
        people = dict.fromkeys(request.people)
        identifiers = dict.fromkeys([*request.identifiers, *keys])
        for key in keys:
            profile = await platform.profile(key)
            if profile is not None:
                people |= dict.fromkeys([profile.customer_id, *profile.absorbed])
                identifiers |= dict.fromkeys(profile.identifiers)
        # Before anything is erased: whoever goes on after a crash could not find them any more.
        request = self._keep(request_id, people, identifiers)
        await platform.suppress(list(identifiers), until)
        events = 0
        for customer_id in request.people:
            erased = await platform.erase(f"{request_id}:{customer_id}", customer_id, until)
            events += erased.events
            people |= dict.fromkeys(erased.people)
        request = self._keep(request_id, people, identifiers)
        letters = await platform.forget_letters(request.identifiers, self._normalise)
        await platform.forget_matches(request.people)
        recipients = await platform.tell_recipients(request.people) if people else []
        return Finished(request, events, letters, recipients)

    def _keep(self, request_id: str, people: Iterable[int], identifiers: Iterable[str]) -> SubjectRequest:
        changes = {"people": list(people), "identifiers": list(identifiers)}
        return self._store.change(request_id, lambda request: msgspec.structs.replace(request, **changes))
