"""The row of `onefold privacy verify` about minimisation: what may come in, and how long it stays."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from serve.verify_rows import Row, expect
from serve.verify_scene import MINIMAL_SOURCE, Scene


def minimisation(scene: Scene) -> str:
    """Articles 5 and 25: what is not on a source's list is in no file, whatever becomes of the message; what is past
    its purpose's time is gone from all files, and what is not stays."""
    _unknown_fields(scene)
    _retention(scene)
    return (
        "unknown fields in no file, of refused messages too; after a purge what is too old in no file, the rest there"
    )


def _unknown_fields(scene: Scene) -> None:
    listed, unknown = "zqlistedmin17", [f"zqunknownmin{number}" for number in range(6)]
    made = scene.command("keys", "create", "minimal", "--scope", "ingest", "--source", MINIMAL_SOURCE)
    messages: list[Any] = [
        {"type": "identify", "userId": "minimal-1", "traits": {"plan": listed, "note": unknown[0]}},
        {"type": "track", "userId": "minimal-1", "event": unknown[1], "properties": {unknown[2]: 1}},
        {"type": "track", "event": unknown[3], "timestamp": "soon", unknown[4]: 1},  # refused
        f"no object, {unknown[5]}",  # cannot be read
    ]
    body = json.dumps({"batch": messages, "context": {"page": {"title": unknown[0]}}}).encode()
    answer = scene.client(made["secret"]).request("POST", "/v1/batch?wait=true", body)
    told = [each.get("withheld", []) for each in answer["results"]]
    expect(len(told) == 2 and "traits.note" in told[0] and "event" in told[1], "what was left out is not told")
    expect([each["index"] for each in answer["rejected"]] == [2, 3], "what cannot be taken was not refused")
    expect(scene.scan(listed) == [listed], "the scan does not see the listed trait: it proves nothing")
    expect(not scene.scan(*unknown), "an unknown field is in a file")


def _retention(scene: Scene) -> None:
    # The first run is begun by the clock. It could take out what is sent now, before it is counted below.
    first = scene.wait_for(lambda: scene.get("/v1/privacy/purges")["data"], "the clock to begin a purge")[-1]["run"]
    scene.wait_for(lambda: _finished(scene, first), "the purge that the clock began")
    old, recent = [f"zqoldterm{number}" for number in range(3)], [f"zqrecentterm{number}" for number in range(3)]
    for days, texts in ((40, old), (20, recent)):
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        user = {"userId": f"term-{days}", "timestamp": at}
        scene.send(
            {"type": "identify", **user, "traits": {"campaign_note": texts[0], "plan": texts[1]}},
            {"type": "track", **user, "event": "Campaign Seen", "properties": {"text": texts[2]}},
        )
    expect(scene.scan(*old, *recent) == [*old, *recent], "the scan does not see everything before: it proves nothing")
    run = scene.command("privacy", "purge")
    purged = {(each["purpose"], each["section"]): each["entries"] for each in run["purged"]}
    expect(purged.get(("campaigns", "attributes"), 0) >= 1, "the purge does not say what it took out")
    kept = [old[1], *recent]
    expect(scene.scan(*old, *recent) == kept, "after the purge the files do not hold exactly what is not past its time")
    expect(_finished(scene, run["run"]), "the purge is not told as finished")
    attributes = scene.get("/v1/profiles/user_id:term-40")["attributes"]
    expect("campaign_note" not in attributes and "plan" in attributes, "the profile is not what is left")


def _finished(scene: Scene, run: int) -> bool:
    return any(each["run"] == run and each["finished_at"] for each in scene.get("/v1/privacy/purges")["data"])


ROWS = (
    Row(
        "GDPR 5, 25; CCPA minimisation",
        "fields that a source may send; how long each purpose keeps",
        "an unknown field never reaches disk; clock and time limit: gone",
        minimisation,
    ),
)
