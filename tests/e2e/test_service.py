"""The service as an operator sees it: status, refusals, a lost node, an end by a signal."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from serve import instance
from tests.e2e.conftest import Shop
from tests.e2e.service import RunningService


def test_status_profile_and_a_second_start(service: RunningService) -> None:
    track = {"type": "track", "event": "Order Completed", "properties": {"revenue": 5, "currency": "USD"}}
    with service.client() as writer:
        answer = writer.post("/v1/batch?wait=true", {"batch": [track | {"userId": "operator-1"}]})
    assert service.cli("profile", "user_id:operator-1")["customer_id"] == answer["results"][0]["customer_id"]
    status = service.cli("status")
    assert status["running"] and status["profiles"] >= 1 and status["events"] >= 1
    assert service.command("profile", "user_id:nobody").returncode == 4
    assert service.command("serve").returncode == 2  # it runs already


def test_a_lost_ray_node_is_started_again(shop: Shop) -> None:
    service = shop.service
    record = instance.running(service.data_dir)
    assert record is not None
    [raylet] = [pid for pid in service.processes() if instance.name(pid) == "raylet"]
    os.kill(raylet, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        again = instance.running(service.data_dir)
        if again and again.ready and again.started_at != record.started_at:
            break
        time.sleep(0.2)
    assert again is not None and again.pid == record.pid
    with service.client() as client:
        assert client.get("/readyz") == {"status": "ok"}
        assert client.get("/v1/status")["events"] >= shop.status["events"]


def test_it_does_not_start_half_configured(tmp_path: Path) -> None:
    service = RunningService(tmp_path / "data")
    taken = socket.create_server(("127.0.0.1", service.grpc_port))
    with taken:
        done = service.command("serve")
    assert done.returncode == 2
    assert f"grpc_port: 127.0.0.1:{service.grpc_port} cannot be used" in json.loads(done.stderr)["message"]
    service.data_dir.chmod(0o755)
    done = service.command("serve", "--detach")
    assert done.returncode == 2 and "chmod 700" in json.loads(done.stderr)["message"]
    service.data_dir.chmod(0o700)
    done = service.command("serve", "--shards", "5")
    assert done.returncode == 2 and "made with 2" in json.loads(done.stderr)["message"]
    assert service.processes() == []


def test_an_interrupt_ends_it_in_order(service: RunningService, shop: Shop) -> None:
    """Beside another: two can live on one machine. (`onefold stop` ends it by SIGTERM.)"""
    other = shop.service
    record = instance.running(other.data_dir)
    assert record is not None
    os.kill(record.pid, signal.SIGINT)
    deadline = time.monotonic() + 60
    while other.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert other.processes() == []
    assert "Traceback" not in (other.data_dir / "logs" / "serve.log").read_text()
    with service.client() as client:
        assert client.get("/readyz") == {"status": "ok"}
