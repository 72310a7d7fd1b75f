"""A stop leaves no process behind, and after it everything is as it was: people, segments, tenants."""

import http.client
from pathlib import Path
from urllib.request import urlopen

from pipelines.batch_client import ApiClient
from protos.client import Client
from tests.e2e.service import RunningService

SEGMENT = {
    "id": "returned",
    "name": "Returned something",
    "criteria": {"type": "behavioral", "event": "Order Returned", "operator": "exists"},
}


def returned(client: ApiClient, *numbers: int) -> None:
    """People return something, which has been applied when this ends."""
    batch = [{"type": "track", "event": "Order Returned", "userId": f"returner-{number}"} for number in numbers]
    client.post("/v1/batch?wait=true", {"batch": batch})


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended (one that nobody has waited for has)."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_everything_is_there_after_a_stop_and_a_start(service: RunningService, acme: str) -> None:
    with service.client() as client, ApiClient(service.url, acme) as other:
        made = client.post("/v1/segments", SEGMENT)
        returned(client, *range(5))
        assert made["state"] == "live"
        returned(other, 7)
        events = {name: each.get("/v1/status")["events"] for name, each in (("", client), ("acme", other))}
    before = service.cli("segments", "members", "returned")
    assert len(before) == 5
    connection = http.client.HTTPConnection("127.0.0.1", service.http_port, timeout=60)
    connection.request("GET", "/v1/segments/stream", headers={"Authorization": f"Bearer {service.admin_key}"})
    stream = connection.getresponse()
    pids = service.processes()
    assert len(pids) > 4
    with service.client() as client:  # acknowledged, and not waited for
        kept = client.post("/v1/batch", {"batch": [{"type": "track", "event": "Kept", "userId": "returner-4"}]})

    stopped = service.cli("stop", timeout_s=90)
    assert stopped["was_running"] and not stopped["forced"] and stopped["swept"] == []
    assert stream.read().startswith(b"retry")  # it has ended, and was not cut off
    connection.close()
    assert service.processes() == []
    assert not any(runs(pid) for pid in pids)
    assert service.command("status").returncode == 3
    assert "Traceback" not in (service.data_dir / "logs" / "serve.log").read_text()

    ready = service.start()
    assert ready["http_url"] == service.url and ready["shards"] == 2 and ready["ready"]
    with Client(service.grpc_target, service.admin_key, timeout_s=30) as reader:
        profile = reader.get("user_id:returner-4", min_seq=kept["sequence"])
    assert profile is not None and [profile.behaviors[name].count for name in ("Order Returned", "Kept")] == [1, 1]
    assert service.cli("segments", "members", "returned") == before
    with service.client() as client, ApiClient(service.url, acme) as other:
        assert client.get("/v1/status")["events"] == events[""] + 1
        assert other.get("/v1/status")["events"] == events["acme"] > 0
        segment = client.get("/v1/segments/returned")
        assert (segment["members"], segment["state"]) == (5, "live")
        returned(client, 5)
        assert client.get("/v1/segments/returned")["members"] == 6
    with urlopen(f"{service.url}/metrics") as page:
        told = page.read().decode()
    assert 'onefold_shard_profiles{shard="0",tenant="acme"}' in told
    assert 'onefold_shard_profiles{shard="0",tenant="default"}' in told
    assert service.cli("audit", "verify", "--tenant", "acme")["broken"] is None
