"""End-to-end tests: a service takes longer to start than most tests take, so three are shared by all of a session.

`service` is for tests that use people, segments and keys of their own; who ends it starts it again. `shop` holds the
demo, and may be killed or filled. `unmatched` links nobody by likeness. Tests that need other settings make a
`RunningService` of their own.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from serve import instance
from tests.e2e.service import ROOT, RunningService

DEMO_PEOPLE = 600


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory from which `service` imports what is installed there while it runs."""
    return tmp_path_factory.mktemp("plugins")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[RunningService]:
    """A running service with two shards that may call webhooks on this machine."""
    running = RunningService(
        tmp_path_factory.mktemp("service") / "data",
        PYTHONPATH=f"{plugins}{os.pathsep}{ROOT}",
        ONEFOLD_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES="true",
        ONEFOLD_WEBHOOKS__DELAYS_S="1,1,1,1,1",
    )
    with running:
        yield running


@pytest.fixture(scope="session")
def acme(service: RunningService) -> str:
    """The admin key of a tenant of `service`, whose name this is."""
    service.cli("tenants", "create", "acme", "--shards", "1", timeout_s=180)
    return service.tenant_key("acme")


class Shop(NamedTuple):
    """A service with the demo in it."""

    service: RunningService
    report: dict[str, Any]  # what the demo printed
    status: dict[str, Any]  # of the service, after that


@pytest.fixture(scope="session")
def shop_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with RunningService(tmp_path_factory.mktemp("shop") / "data") as running:
        report = running.cli("demo", "--people", str(DEMO_PEOPLE), timeout_s=300)
        yield Shop(running, report, running.cli("status"))


@pytest.fixture
def shop(shop_of_session: Shop) -> Shop:
    """The shop's service, which runs, though the test before may have ended it."""
    if instance.running(shop_of_session.service.data_dir) is None:
        shop_of_session.service.start()
    return shop_of_session


@pytest.fixture(scope="session")
def unmatched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A running service without matching that keeps a copy of the keys of backups, in `keys.sqlite` beside its data."""
    folder = tmp_path_factory.mktemp("unmatched")
    copy = str(folder / "keys.sqlite")
    running = RunningService(folder / "data", ONEFOLD_MATCHING__ENABLED="false", ONEFOLD_BACKUP__KEYS_COPY=copy)
    with running:
        yield running


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.e2e)
