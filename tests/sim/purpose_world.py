"""A whole service in this process: real shards on real files, matchers, router, HTTP app, gRPC methods and deliverer.

Nothing is faked but the network and the clock, which stands still unless it is moved. Every canary is ten letters that
begin with "zq", so that one search of an answer's bytes finds them all.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

from actors.api_keys import Scope
from actors.audit_log import AuditLog
from actors.audit_trail import AuditTrail
from actors.basis_check import FRESH_MS, BasisCheck
from actors.control import ControlStore
from actors.deliverer import Deliverer
from actors.delivery_store import DeliveryStore
from actors.privacy_store import FILE as PRIVACY_FILE
from actors.privacy_store import PrivacyStore
from actors.router import Router
from actors.shard_calls import ShardCalls
from actors.webhook_sender import Sent
from models.delivery.webhook import RetryPolicy, Webhook, make_secret
from models.identity.customer_id import from_text
from models.identity.online import MatchingSettings
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.privacy.settings import PrivacySettings
from models.scoring.registry import AliasChange
from models.shard.state import MachineSettings
from serve.auth import Authenticator
from serve.grpc_context import GrpcContext
from serve.grpc_methods import GrpcMethods
from serve.http_app import build_http_app
from serve.profile_reads import ProfileReads
from serve.services import Services
from serve.settings import Settings
from tests.sim.purpose_oracle import CONSENT_DAYS, Oracle
from tests.strategies.consent_strings import Tcf
from tests.strategies.decision_points import SCORING, champion
from tests.strategies.signing import one_signer
from tests.unit.actors.local_matchers import LocalMatchers
from tests.unit.actors.local_shards import LocalShards
from tests.unit.serve.http_service import CountingMetrics, LocalDeliverer

NOW = 1_772_368_200_000  # 2026-03-01T12:30:00Z
SHARDS = 2
CANARY = re.compile(rb"zq[a-z]{8}")
PURPOSES = Purposes(
    known={
        "service": Purpose(basis="contract"),
        "analytics": Purpose(
            basis="legitimate_interests",
            data=DataScope(traits=("theme",), events=("Page *",), sections=("realTimeContext",)),
        ),
        "ads": Purpose(
            basis="consent",
            data=DataScope(traits=("income", "segment_*"), events=("Ad *",), sections=("groups",)),
            categories=("Advertising",),
            tcf=(1, 4),
            opt_out=True,
            consent_days=CONSENT_DAYS,
        ),
        "tax": Purpose(basis="legal_obligation", data=DataScope(traits=("taxid",), events=("Invoice *",))),
    },
    default="service",
)
SEGMENTS = {
    "all": ("", {"type": "demographic", "trait": "plan", "operator": "exists"}),
    "rich": ("ads", {"type": "demographic", "trait": "income", "operator": "exists"}),
    "seen": (
        "analytics",
        {"type": "behavioral", "event": "Seen", "measure": "count", "operator": "at_least", "value": 1},
    ),
}
COMPUTED = {"last-ad": "Ad Clicked", "last-seen": "Seen", "last-page": "Page Viewed"}
WEBHOOKS = {"default": "", "ads": "ads"}
EVENTS = ("Seen", "Order Completed", "Ad Clicked", "Invoice Paid", "page", "context", "group")
# What shards are asked for whose people are looked at afterwards: a withdrawal may come in between.
RACED = frozenset(
    {"events", "tail", "latest", "links", "merges", "merge_record", "reviews", "review", "segment_changes"}
)


class RacingShards(LocalShards):
    """Shards where somebody may withdraw while an answer is on its way."""

    world: "World | None" = None

    async def call(self, shard: int, method: str, *arguments: object, timeout_s: float) -> Any:
        answer = await super().call(shard, method, *arguments, timeout_s=timeout_s)
        if self.world is not None and method in RACED:
            await self.world.race_now()
        return answer


class World(GrpcMethods):
    """The service, its people, and what they have said. Make it with `start` within a running event loop."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.oracle = Oracle()
        self.race: tuple[int, dict[str, bool]] | None = None
        self.ids: dict[int, int] = {}  # customer id -> self that it was made for
        self._folder = folder
        self.given: set[str] = set()  # canaries
        self._new_ids = 0
        self.outbox = Outbox(self)
        matching = MatchingSettings(enabled=True, matchers=1, link_confidence=1.0, review_confidence=0.01)
        self.settings = Settings(
            data_dir=str(folder), matching=matching, privacy=PrivacySettings(purposes=PURPOSES), scoring=SCORING
        )
        self.control = ControlStore(folder / "control.sqlite", create=True, clock=lambda: self.now)
        self.control.register_model(champion())
        self.control.set_model_aliases(AliasChange("welcome", "champion", 1, self.now, "test"))
        self.keys = {
            name: self.control.create_key(name, scopes, purpose=purpose)[1] for name, scopes, purpose in _keys()
        }

    async def start(self) -> None:
        """Starts everything, and defines segments, computed traits and webhooks."""
        settings = self.settings
        machine = MachineSettings(
            identity=settings.identity,
            policy=settings.profile,
            lifecycle=settings.lifecycle,
            matching=settings.matching,
            purposes=PURPOSES,
        )
        self.shards = RacingShards(self._folder, SHARDS, machine)
        self.shards.start_all()
        self.matchers = LocalMatchers(self.shards, 1)
        self.matchers.start_all()
        self.router = Router(SHARDS, self._folder, self.shards, self._new_id, matchers=self.matchers)
        basis = BasisCheck(self.router.profiles, self.control.segments, PURPOSES, lambda: self.now)
        self.deliverer = Deliverer(
            self.control,
            DeliveryStore(self._folder / "deliveries.sqlite"),
            self.router.segment_changes,
            self.outbox,
            RetryPolicy(delays_s=(1,)),
            lambda: self.now,
            may_tell=basis.entries,
        )
        audit_log = AuditLog(self._folder)
        services = Services(
            settings=settings,
            router=self.router,
            reads=ProfileReads(self.router, None),
            deliveries=ShardCalls(1, LocalDeliverer(self.deliverer)),
            control=self.control,
            authenticator=Authenticator(self.control, True, lambda: self.now, lambda: 0.0),
            audit=AuditTrail(audit_log, lambda: self.now),
            audit_log=audit_log,
            privacy=PrivacyStore(self._folder / PRIVACY_FILE, b"k" * 32),
            signer=one_signer,
            metrics=CountingMetrics(),
            now=lambda: self.now,
            new_id=self._new_id,
        )
        self.app = build_http_app(services)
        self.context = GrpcContext(services, None)
        for trait, event in COMPUTED.items():
            expression = {"type": "behavioral", "event": event, "measure": "last_value", "property": "text"}
            await self.post("/v1/computed-traits", {"id": trait, "name": trait, "expression": expression})
        for segment, (purpose, criteria) in SEGMENTS.items():
            body = {"id": segment, "name": segment, "criteria": criteria, "purpose": purpose}
            await self.post("/v1/segments", body)
        for webhook, purpose in WEBHOOKS.items():
            self.control.create_webhook(
                Webhook(webhook, f"https://{webhook}.example", secret=make_secret(bytes(32)), purpose=purpose)
            )
        self.shards.world = self

    async def stop(self) -> None:
        """Stops everything."""
        await self.matchers.stop_all()
        await self.shards.stop_all()
        await self.context.services.audit.flush()
        assert not self.shards.deaths

    def canary(self) -> str:
        rest, letters = len(self.given) + 1, ""
        for _ in range(8):
            rest, letter = divmod(rest, 26)
            letters = chr(97 + letter) + letters
        self.given.add(f"zq{letters}")
        return f"zq{letters}"

    # Requests

    async def call(
        self,
        method: str,
        path: str,
        key: str = "admin",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        parts: int = 0,
    ) -> tuple[int, bytes]:
        """The status, and all bytes of the answer with its headers. With `parts` the client leaves after so many."""
        path, _, query = path.partition("?")
        sent = {"host": "127.0.0.1:8080", "authorization": f"Bearer {self.keys[key]}", **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), text.encode()) for name, text in sent.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8080),
        }
        content = b"" if body is None else json.dumps(body).encode()
        requests = [{"type": "http.request", "body": content, "more_body": False}]
        leaves, found, status, seen = asyncio.Event(), bytearray(), 0, 0

        async def receive() -> dict[str, Any]:
            if requests:
                return requests.pop()
            await leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status, seen
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, text in message["headers"]:
                    found.extend(name + b": " + text + b"\n")
            else:
                found.extend(message.get("body", b""))
                seen += bool(message.get("body"))
                if parts and seen >= parts:
                    leaves.set()

        await asyncio.wait_for(self.app(scope, receive, send), 20)
        return status, bytes(found)

    async def post(self, path: str, body: Any, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        status, answer = await self.call("POST", path, "admin", body, sent)
        assert status == 200, answer
        return json.loads(answer[answer.index(b"\n{") :])

    # What happens

    async def send(self, who: int, message: dict[str, Any], **headers: str) -> None:
        """A message of somebody, waited for."""
        self.now += 1
        message = {"userId": self.user(who), **message}
        answer = await self.post("/v1/batch?wait=true", {"batch": [message]}, **headers)
        (result,) = answer["results"]
        if result["created"]:
            self.ids[from_text(result["customer_id"])] = who

    def user(self, who: int) -> str:
        return next(each.text for each in self.oracle.canaries.values() if each.who == who and each.kind == "identity")

    async def arrive(self) -> None:
        """Somebody new, who tells enough to be compared with others."""
        who = len(self.oracle.born)
        self.oracle.born[who] = self.now
        user, mail, name, plan = (self.canary() for _ in range(4))
        at = self.now + 1
        for text, kind in ((user, "identity"), (mail, "identity"), (name, "firstName"), (plan, "plan")):
            self.oracle.put(text, who, kind, at)
        traits = {"firstName": name, "lastName": "Cunningham", "birthday": "1968-03-12", "plan": plan}
        self.oracle.tell_birthday(who, at, -56_678_400_000)
        await self.send(who, {"type": "identify", "traits": {**traits, "email": f"{mail}@example.com"}})

    async def tell_trait(self, who: int, name: str, in_context: bool) -> None:
        text = self.canary()
        self.oracle.put(text, who, name, self.now + 1, "Seen" if in_context else "")
        if in_context:
            self.oracle.put(event := self.canary(), who, "Seen", self.now + 1)
            message = {"type": "track", "event": "Seen", "properties": {"text": event}}
            await self.send(who, {**message, "context": {"traits": {name: text}}})
        else:
            await self.send(who, {"type": "identify", "traits": {name: text}})

    async def tell_event(self, who: int, kind: str) -> None:
        text, other, at = self.canary(), self.canary(), self.now + 1
        self.oracle.put(text, who, kind, at)
        if kind == "page":
            self.oracle.put(other, who, "page", at)
            await self.send(who, {"type": "page", "name": text, "properties": {"text": other, "title": other}})
        elif kind == "group":
            self.oracle.put(other, who, "group", at)
            await self.send(who, {"type": "group", "groupId": text, "traits": {"size": other}})
        elif kind == "context":
            self.oracle.put(other, who, "Seen", at)
            context = {"campaign": {"name": text}, "locale": text, "externalThing": text}
            await self.send(who, {"type": "track", "event": "Seen", "properties": {"text": other}, "context": context})
        else:
            self.oracle.put(other, who, kind, at)
            properties = {"text": text, "order_id": other, "products": [{"product_id": other, "price": 3}], "total": 3}
            await self.send(who, {"type": "track", "event": kind, "properties": properties})

    async def say(self, who: int, how: str, agrees: bool) -> None:
        """An answer on consent, in one of the ways that there are, with an event or stated by an operator."""
        at = self.now + 1
        if how.startswith("!") or how in ("ads", "analytics"):
            self.now += 1
            self.oracle.say(who, at, {how: agrees})
            await self.post(f"/v1/profiles/user_id:{self.user(who)}/consents", {"decisions": {how: agrees}})
            return
        consent: dict[str, Any]
        headers = {}
        answers = {"ads": agrees}
        if how == "categories":
            consent, answers = {"categoryPreferences": {"Advertising": agrees}}, {"Advertising": agrees}
        elif how == "tcf":
            granted = frozenset({1, 4} if agrees else {1})
            consent = {"tcString": Tcf(purposes_consent=granted, disclosed=frozenset()).encode()}
        elif how == "tcf and gpc":
            consent, answers = {"tcString": Tcf(purposes_consent=frozenset({1, 4}), disclosed=frozenset()).encode()}, {}
            answers, headers = {"ads": False}, {"Sec_GPC": "1"}
        else:
            consent, answers = {"tcString": "not a string of the framework"}, {"ads": False}
        self.oracle.say(who, at, answers)
        text = self.canary()
        self.oracle.put(text, who, "Ad Clicked", at)
        message = {
            "type": "track",
            "event": "Ad Clicked",
            "properties": {"text": text},
            "context": {"consent": consent},
        }
        await self.send(who, message, **headers)

    async def tell_birthday(self, who: int, is_minor: bool) -> None:
        born, text = (1_462_406_400_000, "2016-05-05") if is_minor else (-56_678_400_000, "1968-03-12")
        self.oracle.tell_birthday(who, self.now + 1, born)
        await self.send(who, {"type": "identify", "traits": {"birthday": text}})

    async def merge(self, who: int, other: int) -> None:
        if self.oracle.person_of(who) == self.oracle.person_of(other):
            return
        self.now += 1
        keys = [f"user_id:{self.user(each)}" for each in (who, other)]
        await self.post("/v1/identity/merge", {"left": keys[0], "right": keys[1]})
        self.oracle.join(who, other, self.now)

    async def unmerge(self) -> None:
        """Takes the latest merge back."""
        if not self.oracle.joins:
            return
        self.now += 1
        _, other = self.oracle.joins[-1]
        merges = await self.router.merges(f"user_id:{self.user(other)}")
        merge_id = max((m for m in merges if not m.undone_at), key=lambda m: m.at).merge_id
        await self.post("/v1/identity/unmerge", {"merge_id": merge_id})
        self.oracle.undo()

    async def restart(self, shard: int) -> None:
        await self.shards.stop(shard)
        self.shards.start(shard)

    async def refuse_letter(self, who: int) -> None:
        """A message that cannot be taken."""
        text = self.canary()
        self.oracle.letters.add(text)
        message = {"type": "track", "userId": self.user(who), "properties": {"text": text}}
        status, _ = await self.call("POST", "/v1/batch", "admin", {"batch": [message]})
        assert status == 200
        self.oracle.letters.add(self.user(who))

    async def race_now(self) -> None:
        """Somebody withdraws while an answer is on its way."""
        if self.race is None:
            return
        (who, answers), self.race = self.race, None
        key = f"user_id:{self.user(who)}"
        self.now += 1
        await self.router.state_consents(key, {"decisions": answers}, "desk", self.now)
        self.oracle.say(who, self.now, answers)

    # Webhooks

    async def deliver(self) -> None:
        """Sends what is new and what waits, one message after the other."""
        self.deliverer.follow(self.control.webhooks())
        with patch("actors.deliverer.CONCURRENT", 1):
            for webhook in WEBHOOKS:
                await self.deliverer.try_again(webhook)
                while await self.deliverer.tell(webhook):
                    pass

    async def settle(self) -> None:
        """Returns when nothing is to be matched, and shards have loaded what they hold."""
        for _ in range(2_000):
            statuses = await self.router.status()
            pending = sum(status.pending_matches for status in statuses)
            if not pending and not any(each.state == "counting" for s in statuses for each in s.segments.values()):
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it does not come to rest")

    def _new_id(self) -> str:
        self._new_ids += 1
        return f"{self._new_ids:032x}"


def _keys() -> list[tuple[str, list[Scope], str]]:
    """Name, scopes and purpose of each key."""
    bound: list[tuple[str, list[Scope], str]] = [(f"for-{each}", ["read"], each) for each in PURPOSES.known]
    return [("admin", ["admin"], ""), ("reader", ["read"], ""), *bound]


class Outbox:
    """What webhooks are sent: each entry is checked at the moment at which it is."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.refuses = False
        self.race: tuple[int, dict[str, bool]] | None = None  # who withdraws while the first message is sent
        self.told: set[tuple[str, str, int]] = set()  # webhook, segment, self that entered

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        world, told = self._world, json.loads(body)
        webhook = url.removeprefix("https://").removesuffix(".example")
        data = told["data"]
        assert not CANARY.search(body), "a message to a webhook has ids and nothing else"
        if told["type"] == "segment.entered":
            who = world.ids[from_text(data["customer_id"])]
            purpose = WEBHOOKS[webhook] or SEGMENTS[data["segment_id"]][0] or "service"
            assert world.oracle.has_basis(purpose, who, world.now), f"{webhook} is told of self {who} for {purpose}"
            self.told.add((webhook, data["segment_id"], who))
        if self.race is not None:
            world.race, self.race = self.race, None
            await world.race_now()
            world.now += FRESH_MS  # longer than an answer about a basis holds
        return Sent(503 if self.refuses else 200, "")
