"""The service as an operator sees it: one line when ready, status, refusals, stop without a remainder, recovery."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from serve import instance
from tests.e2e.service import RunningService

TRACK = {"type": "track", "event": "Order Completed", "properties": {"order_id": "1", "revenue": 5, "currency": "USD"}}


def listening_on_all_interfaces(pids: list[int]) -> list[int]:
    """Ports on which HAProxy processes among `pids` listen on every interface."""
    inodes = set()
    for pid in pids:
        if instance.name(pid) == "haproxy":
            for descriptor in Path("/proc", str(pid), "fd").iterdir():
                target = os.readlink(descriptor)
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    ports = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        address, port = fields[1].split(":")
        if fields[3] == "0A" and fields[9] in inodes and address == "00000000":
            ports.append(int(port, 16))
    return ports


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended (one that nobody has waited for has)."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_ready_status_profile_and_stop(tmp_path: Path) -> None:
    service = RunningService(tmp_path / "data")
    try:
        ready = service.start()
        assert ready["http_url"] == service.url and ready["shards"] == 2 and ready["ready"]
        with service.client() as writer:
            answer = writer.post("/v1/batch?wait=true", {"batch": [TRACK | {"messageId": "m1", "userId": "u1"}]})
        assert answer["results"][0]["status"] == "applied"
        profile = service.cli("profile", "user_id:u1")
        assert profile["customer_id"] == answer["results"][0]["customer_id"]
        status = service.cli("status")
        assert status["running"] and status["profiles"] == 1 and status["events"] == 1
        assert service.command("profile", "user_id:nobody").returncode == 4
        assert service.command("serve").returncode == 2  # it runs already
        assert listening_on_all_interfaces(service.processes()) == []
        pids = service.processes()
        assert len(pids) > 4
        stopped = service.cli("stop", timeout_s=90)
        assert stopped["was_running"] and not stopped["forced"]
        assert service.processes() == []
        assert not any(runs(pid) for pid in pids)
        assert service.command("status").returncode == 3
    finally:
        service.stop()


def test_everything_killed_then_served_again(tmp_path: Path) -> None:
    with RunningService(tmp_path / "data") as service:
        with service.client(service.write_key) as writer:
            batch = [TRACK | {"messageId": f"m{n}", "userId": f"u{n}"} for n in range(50)]
            writer.post("/v1/batch", {"batch": batch})
        for pid in service.processes():
            os.kill(pid, signal.SIGKILL)
        service.start()
        with service.client() as client:
            deadline = time.monotonic() + 20
            while (status := client.get("/v1/status"))["in_flight"] and time.monotonic() < deadline:
                time.sleep(0.1)
        assert (status["events"], status["profiles"]) == (50, 50)


def test_a_lost_ray_node_is_started_again(tmp_path: Path) -> None:
    with RunningService(tmp_path / "data", shards=1) as service:
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_in_order(service: RunningService, tmp_path: Path, number: signal.Signals) -> None:
    """Beside the shared service: two can live on one machine."""
    with RunningService(tmp_path / "data", shards=1) as other:
        record = instance.running(other.data_dir)
        assert record is not None
        os.kill(record.pid, number)
        deadline = time.monotonic() + 60
        while other.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert other.processes() == []
        log = (other.data_dir / "logs" / "serve.log").read_text()
        assert "Traceback" not in log
    with service.client() as client:
        assert client.get("/readyz") == {"status": "ok"}
