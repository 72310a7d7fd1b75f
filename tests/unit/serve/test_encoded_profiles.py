"""The cache of encoded profiles: never a stale one, never more than its size."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

from actors.reader import Committed, Elsewhere
from models.identity.customer_id import mint, to_text
from models.profile.document import document, valid_until
from models.profile.lifecycle import LifecycleRules
from models.profile.state import Profile, encode_profile
from models.scoring.contract import Output
from models.scoring.features import Feature
from models.scoring.kept import KeptModel, KeptScore, Row, body_of, kept_score, told
from protos.onefold.v1.profile_pb2 import Profile as Message
from serve.encoded_profiles import EncodedProfile, EncodedProfiles
from serve.score_reads import ScoreReads

NOW = 1_772_368_200_000
DAY_MS = 86_400_000


class Files:
    """Committed files that hold some profiles."""

    def __init__(self) -> None:
        self.profiles: dict[str, Profile] = {}
        self.elsewhere: set[str] = set()
        self.snapshots = 0

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self.snapshots += 1
        yield

    def read(self, key: str, min_seq: str = "") -> Committed | None:
        if min_seq or key in self.elsewhere:
            raise Elsewhere
        profile = self.profiles.get(key)
        if profile is None:
            return None
        return Committed(profile.customer_id, profile.sequence, encode_profile(profile))


class Shards:
    """The same profiles, as the shards tell of them."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.asked: list[str] = []

    async def profile(self, key: str, min_seq: str = "") -> Profile | None:
        self.asked.append(key)
        return self._files.profiles.get(key)

    async def profiles(self, keys: list[str], min_seq: str = "") -> list[Profile | None]:
        return [await self.profile(key) for key in keys]


class Scores:
    """Scores of a file, which some reads cannot open."""

    def __init__(self) -> None:
        self.by_person: dict[int, tuple[Row, ...]] = {}
        self.elsewhere = False

    def snapshot(self) -> AbstractContextManager[None]:
        return nullcontext()

    def rows(self, customer_id: int) -> Sequence[Row]:
        if self.elsewhere:
            raise Elsewhere
        return self.by_person.get(customer_id, ())

    def scores(self, rows: Sequence[Row]) -> list[KeptScore]:
        model = KeptModel("churn@1", Output(kind="probability"), {"x": Feature(history="events")})
        return [kept_score(row, model) for row in rows]

    async def ask(self, customer_ids: Sequence[int]) -> dict[int, list[KeptScore]]:
        return {each: self.scores(self.by_person.get(each, ())) for each in customer_ids}

    def put(self, customer_id: int, value: float, at: int) -> None:
        body = body_of(None, None, None, [1.0])
        self.by_person[customer_id] = (Row(customer_id, "churn", 1, at, 0, value, "", body),)


class World:
    """A cache and what is around it."""

    def __init__(self, local: bool = True, **options: Any) -> None:
        self.now = NOW
        self.names: dict[str, str] = {"gold": "Gold"}
        self.insights: dict[str, Any] = {}
        self.insights_until = 1 << 62
        self.files = Files()
        self.shards = Shards(self.files)
        self.scores = Scores()
        self.cache = EncodedProfiles(
            self.shards,
            self.files if local else None,
            lambda: self.now,
            self.document,
            lambda: (self.names, self.insights),
            ScoreReads(self.scores if local else None, self.scores.ask),
            **options,
        )

    def document(self, profile: Profile, purpose: str, now: int, scores: list[KeptScore]) -> tuple[dict[str, Any], int]:
        made = {**document(profile, now, self.names, LifecycleRules()), "insights": self.insights}
        made["scores"] = told(scores, str)
        if purpose:
            made["attributes"] = {}
        return made, min(self.insights_until, valid_until(profile, now, LifecycleRules()))

    def put(self, key: str, **fields: Any) -> Profile:
        number = len(self.files.profiles)
        profile = Profile(mint(0, NOW + number, 0), NOW, **{"sequence": 1, **fields})
        self.files.profiles[key] = profile
        return profile

    def get(self, key: str, min_seq: str = "") -> EncodedProfile:
        found = asyncio.run(self.cache.get(key, min_seq))
        assert found is not None
        profile = self.files.profiles[key]
        assert Message.FromString(found.message).customer_id == to_text(profile.customer_id)
        assert (found.customer_id, found.sequence) == (profile.customer_id, profile.sequence)
        return found


def test_encoded_once_for_each_version() -> None:
    world = World()
    profile = world.put("user_id:a")
    assert [world.get("user_id:a").origin for _ in range(3)] == ["file", "cache", "cache"]
    profile.sequence = 2
    profile.memberships = {"gold": NOW}
    found = world.get("user_id:a")
    assert found.origin == "file"
    assert Message.FromString(found.message).segments[0].name == "Gold"


@pytest.mark.parametrize("local", [True, False])
def test_a_new_score_shows_without_an_event(local: bool) -> None:
    world = World(local)
    profile = world.put("user_id:a")

    def churn() -> float | None:
        told = json.loads(Message.FromString(world.get("user_id:a").message).scores_json)
        return told["churn"]["value"] if told else None

    assert churn() is None
    world.scores.put(profile.customer_id, 0.25, NOW)
    assert churn() == 0.25
    before = world.get("user_id:a").message
    assert world.get("user_id:a").message is before  # encoded once
    world.scores.put(profile.customer_id, 0.5, NOW + 1)
    assert churn() == 0.5
    world.scores.elsewhere = True  # a scorer is making its file
    assert churn() == 0.5
    world.scores.by_person.clear()
    assert churn() is None


def test_names_of_segments_and_time_end_an_entry() -> None:
    world = World()
    world.put("user_id:a", memberships={"gold": NOW}, active_minutes=[NOW // 60_000])
    world.get("user_id:a")
    world.names = {"gold": "Golden"}
    found = world.get("user_id:a")
    assert found.origin == "file" and Message.FromString(found.message).segments[0].name == "Golden"
    assert world.get("user_id:a").origin == "cache"
    world.now += 31 * 60_000  # the session is over
    assert world.get("user_id:a").origin == "file"


def test_the_least_used_entries_make_room() -> None:
    world = World(bytes_max=2_000)
    keys = [f"user_id:{number}" for number in range(20)]
    for key in keys:
        world.put(key)
        world.get(key)
    assert world.get(keys[-1]).origin == "cache"
    assert world.get(keys[0]).origin == "file"


def test_nothing_fits() -> None:
    world = World(bytes_max=1)
    world.put("user_id:a")
    assert [world.get("user_id:a").origin for _ in range(2)] == ["file", "file"]


def test_the_shard_answers_what_files_cannot() -> None:
    world = World()
    world.put("user_id:a")
    world.files.elsewhere.add("user_id:a")
    assert world.get("user_id:a").origin == "shard"
    assert world.get("user_id:a", "0:1").origin == "shard"
    assert world.shards.asked == ["user_id:a", "user_id:a"]


def test_without_files_the_shards_answer() -> None:
    world = World(local=False)
    world.put("user_id:a")
    assert world.get("user_id:a").origin == "shard"
    assert asyncio.run(world.cache.get("user_id:nobody")) is None


def test_nobody_in_the_files_is_nobody() -> None:
    world = World()
    assert asyncio.run(world.cache.get("user_id:nobody")) is None
    assert world.shards.asked == []


@pytest.mark.parametrize("local", [True, False])
def test_many_keep_their_order(local: bool) -> None:
    world = World(local)
    for key in ("user_id:a", "user_id:b", "user_id:c"):
        world.put(key)
    world.files.elsewhere.add("user_id:b")
    found = asyncio.run(world.cache.get_many(["user_id:c", "user_id:b", "user_id:nobody", "user_id:a"]))
    expected = [world.files.profiles[key].customer_id for key in ("user_id:c", "user_id:b", "user_id:a")]
    assert [profile.customer_id for profile in found if profile] == expected
    assert found[2] is None
    assert world.shards.asked == (["user_id:b"] if local else ["user_id:c", "user_id:b", "user_id:nobody", "user_id:a"])
    assert world.files.snapshots == (1 if local else 0)


def test_insights_are_made_anew_when_they_change_or_time_changes_them() -> None:
    world = World()
    world.insights, world.insights_until = {"computed_traits": {"views": 1}}, NOW + 10
    world.put("user_id:u1")

    def look() -> tuple[str, str]:
        found = asyncio.run(world.cache.get("user_id:u1"))
        assert found is not None
        return found.origin, Message.FromString(found.message).insights_json

    assert look() == ("file", '{"computed_traits":{"views":1}}')
    assert look()[0] == "cache"
    world.now += 10
    assert look()[0] == "file"
    world.insights_until = NOW + 1_000
    assert look()[0] == "file"
    assert look()[0] == "cache"
    world.insights = {"computed_traits": {}}
    assert look() == ("file", '{"computed_traits":{}}')
