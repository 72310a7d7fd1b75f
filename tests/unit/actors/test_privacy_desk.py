"""The desk over real shards in one process: what is erased is in no file any more, whenever the desk is killed."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.errors import Unavailable
from actors.privacy_desk import PART_AGAIN_MS
from models.identity.customer_id import to_text
from models.privacy.requests import SubjectIdentity, SubjectRequest, Waiting, advanced
from models.privacy.suppression import FOREVER, fingerprint
from models.profile.state import Profile
from models.shard.protocol import DeadLetter
from tests.unit.actors.local_shards import NOW, identify, track
from tests.unit.actors.privacy_place import CANARY, SHARDS, Killed, Place, Scenario, ask, runner


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    return runner(tmp_path)


async def settled(place: Place, people: int = 40) -> None:
    """People with much in common; Jane's every field holds the canary."""
    others = [identify(f"o{n}", f"user_id:u{n}", f"email:person{n}@example.com", city="Oslo") for n in range(people)]
    mail, user, device = f"email:jane.{CANARY}@example.com", f"user_id:{CANARY}", f"anonymous_id:{CANARY}.9"
    jane = [
        identify(f"{CANARY}-1", mail, device, note=f"likes {CANARY}"),
        track(f"{CANARY}-2", device, name=f"Seen {CANARY}", text=CANARY),
        identify(f"{CANARY}-3", user, phone=f"{CANARY}"),
        identify(f"{CANARY}-4", user, mail),  # a merge
        track(f"{CANARY}-5", user, name="Order Completed", order_id=CANARY, revenue=5),
    ]
    for event in [*others, *jane]:
        await place.router.ingest([event], wait=True)
    letters = [
        DeadLetter(f"l{n}", NOW, "web", "track", [], body)
        for n, body in enumerate(
            [
                b'{"type":"track","userId":"' + CANARY.encode() + b'","note":"a"}',
                b'{"type":"identify","traits":{"email":" Jane.' + CANARY.upper().encode() + b'@Example.com "}}',
                b'{"type":"track","userId":"u1"}',
            ]
        )
    ]
    await place.router.reject(letters)


def done_identifiers(profile: Profile) -> set[str]:
    return {*profile.identifiers, f"email:jane.{CANARY}@example.com"}


def test_an_erased_person_is_in_no_file_and_comes_back_by_no_event(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await settled(place)
        jane = await place.router.profile(f"user_id:{CANARY}")
        assert jane is not None
        assert len(jane.absorbed) == 1
        earlier = place.store.add(ask("access", 7, state="completed"))
        request = place.store.add(ask())
        assert place.found(CANARY), "a search that would find nothing"
        ids = [jane.customer_id, *jane.absorbed]
        gone = [*(f"p:{each}" for each in ids), "l:l0", "l:l1", "l:deleted", f"r:{earlier.request_id}"]
        gone.append(f"r:{request.request_id}")
        place.keys.make_keys([*gone, "p:1", "l:l2", "r:another"])
        assert await place.desk().work() == 1
        assert set(place.keys.keys([*gone, "p:1", "l:l2", "r:another"])) == {"p:1", "l:l2", "r:another"}
        assert place.keys.suppressed() == {fingerprint(i, b"k" * 32): FOREVER for i in done_identifiers(jane)}
        assert place.found(CANARY) == []
        done = place.store.request(request.request_id)
        assert (done.state, done.results, done.results_count, done.identities) == ("completed", "cert_1", 5, [])
        assert [step.state for step in done.steps] == ["in_progress", "completed"]
        assert sorted(done.people) == sorted([jane.customer_id, *jane.absorbed])
        (finished,) = place.finished
        assert (finished.recipients, finished.events) == (["crm"], 5)
        assert place.deliveries.told == [[done.people]]
        for customer_id in done.people:
            assert await place.router.profile(f"customer_id:{to_text(customer_id)}") is None
        late = identify("late", f"anonymous_id:{CANARY}.9", f"user_id:new-{CANARY}")
        (result,) = (await place.router.ingest([late], wait=True)).results
        assert result.status == "suppressed"
        (result,) = (await place.router.ingest([msgspec.structs.replace(late, message_id="again")])).results
        assert result.status == "suppressed"
        await place.shards.stop_all()  # and after a restart
        place.shards.start_all()
        (result,) = (await place.router.ingest([late], wait=True)).results
        assert result.status == "suppressed"
        assert place.found(CANARY) == []
        for n in range(40):
            other = await place.router.profile(f"user_id:u{n}")
            assert other is not None
            assert other.attributes["city"].winner.value == "Oslo"
        refused = b'{"type":"track","context":{"externalIds":[{"type":"email","id":"JANE.' + CANARY.encode()
        await place.router.reject([DeadLetter("l9", NOW, "web", "track", [], refused + b'@example.com"}]}}')])
        assert [letter.letter_id for letter in (await place.router.dead_letters(10))[0]] == ["l2"]

    run(scenario)


@pytest.mark.parametrize("calls", range(0, 60, 8))
def test_a_desk_that_was_killed_goes_on_where_it_was(run: Callable[[Scenario], None], calls: int) -> None:
    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        request = place.store.add(ask())
        place.calls_left = calls
        with suppress(Killed):
            await place.desk().work()
        place.calls_left = 1_000_000
        await place.shards.stop_all()
        place.shards.start_all()
        await place.desk().work()
        done = place.store.request(request.request_id)
        assert done.state == "completed"
        assert len(done.people) == 2
        assert place.found(CANARY) == []

    run(scenario)


def test_no_backup_tells_of_a_request_whose_desk_was_killed_before_its_key_went(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        earlier = place.store.add(ask("access", 7, state="completed"))
        place.store.add(ask())
        place.keys.make_keys([f"r:{earlier.request_id}", "r:another"])
        with monkeypatch.context() as killing:

            def killed(*_: object) -> None:
                raise Killed

            killing.setattr(place.keys, "destroy", killed)
            with suppress(Killed):
                await place.desk().work()
        assert place.store.request(earlier.request_id).identities == []
        assert place.keys.subjects("r") == {f"r:{earlier.request_id}", "r:another"}
        assert await place.desk().work() == 1
        assert place.keys.subjects("r") == {"r:another"}

    run(scenario)


def test_what_comes_to_a_person_while_stores_are_searched_goes_too(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        late = f"anonymous_id:{CANARY}.late"

        async def comes() -> None:
            await place.router.ingest([identify("m1", f"user_id:{CANARY}", late)], wait=True)
            letter = b'{"type":"track","anonymousId":"' + late.partition(":")[2].encode() + b'"}'
            await place.router.reject([DeadLetter("l8", NOW, "web", "track", [], letter)])

        place.meanwhile = comes
        place.store.add(ask())
        assert await place.desk().work() == 1
        assert place.found(CANARY) == []
        assert place.keys.suppressed()[fingerprint(late, b"k" * 32)] == FOREVER

    run(scenario)


def test_an_address_that_was_taken_for_anothers_goes_from_their_traits(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        mail, mary = f"email:jane.{CANARY}@example.com", "user_id:mary"
        told = [
            identify("m1", mary, city="Oslo", visits=7),
            identify("m2", mail),
            identify("m3", mary, mail, email=f"Jane.{CANARY}@example.com", note="mine"),  # her friend's, by mistake
        ]
        for event in told:
            await place.router.ingest([event], wait=True)
        (merge,) = await place.router.merges(mary)
        await place.router.unmerge(merge.merge_id, NOW)
        await place.router.ingest([identify("m4", "user_id:twin", city="Bergen")], wait=True)
        await place.router.merge(mary, "user_id:twin", "desk", NOW)  # which keeps her as she was
        place.store.add(ask())
        assert await place.desk().work() == 1
        assert place.found(f"jane.{CANARY}@example.com") == []
        (twin,) = await place.router.merges(mary)
        await place.router.unmerge(twin.merge_id, NOW)
        profile = await place.router.profile(mary)
        assert profile is not None
        assert {name: each.winner.value for name, each in profile.attributes.items()} == {
            "city": "Oslo",
            "visits": 7,
            "note": "mine",
        }

    run(scenario)


def test_an_erased_address_does_not_come_back_as_an_id_of_another_kind(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        await place.router.ingest([identify("m", f"user_id:mary.{CANARY}@example.com")], wait=True)
        place.store.add(ask())
        place.store.add(ask(number=2, identities=[SubjectIdentity("user_id", f"mary.{CANARY}@example.com")]))
        assert await place.desk().work() == 2

        async def statuses(round_: int) -> list[str]:
            late = [
                identify(f"a{round_}", f"user_id:Jane.{CANARY.upper()}@example.com"),
                identify(f"b{round_}", f"leads.email:jane.{CANARY}@example.com"),
                identify(f"c{round_}", f"email:mary.{CANARY}@example.com"),
                identify(f"d{round_}", f"user_id:jane.{CANARY}@example.org"),
            ]
            return [each.status for each in (await place.router.ingest(late, wait=True)).results]

        assert await statuses(1) == ["suppressed"] * 3 + ["applied"]
        held = place.keys.suppressed()
        assert held[fingerprint(f"email:mary.{CANARY}@example.com", b"k" * 32)] == FOREVER
        await place.router.lift_suppression([f"user_id:mary.{CANARY}@example.com"])
        assert await statuses(2) == ["suppressed"] * 2 + ["applied", "applied"]

    run(scenario)


def test_what_others_share_with_an_erased_person_stays_theirs_without_it(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        jane, mary = "user_id:jane", "user_id:mary"
        device, mail = f"anonymous_id:{CANARY}.1", f"email:jane.{CANARY}@example.com"
        told = [
            identify("m1", jane, mail),
            identify("m2", jane, device),
            identify("m3", mary, f"email:{CANARY}0@example.com", city="Oslo"),  # another's, with hers in it
            track("m4", mary, device, name="Seen", page="/home"),  # on Jane's device
            track("m5", mary, device, name="Seen", about=[f"JANE.{CANARY}@example.com"], page="/home"),
        ]
        for event in told:
            await place.router.ingest([event], wait=True)
        await place.router.merge(jane, mary, "desk", NOW)
        await place.router.ingest([identify("m6", jane, f"phone:+1{CANARY}")], wait=True)
        (merge,) = await place.router.merges(mary)
        await place.router.unmerge(merge.merge_id, NOW)
        place.store.add(ask())
        assert await place.desk().work() == 1
        for gone in (device, mail, f"phone:+1{CANARY}"):
            assert place.found(gone) == []
        other = await place.router.profile(mary)
        assert other is not None and f"email:{CANARY}0@example.com" in other.identifiers
        assert other.attributes["city"].winner.value == "Oslo"
        events = {each.event.message_id: each.event for each in (await place.router.events(mary, 10))[0]}
        assert {"m3", "m4", "m5"} <= events.keys()
        assert events["m4"].properties == {"page": "/home"} and events["m4"].identifiers == (mary,)
        assert (events["m5"].name, events["m5"].properties) == ("Seen", {})
        assert all(event.demoted == () for event in events.values())
        assert [link.right for link in await place.router.links(mary)] == [f"email:{CANARY}0@example.com"]

    run(scenario)


@pytest.mark.parametrize("state", ["completed", "cancelled"])
def test_earlier_requests_that_name_the_person_otherwise_are_forgotten(
    run: Callable[[Scenario], None], state: str
) -> None:
    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        hashed = hashlib.sha256(f"jane.{CANARY}@example.com".encode()).hexdigest()
        place.store.add(ask("access", 7, identities=[SubjectIdentity("email", hashed, "sha256")], received_at=NOW - 2))
        place.store.add(ask("access", 8, identities=[SubjectIdentity("email", "person1@example.com")]))
        if state == "completed":
            assert await place.desk().work() == 2
        else:
            place.store.change(
                ask("access", 7).request_id, lambda told: msgspec.structs.replace(told, state="cancelled")
            )
        jane = await place.router.profile(f"user_id:{CANARY}")
        assert jane is not None
        place.store.add(ask(number=2, identities=[SubjectIdentity("user_id", CANARY)]))
        await place.desk().work()
        about, other = (place.store.request(ask("access", number).request_id) for number in (7, 8))
        assert about.identities == []
        assert other.identities != []
        if state == "completed":
            assert sorted(about.people) == sorted([jane.customer_id, *jane.absorbed])
            assert place.discarded == [f"email:jane.{CANARY}@example.com"]

    run(scenario)


def test_a_hashed_identity_is_found(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        hashed = hashlib.sha256(f"jane.{CANARY}@example.com".encode()).hexdigest()
        place.store.add(ask(identities=[SubjectIdentity("email", hashed, "sha256")]))
        assert await place.desk().work() == 1
        assert place.found(CANARY) == []

    run(scenario)


def test_other_requests_of_an_erased_person_keep_nothing_that_names_them(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        place.ready = lambda request: request.kind == "erasure" or bool(request.verified_by)
        hashed = hashlib.sha256(f"jane.{CANARY}@example.com".encode()).hexdigest()
        by_hash = [SubjectIdentity("email", hashed, "sha256")]
        pending, withdrawn, answered, cancelled = (
            place.store.add(each)
            for each in (
                ask("access", 2),
                ask("access", 3, identities=by_hash),
                ask("access", 4, identities=by_hash, state="completed", results="old.zip"),
                ask("access", 5, state="cancelled"),
            )
        )
        other = place.store.add(ask("access", 6, identities=[SubjectIdentity("user_id", "u1")]))
        place.keys.make_keys([f"r:{each.request_id}" for each in (pending, other)])
        place.store.add(ask(number=7))
        assert await place.desk().work() == 1
        assert place.discarded == ["old.zip"]
        for ended in (answered, cancelled):
            assert place.store.request(ended.request_id).identities == []
        # What is still to be answered says whom it is about until then, and no backup does any more.
        assert place.store.request(pending.request_id).identities == pending.identities
        assert set(place.keys.subjects("r")) == {f"r:{other.request_id}"}
        place.store.change(withdrawn.request_id, lambda found: advanced(found, "cancelled", NOW))
        for each in (pending, other):
            place.store.change(each.request_id, lambda found: msgspec.structs.replace(found, verified_by="team"))
        assert await place.desk().work() == 2
        for ended in (pending, withdrawn):
            assert place.store.request(ended.request_id).identities == []
        assert place.store.request(pending.request_id).state == "completed"
        assert place.store.request(other.request_id).identities == other.identities

    run(scenario)


def test_somebody_unknown_is_refused_from_then_on(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        request = place.store.add(ask())
        assert await place.desk().work() == 1
        assert place.store.request(request.request_id).people == []
        assert place.deliveries.told == []
        event = identify("m1", f"email:jane.{CANARY}@example.com")
        (result,) = (await place.router.ingest([event], wait=True)).results
        assert result.status == "suppressed"

    run(scenario)


def test_what_cannot_be_done_now_is_tried_again_and_holds_nobody_up(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.privacy_desk.RETRY_S", 0.0)
    for bound in ("ERASE_S", "_CALL_S"):
        monkeypatch.setattr(f"actors.privacy_calls.{bound}", 0.1)

    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        first = place.store.add(ask())
        second = place.store.add(ask("access", 2, received_at=NOW + 1))
        desk = place.desk()

        async def busy(shard: int, method: str, *arguments: object, timeout_s: float) -> Any:
            raise Unavailable("busy")

        plain, place.call = place.call, busy  # type: ignore[method-assign]
        assert await desk.work() == 1
        assert [place.store.request(r.request_id).state for r in (first, second)] == ["in_progress", "completed"]
        assert place.store.request(first.request_id).waiting == Waiting(NOW, "erase", "busy")
        place.call = plain  # type: ignore[method-assign]
        for bound in ("ERASE_S", "_CALL_S"):
            monkeypatch.setattr(f"actors.privacy_calls.{bound}", 60.0)
        assert await desk.work() == 1
        done = place.store.request(first.request_id)
        assert (done.state, done.waiting) == ("completed", None)

    run(scenario)


def test_what_a_request_waits_for_is_noted_until_it_goes_on(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("actors.privacy_desk.RETRY_S", 0.0)

    async def scenario(place: Place) -> None:
        await settled(place, people=3)
        both = [place.store.add(ask(number=n, received_at=NOW + n)).request_id for n in (1, 2)]
        desk = place.desk()

        def waits() -> list[Waiting | None]:
            return [place.store.request(request_id).waiting for request_id in both]

        async def blind(requests: Sequence[SubjectRequest]) -> object:
            raise OSError(f"cannot read {CANARY}")

        with monkeypatch.context() as broken:
            broken.setattr(place, "look", blind)
            for place.now in (NOW, NOW + 1):
                assert await desk.work() == 0
            assert waits() == [Waiting(NOW, "search", "an error that was not foreseen (OSError)")] * 2
        place.obstacle = "the person was still found (deliveries.sqlite: messages.body)"
        for place.now in (NOW + 2, NOW + 3):
            assert await desk.work() == 0
        assert waits() == [Waiting(NOW + 2, "certify", place.obstacle)] * 2
        for hours in (1, 2):  # others' events are looked through at most once in an hour
            assert [method for _, method in place.shards.calls].count("part") == hours * SHARDS
            place.now += PART_AGAIN_MS
            assert await desk.work() == 0
        place.obstacle = ""
        assert await desk.work() == 2
        assert waits() == [None, None]

    run(scenario)
    logged = [record for record in caplog.records if record.message == "a request of a data subject waits"]
    assert len(logged) == 4, "each reason once"
    assert CANARY not in str([record.__dict__ for record in caplog.records])
