"""Acknowledged events survive `kill -9` of shards, replicas and everything: the kill test, in small.

In full, and with what to expect: `python -m bench.kill --kills 50`.
"""

from pathlib import Path

from actors.free_ports import free_ports
from bench.kill import Service, run


def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", 2, *free_ports(2))
    try:
        report = run(service, kills=3, seed=9, tell=print)
    finally:
        service.stop()
    assert report.wrong == []
    assert report.foreign == {}
    assert report.starts >= 2
    assert set(report.kills) == {"ray::ShardActor", "ray::ServeReplica", "everything"}
    assert report.acknowledged > 100
