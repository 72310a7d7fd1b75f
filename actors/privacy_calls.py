"""What a request of a data subject asks of everything that holds people: shards, matchers, the deliverer."""

import asyncio
from collections.abc import Collection

from actors.errors import Unavailable
from actors.lookups import by_shard
from actors.router import Router
from actors.scoring import Scoring
from actors.shard_calls import ShardCalls
from models.identity.customer_id import shard_of, to_text
from models.identity.identifiers import CUSTOMER_ID, Normalise
from models.privacy.letters import mentions
from models.privacy.purposes import is_restricted
from models.privacy.recipients import Recipient
from models.privacy.requests import IdentityFormat
from models.profile.state import Profile
from models.scoring.kept import KeptScore
from models.scoring.samples import OtherScore
from models.shard.commands import Erasure
from models.shard.protocol import DeadLetter, Erased, PurgeStep, Review, SegmentChange

ERASE_S = 120.0  # an erasure waits for what is on its way, and for shards that start
_CALL_S = 60.0
_ATTEMPT_S = 30.0
_LETTERS_PAGE = 500
_SCRUBS = 100  # until readers that are in the way have gone
_SCRUB_PAUSE_S = 0.1


class PrivacyCalls:
    """The facade over all of them. Everything may be asked again."""

    def __init__(
        self,
        router: Router,
        shards: ShardCalls,
        matchers: ShardCalls | None,
        deliveries: ShardCalls,
        scorers: ShardCalls | None = None,
    ) -> None:
        """`matchers`, `scorers`: None if matching or scoring is off; `deliveries`: the deliverer, as number 0."""
        self.router = router
        self._shards = shards
        self._matchers = matchers
        self._deliveries = deliveries
        self._scorers = scorers

    async def profile(self, key: str) -> Profile | None:
        """The profile of a normalised key, None if there is none."""
        return await self.router.profile(key)

    async def find(self, namespace: str, digests: Collection[str], form: IdentityFormat) -> list[str]:
        """The identifiers of a namespace whose value has one of these hashes (hexadecimal)."""
        answers = await self._shards.all("hashed", namespace, list(digests), form, timeout_s=_CALL_S)
        return [identifier for answer in answers for identifier in answer]

    async def changes(self, people: list[int]) -> list[SegmentChange]:
        """All entries and exits of these profiles, by time."""
        answers = await self._shards.all("changes_of", people, timeout_s=_CALL_S)
        return sorted((change for answer in answers for change in answer), key=lambda change: change.at)

    async def reviews(self, people: list[int]) -> list[Review]:
        """All reviews with one of these profiles on either side."""
        answers = await self._shards.all("reviews_about", people, timeout_s=_CALL_S)
        return [review for answer in answers for review in answer]

    async def letters(self, identifiers: Collection[str], normalise: Normalise) -> list[DeadLetter]:
        """The dead letters that name one of these identifiers."""
        found: list[DeadLetter] = []
        cursor = ""
        while identifiers:
            page, cursor = await self.router.dead_letters(_LETTERS_PAGE, cursor)
            found += await asyncio.to_thread(
                lambda letters: [x for x in letters if mentions(x.body, identifiers, normalise)], page
            )
            if not cursor:
                break
        return found

    async def erase(self, request_id: str, customer_id: int, refused_until: int) -> Erased:
        """Erases a person from all shards, wherever their profile is by now; nobody (`people` is empty) if it is gone.
        Raises Unavailable."""
        while True:
            erasure = Erasure(request_id, customer_id, refused_until)
            erased: Erased = await self._shards.call(
                shard_of(customer_id), "erase", erasure, timeout_s=ERASE_S, attempt_s=_ATTEMPT_S
            )
            if not erased.moved_to:
                return erased
            customer_id = erased.moved_to

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return self._shards.shards

    async def purge_people(self, shard: int, run: int, step: int, limit: int, inactive_ms: int) -> PurgeStep:
        """Takes what is past its time out of up to `limit` more people of a shard."""
        done: PurgeStep = await self._shards.call(shard, "purge", run, step, limit, inactive_ms, timeout_s=_CALL_S)
        return done

    async def purge_letters(self, before: int, limit: int) -> int:
        """Deletes dead letters received before a time (ms), some at a time; how many."""
        total = 0
        while deleted := sum(await self._shards.all("delete_letters_before", before, limit, timeout_s=_CALL_S)):
            total += deleted
        return total

    async def purge_deliveries(self, before: int) -> int:
        """Deletes messages to webhooks that were given up before a time (ms); how many."""
        deleted: int = await self._deliveries.call(0, "purge", before, timeout_s=_CALL_S)
        return deleted

    async def decided_before(
        self, shard: int, before: int, after: tuple[int, str], limit: int
    ) -> list[tuple[int, str, int]]:
        """Up to `limit` automated decisions of a shard that were taken before a time, ms, after one of them: when each
        was taken, its id, and the customer id of whom it is about."""
        found: list[tuple[int, str, int]] = await self._shards.call(
            shard, "decided_before", before, after, limit, timeout_s=_CALL_S
        )
        return found

    async def purge_decisions(self, shard: int, record_ids: list[str]) -> None:
        """Deletes automated decisions of a shard, each with its review."""
        await self._shards.call(shard, "delete_decisions", record_ids, timeout_s=_CALL_S)

    async def restricted(self, people: Collection[int]) -> set[int]:
        """Those of these customer ids whose data stays, whoever they are by now: their processing is restricted."""
        ids = list(people)
        profiles = await self.router.profiles([f"{CUSTOMER_ID}:{to_text(each)}" for each in ids])
        told = zip(ids, profiles, strict=True)
        return {each for each, profile in told if profile is not None and is_restricted(profile.consents)}

    async def suppress(self, identifiers: list[str], refused_until: int) -> None:
        """Every shard refuses events with these identifiers from before `refused_until` ms; 0 takes that back."""
        if identifiers:
            await self._shards.all("suppress", identifiers, refused_until, timeout_s=_CALL_S)

    async def part(self, refused_until: dict[str, int]) -> None:
        """Other people's events and links keep none of these identifiers of erased people, each refused up to a time
        (ms), nor do their profiles tell of them. Reads all of them."""
        became: set[int] = set()
        for shard in range(self._shards.shards):
            after = 0
            while after >= 0:
                after, found = await self._shards.call(shard, "part", refused_until, after, timeout_s=_CALL_S)
                became.update(found)
        while became:  # their events stay where they were when they were merged away
            groups = {shard: (refused_until, people) for shard, people in by_shard(sorted(became)).items()}
            answers = await self._shards.each("part_people", groups, _CALL_S)
            became = {customer_id for further in answers.values() for customer_id in further}

    async def forget_letters(self, identifiers: Collection[str], normalise: Normalise) -> list[str]:
        """Deletes the dead letters that name one of these identifiers; their ids."""
        found = [letter.letter_id for letter in await self.letters(identifiers, normalise)]
        if found:
            await self.router.delete_dead_letters(found)
        return found

    async def letters_of(self, letter_ids: list[str]) -> set[str]:
        """Those of these ids of which there is a dead letter."""
        found: set[str] = set()
        for start in range(0, len(letter_ids), _LETTERS_PAGE):
            page = letter_ids[start : start + _LETTERS_PAGE]
            answers = await self._shards.all("letters_with", page, timeout_s=_CALL_S)
            found.update(letter.letter_id for answer in answers for letter in answer)
        return found

    async def forget_matches(self, people: list[int]) -> None:
        """Matchers forget these people."""
        if self._matchers is not None:
            await self._matchers.all("forget", people, timeout_s=_CALL_S)

    async def scores(self, people: list[int]) -> dict[int, list[KeptScore]]:
        """The scores of those of these people who have some."""
        return await Scoring(self._scorers).scores(people, _CALL_S)

    async def other_scores(self, people: list[int]) -> list[OtherScore]:
        """What there is of these people beside the scores in their profiles. Raises Unavailable."""
        return await Scoring(self._scorers).other_scores(people, _CALL_S)

    async def forget_scores(self, people: list[int]) -> None:
        """Scorers forget these people. Raises Unavailable."""
        if self._scorers is not None:
            await self._scorers.all("forget", people, timeout_s=_CALL_S)

    async def tell_recipients(self, people: list[list[int]]) -> list[str]:
        """Webhooks are told of each of these people, by all their customer ids, that they were erased; ids of those
        webhooks."""
        told: list[str] = await self._deliveries.call(0, "erase", people, timeout_s=_CALL_S)
        return told

    async def recipients(self, people: list[list[int]]) -> list[list[Recipient]]:
        """Of the erasure of each of these people: what came of telling each webhook."""
        found: list[list[Recipient]] = await self._deliveries.call(0, "recipients", people, timeout_s=_CALL_S)
        return found

    async def scrub(self) -> None:
        """Nothing of what was deleted is left in any write-ahead log. Raises Unavailable if readers stay in the way."""
        left = set(range(self._shards.shards))
        for _ in range(_SCRUBS):
            for shard in sorted(left):
                if await self._shards.call(shard, "scrub", timeout_s=_CALL_S):
                    left.discard(shard)
            if not left:
                return
            await asyncio.sleep(_SCRUB_PAUSE_S)
        raise Unavailable("readers keep a shard's write-ahead log from being emptied: it is tried again")
