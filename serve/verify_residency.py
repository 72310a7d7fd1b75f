"""The row of `onefold privacy verify` about residency: what is in which region, and what may leave it.

The scene's service is in one region. That nothing reaches the node of another one is tried on a cluster of two nodes,
by `tests/cluster/test_residency.py`.
"""

import json
from collections.abc import Callable
from typing import Any

import grpc

from actors.namespaces import REGION_LABEL
from pipelines.batch_client import ApiError
from protos.client import Client
from serve import ray_node
from serve.residency import WRONG_REGION
from serve.settings import load
from serve.verify_rows import Row, expect
from serve.verify_scene import MECHANISM, REGION, REGION_PERMITTED, REGION_REFUSED, REGION_REFUSED_URL, Scene

KEY = "user_id:region-1"


def residency(scene: Scene) -> str:
    """Articles 44 to 49: what belongs elsewhere is refused unwritten; who is elsewhere needs a transfer mechanism."""
    _events(scene)
    scene.segment("region", "plan", "region")
    scene.send(_identify("region-1", "DE", plan="region"))
    expect(scene.get(f"/v1/profiles/{KEY}")["region"] == REGION, "the profile does not say where it is")
    _refused_readers(scene)
    _permitted_readers(scene)
    for region in ("", REGION_REFUSED):
        status = _status(scene.webhook, f"region-{region or 'unknown'}", region)
        expect(status == 400, f"a webhook to {region or 'who knows where'} is taken")
    scene.webhook("region-permitted", REGION_PERMITTED)
    expect(_node_labels(scene) == [REGION], "the node does not have the label of the region")
    return "events from elsewhere in no file; readers and webhooks elsewhere only with a mechanism, which the log names"


def _events(scene: Scene) -> None:
    here, elsewhere = "zqregionhere44", [f"zqregionaway{number}" for number in range(2)]
    broken = {"type": "track", "event": elsewhere[1], "context": {"location": {"country": "US"}}}  # nobody's
    batch = [_identify("region-1", "DE", note=here), _identify("region-2", "US", note=elsewhere[0]), broken]
    body = json.dumps({"batch": batch}).encode()
    answer = scene.client(scene.write_key).request("POST", "/v1/batch?wait=true", body)
    expect(len(answer["results"]) == 1, "what belongs here is not taken, or what does not is")
    reasons = [reason for each in answer["rejected"] for reason in each["reasons"]]
    expect([each["code"] for each in reasons] == [WRONG_REGION] * 2, "what belongs elsewhere is not refused for that")
    expect(all(REGION_REFUSED_URL in each["message"] for each in reasons), "it is not told where to send it")
    expect(scene.scan(here) == [here], "the scan does not see who is here: it proves nothing")
    expect(not scene.scan(*elsewhere), "what belongs elsewhere is in a file")


def _refused_readers(scene: Scene) -> None:
    _, secret = _key(scene, REGION_REFUSED)
    paths = (f"/v1/profiles/{KEY}", "/v1/segments/region/members", "/v1/segments/region/stream", "/v1/segments/stream")
    for path in (*paths, "/v1/events"):
        status = _status(scene.client(secret).get, path)
        expect(status == 403, f"a reader in another region is answered by {path}")
    with Client(scene.grpc_target, secret) as client:
        try:
            client.get(KEY)
            code = grpc.StatusCode.OK
        except grpc.RpcError as error:
            code = error.code()
    expect(code is grpc.StatusCode.PERMISSION_DENIED, "a reader in another region is answered over gRPC")


def _permitted_readers(scene: Scene) -> None:
    key_id, secret = _key(scene, REGION_PERMITTED)
    reader = scene.client(secret)
    expect(reader.get(f"/v1/profiles/{KEY}")["region"] == REGION, "with a mechanism a reader is not answered")
    members = reader.get("/v1/segments/region/members")["data"]
    expect(len(members) == 1, "with a mechanism a reader is not told of members")
    with Client(scene.grpc_target, secret) as client:
        found = client.get(KEY)
    expect(found is not None and found.region == REGION, "with a mechanism a reader is not answered over gRPC")
    entries = scene.get(f"/v1/audit/entries?key={key_id}")["data"]
    told = {(each["detail"].get("transfer"), each["detail"].get("mechanism")) for each in entries}
    expect(len(entries) == 3 and told == {(f"{REGION}->{REGION_PERMITTED}", MECHANISM)}, "the log does not say by what")


def _node_labels(scene: Scene) -> list[str]:
    """The regions of the nodes of the service's cluster."""
    ray_node.join(load(environment={"ONEFOLD_DATA_DIR": str(scene.data_dir)}).settings)
    import ray

    try:
        return [node["Labels"].get(REGION_LABEL, "") for node in ray.nodes() if node["Alive"]]
    finally:
        ray.shutdown()


def _key(scene: Scene, region: str) -> tuple[str, str]:
    """A key that reads from a region: its id and secret."""
    made = scene.post("/v1/admin/keys", {"name": f"reader-{region}", "scopes": ["read"], "region": region})
    return made["key"]["id"], made["secret"]


def _status(call: Callable[..., object], *arguments: str) -> int:
    """With what a call is refused; 200 if it is not."""
    try:
        call(*arguments)
    except ApiError as error:
        return error.status
    return 200


def _identify(user: str, country: str, **traits: str) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "traits": {**traits, "address": {"country": country}}}


ROWS = (
    Row(
        "GDPR 44-49",
        "residency by region, transfer mechanisms",
        "refused unwritten; readers and webhooks elsewhere; two nodes: tests/cluster/test_residency.py",
        residency,
    ),
)
