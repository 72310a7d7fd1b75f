"""Server-sent events of segments: what was missed, then what happens; positions to go on from; how they end."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from actors.basis_check import FreshCheck
from models.shard.protocol import SegmentChange
from serve import http_segment_stream, instance
from serve.http_pages import parse_positions
from serve.request_context import RequestContext
from serve.settings import Settings
from tests.unit.serve.http_service import HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}


def enter(service: HttpService, *numbers: int) -> None:
    service.send(*messages(*numbers))


def messages(*numbers: int) -> list[dict[str, object]]:
    return [{"type": "identify", "userId": f"u{n}", "traits": {"plan": "pro"}} for n in numbers]


def every_entry(service: HttpService) -> Callable[[list[SegmentChange]], FreshCheck]:
    return RequestContext(service.services).fresh_check("")


def stream(
    service: HttpService, segment_id: str, positions: dict[int, int], ends: Callable[[], bool] = lambda: False
) -> AsyncIterator[bytes]:
    async def may_go_on() -> bool:
        return not ends()

    streams = http_segment_stream.Streams(service.services)
    return http_segment_stream.events(streams, segment_id, positions, may_go_on, every_entry(service))


async def read(service: HttpService, segment_id: str, positions: dict[int, int], count: int) -> list[str]:
    found = []
    async for part in stream(service, segment_id, positions):
        found.append(part.decode())
        if len(found) == count + 1:
            break
    assert found[0] == "retry: 1000\n\n"
    return found[1:]


def test_what_was_missed_comes_first_and_positions_go_on(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    enter(service, 1, 2, 3)
    parts = asyncio.run(read(service, "pro", {}, 3))
    lines = [dict(line.split(": ", 1) for line in part.strip().split("\n")) for part in parts]
    assert [line["event"] for line in lines] == ["entered"] * 3
    people = [json.loads(line["data"])["customer_id"] for line in lines]
    assert len(set(people)) == 3
    positions = parse_positions(lines[0]["id"])
    rest = asyncio.run(read(service, "pro", positions, 2))
    assert [json.loads(part.split("data: ")[1])["customer_id"] for part in rest] == people[1:]


def test_what_happens_is_told_when_it_happens_after_a_shard_was_away_too(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    service.post("/v1/segments", {"id": "other", "name": "Other", "criteria": {**PRO, "value": "free"}})

    async def scenario() -> None:
        parts = stream(service, "pro", {0: 0, 1: 0})
        assert await anext(parts) == b"retry: 1000\n\n"
        service.router.down = True
        coming = asyncio.ensure_future(anext(parts))
        await asyncio.sleep(0.3)
        service.router.down = False
        await asyncio.to_thread(service.send, {"type": "identify", "userId": "f", "traits": {"plan": "free"}})
        await asyncio.to_thread(service.send, *messages(1))
        told = await asyncio.wait_for(coming, 10)
        assert b"event: entered" in told and b'"segment_id":"pro"' in told

    asyncio.run(scenario())


def test_a_quiet_stream_says_that_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_segment_stream, "HEARTBEAT_S", 0.1)
    service = HttpService(tmp_path)
    service.router.down = True  # also while it cannot know
    beats = asyncio.run(read(service, "", {0: 5}, 2))
    assert beats == ["id: 0:5\n: still here\n\n"] * 2


def test_many_streams_ask_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = HttpService(tmp_path)
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    streams = http_segment_stream.Streams(service.services)
    asked: list[int] = []
    real = service.router.segment_changes

    async def counted(after: dict[int, int], limit: int) -> list[SegmentChange]:
        asked.append(limit)
        return await real(after, limit)

    monkeypatch.setattr(service.router, "segment_changes", counted)

    async def always() -> bool:
        return True

    async def scenario() -> None:
        open_ones = [
            http_segment_stream.events(streams, "", {0: 0, 1: 0}, always, every_entry(service)) for _ in range(20)
        ]
        for each in open_ones:
            await anext(each)
        coming = [asyncio.ensure_future(anext(each)) for each in open_ones]
        await asyncio.sleep(0.2)
        asked.clear()
        await asyncio.sleep(0.5)
        assert 0 < len(asked) < 20
        await asyncio.to_thread(service.send, *messages(1))
        assert len(set(await asyncio.wait_for(asyncio.gather(*coming), 10))) == 1
        for each in open_ones:
            await each.aclose()  # type: ignore[attr-defined]
        asked.clear()
        await asyncio.sleep(0.3)
        assert asked == []

    asyncio.run(scenario())


def test_a_feed_that_fails_ends_its_streams_and_the_next_one_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = HttpService(tmp_path)
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    streams = http_segment_stream.Streams(service.services)
    real = service.router.segment_changes

    async def broken(after: dict[int, int], limit: int) -> list[SegmentChange]:
        if limit == 1:  # the one that looks for all
            raise ZeroDivisionError
        return await real(after, limit)

    async def always() -> bool:
        return True

    async def scenario() -> None:
        monkeypatch.setattr(service.router, "segment_changes", broken)
        open_ones = [
            http_segment_stream.events(streams, "", {0: 0, 1: 0}, always, every_entry(service)) for _ in range(2)
        ]
        for each in open_ones:
            await anext(each)
        coming = [asyncio.ensure_future(anext(each)) for each in open_ones]
        ended = await asyncio.wait_for(asyncio.gather(*coming, return_exceptions=True), 10)
        assert [type(each) for each in ended] == [RuntimeError, RuntimeError]
        monkeypatch.setattr(service.router, "segment_changes", real)
        again = http_segment_stream.events(streams, "", {0: 0, 1: 0}, always, every_entry(service))
        await anext(again)
        waiting = asyncio.ensure_future(anext(again))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(service.send, *messages(1))
        assert b"event: entered" in await asyncio.wait_for(waiting, 10)
        await again.aclose()  # type: ignore[attr-defined]

    asyncio.run(scenario())
    (record,) = [each for each in caplog.records if each.name == "onefold.segment_stream"]
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


def test_a_stream_ends_when_its_key_is_revoked_and_when_the_service_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = HttpService(tmp_path, Settings(data_dir=str(tmp_path)))
    service.key = service.create_key("read")
    (key,) = service.control.keys()
    stands = threading.Event()
    is_stopping = instance.is_stopping

    def asked(data_dir: Path) -> bool:
        stands.set()
        return is_stopping(data_dir)

    monkeypatch.setattr(instance, "is_stopping", asked)

    async def revoke() -> None:
        service.control.revoke_key(key.key_id)
        service.pass_time(1_000)

    async def scenario(ending: Callable[[], Awaitable[None]]) -> str:
        stands.clear()
        reading = asyncio.ensure_future(asyncio.to_thread(service.get, "/v1/segments/stream"))
        assert await asyncio.to_thread(stands.wait, 60)
        await ending()
        answer = await asyncio.wait_for(reading, 60)
        assert answer.status_code == 200
        return answer.text

    with instance.Claim(tmp_path) as claim:

        async def stop() -> None:
            assert claim.wait_for_streams(0.01)  # one is open
            claim.tell_stopping()

        assert asyncio.run(scenario(stop)) == "retry: 1000\n\n"
        assert not claim.wait_for_streams(60)
    with instance.Claim(tmp_path):
        assert not instance.is_stopping(tmp_path)
        assert asyncio.run(scenario(revoke)) == "retry: 1000\n\n"
        assert service.get("/v1/segments/stream").status_code == 401


def test_a_position_that_is_not_reached_yet_is_the_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_segment_stream, "HEARTBEAT_S", 0.1)
    service = HttpService(tmp_path)
    asked: list[dict[int, int]] = []

    async def events(
        streams: object, segment_id: str, positions: dict[int, int], go_on: object, check_of: object
    ) -> AsyncIterator[bytes]:
        asked.append(positions)
        yield b""

    monkeypatch.setattr(http_segment_stream, "events", events)
    service.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    enter(service, 1, 2, 3, 4)
    service.get("/v1/segments/stream")
    service.get("/v1/segments/stream?after=0:1")
    service.get("/v1/segments/stream", **{"Last-Event-ID": "0:999999"})
    present, resumed, ahead = asked
    assert all(number > 0 for number in present.values())
    assert resumed == {0: 1, 1: 0}
    assert ahead == {0: present[0], 1: 0}


def test_what_is_refused(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    assert service.get("/v1/segments/gone/stream").status_code == 404
    assert service.get("/v1/segments/stream?after=x").status_code == 400
