"""A shop in shards' real files: people who buy at rates of their own and some day stop, before and after a time."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from actors.router import Router
from models.events.event import Event
from models.profile.state import DAY_MS
from tests.unit.actors.local_shards import LocalShards, identify, settings, track

SHARDS = 2
AT = 20_400 * DAY_MS  # the time as of which people are looked at
HORIZON_DAYS = 60
NOW = AT + HORIZON_DAYS * DAY_MS
POLICY = settings().policy


def histories(people: int, seed: int) -> list[Event]:
    """Purchases of a year before AT and of the horizon after it. People with the plan `gold` buy most."""
    rng = np.random.default_rng(seed)
    events = []
    for number in range(people):
        gold = number % 3 == 0
        user, at = f"user_id:u{number}", AT - rng.uniform(100, 365) * DAY_MS
        events.append(identify(f"i{number}", user, at=int(at), plan="gold" if gold else "basic"))
        opens = rng.beta(1, 4)
        for mail in range(int(rng.integers(0, 12))):
            sent = int(AT + rng.uniform(-90, HORIZON_DAYS) * DAY_MS)
            events.append(track(f"e{number}.{mail}", user, name="Email Delivered", at=sent))
            if rng.random() < opens:
                events.append(track(f"f{number}.{mail}", user, name="Email Opened", at=sent + 60_000))
        rate, mean = rng.gamma(2.0, 1 / 60 if gold else 1 / 240), rng.gamma(6, 6)
        order = 0
        while at <= NOW:
            events.append(
                track(f"o{number}.{order}", user, name="Order Completed", at=int(at), order_id=f"{number}.{order}",
                      revenue=round(rng.gamma(6, mean / 6), 2), currency="EUR")
            )  # fmt: skip
            order += 1
            if rng.random() < 0.1:
                break
            at += rng.exponential(1 / rate) * DAY_MS
    return events


def fill(data_dir: Path, events: Iterable[Event]) -> None:
    """Sends events to real shards, which end when all are applied. By their clock it is always the same time, so that
    people get the same ids: by these they are divided into those who are learned from and those who are measured."""

    async def main() -> None:
        shards = LocalShards(data_dir, SHARDS)
        shards.start_all()
        router = Router(SHARDS, data_dir, shards, timeout_s=30)
        try:
            sent = list(events)
            for start in range(0, len(sent), 500):
                await router.ingest(sent[start : start + 500], wait=True, timeout_s=60)
        finally:
            await shards.stop_all()
        assert not shards.deaths

    with patch("actors.shard._now", lambda: NOW + DAY_MS):
        asyncio.run(main())
