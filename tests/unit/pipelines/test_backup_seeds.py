"""Random people, merges, unmerges and erasures before and after a backup: what is restored is what was there, without
those who are erased, and every refusal since holds."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.errors import Conflict
from models.events.event import Event, decode_event, encode_event
from models.privacy.statements import restricts
from models.profile.state import Profile, decode_profile
from models.shard.protocol import Link, Review
from tests.unit.actors.local_shards import NOW, identify, track
from tests.unit.pipelines.test_backup import Place, comparable, rows

PEOPLE = 9
_PERSON_COLUMNS: dict[str, tuple[int, ...]] = {
    "profiles": (0,),
    "identifiers": (1,),
    "redirects": (0,),
    "events": (1,),
    "links": (1,),
}
_PERSON_COLUMNS |= {"consents": (1,), "merges": (1, 2)}


async def events(place: Place, rng: random.Random, count: int, prefix: str, start: int) -> None:
    """Events of people with one to three identifiers each, some of which show that two are one."""
    for n in range(count):
        person = rng.randrange(PEOPLE)
        keys = [f"user_id:{person}", f"anonymous_id:{person}.{rng.randrange(2)}", f"email:{person // 2}@x.io"]
        chosen = sorted(rng.sample(keys, rng.choice((1, 1, 2))))
        event = track(f"{prefix}{n}", *chosen, at=start + n, note=f"of {person}")
        if rng.random() < 0.3:
            event = identify(f"{prefix}{n}", *chosen, at=start + n, email_opt_in=rng.random() < 0.7)
        if rng.random() < 0.3:
            event = with_consents(event, {"ads": rng.random() < 0.6, "!restricted": rng.random() < 0.2})
        await place.router.ingest([event], wait=True)


def with_consents(event: Event, answers: dict[str, bool]) -> Event:
    """As an operator states them, which may restrict."""
    decided = {"consent": {"decisions": answers}}
    return msgspec.structs.replace(event, type="consent", name="", traits={}, context=decided)


async def unmerge_some(place: Place, rng: random.Random) -> None:
    found = [row[0] for name, of_table in rows(place.data_dir).items() if name.endswith(":merges") for row in of_table]
    for merge_id in rng.sample(sorted(found), min(1, len(found))):
        with suppress(Conflict):  # it was taken back before
            await place.router.unmerge(merge_id, NOW + 2000)


async def erase_some(place: Place, rng: random.Random, count: int) -> tuple[set[int], set[str]]:
    """Customer ids and identifiers that are gone by that."""
    gone: set[int] = set()
    identifiers: set[str] = set()
    for person in rng.sample(range(PEOPLE), count):
        profile = await place.router.profile(f"user_id:{person}")
        if profile is not None:
            gone |= {profile.customer_id, *profile.absorbed}
            identifiers |= set(profile.identifiers)
            await place.erase(f"user_id:{person}")
    return gone, identifiers


def without(table: str, row: tuple[Any, ...], identifiers: set[str]) -> tuple[Any, ...] | None:
    """A row of somebody who stays, as it is without the identifiers of who is erased; None for no row."""
    if table == "links":
        link = msgspec.msgpack.decode(row[-1], type=Link)
        return None if identifiers & {link.left, link.right} else row
    if table != "events":
        return row
    event = decode_event(row[-1])
    kept = tuple(each for each in event.identifiers if each not in identifiers)
    demoted = tuple(each for each in event.demoted if each not in identifiers)
    route = next(iter(kept), "") if event.route in identifiers else event.route
    return (*row[:-1], encode_event(msgspec.structs.replace(event, identifiers=kept, demoted=demoted, route=route)))


def profiles(found: dict[str, set[tuple[Any, ...]]]) -> dict[int, Profile]:
    every = [row for name, of_table in found.items() if name.endswith(":profiles") for row in of_table]
    return {row[0]: decode_profile(row[3]) for row in every}


def groups_of(found: dict[str, set[tuple[Any, ...]]]) -> dict[int, set[int]]:
    """Customer id -> all that were the same person."""
    groups: dict[int, set[int]] = {}
    for profile in profiles(found).values():
        group = {profile.customer_id, *profile.absorbed}
        groups |= dict.fromkeys(group, group)
    return groups


def concerned(table: str, row: tuple[Any, ...]) -> list[int]:
    """The customer ids of a row."""
    if table == "small" and row[0] == "reviews":
        review = msgspec.msgpack.decode(row[2], type=Review)
        return [review.left, review.right]
    return [row[column] for column in _PERSON_COLUMNS.get(table, ())]


def refused_since(found: dict[str, set[tuple[Any, ...]]]) -> list[tuple[int, str]]:
    """Who (by customer id) has refused what in an event that came after the backup."""
    refused = []
    for name, of_table in found.items():
        for _, customer_id, _, body in of_table if name.endswith(":events") else ():
            event = decode_event(body)
            if event.message_id.startswith("b"):
                answers = event.context.get("consent", {}).get("decisions", {})
                refused += [(customer_id, category) for category in answers if restricts(answers[category], category)]
                refused += [(customer_id, "email_opt_in")] * (event.traits.get("email_opt_in") is False)
    return refused


def refuses(profile: Profile, name: str) -> bool:
    """Whether a profile refuses this."""
    if name.endswith("_opt_in"):
        return profile.preferences[name].value is False
    return bool(restricts(profile.consents[name].value, name))


@pytest.mark.parametrize("seed", range(8))
def test_a_restore_is_what_was_there_without_the_erased_and_loses_no_refusal(tmp_path: Path, seed: int) -> None:
    async def scenario() -> None:
        rng = random.Random(seed)
        place = Place(tmp_path)
        place.shards.start_all()
        try:
            await events(place, rng, 40, "a", NOW)
            await unmerge_some(place, rng)
            _, erased_before = await erase_some(place, rng, 1)
            await asyncio.to_thread(place.create)
            saved = rows(place.data_dir)
            await events(place, rng, 20, "b", NOW + 1000)
            if seed % 2:
                await unmerge_some(place, rng)
            place.journal()
            gone, erased_since = await erase_some(place, rng, 2)
            place.keys.mirror()
            live = rows(place.data_dir)
        finally:
            await place.shards.stop_all()
        place.restore()
        place.keys.close()
        groups = groups_of(saved)
        unreadable = {each for customer_id in gone for each in groups.get(customer_id, ())}
        assert unreadable or not gone & set(groups)
        restored = rows(place.new)
        for name, of_table in comparable(saved).items():
            table = name.partition(":")[2]
            if table in _PERSON_COLUMNS and table != "profiles":
                others = (row for row in of_table if not unreadable.intersection(concerned(table, row)))
                kept = {without(table, row, erased_before | erased_since) for row in others}
                assert restored[name] == kept - {None}, name
        then, now = profiles(saved), profiles(restored)
        assert set(now) == set(then) - unreadable
        for customer_id, profile in now.items():
            assert profile.identifiers == then[customer_id].identifiers
            assert profile.attributes == then[customer_id].attributes
        persons = groups_of(live)
        for customer_id, name in refused_since(live):
            for each in persons[customer_id] & set(now):
                assert refuses(now[each], name), name

    asyncio.run(scenario())
