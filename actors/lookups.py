"""Profiles by key, wherever they are: the identifier's home, then the profile's shard, then where it was merged to."""

import asyncio
from typing import NamedTuple

from actors.errors import Invalid
from actors.lane import Lane, LaneLimits
from actors.reader import CUSTOMER_ID_NAMESPACE, parse_sequence
from actors.shard_calls import ATTEMPT_S, ShardCalls
from models.identity.customer_id import from_text, shard_of, to_text
from models.identity.placement import home_shard
from models.identity.resolution import Candidate
from models.profile.state import Profile, decode_profile

_KEYS_MAX = 64  # in one call: their profiles stay within what Ray sends without shared memory
_QUEUED_KEYS_MAX = 50_000
_CALLS_MAX = 2
# Steps from shard to shard. Redirects lead from younger to older profiles, so there are no circles.
_HOPS_MAX = 64

Found = bytes | int | None


class Owners(NamedTuple):
    """Who owns some identifiers now: customer id by identifier, 0 for none, and the profiles of these owners."""

    by_identifier: dict[str, int]
    candidates: dict[int, Candidate]


class Lookups:
    """The read path of one replica, for what it cannot read from files."""

    def __init__(self, calls: ShardCalls) -> None:
        self._calls = calls
        limits = LaneLimits(_KEYS_MAX, _KEYS_MAX, _QUEUED_KEYS_MAX, _CALLS_MAX)
        self._lanes = [self._lane(shard, limits) for shard in range(calls.shards)]
        self._settled: dict[int, int] = {}

    async def profiles(self, keys: list[str], min_seq: str, timeout_s: float) -> list[Profile | None]:
        """Profiles in the order of the keys, None where there is none. Raises Invalid, Unavailable."""
        if min_seq:
            await self._settle(min_seq, timeout_s)
        found: list[bytes | None] = [None] * len(keys)
        pending = dict(enumerate(keys))
        for _ in range(_HOPS_MAX):
            if not pending:
                break
            pending = await self._hop(pending, found, timeout_s)
        return [None if state is None else decode_profile(state) for state in found]

    async def owners(self, identifiers: list[str], timeout_s: float) -> Owners:
        """The present owners of identifiers."""
        calls = self._calls
        homes: dict[int, list[str]] = {}
        for identifier in identifiers:
            homes.setdefault(home_shard(identifier, calls.shards), []).append(identifier)
        answers = await calls.each("owners", {home: (asked,) for home, asked in homes.items()}, timeout_s)
        owners = {
            identifier: owner
            for home, asked in homes.items()
            for identifier, owner in zip(asked, answers[home], strict=True)
        }
        candidates: dict[int, Candidate] = {}
        for _ in range(_HOPS_MAX):
            missing = sorted({owner for owner in owners.values() if owner and owner not in candidates})
            if not missing:
                break
            moved = await self._candidates(missing, candidates, timeout_s)
            owners = {identifier: moved.get(owner, owner) for identifier, owner in owners.items()}
        return Owners(owners, candidates)

    async def _candidates(
        self, customer_ids: list[int], candidates: dict[int, Candidate], timeout_s: float
    ) -> dict[int, int]:
        """Adds the candidates with these ids; returns where those went that were merged (0: nowhere)."""
        groups = by_shard(customer_ids)
        answers = await self._calls.each("candidates", {s: (group,) for s, group in groups.items()}, timeout_s)
        moved: dict[int, int] = {}
        for shard, group in groups.items():
            for customer_id, answer in zip(group, answers[shard], strict=True):
                if isinstance(answer, Candidate):
                    candidates[customer_id] = answer
                else:
                    moved[customer_id] = answer or 0
        return moved

    async def _hop(self, pending: dict[int, str], found: list[bytes | None], timeout_s: float) -> dict[int, str]:
        """Asks the shards of all pending keys; returns those that must be asked for elsewhere."""
        groups: dict[int, list[int]] = {}
        for position, key in pending.items():
            shard = self._shard(key)
            if shard < self._calls.shards:  # else minted by no shard of this service
                groups.setdefault(shard, []).append(position)
        answers = await asyncio.gather(
            *(
                self._lanes[shard].ask([pending[position] for position in positions], timeout_s)
                for shard, positions in groups.items()
            )
        )
        elsewhere: dict[int, str] = {}
        for positions, group in zip(groups.values(), answers, strict=True):
            for position, answer in zip(positions, group, strict=True):
                if isinstance(answer, int):
                    elsewhere[position] = f"{CUSTOMER_ID_NAMESPACE}{to_text(answer)}"
                else:
                    found[position] = answer
        return elsewhere

    def _shard(self, key: str) -> int:
        if not key.startswith(CUSTOMER_ID_NAMESPACE):
            return home_shard(key, self._calls.shards)
        try:
            return shard_of(from_text(key.removeprefix(CUSTOMER_ID_NAMESPACE)))
        except ValueError as error:
            raise Invalid(f"key: {error}") from None

    async def _settle(self, token: str, timeout_s: float) -> None:
        """Waits until the shards of an acknowledgement have applied what it acknowledged."""
        try:
            sequences = parse_sequence(token)
        except ValueError as error:
            raise Invalid(str(error)) from None
        if any(shard >= self._calls.shards for shard in sequences):
            raise Invalid("min_seq: the token names a shard that this service does not have")
        late = {shard: (n,) for shard, n in sequences.items() if self._settled.get(shard, 0) < n}
        for shard, settled in (await self._calls.each("settle", late, timeout_s)).items():
            self._settled[shard] = max(settled, self._settled.get(shard, 0))

    def _lane(self, shard: int, limits: LaneLimits) -> Lane[str, Found]:
        async def call(keys: list[str], timeout_s: float) -> list[Found]:
            answers: list[Found] = await self._calls.reach.call(
                shard, "read", keys, timeout_s=min(timeout_s, ATTEMPT_S)
            )
            return answers

        return Lane(call, limits)


def by_shard(customer_ids: list[int]) -> dict[int, list[int]]:
    """The ids, grouped by the shard that minted them."""
    groups: dict[int, list[int]] = {}
    for customer_id in customer_ids:
        groups.setdefault(shard_of(customer_id), []).append(customer_id)
    return groups
