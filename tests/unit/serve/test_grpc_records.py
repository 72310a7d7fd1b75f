"""Counting calls in lots: all are counted, and no more are timed than is cheap."""

import asyncio

import pytest

from serve import grpc_records
from serve.grpc_records import TIMED_MAX, CallRecords


class Seen:
    """Metrics that keep what they are told."""

    def __init__(self) -> None:
        self.counts: list[tuple[float, dict[str, str]]] = []
        self.timed: list[float] = []

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts.append((amount, labels))

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.timed.append(value)

    async def exposition(self) -> str:
        return ""


def test_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_records, "FLUSH_S", 0.01)
    seen = Seen()
    records = CallRecords(seen)

    async def calls() -> None:
        for number in range(1_000):
            records.add("/s/Get", "OK", number / 1_000)
        records.add("/s/Get", "NOT_FOUND", 0.5)
        records.add("/s/Watch", "CANCELLED")
        assert not seen.counts
        async with asyncio.timeout(60):
            while len(seen.counts) < 3:
                await asyncio.sleep(0.005)
            records.add("/s/Get", "OK", 0.25)
            while len(seen.counts) < 4:
                await asyncio.sleep(0.005)

    asyncio.run(calls())
    assert [(amount, labels["route"], labels["status"]) for amount, labels in seen.counts] == [
        (1_000, "/s/Get", "OK"),
        (1, "/s/Get", "NOT_FOUND"),
        (1, "/s/Watch", "CANCELLED"),
        (1, "/s/Get", "OK"),
    ]
    assert len(seen.timed) == TIMED_MAX + 1 and seen.timed[-1] == 0.25
