"""The desk: works on the requests of data subjects, one after the other, until each is completed.

Every step may be done again, so that a restart goes on with the request that was in progress. What cannot be done now
(a shard starts) is tried again; what fails is told by its kind, and does not hold up the requests behind it. Why a
request waits is noted with it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, get_args

import msgspec

from actors.errors import OnefoldError
from actors.privacy_store import PrivacyStore, Tell
from models.identity.customer_id import to_text
from models.identity.identifiers import CUSTOMER_ID, Normalise
from models.privacy.requests import (
    IdentityFormat,
    State,
    SubjectRequest,
    Work,
    advanced,
    forgotten,
    gone_on,
    held_up,
    is_about,
)
from models.privacy.suppression import known_as, refused_until
from models.profile.state import Profile
from models.shard.protocol import Erased

PAGE = 500  # requests that are worked on together: all stores are searched once for all of them
POLL_S = 0.2
RETRY_S = 2.0
_PARTED = 20  # people whose identifiers are looked for at once: each takes the search longer
PART_AGAIN_MS = 3_600_000  # until other people's events are looked through again

Result = TypeVar("Result")

log = logging.getLogger("onefold.privacy")


class Platform(Protocol):
    """All that holds people (`actors.privacy_calls.PrivacyCalls`)."""

    async def profile(self, key: str) -> Profile | None: ...
    async def find(self, namespace: str, digests: Sequence[str], form: IdentityFormat) -> list[str]: ...
    async def erase(self, request_id: str, customer_id: int, refused_until: int) -> Erased: ...
    async def suppress(self, identifiers: list[str], refused_until: int) -> None: ...
    async def part(self, refused_until: dict[str, int]) -> None: ...
    async def forget_letters(self, identifiers: Collection[str], normalise: Normalise) -> list[str]: ...
    async def letters_of(self, letter_ids: list[str]) -> set[str]: ...
    async def forget_matches(self, people: list[int]) -> None: ...
    async def forget_scores(self, people: list[int]) -> None: ...
    async def tell_recipients(self, people: list[list[int]]) -> list[str]: ...
    async def scrub(self) -> None: ...


class Finished(NamedTuple):
    """An erasure, for its certificate."""

    request: SubjectRequest
    events: int  # that were erased
    recipients: Sequence[str] = ()  # ids of the webhooks that are told


class Proof(NamedTuple):
    """What came of the search after an erasure; one of the two is empty."""

    certificate: str  # its id
    obstacle: str  # why there is none, in words that name nobody


class DataKeys(Protocol):
    """What backups are read with (`actors.backup_keys.BackupKeys`)."""

    def subjects(self, kind: str) -> set[str]: ...
    def destroyed(self, kind: str) -> set[str]: ...
    def destroy(self, subjects: Collection[str], suppressed: Mapping[str, int]) -> None: ...


class Prover(Protocol):
    """Looks for people in every store (`serve.erasure_proof.ErasureProof`)."""

    async def look(self, requests: Sequence[SubjectRequest]) -> object:
        """What is found of these people before they are erased."""

    async def certify(self, finished: Sequence[Finished], before: object) -> Mapping[str, Proof]:
        """Looks again, once for all. Request id -> the signed certificate, if nothing of the person is found."""


Export = Callable[[SubjectRequest, list[str]], Awaitable[tuple[str, int]]]
"""Writes the result of an access or portability request about these keys: its name, and how many records it holds."""


class Cancelled(Exception):
    """The request was cancelled before the work on it began."""


class Desk:
    """Works until it is cancelled. `is_ready` says which pending requests may be begun, `discard` deletes the results
    of a request by their name, `fingerprint` makes what is kept of an identifier; `now` is in ms."""

    def __init__(
        self,
        store: PrivacyStore,
        platform: Platform,
        normalise: Normalise,
        is_ready: Callable[[SubjectRequest], bool],
        tell: Tell,
        prover: Prover,
        export: Export,
        discard: Callable[[str], None],
        keys: DataKeys,
        fingerprint: Callable[[str], str],
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._platform = platform
        self._normalise = normalise
        self._is_ready = is_ready
        self._tell = tell
        self._prover = prover
        self._export = export
        self._discard = discard
        self._keys_of_backups = keys
        self._fingerprint = fingerprint
        self._now = now
        self._parted: dict[str, int] = {}  # by request: when other people's events were looked through for it, ms

    async def run(self) -> None:
        """Works on what is there, oldest first, for ever."""
        while True:
            worked = await self.work()
            await asyncio.sleep(0 if worked else POLL_S)

    async def work(self) -> int:
        """Takes every request that can be worked on as far as it goes; how many were completed."""
        completed, after = 0, (0, "")
        while page := self._store.requests(("in_progress", "pending"), PAGE, after):
            erasures = []
            for request in page:
                if request.state == "in_progress" or self._is_ready(request):
                    begun = await self._try("find", [request], self._begin(request.request_id))
                    erasures += [begun] if isinstance(begun, SubjectRequest) else []
                    completed += begun is None
            if erasures:
                completed += await self._erase_all(erasures)
            after = (page[-1].received_at, page[-1].request_id)
        return completed

    async def _try(
        self, work: Work, requests: Sequence[SubjectRequest], doing: Coroutine[Any, Any, Result]
    ) -> Result | Literal[False]:
        """What comes of some work on requests; False if it cannot be done now."""
        try:
            for request in requests:
                if gone_on(request, work) != request:
                    self._store.change(request.request_id, lambda found: gone_on(found, work))
            return await doing
        except Cancelled:
            return False
        except OnefoldError as error:
            self._hold_up(logging.WARNING, work, requests, error.message)
        except Exception as error:
            # Its message may hold personal data: its kind is told alone.
            self._hold_up(logging.ERROR, work, requests, f"an error that was not foreseen ({type(error).__name__})")
        await asyncio.sleep(RETRY_S)
        return False

    def _hold_up(self, level: int, work: Work, requests: Sequence[SubjectRequest], reason: str) -> None:
        """Notes why requests wait, and logs what is new."""
        now = self._now()
        for request in requests:
            if held_up(request, work, reason, now) == request:
                continue
            fields = {"subject_request_id": request.request_id, "work": work, "reason": reason}
            log.log(level, "a request of a data subject waits", extra={"fields": fields})
            try:
                self._store.change(request.request_id, lambda found: held_up(found, work, reason, now))
            except Exception as error:  # the store itself may be what fails: the desk goes on trying
                fields = {"subject_request_id": request.request_id, "reason": type(error).__name__}
                log.error("why a request of a data subject waits cannot be noted", extra={"fields": fields})

    async def _begin(self, request_id: str) -> SubjectRequest | None:
        """Completes a request; of an erasure, finds whom it is about."""
        request = self._store.change(request_id, self._begun, self._tell)
        keys = await self._keys(request)
        request = await self._find(request, keys)
        if request.kind == "erasure":
            return request
        name, count = await self._export(request, keys)
        self._close(request_id, name, count)
        return None

    async def _erase_all(self, requests: list[SubjectRequest]) -> int:
        """Erases people, and completes the requests of whom nothing is found any more; how many."""
        before = await self._try("search", requests, self._prover.look(requests))
        if before is False:
            return 0
        erased = [await self._try("erase", [request], self._erase(request)) for request in requests]
        finished = [each for each in erased if each]
        gone = [each.request for each in finished]
        recipients = await self._try("clear", gone, self._clear(gone)) if gone else False
        if recipients is False:
            return 0
        finished = [each._replace(recipients=recipients if each.request.people else []) for each in finished]
        return await self._try("certify", gone, self._certify(finished, before)) or 0

    async def _certify(self, finished: list[Finished], before: object) -> int:
        """Completes the requests of whom nothing is found any more; how many."""
        proofs = dict(await self._prover.certify(finished, before))
        left = [each for each in finished if not proofs[each.request.request_id].certificate and self._may_share(each)]
        if left:
            await self._part([each.request for each in left])
            proofs |= await self._prover.certify(left, before)
        completed = 0
        for each in finished:
            proof = proofs[each.request.request_id]
            if proof.certificate:
                self._close(each.request.request_id, proof.certificate, each.events, each.recipients)
                self._parted.pop(each.request.request_id, None)
                completed += 1
            else:
                self._hold_up(logging.ERROR, "certify", [each.request], proof.obstacle)
        if completed < len(finished):
            await asyncio.sleep(RETRY_S)
        return completed

    def _begun(self, request: SubjectRequest) -> SubjectRequest:
        if request.state == "in_progress":
            return request
        if request.state != "pending":
            raise Cancelled
        return advanced(request, "in_progress", self._now())

    def _close(self, request_id: str, results: str, results_count: int, recipients: Sequence[str] = ()) -> None:
        def closed(request: SubjectRequest) -> SubjectRequest:
            found: dict[str, Any] = {"results": results, "results_count": results_count, "recipients": list(recipients)}
            return advanced(request, "completed", self._now(), **found)

        self._store.change(request_id, closed, self._tell)
        self._store.scrub()

    async def _keys(self, request: SubjectRequest) -> list[str]:
        """The normalised identifiers that a request names, those that it names by a hash too if they are known."""
        keys = [f"{i.namespace}:{i.value}" for i in request.identities if i.format == "raw"]
        for identity in request.identities:
            if identity.format != "raw":
                keys += await self._platform.find(identity.namespace, [identity.value], identity.format)
        return list(dict.fromkeys(keys))

    async def _find(self, request: SubjectRequest, keys: list[str]) -> SubjectRequest:
        """Notes whom these keys lead to, and of an erasure all that they have, and those who are noted, before anything
        is erased: whoever goes on after a crash could not find it any more."""
        people = dict.fromkeys(request.people)
        identifiers = dict.fromkeys([*request.identifiers, *keys])
        for key in (*keys, *(f"{CUSTOMER_ID}:{to_text(customer_id)}" for customer_id in request.people)):
            profile = await self._platform.profile(key)
            if profile is not None:
                people |= dict.fromkeys([profile.customer_id, *profile.absorbed])
                identifiers |= dict.fromkeys(profile.identifiers)
        return self._keep(request.request_id, people, identifiers if request.kind == "erasure" else ())

    async def _erase(self, request: SubjectRequest) -> Finished:
        platform, request_id = self._platform, request.request_id
        request = await self._find(request, [])  # what has come to them while all stores were searched
        until = refused_until(request.suppress, request.received_at)
        await platform.suppress(request.identifiers, until)
        events = 0
        people = dict.fromkeys(request.people)
        for customer_id in request.people:
            erased = await platform.erase(f"{request_id}:{customer_id}", customer_id, until)
            events += erased.events
            people |= dict.fromkeys(erased.people)
        return Finished(self._keep(request_id, people, request.identifiers), events)

    async def _clear(self, requests: list[SubjectRequest]) -> list[str]:
        """Takes people who are erased from the shards out of everything else; ids of the webhooks that are told."""
        platform = self._platform
        identifiers = {identifier for request in requests for identifier in request.identifiers}
        people = [request.people for request in requests if request.people]
        letters = await platform.forget_letters(identifiers, self._normalise)
        recipients: list[str] = []
        if people:
            everybody = [customer_id for each in people for customer_id in each]
            await platform.forget_matches(everybody)
            await platform.forget_scores(everybody)
            recipients = await platform.tell_recipients(people)
        others = self._forget_requests(identifiers, {customer_id for each in people for customer_id in each})
        await self._destroy_keys(requests, letters, others)
        await platform.scrub()
        return recipients

    def _may_share(self, finished: Finished) -> bool:
        """Whether it was not looked lately what others share with a person."""
        due = self._now() - PART_AGAIN_MS
        return self._parted.get(finished.request.request_id, due) <= due

    async def _part(self, requests: list[SubjectRequest]) -> None:
        """Takes what these people's identifiers are found in out of other people's events: few share any, and to look
        for it takes as long as to search all stores."""
        for start in range(0, len(requests), _PARTED):
            some = requests[start : start + _PARTED]
            until = {i: refused_until(each.suppress, each.received_at) for each in some for i in each.identifiers}
            await self._platform.part(until)
        await self._platform.scrub()
        self._parted |= dict.fromkeys((request.request_id for request in requests), self._now())

    async def _destroy_keys(self, requests: list[SubjectRequest], letters: list[str], others: list[str]) -> None:
        """No backup can be read any more where it is about these people. Dead letters that are gone may have named them
        too, which nobody can tell any more."""
        keys = self._keys_of_backups
        kept = [subject[2:] for subject in await asyncio.to_thread(keys.subjects, "l")]
        there = await self._platform.letters_of(kept)
        subjects = {f"l:{letter_id}" for letter_id in (*letters, *(each for each in kept if each not in there))}
        known = await asyncio.to_thread(keys.destroyed, "r")
        subjects |= {f"r:{each}" for each in others} - known
        subjects |= {f"r:{request.request_id}" for request in requests}
        subjects |= {f"p:{customer_id}" for request in requests for customer_id in request.people}
        suppressed = {
            self._fingerprint(known): refused_until(request.suppress, request.received_at)
            for request in requests
            for identifier in request.identifiers
            for known in known_as(identifier, self._normalise)
        }
        if subjects:
            await asyncio.to_thread(keys.destroy, subjects, suppressed)

    def _forget_requests(self, identifiers: set[str], people: set[int]) -> list[str]:
        """Of other requests of erased people there stays that they were made, of those that are open once they have
        ended. Returns the ids of all that no backup may tell of, those of before too: a crash may have come before
        their keys were destroyed."""
        found = []
        after = (0, "")
        while page := self._store.requests(get_args(State), PAGE, after):
            for request in page:
                if request.identities and is_about(request, identifiers, people):
                    if request.kind != "erasure" and request.results:
                        self._discard(request.results)
                    request = self._store.change(request.request_id, forgotten)
                if request.is_forgotten or not request.identities:
                    found.append(request.request_id)
            after = (page[-1].received_at, page[-1].request_id)
        self._store.scrub()
        return found

    def _keep(self, request_id: str, people: Iterable[int], identifiers: Iterable[str]) -> SubjectRequest:
        changes = {"people": list(people), "identifiers": list(identifiers)}
        return self._store.change(request_id, lambda request: msgspec.structs.replace(request, **changes))
