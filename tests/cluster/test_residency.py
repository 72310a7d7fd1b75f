"""Two regions on one Ray cluster: of the people of one, nothing gets to the other's node, whoever asks from there."""

import asyncio
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import ray
from ray.cluster_utils import Cluster

from actors import cluster
from actors.control import ControlStore
from actors.errors import Unavailable
from actors.namespaces import REGION_LABEL, namespace_of
from actors.router import Router
from models.privacy.needles import needles_of
from models.privacy.residency import Region, Residency
from pipelines.privacy_scan import scan
from serve.instance import name as process_name
from serve.ray_environment import IN_MESSAGES
from tests.strategies.additive_matcher import AdditiveMatcher
from tests.unit.actors.local_matchers import matching_settings
from tests.unit.actors.local_shards import NOW, identify

SHARDS = 2
REGIONS = {name: Region() for name in ("eu", "us")}
CANARIES = {"eu": "zyzzyva-of-europe", "us": "quokka-of-america"}
CONTROL = b"wombat-in-the-object-store"
PEOPLE = 40


def load_matcher(path: str | None) -> AdditiveMatcher:
    return AdditiveMatcher()


class Place(NamedTuple):
    """A node of a region: everything that it writes is in `directory`, the data in a directory below."""

    directory: Path
    raylet: int

    @property
    def data(self) -> Path:
        return self.directory / "data"


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Place]]:
    """A node in each region, with a service's actors on it. This process is a driver on the node of us."""
    ray.shutdown()  # of the node that other tests share
    for variable, value in IN_MESSAGES.items():
        monkeypatch.setenv(variable, value)
    with tempfile.TemporaryDirectory(prefix="of-") as root:
        monkeypatch.setenv("RAY_TMPDIR", root)  # Cluster notes its address below it
        Path(root, "ray").mkdir()
        nodes = Cluster()
        try:
            made = {}
            # The first is the head. Addresses of their own, since Ray takes 127.0.0.1 for another.
            for region, address in (("us", "127.0.0.2"), ("eu", "127.0.0.3")):
                directory = Path(root, region)
                (directory / "data").mkdir(parents=True)
                ControlStore(directory / "data" / "control.sqlite", create=True).close()
                node = nodes.add_node(
                    num_cpus=2,
                    node_ip_address=address,
                    labels={REGION_LABEL: region},
                    object_store_memory=80 << 20,
                    temp_dir=str(directory / "ray"),
                    object_spilling_directory=str(directory / "spill"),
                    include_dashboard=False,
                )
                (raylet,) = (info.process.pid for info in node.all_processes["raylet"])
                made[region] = Place(directory, raylet)
            ray.init(address=nodes.address, log_to_driver=False, namespace="tests", _node_ip_address="127.0.0.2")
            for region, place in made.items():
                cluster.start(
                    place.data,
                    SHARDS,
                    matching_settings(matchers=1),
                    load_matcher=load_matcher,
                    namespace=namespace_of(region),
                    residency=Residency(region=region, regions=REGIONS),
                )
            yield made
        finally:
            ray.shutdown()
            nodes.shutdown()


async def people(region: str, place: Place) -> None:
    """People of a region: many and large, two merged by an event, two matched; then everybody is read."""
    router = Router(SHARDS, place.data, timeout_s=60, namespace=namespace_of(region))
    canary = CANARIES[region]
    large: dict[str, Any] = {f"bio{number}": f"{canary} " * 150 for number in range(10)}
    events = [identify(f"m{n}", f"user_id:{canary}-{n}", **large) for n in range(PEOPLE)]
    assert len(str(events)) > 1_000_000  # far more than Ray sends in messages by itself
    await router.ingest(events, wait=True, timeout_s=120)
    likeness: dict[str, Any] = {
        "firstName": canary,
        "lastName": "Cunningham",
        "birthday": "1968-03-12",
        "city": "London",
    }
    await router.ingest(
        [identify(f"l{n}", f"crm_id:{canary}-{n}", **likeness) for n in range(2)], wait=True, timeout_s=120
    )
    await router.merge(f"user_id:{canary}-0", f"user_id:{canary}-1", "tests", NOW)
    for _ in range(1_200):
        if not sum(status.pending_matches for status in await router.status()):
            break
        await asyncio.sleep(0.05)
    found = await router.profiles([f"crm_id:{canary}-{n}" for n in range(2)])
    assert len({profile.customer_id for profile in found if profile is not None}) == 1
    everybody = await router.profiles([f"user_id:{canary}-{n}" for n in range(PEOPLE)])
    assert len({profile.customer_id for profile in everybody if profile is not None}) == PEOPLE - 1
    told, _ = await router.latest(PEOPLE)  # uncompressed, unlike profiles
    assert len(told) == PEOPLE
    assert await router.profile(f"user_id:{CANARIES['us' if region == 'eu' else 'eu']}-0") is None


def object_store(raylet: int) -> bytes:
    """Everything that is, or was, in the memory of a node's object store, as far as it was not written over."""
    held = b""
    for descriptor in Path("/proc", str(raylet), "fd").iterdir():
        target = os.readlink(descriptor)
        if "plasma" in target and not target.startswith("socket"):
            file = os.open(descriptor, os.O_RDONLY)
            try:
                with mmap.mmap(file, 0, prot=mmap.PROT_READ) as memory:
                    held += memory[:]
            finally:
                os.close(file)
    return held


def test_nothing_of_a_person_gets_to_the_node_of_another_region(places: dict[str, Place]) -> None:
    assert all(process_name(place.raylet) == "raylet" for place in places.values())
    for region, place in places.items():
        asyncio.run(people(region, place))
    # The object store of the node from which everything was asked: it is seen, and holds nobody of the other region.
    assert CANARIES["eu"].encode() not in object_store(places["us"].raylet)
    reference = ray.put(CONTROL * 10_000)  # only now: it would be written over what was there
    assert CONTROL in object_store(places["us"].raylet)
    del reference
    ray.shutdown()
    needles = {region: needles_of([], [canary], b"k" * 32) for region, canary in CANARIES.items()}
    for region, place in places.items():
        other = "us" if region == "eu" else "eu"
        own = scan(place.data, needles[region])
        assert own.found, f"the scan does not see who is in {region}"
        report = scan(place.directory, needles[other], beside=[place.data])
        assert {store.store: store.found for store in report.stores if store.found} == {}
        assert report.failures == [] or all("control" not in failure for failure in report.failures)


def test_what_has_no_node_of_its_region_does_not_start(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_REGION_TIMEOUT_S", 1.0)
    nowhere = Residency(region="ch", regions={"ch": Region()})
    with pytest.raises(Unavailable, match="no node of the cluster"):
        cluster.start(tmp_path, 1, matching_settings(matchers=1), load_matcher=load_matcher, residency=nowhere)
