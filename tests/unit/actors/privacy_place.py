"""A desk over real shards in one process, which can be killed after any number of calls."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.backup_keys import BackupKeys
from actors.privacy_calls import PrivacyCalls
from actors.privacy_desk import Desk, Finished, Proof
from actors.privacy_store import PrivacyStore
from actors.router import Router
from actors.shard_calls import ShardCalls
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.requests import SubjectIdentity, SubjectRequest
from models.privacy.suppression import fingerprint
from tests.unit.actors.local_shards import NOW, LocalShards, settings

SHARDS = 3
CANARY = "canary-7f3a"
Scenario = Callable[["Place"], Awaitable[None]]


class Killed(BaseException):
    """The desk's process is gone."""


class Deliveries:
    """Stands for the deliverer: notes who is told."""

    def __init__(self) -> None:
        self.told: list[list[list[int]]] = []

    async def call(self, number: int, method: str, *arguments: Any, timeout_s: float) -> Any:
        assert (number, method) == (0, "erase")
        self.told.append(arguments[0])
        return ["crm"]


async def nothing() -> None:
    """Happens meanwhile."""


class Place:
    """Shards, the desk's store, and desks that can be killed after any number of calls."""

    def __init__(self, data_dir: Path, shards: LocalShards) -> None:
        self.data_dir = data_dir
        self.shards = shards
        self.router = Router(SHARDS, data_dir, shards, timeout_s=5)
        self.store = PrivacyStore(data_dir / "privacy.sqlite", b"k" * 32)
        self.keys = BackupKeys(data_dir / "backup-keys.sqlite")
        self.deliveries = Deliveries()
        self.finished: list[Finished] = []
        self.before: object = None
        self.obstacle = ""
        self.now = NOW
        self.discarded: list[str] = []
        self.calls_left = 1_000_000
        self.ready: Callable[[SubjectRequest], bool] = lambda request: True
        self.meanwhile: Callable[[], Awaitable[object]] = nothing  # while all stores are searched
        self.normaliser = IdentifierNormaliser(settings().identity)

    def desk(self) -> Desk:
        async def export(request: SubjectRequest, keys: list[str]) -> tuple[str, int]:
            return ",".join(keys), len(keys)

        calls = PrivacyCalls(self.router, ShardCalls(SHARDS, self), None, ShardCalls(1, self.deliveries))
        return Desk(
            self.store,
            calls,
            self.normaliser.normal_form,
            lambda request: self.ready(request),
            lambda request: msgspec.json.encode({"request_status": request.state}),
            self,
            export,
            self.discarded.append,
            self.keys,
            lambda identifier: fingerprint(identifier, b"k" * 32),
            lambda: self.now,
        )

    async def look(self, requests: Sequence[SubjectRequest]) -> object:
        self._count()
        await self.meanwhile()
        return [request.identifiers for request in requests]

    async def certify(self, finished: Sequence[Finished], before: object) -> dict[str, Proof]:
        self._count()
        self.finished += finished
        self.before = before
        return {each.request.request_id: self._proof(each.request) for each in finished}

    def _proof(self, request: SubjectRequest) -> Proof:
        found = [file for each in request.identifiers for file in self.found(each) if file.startswith("shard-")]
        obstacle = self.obstacle or "".join(f"still in {file}" for file in found[:1])
        return Proof("" if obstacle else "cert_1", obstacle)

    async def call(self, shard: int, method: str, *arguments: object, timeout_s: float) -> Any:
        self._count()
        answer = await self.shards.call(shard, method, *arguments, timeout_s=timeout_s)
        self._count()
        return answer

    def _count(self) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise Killed

    def found(self, text: str) -> list[str]:
        """The files that hold a text, whatever its case."""
        needle = text.lower().encode()
        files = [path for path in self.data_dir.rglob("*") if path.is_file()]
        return sorted(path.name for path in files if needle in path.read_bytes().lower())


def ask(kind: str = "erasure", number: int = 1, **changes: Any) -> SubjectRequest:
    identities = [SubjectIdentity("email", f"jane.{CANARY}@example.com")]
    fields = {"identities": identities, "callbacks": ["https://example.com/told"], "received_at": NOW, **changes}
    request_id = f"6f9d0ab5-0000-4000-8000-{number:012d}"
    return SubjectRequest(
        request_id=request_id,
        kind=kind,  # type: ignore[arg-type]
        regulation="gdpr",
        submitted_at=NOW,
        due_at=NOW,
        **fields,
    )


def runner(data_dir: Path) -> Callable[[Scenario], None]:
    """What runs a scenario in a new directory."""

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            made = msgspec.structs.replace(settings(), suppression_key=b"k" * 32)
            shards = LocalShards(data_dir, SHARDS, made)
            shards.start_all()
            place = Place(data_dir, shards)
            try:
                await scenario(place)
            finally:
                place.store.close()
                place.keys.close()
                await shards.stop_all()
            assert not shards.deaths

        asyncio.run(main())

    return run
