"""People in shards' real files about whom a decision point decides, and what comes of it, as it was planted.

A letter suits people with the plan `gold` and a call those with `basic`; or letters suit all. Calls are for those in
`reachable` alone, who buy more anyway.
"""

import asyncio
from pathlib import Path

import msgspec
import numpy as np

from actors.automated_decisions import AutomatedDecisions
from actors.router import Router
from models.events.event import Event
from models.privacy.decisions import DecisionRecord
from models.privacy.purposes import NO_PURPOSES, Purposes
from models.profile.state import DAY_MS
from models.scoring.deciding import Champion, choose, uniform_of
from models.scoring.decision_point import Action
from pipelines.decided import Decided, Times, collect_decisions
from tests.strategies import decision_points
from tests.unit.actors.local_shards import LocalShards, identify, track
from tests.unit.pipelines.planted_shop import AT, POLICY, SHARDS

NAME = "welcome"
ACTIONS = {"none": Action(), "letter": Action(cost=0.5), "call": Action(cost=0.5, segment="reachable")}
POINT = msgspec.structs.replace(decision_points.POINT, actions=ACTIONS)
HORIZON_MS = POINT.horizon_days * DAY_MS
NOW = AT + HORIZON_MS + 2 * DAY_MS
_RATES = {
    (True, "gold"): {"none": 0.1, "letter": 0.6, "call": 0.1},
    (True, "basic"): {"none": 0.1, "letter": 0.1, "call": 0.6},
    (False, "gold"): {"none": 0.1, "letter": 0.5, "call": 0.2},
    (False, "basic"): {"none": 0.1, "letter": 0.5, "call": 0.2},
}
_MEAN = 10.0  # of what a response brings
_REACHABLE_MEAN = 20.0


def plan_of(number: int) -> str:
    return "gold" if number % 2 else "basic"


def is_reachable(number: int) -> bool:
    return number % 4 < 3


async def decide_all(
    router: Router, people: int, champion: Champion | None = None, prefix: str = "d", purpose: str = ""
) -> None:
    """One decision about each at AT, by the product's own way."""
    decisions = AutomatedDecisions(router, lambda: AT)

    async def decide(number: int) -> None:
        key = f"user_id:u{number}"
        profile = await router.profile(key)
        assert profile is not None
        allowed = POINT.allowed({"reachable"} if is_reachable(number) else ())
        uniform = uniform_of(f"{prefix}{number}")
        plan = {"plan": profile.attributes["plan"].winner.value}
        await decisions.decide(
            key,
            profile,
            NAME,
            f"{prefix}{number}",
            purpose,
            lambda _: choose(POINT, champion, plan, allowed, uniform),
            is_new=True,
        )

    for start in range(0, people, 200):
        await asyncio.gather(*(decide(number) for number in range(start, min(start + 200, people))))


def arrivals(people: int) -> list[Event]:
    return [identify(f"i{n}", f"user_id:u{n}", at=AT - 9 * DAY_MS, plan=plan_of(n)) for n in range(people)]


def came_of_it(number: int, record: DecisionRecord, personal: bool, rng: np.random.Generator) -> list[Event]:
    """A visit and an order of those who respond; and of everybody an order when it counts no more."""
    user, at = f"user_id:u{number}", AT + int(rng.uniform(0.1, 0.9) * HORIZON_MS)
    times = [AT + HORIZON_MS + 1]
    events = []
    if rng.random() < _RATES[personal, plan_of(number)][record.action]:
        events.append(track(f"v{number}", user, name="Product Viewed", at=at))
        times.append(at + 1)
    mean = _REACHABLE_MEAN if is_reachable(number) else _MEAN
    for place, when in enumerate(times):
        revenue = round(float(rng.gamma(4, mean / 4)), 2)
        events.append(
            track(f"o{number}.{place}", user, name="Order Completed", at=when, order_id=f"{number}.{place}",
                  revenue=revenue, currency="EUR")
        )  # fmt: skip
    return events


def fill_decided(folder: Path, people: int, personal: bool, seed: int) -> None:
    """Makes shards' files of people who were decided about by chance."""

    async def main() -> None:
        shards, rng = LocalShards(folder, SHARDS), np.random.default_rng(seed)
        shards.start_all()
        router = Router(SHARDS, folder, shards, timeout_s=60)
        try:
            await router.ingest(arrivals(people), wait=True, timeout_s=60)
            await decide_all(router, people)
            events: list[Event] = []
            for number in range(people):
                (record,) = await router.decisions(f"user_id:u{number}")
                events += came_of_it(number, record, personal, rng)
                # Told after the decision: no feature of it.
                events.append(identify(f"j{number}", f"user_id:u{number}", at=AT + 1, plan="none any more"))
            for start in range(0, len(events), 500):
                await router.ingest(events[start : start + 500], wait=True, timeout_s=60)
        finally:
            await shards.stop_all()
        assert not shards.deaths

    asyncio.run(main())


def collect(folder: Path, now: int = NOW, purposes: Purposes = NO_PURPOSES, **more: object) -> Decided:
    point = msgspec.structs.replace(POINT, **more)
    return collect_decisions(folder, SHARDS, NAME, point, Times(0, now, now), POLICY, purposes)
