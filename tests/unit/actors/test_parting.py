"""What an erasure takes out of what others shared with the person: what names them, wherever it is now, and no more."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.actors.local_shards import NOW, identify
from tests.unit.actors.privacy_place import CANARY, Place, Scenario, ask, runner

JANE, MAIL, DEVICE = "user_id:jane", f"email:jane.{CANARY}@example.com", f"anonymous_id:{CANARY}.1"


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    return runner(tmp_path)


@pytest.mark.parametrize("merged", [False, True])
def test_what_names_the_erased_goes_from_whom_the_other_has_become(
    run: Callable[[Scenario], None], merged: bool
) -> None:
    async def scenario(place: Place) -> None:
        for event in (
            identify("m1", "user_id:old", "phone:+15550001"),
            identify("m2", "user_id:young", city="Oslo"),
            identify("m3", JANE, MAIL),
            identify("m4", JANE, DEVICE),
            identify("m5", "user_id:young", DEVICE, contact=f"jane.{CANARY}@example.com"),
        ):
            await place.router.ingest([event], wait=True)
        if merged:
            await place.router.merge("user_id:old", "user_id:young", "desk", NOW)
        place.store.add(ask())
        await place.desk().work()
        other = await place.router.profile("user_id:young")
        assert other is not None and set(other.attributes) == {"city"}
        assert place.found(f"jane.{CANARY}@example.com") == []

    run(scenario)


def test_a_longer_word_names_somebody_else(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        longer = f"mary-jane.{CANARY}@example.community"
        for event in (
            identify("m1", JANE, MAIL),
            identify("m2", JANE, DEVICE),
            identify("m3", "user_id:mary", DEVICE, contact=longer, also=f"my jane.{CANARY}@example.com"),
        ):
            await place.router.ingest([event], wait=True)
        place.store.add(ask())
        await place.desk().work()
        mary = await place.router.profile("user_id:mary")
        assert mary is not None and {name: told.winner.value for name, told in mary.attributes.items()} == {
            "contact": longer
        }

    run(scenario)
