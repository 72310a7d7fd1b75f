"""Server-sent events of segments: what has been missed, then what happens; positions to go on from."""

import asyncio
import json
from pathlib import Path

import pytest

from serve import http_segment_stream
from serve.http_pages import parse_positions
from tests.unit.serve.http_service import HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}


def enter(service: HttpService, *numbers: int) -> None:
    service.send(*({"type": "identify", "userId": f"u{n}", "traits": {"plan": "pro"}} for n in numbers))


async def read(service: HttpService, segment_id: str, positions: dict[int, int], count: int) -> list[str]:
    found = []
    async for part in http_segment_stream.events(service.services, segment_id, positions):
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


def test_a_quiet_stream_says_that_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_segment_stream, "HEARTBEAT_S", 0.1)
    (beat,) = asyncio.run(read(HttpService(tmp_path), "", {}, 1))
    assert ": still here" in beat


def test_what_is_refused(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    assert service.get("/v1/segments/gone/stream").status_code == 404
    assert service.get("/v1/segments/stream?after=x").status_code == 400
