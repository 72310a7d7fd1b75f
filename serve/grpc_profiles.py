"""ProfileService: Get, BatchGet and Watch. Replies are put together from profiles that are encoded already."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from actors.basis_check import FRESH_MS
from actors.errors import Invalid, NotFound
from models.identity.customer_id import to_text
from models.identity.identifiers import CUSTOMER_ID
from protos.onefold.v1 import profile_pb2 as pb
from serve.encoded_profiles import EncodedProfile
from serve.grpc_call import Call, Encoded, Methods, Reply, stream, unary
from serve.http_pages import parse_positions, positions_text
from serve.length_delimited import length_delimited
from serve.profile_message import profile_message

SERVICE = "onefold.v1.ProfileService"
KEYS_MAX = 1_000  # of one call
HEARTBEAT_S = 15.0  # a stream that has nothing to tell says so this often
GATHER_S = 0.1  # changes within this time are told of together
_CHUNK = 100  # profiles that are encoded (a quarter of a millisecond each) before others have their turn
_RESULTS = pb.BatchGetResponse.RESULTS_FIELD_NUMBER
_RESULT_PROFILE = pb.ProfileResult.PROFILE_FIELD_NUMBER
_CHANGE_PROFILE = pb.ProfileChange.PROFILE_FIELD_NUMBER
_CHANGE_CURSOR = pb.ProfileChange.CURSOR_FIELD_NUMBER
_NO_RESULT = length_delimited(_RESULTS, b"")


class ProfileMethods(Methods):
    """Methods of ProfileService. Their names are those of the calls, but for `Watch`, a name that Health has too."""

    @unary(SERVICE, "read", "purpose")
    async def Get(self, request: pb.GetRequest, call: Call) -> Reply:
        context = self.context
        min_seq, purpose = context.parse_min_seq(request.min_seq), call.purpose()
        if request.explain_scores:
            return await self._explained(context.parse_key(request.key), min_seq, purpose, call)
        profile = await context.profiles.get(context.parse_key(request.key), min_seq, purpose)
        if profile is None:
            raise NotFound("key: nobody has this identifier")
        call.told.subjects.append(profile.customer_id)
        if call.wants_origin:
            call.tell_origin(profile.origin)
        return Encoded(profile.message)

    @unary(SERVICE, "read", "purpose")
    async def BatchGet(self, request: pb.BatchGetRequest, call: Call) -> Reply:
        context = self.context
        min_seq, purpose = context.parse_min_seq(request.min_seq), call.purpose()
        profiles = await context.profiles.get_many(self._keys(request.keys), min_seq, purpose)
        call.told.people(profile.customer_id for profile in profiles if profile is not None)
        if call.wants_origin:
            origins = Counter("nobody" if profile is None else profile.origin for profile in profiles)
            call.tell_origin(",".join(f"{origin}={number}" for origin, number in origins.items()))
        return Encoded(b"".join(_NO_RESULT if profile is None else _result(profile.message) for profile in profiles))

    @stream(SERVICE, "read", "purpose", "Watch")
    async def WatchProfiles(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[Reply]:
        keys = self._keys(request.keys)
        after = await self._after(request.after)
        async for change in self._watch_keys(call, keys, after) if keys else self._watch_all(call, after):
            yield change

    async def _explained(self, key: str, min_seq: str, purpose: str, call: Call) -> pb.Profile:
        """A profile whose scores tell what they were made of. It is made anew each time."""
        services = self.context.services
        profile = await services.reads.get(key, min_seq)
        if profile is None:
            raise NotFound("key: nobody has this identifier")
        call.told.subjects.append(profile.customer_id)
        scores = (await services.scores.of([profile.customer_id])).get(profile.customer_id, [])
        explanations = await self.context.explanations.of(scores)
        return profile_message(self.context.document(profile, purpose, services.now(), scores, explanations)[0])

    async def _watch_all(self, call: Call, after: dict[int, int]) -> AsyncIterator[Reply]:
        """Everybody's changes, as the shards tell of them."""
        context = self.context
        purpose = call.purpose()
        while True:
            # Whoever stops in the middle must be told of the rest when it goes on: only the last has the new cursor.
            before = _cursor_field(after)
            customer_ids, after = await context.services.router.changed_profiles(after, HEARTBEAT_S)
            held, held_at = None, 0
            sent = set()
            for start in range(0, len(customer_ids), _CHUNK):
                keys = [f"{CUSTOMER_ID}:{to_text(customer_id)}" for customer_id in customer_ids[start : start + _CHUNK]]
                read_at = context.services.now()
                for profile in await context.profiles.get_many(keys, "", purpose):
                    # Two that changed may be one person by now.
                    if profile is not None and profile.customer_id not in sent:
                        sent.add(profile.customer_id)
                        call.told.people([profile.customer_id])
                        if held is not None:
                            yield Encoded(await self._change(held, held_at, purpose) + before)
                        held, held_at = profile, read_at
                await asyncio.sleep(0)
            told = b"" if held is None else await self._change(held, held_at, purpose)
            yield Encoded(told + _cursor_field(after))
            await asyncio.sleep(GATHER_S)

    async def _change(self, profile: EncodedProfile, read_at: int, purpose: str) -> bytes:
        """The field of a changed profile, at the moment at which it is sent: a client that takes its time asks for it
        long after it was read. Empty if it is nobody's any more."""
        context = self.context
        if context.purposes.is_on and context.services.now() - read_at >= FRESH_MS:
            key = f"{CUSTOMER_ID}:{to_text(profile.customer_id)}"
            found = await context.profiles.get(key, "", purpose)
            if found is None:
                return b""
            profile = found
        return length_delimited(_CHANGE_PROFILE, profile.message)

    async def _watch_keys(self, call: Call, keys: list[str], after: dict[int, int]) -> AsyncIterator[Reply]:
        """The profiles of some keys: whenever anybody changed, a look whether it was one of them.

        Keys, not customer ids: a merge can lead a key to another profile, and a key of nobody can become somebody's.
        """
        context = self.context
        purpose = call.purpose()
        versions: dict[int, int] = {}  # customer id -> sequence of what was sent
        told_ms = 0
        while True:
            now = context.services.now()
            for profile in await context.profiles.get_many(keys, "", purpose):
                if profile is not None and versions.get(profile.customer_id) != profile.sequence:
                    versions[profile.customer_id] = profile.sequence
                    told_ms = now
                    call.told.people([profile.customer_id])
                    yield Encoded(length_delimited(_CHANGE_PROFILE, profile.message) + _cursor_field(after))
            if now - told_ms >= HEARTBEAT_S * 1000:
                told_ms = now
                yield Encoded(_cursor_field(after))
            await asyncio.sleep(GATHER_S)
            _, after = await context.services.router.changed_profiles(after, HEARTBEAT_S)

    def _keys(self, keys: Sequence[str]) -> list[str]:
        if len(keys) > KEYS_MAX:
            raise Invalid(f"keys: expected at most {KEYS_MAX:,}; ask for the others in another call")
        return [self.context.parse_key(key) for key in keys]

    async def _after(self, token: str) -> dict[int, int]:
        """The position of each shard's changes that a stream starts after: the token's, or now."""
        return parse_positions(token) if token else await self.context.services.router.change_positions()


def _result(message: bytes) -> bytes:
    return length_delimited(_RESULTS, length_delimited(_RESULT_PROFILE, message))


def _cursor_field(after: dict[int, int]) -> bytes:
    known = {shard: sequence for shard, sequence in after.items() if sequence >= 0}  # the others have not answered yet
    return length_delimited(_CHANGE_CURSOR, positions_text(known).encode())
