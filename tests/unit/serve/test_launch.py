"""Launching: what can be told without Ray."""

from pathlib import Path

import pytest

from models.profile.policy import AttributePolicy, ProfilePolicy
from serve import instance, launch
from serve.cli_common import CommandError
from serve.data_dir import DirectoryError, create
from serve.settings import Limits, Settings, load


def test_a_detached_child_has_the_very_same_settings(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=str(tmp_path),
        shards=3,
        http_port=1,
        grpc_port=2,
        log_level="debug",
        limits=Limits(events_per_second=1.5),
        profile=ProfilePolicy(
            attributes={"name": AttributePolicy("source_priority", ("crm", "web"))}, source_channels={"pos": "store"}
        ),
    )
    assert load(environment=launch._variables(settings)).settings == settings


def test_a_directory_that_is_not_set_up_is_not_served(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    for start in (lambda: launch.run(settings, print), lambda: launch.detach(settings, None)):
        with pytest.raises(DirectoryError, match="onefold init"):
            start()


def test_a_second_service_is_refused_and_nothing_is_disturbed(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"), shards=1)
    create(settings)
    with instance.Claim(settings.data_path) as claim:
        claim.tell(instance.Record(77, 1, "1", 1, 1, *2 * ("http://127.0.0.1:1", "127.0.0.1:2"), ready=True))
        with pytest.raises(CommandError, match="pid 77 serves"):
            launch.run(settings, print)
        record = instance.running(settings.data_path)
        assert record is not None and record.pid == 77
    assert launch.stop(settings, timeout_s=1).was_running is False
