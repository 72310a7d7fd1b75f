"""The router over real shards in one process: from events to answers, through crashes, without Ray."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from actors.errors import Conflict, Invalid, NotFound, Unavailable
from actors.router import Router
from models.identity.customer_id import shard_of, to_text
from models.identity.placement import home_shard
from models.impact.holdout_outcomes import Measure
from models.profile.state import Profile
from models.segments.catalogue import Resolved
from models.segments.criteria import SegmentDefinition
from models.shard.protocol import DeadLetter, SegmentChange
from tests.unit.actors.local_shards import NOW, LocalShards, identify, run_scenario, track

SHARDS = 3
Scenario = Callable[[Router, LocalShards], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    return lambda scenario: run_scenario(tmp_path, SHARDS, scenario)


def somewhere_else(identifier: str) -> str:
    """A user id that is at home on another shard than `identifier`."""
    home = home_shard(identifier, SHARDS)
    return next(i for i in (f"user_id:u{n}" for n in range(100)) if home_shard(i, SHARDS) != home)


async def found(router: Router, key: str, min_seq: str = "") -> Profile:
    profile = await router.profile(key, min_seq)
    assert profile is not None
    return profile


def test_an_acknowledged_event_is_read_back_with_its_token(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        anonymous = "anonymous_id:a1"
        user = somewhere_else(anonymous)
        result = await router.ingest([identify("m1", user, anonymous, plan="pro"), track("m2", anonymous)])
        assert [r.message_id for r in result.results] == ["m1", "m2"]
        assert {r.status for r in result.results} <= {"accepted", "applied"}
        by_user = await found(router, user, result.sequence)
        by_anonymous = await found(router, anonymous, result.sequence)
        assert by_user == by_anonymous == await found(router, f"customer_id:{to_text(by_user.customer_id)}")
        assert by_user.events["Seen"].count == 1
        assert await router.profile("user_id:nobody") is None

    run(scenario)


def test_a_sequence_that_was_never_given_is_refused_at_once(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        with pytest.raises(Invalid, match="min_seq"):
            await router.profile("user_id:u1", "0:999999999999")

    run(scenario)


def test_waiting_tells_the_whole_result_and_a_repetition_is_a_duplicate(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        first = (await router.ingest([identify("m1", "user_id:u1", "email:a@b.co", plan="pro")], wait=True)).results[0]
        assert (first.status, first.created, first.methods) == ("applied", True, ["new"])
        assert first.customer_id
        again = (await router.ingest([identify("m1", "user_id:u1", "email:a@b.co", plan="pro")], wait=True)).results[0]
        assert again.status == "duplicate"

    run(scenario)


def test_what_many_send_at_once_goes_in_few_calls(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        sent = [router.ingest([track(f"m{n}", f"user_id:u{n}")]) for n in range(300)]
        await asyncio.gather(*sent)
        assert len([method for _, method in shards.calls if method == "ingest"]) <= 4 * SHARDS
        shards.calls.clear()
        await asyncio.gather(*(found(router, f"user_id:u{n}") for n in range(300)))
        assert len(shards.calls) <= 5 * SHARDS

    run(scenario)


def test_a_lost_answer_takes_nothing_twice(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        shards.lost_replies = 2
        result = await router.ingest([track("m1", "user_id:u1"), track("m2", "user_id:u1")])
        assert [r.status for r in result.results] == ["duplicate", "duplicate"]
        profile = await found(router, "user_id:u1", result.sequence)
        assert profile.events["Seen"].count == 2

    run(scenario)


def test_calls_wait_for_a_shard_that_restarts(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        before = await router.ingest([track(f"m{n}", f"user_id:u{n}") for n in range(9)])
        await found(router, "user_id:u0", before.sequence)
        home = home_shard("user_id:u0", SHARDS)
        await shards.stop(home)
        sent = asyncio.ensure_future(router.ingest([track("later", "user_id:u0")]))
        asked = asyncio.ensure_future(router.profile("user_id:u0"))
        await asyncio.sleep(0.1)
        assert not sent.done()
        assert not asked.done()
        shards.start(home)
        result = await sent
        assert (await asked) is not None
        profile = await found(router, "user_id:u0", result.sequence)
        assert profile.events["Seen"].count == 2

    run(scenario)


def test_a_shard_that_stays_away_is_unavailable_not_wrong(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        impatient = Router(SHARDS, shards.data_dir, shards, timeout_s=0.2)
        await shards.stop(home_shard("user_id:u0", SHARDS))
        with pytest.raises(Unavailable):
            await impatient.profile("user_id:u0")
        with pytest.raises(Unavailable):
            await impatient.ingest([track("m1", "user_id:u0")], timeout_s=0.2)
        with pytest.raises(Unavailable):
            await impatient.status()

    run(scenario)


async def joined(router: Router) -> tuple[Profile, str]:
    """Two people of different shards, with an event each, who turn out to be one. Returns them, and the merge's id."""
    left = "anonymous_id:a1"
    right = somewhere_else(left)
    await router.ingest([track("m1", left, at=NOW)], wait=True)
    await router.ingest([track("m2", right, at=NOW + 1)], wait=True)
    merged = (await router.ingest([identify("m3", right, left, at=NOW + 2)], wait=True)).results[0]
    assert len(merged.merged) == 1
    records = await router.merges(left)
    assert [record.message_id for record in records] == ["m3"]
    return await found(router, right), records[0].merge_id


def test_a_merged_person_has_all_events_newest_first_in_pages(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        profile, _ = await joined(router)
        assert profile.events["Seen"].count == 2
        pages = []
        cursor = ""
        while True:
            page, cursor = await router.events("anonymous_id:a1", 2, cursor)
            pages.append([stored.event.message_id for stored in page])
            if not cursor:
                break
        assert pages == [["m3", "m2"], ["m1"]]
        links = await router.links("anonymous_id:a1")
        assert [(link.message_id, link.method) for link in links] == [("m3", "exact")]
        with pytest.raises(Invalid, match="cursor"):
            await router.events("anonymous_id:a1", 2, "nonsense")

    run(scenario)


def test_an_unmerge_gives_both_back_and_is_not_done_twice(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        profile, merge_id = await joined(router)
        shards.lost_replies = 1
        winner, restored = await router.unmerge(merge_id, NOW - 1_000_000_000_000)
        assert winner == profile.customer_id
        one, other = "anonymous_id:a1", somewhere_else("anonymous_id:a1")
        left, right = await found(router, one), await found(router, other)
        assert {left.customer_id, right.customer_id} == {winner, restored}
        assert left.events["Seen"].count == right.events["Seen"].count == 1
        # The edge that joined them holds no more.
        assert await router.links(one) == await router.links(other) == []
        with pytest.raises(Conflict):
            await router.unmerge(merge_id, NOW * 2)
        with pytest.raises(NotFound):
            await router.unmerge("mrg_0_999999", NOW)
        for key in (one, f"customer_id:{to_text(winner)}", f"customer_id:{to_text(restored)}"):
            assert [bool(record.undone_at) for record in await router.merges(key)] == [True]

    run(scenario)


def test_an_operator_merges_by_any_key(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([track("m1", "user_id:u1"), track("m2", "user_id:u2")], wait=True)
        one, two = await found(router, "user_id:u1"), await found(router, "user_id:u2")
        dry = await router.resolve(["user_id:u1", "email:new@b.co"])
        assert (dry.customer_id, dry.created, dry.methods) == (one.customer_id, False, ["exact:user_id"])
        assert (await router.resolve(["user_id:u9"])).created
        result = await router.merge(f"customer_id:{to_text(two.customer_id)}", "user_id:u1", "support", NOW)
        assert result.merged
        assert (await found(router, "user_id:u1")).customer_id == (await found(router, "user_id:u2")).customer_id
        with pytest.raises(NotFound):
            await router.merge("user_id:u1", "user_id:nobody", "support", NOW)

    run(scenario)


def definition(segment_id: str, event: str) -> Resolved:
    criteria = {"type": "behavioral", "event": event, "measure": "count", "operator": "at_least", "value": 1}
    return Resolved(SegmentDefinition(id=segment_id, name=segment_id, criteria=criteria))


def _positions(pages: list[list[SegmentChange]]) -> dict[int, int]:
    return {shard_of(change.customer_id): change.sequence for page in pages for change in page}


def test_past_members_flows_overlaps_and_what_members_are_like(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        await router.ingest([track(f"m{n}", f"user_id:u{n}", name="Bought") for n in range(10)], wait=True)
        await router.put_segment(definition("buyers", "Bought"))
        await router.put_segment(definition("viewers", "Seen"))
        made = max(change.at for change in await router.segment_changes({}, 100))
        await asyncio.sleep(0.01)
        more = [track(f"n{n}", f"user_id:u{n}", name="Bought") for n in range(10, 15)]
        more += [track(f"s{n}", f"user_id:u{n}", name="Seen") for n in range(3)]
        await router.ingest(more, wait=True)
        assert len((await router.segment_members("buyers", 100))[0]) == 15
        past, _ = await router.members_at("buyers", made, 100)
        assert len(past) == 10
        first, following = await router.members_at("buyers", made, 6)
        assert [*first, *(await router.members_at("buyers", made, 6, following))[0]] == past
        assert (await router.members_at("buyers", made - 60_000, 100))[0] == []
        assert await router.segment_flow("buyers", [made - 60_000, made]) == (15, [(10, 0), (5, 0)])
        assert await router.segment_overlap(["buyers", "viewers"]) == [[15, 3], [3, 3]]
        summary = await router.segment_summary("buyers", 50.0, made - 60_000, made + 60_000, "Seen", 60_000)
        assert (summary.members, summary.entered) == (15, 15)
        assert 0 < summary.held_out < 15
        assert summary.events["Bought"].members == 15
        rows, _, _ = await router.member_profiles("viewers", 2)
        assert [profile.events["Seen"].count for _, profile in rows] == [1, 1]
        assert await router.backtest(definition("", "Bought"), [NOW - 10**9, NOW]) == [0, 15]

    run(scenario)


def test_what_held_out_and_treated_people_bring_adds_up_over_shards(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        held = msgspec.structs.replace(definition("buyers", "Bought").definition, holdout=40.0)
        await router.ingest([track(f"m{n}", f"user_id:u{n}", name="Bought") for n in range(20)], wait=True)
        await router.put_segment(Resolved(held))  # 20 at once
        await router.ingest([track(f"n{n}", f"user_id:u{n}", name="Bought") for n in range(20, 50)], wait=True)
        changes = await router.segment_changes({}, 100)
        start = await router.holdout_start("buyers")
        assert start == min(change.at for change in changes if change.held_out)
        assert await router.holdout_start("nobody") == 0
        await asyncio.sleep(0.01)
        later = max(change.at for change in changes) + 5
        spent = [
            track(
                f"o{n}", f"user_id:u{n}", name="Order Completed", at=later, order_id=f"o{n}", revenue=n, currency="EUR"
            )
            for n in range(50)
        ]
        await router.ingest(spent, wait=True)
        await asyncio.sleep(0.05)
        measure = Measure(outcome="revenue", within=later + 5 - min(change.at for change in changes))
        deadline = time.monotonic() + 60
        while (sums := await router.segment_impact("buyers", 1, measure, "")).waiting and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        out = {change.customer_id for change in changes if change.held_out}
        people = [(n, await found(router, f"user_id:u{n}")) for n in range(50)]
        by_group = [[n for n, profile in people if (profile.customer_id in out) == side] for side in (False, True)]
        assert sums.people == (len(by_group[0]), len(by_group[1]))
        assert sums.people[1] > 5
        for group, numbers in zip(sums.groups("EUR"), by_group, strict=True):
            assert (group.total, group.squares) == (sum(numbers), sum(n * n for n in numbers))

    run(scenario)


def test_segments_are_filled_listed_previewed_and_deleted(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        people = [track(f"m{n}", f"user_id:u{n}", name="Bought" if n % 2 else "Seen") for n in range(40)]
        await router.ingest(people, wait=True)
        segment = definition("buyers", "Bought")
        assert await router.preview(segment, NOW) == (20, 40)
        assert await router.put_segment(segment)
        pages: list[list[tuple[int, int]]] = []
        cursor = ""
        while True:
            page, cursor, _ = await router.segment_members("buyers", 8, cursor)
            pages.append(page)
            if not cursor:
                break
        assert [len(page) for page in pages] == [8, 8, 4]
        assert len({customer_id for page in pages for customer_id, _ in page}) == 20
        found = [status.segments["buyers"] for status in await router.status()]
        assert sum(status.members for status in found) == 20
        assert {status.state for status in found} == {"live"}
        changes = await router.segment_changes({}, 100)
        assert len(changes) == 20
        told = [await router.segment_changes({}, 7)]
        while more := await router.segment_changes(_positions(told), 7):
            told.append(more)
        assert [change for part in told for change in part] == changes
        await router.delete_segment("buyers")
        assert await router.put_segment(definition("late", "Bought"))
        assert await router.segment_members("buyers", 8) == ([], "", 0)
        assert len(await router.segment_changes({}, 100)) == 60

    run(scenario)


def test_changes_are_told_to_those_who_wait_and_the_tail_goes_on(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        positions = await router.change_positions()
        assert sorted(positions) == list(range(SHARDS))
        waiting = asyncio.ensure_future(router.changed_profiles(positions, 60))
        await asyncio.sleep(0.05)
        result = (await router.ingest([track("m1", "user_id:u1")], wait=True)).results[0]
        changed, positions = await waiting
        assert changed == [result.customer_id]
        assert (await router.changed_profiles(positions, 0.05))[0] == []
        events = await router.tail({}, 10)
        assert [stored.event.message_id for stored in events] == ["m1"]
        assert await router.tail({events[0].shard: events[0].sequence}, 10) == []
        beginning = {shard: 0 for shard in range(SHARDS)}
        assert (await router.changed_profiles(beginning, 60))[0] == [result.customer_id]

    run(scenario)


def test_the_last_events_are_as_many_as_asked_for_whatever_else_took_numbers(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        for n in range(12):  # each makes a link too, some a merge
            await router.ingest([identify(f"m{n}", f"user_id:u{n}", f"anonymous_id:a{n % 3}", at=NOW + n)], wait=True)
        events, positions = await router.latest(8)
        assert [stored.event.message_id for stored in events] == [f"m{n}" for n in range(4, 12)]
        assert sorted(positions) == list(range(SHARDS))
        assert await router.tail(positions, 100) == []
        await router.ingest([track("new", "user_id:u0", at=NOW + 20)], wait=True)
        assert [stored.event.message_id for stored in await router.tail(positions, 100)] == ["new"]

    run(scenario)


def test_dead_letters_are_kept_paged_taken_and_marked(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        letters = [
            DeadLetter(f"l{n}", NOW + n, "web", "track", [{"code": "schema", "field": "x", "message": "no"}], b"{}")
            for n in range(7)
        ]
        await router.reject(letters)
        await router.reject(letters[:2])
        first, cursor = await router.dead_letters(5)
        rest, end = await router.dead_letters(5, cursor)
        assert [letter.letter_id for letter in first + rest] == [f"l{n}" for n in reversed(range(7))]
        assert end == ""
        assert sum(status.dead_letters for status in await router.status()) == 7
        assert [letter.letter_id for letter in await router.take_dead_letters(["l3", "l1", "lx"])] == ["l1", "l3"]
        await router.mark_replayed(["l1", "l3"], NOW)
        waiting, _, more = await router.waiting_dead_letters({}, 1000)
        assert ([letter.letter_id for letter in waiting], more) == (["l0", "l2", "l4", "l5", "l6"], False)
        (replayed,) = [letter for letter in (await router.dead_letters(10))[0] if letter.letter_id == "l3"]
        assert replayed.replayed_at == NOW

    run(scenario)


def test_every_waiting_letter_has_its_turn_and_letters_can_be_deleted(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        reasons = [{"code": "schema", "field": "x", "message": "no"}]
        ids = [f"l{n}" for n in range(60)]
        await router.reject([DeadLetter(i, NOW + n, "web", "track", reasons, b"{}") for n, i in enumerate(ids)])
        seen: list[str] = []
        positions: dict[int, int] = {}
        more = True
        while more:  # none of them passes
            page, positions, more = await router.waiting_dead_letters(positions, 9)
            per_shard = [home_shard(letter.letter_id, SHARDS) for letter in page]
            assert all(per_shard.count(shard) <= 3 for shard in range(SHARDS))
            seen += [letter.letter_id for letter in page]
        assert sorted(seen) == sorted(ids)
        assert await router.delete_dead_letters(["l1", "l2", "l3", "lx"]) == 3
        assert await router.take_dead_letters(["l0", "l1"]) == (await router.dead_letters(100))[0][-1:]
        assert await router.delete_dead_letters(None) == 57
        assert await router.dead_letters(10) == ([], "")
        assert await router.delete_dead_letters(None) == 0

    run(scenario)


def test_a_shard_ends_although_a_part_of_it_forgets_that_it_was_cancelled(run: Callable[[Scenario], None]) -> None:
    async def scenario(router: Router, shards: LocalShards) -> None:
        forgotten: list[bool] = []

        async def forgetful() -> None:
            while len(forgotten) < 3:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    forgotten.append(True)

        shards.running[0]._run(forgetful())
        await asyncio.sleep(0)
        await asyncio.wait_for(shards.stop(0), 5)
        assert len(forgotten) == 3

    run(scenario)


def test_members_are_not_told_before_all_profiles_are_loaded(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.segment_reads._LOAD_S_MAX", 0)

    async def scenario(router: Router, shards: LocalShards) -> None:
        shard = shards.running[0]
        assert (await shard.members("buyers", 0, 10, "")).members == []
        shard._core.column_keeper.begin([1])
        asked: list[Callable[[], Awaitable[object]]] = [
            lambda: shard.members("buyers", 0, 10, ""),
            lambda: shard.members_at("buyers", NOW, 0, 10, ""),
            lambda: shard.segment_flow("buyers", [NOW]),
            lambda: shard.segment_overlap(["buyers"]),
        ]
        for ask in asked:
            with pytest.raises(Unavailable, match="still to be loaded"):
                await ask()

    run(scenario)
