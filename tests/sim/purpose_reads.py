"""Every read that there is, over HTTP, gRPC and as a file, made from the tables of routes.

A new route is read here too, or this fails because it does not know how to call it.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import grpc

from models.shard.protocol import SegmentChange
from pipelines.batch_client import ApiClient
from pipelines.export_members import export_members
from protos.onefold.v1 import decision_pb2, identity_pb2, profile_pb2, segment_pb2
from serve.disclosure import SHOWS
from serve.http_scopes import PUBLIC, SCOPES
from tests.sim.purpose_oracle import TRAITS
from tests.sim.purpose_world import CANARY, COMPUTED, PURPOSES, SEGMENTS, WEBHOOKS, World
from tests.unit.serve.grpc_service import FakeContext

READING_POSTS = {
    "/v1/profiles/batch": lambda keys: {"keys": keys},
    "/v1/profiles/{key}/rank": lambda keys: {"items": [{"id": "p1"}, {"id": "p2"}]},
    "/v1/profiles/{key}/decide": lambda keys: {"decision": "welcome"},
    "/v1/identity/resolve": lambda keys: {
        "identifiers": keys[:1],
        "traits": {"lastName": "Cunningham", "birthday": "1968-03-12", "firstName": "Martha"},
    },
    "/v1/segments/preview": lambda keys: {"criteria": SEGMENTS["rich"][1]},
    "/v1/segments/backtest": lambda keys: {"criteria": SEGMENTS["rich"][1], "days": 2},
}
REFUSE = ("/members/profiles", "/impact")  # what does not serve the segment's purpose; without a holdout
NOT_READ = {"/openapi.json", "/docs", "/metrics"}  # long, and the same for all


class Reads:
    """All answers for a purpose, and whether each holds what it may."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shown: dict[str, set[str]] = {}  # canaries in the answers for one purpose, by what was asked

    async def check_all(self, turn: int) -> None:
        """Reads everything for every purpose. Raises AssertionError."""
        for purpose in PURPOSES.known:
            self.shown = {}
            await self._http(purpose, f"for-{purpose}" if turn % 2 else "")
            await self._grpc(purpose)
            await self._export(purpose)
            oracle, now = self.world.oracle, self.world.now  # a withdrawal may have raced with a read
            for what in ("GET /v1/profiles/{key}", "POST /v1/profiles/batch", "BatchGet", "Get"):
                self._check_shown(what, purpose, oracle.in_profiles(purpose, now))
            for what in ("GET /v1/profiles/{key}/events", "GET /v1/events"):
                self._check_shown(what, purpose, oracle.in_events(purpose, now))

    def _check_shown(self, what: str, purpose: str, expected: set[str]) -> None:
        missing = [self.world.oracle.canaries[each] for each in expected - self.shown.get(what, set())]
        assert not missing, f"{what} for {purpose} lacks {missing}"

    async def _http(self, purpose: str, bound: str) -> None:
        changes = await self._changes()
        reviews, _ = await self.world.router.list_reviews("", 10)
        for (method, path), scope in SCOPES.items():
            if path in NOT_READ or (method != "GET" and path not in READING_POSTS):
                continue
            if SHOWS[method, path] not in ("purpose", "letters") and purpose != PURPOSES.default:
                continue  # it is the same for all purposes
            key, headers = "admin", {"Onefold-Purpose": purpose}
            if bound and scope == "read":
                key, headers = bound, {}
            for concrete in self._paths(path, [review.review_id for review in reviews]):
                parts = 0
                if path.endswith("/stream"):
                    of = concrete.split("/")[3] if "{segment_id}" in path else ""
                    parts = 1 + sum(of in ("", each.segment_id) for each in changes)
                    concrete += "?after=0:0,1:0"
                    if parts == 1:
                        continue
                body = READING_POSTS[path](self._keys()) if path in READING_POSTS else None
                status, answer = await self.world.call(method, concrete, key, body, headers, parts)
                assert status in (200, 404) or (status == 400 and path.endswith(REFUSE)), (path, answer)
                shows = "nobody" if scope == PUBLIC else SHOWS[method, path]
                if shows == "letters":
                    self._check_letters(answer, purpose, key)
                elif shows == "purpose":
                    asked = str(body) if path == "/v1/identity/resolve" else ""
                    self._check(answer, purpose, f"{method} {path}", asked)
                elif shows != "duty":
                    self._check(answer, "", f"{method} {path}")
        _, answer = await self.world.call("GET", "/v1/deadletters", "reader", None, {"Onefold-Purpose": purpose})
        self._check_letters(answer, purpose, "reader")

    def _check_letters(self, answer: bytes, purpose: str, key: str) -> None:
        found = self._canaries(answer)
        assert found <= (self.world.oracle.letters if (key, purpose) == ("admin", "service") else set()), (key, purpose)

    def _check(self, answer: bytes, purpose: str, what: str, asked: str = "") -> None:
        world = self.world
        found = self._canaries(answer) - self._canaries(asked.encode())
        leaked = [each for each in found if not world.oracle.may_show(each, purpose, world.now)]
        assert not leaked, f"{what} for {purpose}: {[world.oracle.canaries.get(each, each) for each in leaked]}"
        self.shown.setdefault(what, set()).update(found)

    def _canaries(self, data: bytes) -> set[str]:
        """Those that were given out: keys and signatures hold letters at random."""
        return {text for found in CANARY.findall(data.lower()) if (text := found.decode()) in self.world.given}

    def _paths(self, path: str, reviews: list[str]) -> list[str]:
        """The path with each of the values that there are in the place of its parameters, and what it asks for."""
        values: dict[str, list[str]] = {
            "key": self._keys(),
            "segment_id": list(SEGMENTS),
            "trait_id": list(COMPUTED),
            "webhook_id": list(WEBHOOKS),
            "review_id": reviews,
            "merge_id": [f"mrg_{shard}_{number}" for shard in (0, 1) for number in (1, 2)],
            "name": ["none.zip"],
            "model": ["churn"],
            "decision": ["none"],
            "subject_request_id": ["a7551968-d5d6-44b2-9831-815ac9017798"],
        }
        names = re.findall(r"\{(\w+)\}", path)
        made = []
        for chosen in product(*(values[name] for name in names)):
            concrete = path
            for name, value in zip(names, chosen, strict=True):
                concrete = concrete.replace(f"{{{name}}}", quote(value, safe=""))
            made.append(concrete)
        keys = self._keys()
        if path == "/v1/identity/explain":
            pairs = [(one, other) for one, other in product(keys, keys) if one < other]
            return [
                f"{each}?left={one}&right={other}{form}"
                for each in made
                for one, other in pairs[:2]
                if self.world.oracle.person_of(keys.index(one)) != self.world.oracle.person_of(keys.index(other))
                for form in ("", "&format=svg")
            ]
        if path.endswith("/why"):
            return [f"{each}?key={key}" for each in made for key in keys]
        if path.endswith("/members/profiles"):
            return [f"{each}?traits={trait}" for each in made for trait in TRAITS]
        if path.endswith("/overlap"):
            return [f"{each}?segments=all,rich" for each in made]
        if path == "/v1/audit/affected":
            return [f"{each}?key={quote(self.world.control.keys()[0].key_id)}" for each in made]
        if path == "/v1/profiles/changes":
            return [f"{each}?after=0:0,1:0&timeout_s=1" for each in made]
        if path.endswith("/graph"):
            return [f"{each}{form}" for each in made for form in ("", "?format=text")]
        if path.endswith(("/events", "/changes", "/members")):
            return [f"{each}?limit=1000" for each in made]
        return made

    def _keys(self) -> list[str]:
        return [f"user_id:{self.world.user(who)}" for who in self.world.oracle.born]

    async def _changes(self) -> list[SegmentChange]:
        return await self.world.router.segment_changes({}, 1_000)

    async def _grpc(self, purpose: str) -> None:
        keys = self._keys()
        texts = identity_pb2.DRAWING_TEXT
        calls: list[tuple[str, Any]] = [
            ("BatchGet", profile_pb2.BatchGetRequest(keys=keys)),
            ("ListReviews", identity_pb2.ListReviewsRequest()),
            ("Resolve", identity_pb2.ResolveRequest(traits_json='{"lastName":"Cunningham","birthday":"1968-03-12"}')),
            *(("Get", profile_pb2.GetRequest(key=key)) for key in keys),
            *(("Decide", decision_pb2.DecideRequest(key=key, decision="welcome")) for key in keys),
            *(("Rank", decision_pb2.RankRequest(key=key, items=[decision_pb2.RankItem(id="p1")])) for key in keys),
            *(("Links", identity_pb2.LinksRequest(key=key)) for key in keys),
            *(("Merges", identity_pb2.MergesRequest(key=key)) for key in keys),
            *(("Graph", identity_pb2.GraphRequest(key=key, drawing=texts)) for key in keys),
            *(("ListMembers", segment_pb2.ListMembersRequest(id=each)) for each in SEGMENTS),
            ("MergeEvidence", identity_pb2.MergeEvidenceRequest(merge_id="mrg_0_1", drawing=texts)),
        ]
        if len(keys) > 1:
            calls.append(("Explain", identity_pb2.ExplainRequest(left=keys[0], right=keys[1], drawing=texts)))
        for name, request in calls:
            context = self._grpc_context(purpose)
            reply = (await getattr(self.world, name)(request, grpc_context=context)).SerializeToString()
            assert context.code is not grpc.StatusCode.INTERNAL, name
            self._check(reply + str((context.trailing, context.details)).encode(), purpose, name)
        changes = await self._changes()
        if changes:
            request = segment_pb2.WatchSegmentRequest(after="0:0,1:0")
            await self._stream("WatchSegment", request, purpose, len(changes))
        await self._stream("Watch", profile_pb2.WatchRequest(keys=keys), purpose, 1)

    async def _stream(self, name: str, request: Any, purpose: str, count: int) -> None:
        context = self._grpc_context(purpose)
        replies: AsyncIterator[Any] = getattr(self.world, name)(request, grpc_context=context)
        async for reply in replies:
            self._check(reply.SerializeToString(), purpose, name)
            count -= 1
            if not count:
                break
        assert context.code is grpc.StatusCode.OK, context.details
        await cast(Any, replies).aclose()

    def _grpc_context(self, purpose: str) -> FakeContext:
        metadata = [("authorization", f"Bearer {self.world.keys['admin']}"), ("onefold-purpose", purpose)]
        return FakeContext(metadata, "ipv4:127.0.0.1:40000")

    async def _export(self, purpose: str) -> None:
        """Members of each segment as a file, with the traits that are for the purpose."""
        client = cast(ApiClient, _Client(self.world, asyncio.get_running_loop()))
        traits = [each for each in TRAITS if PURPOSES.allows("traits", each, (purpose,))]
        with tempfile.TemporaryDirectory() as folder:
            for segment in SEGMENTS:
                file = Path(folder) / f"{segment}.csv"
                await asyncio.to_thread(export_members, client, segment, traits, file, purpose)
                self._check(file.read_bytes(), purpose, f"export of {segment}")


class _Client:
    """The part of `ApiClient` that exports need, for a thread of its own."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self._world = world
        self._loop = loop

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Any:
        call = self._world.call(method, path, headers=headers)
        status, answer = asyncio.run_coroutine_threadsafe(call, self._loop).result(30)
        assert status == 200, answer
        return json.loads(answer[answer.index(b"\n{") :])
