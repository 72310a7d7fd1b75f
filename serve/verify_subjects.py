"""Rows of `onefold privacy verify` about what people may ask for: access, erasure, and who else is told."""

import json
from pathlib import Path
from typing import Any

from serve.verify_rows import Row, expect
from serve.verify_scene import Scene

# A text for each place that holds something of a person.
PLACES = {
    "a trait": "zqaccesstrait01",
    "a property of an event": "zqaccessprop02",
    "the context of an event": "zqaccesstitle03",
    "traits of a group": "zqaccessgroup04",
    "an order": "zqaccessorder05",
    "a merged profile": "zqaccessmerge06",
    "an identifier": "zqaccessident07",
    "a refused message": "zqaccessdead08",
    "the ledger of consents": "zqaccessnotice09",
    "a segment": "zqaccess-segment10",
    "a correction": "zqaccesscorrect11",
}


def access(scene: Scene) -> str:
    """Articles 15 and 20: the export holds all that every store holds, with sources and recipients."""
    mail, user = "access@verify.example", "access-1"
    told = PLACES
    scene.segment(told["a segment"], "note", told["a trait"])
    scene.webhook("access", segments=[told["a segment"]], automated_decision=True)
    scene.send(
        {"type": "identify", "userId": user, "traits": {"email": mail, "note": told["a trait"]}},
        {"type": "track", "userId": user, "event": "Read", "properties": {"text": told["a property of an event"]}},
        {"type": "page", "userId": user, "name": "P", "context": {"page": {"title": told["the context of an event"]}}},
        {"type": "group", "userId": user, "groupId": "g", "traits": {"name": told["traits of a group"]}},
        {"type": "track", "userId": user, "event": "Order Completed", "properties": {"order_id": told["an order"]}},
        {"type": "identify", "anonymousId": told["an identifier"], "traits": {"hobby": told["a merged profile"]}},
    )
    scene.send({"type": "identify", "userId": user, "anonymousId": told["an identifier"]})
    scene.send({"type": "track", "userId": user, "properties": {"text": told["a refused message"]}})
    notice = {"decisions": {"ads": False}, "notice_version": told["the ledger of consents"]}
    scene.post(f"/v1/profiles/user_id:{user}/consents", notice)
    right = {"traits": {"note": told["a correction"]}}
    scene.settle("access")
    scene.post(f"/v1/profiles/user_id:{user}/corrections", right)
    found = scene.scan(*told.values())
    unseen = [place for place, text in told.items() if text not in found]
    expect(not unseen, f"what was planted in {', '.join(unseen)} is in no file: it proves nothing")
    files = scene.results(scene.ask("access", mail))
    missing = [place for place, text in told.items() if text not in files["data.json"]]
    expect(not missing, f"the export does not hold {', '.join(missing)}")
    (person,) = json.loads(files["data.json"])["people"]
    expect(bool(person["sources"]), "the export names no source")
    expect(bool(person["decisions"]), "the export names no automated decision")
    recipients = {(each["kind"], each["id"]) for each in person["recipients"]}
    expect(("webhook", "access") in recipients, "the export does not name a webhook that was told")
    expect(told["a property of an event"] in files["events.csv"], "the table of events is not whole")
    return f"{len(told)} canaries found in the files before, all in the export, with sources and recipients"


def correction(scene: Scene) -> str:
    """Article 16: a correction outranks what comes later, and what comes again, until it is lifted."""
    key = "user_id:correct-1"
    wrong = {**_identify("correct-1", name="Jnae", city="Rmoe"), "messageId": "correct-wrong"}
    scene.send(wrong)
    expect(_traits(scene, key) == {"name": "Jnae", "city": "Rmoe"}, "what was planted is not read")
    scene.command("privacy", "correct", key, "name=Jane", "--remove", "city", "--reason", "made up")
    expect(_traits(scene, key) == {"name": "Jane"}, "the correction is not read")
    late = {**_identify("correct-1", name="Jnae", city="Rmoe"), "timestamp": "2000-01-01T00:00:00Z"}
    scene.send(wrong, late, _identify("correct-1", name="Jnae", city="Rmoe"))
    scene.send({**_identify("correct-1", name="Jnae"), "anonymousId": "correct-device"})
    expect(_traits(scene, key) == {"name": "Jane"}, "a late, repeated or newer event reverted the correction")
    scene.command("privacy", "correct", key, "--lift", "name")
    expect(_traits(scene, key) == {"name": "Jnae"}, "a lifted correction still holds")
    return "held against repeated, late and newer events; gone when lifted"


def erasure(scene: Scene) -> str:
    """Article 17: nothing is left in any store, which is certified, and nothing comes back."""
    mail, text = "erase@verify.example", "zqerasetext91"
    scene.send(
        {"type": "identify", "userId": "erase-1", "traits": {"email": mail, "note": text}},
        {"type": "track", "anonymousId": "erase-device", "event": "Seen", "properties": {"text": text}},
        {"type": "identify", "userId": "erase-1", "anonymousId": "erase-device", "traits": {"email": mail}},
    )
    scene.send({"type": "track", "userId": "erase-1", "properties": {"text": text}})
    expect(scene.scan(text) == [text], "what was planted is in no file: it proves nothing")
    status = scene.ask("erasure", mail)
    expect(not scene.scan(text, mail), "something of the erased person is left")
    certificate = _certificate(scene, str(status["subject_request_id"]))
    public = str(scene.data_dir / "certificate-signing.pub")
    verified = scene.plain_command("privacy", "verify-certificate", str(certificate), "--public-key", public)
    expect(all(not store["found_after"] for store in verified["stores"]), "the certificate says that something is left")
    late = {"type": "track", "anonymousId": "erase-device", "event": "Seen", "properties": {"text": text}}
    (result,) = scene.send(late)
    expect(result["status"] == "suppressed", "a late event brought the person back")
    expect(not scene.scan(text), "a late event of the erased person reached a file")
    return f"found before, nothing after in {len(verified['stores'])} stores, certified, late events refused"


def recipients(scene: Scene) -> str:
    """Article 19: whoever was told of a person is told that they were erased, and listed in the certificate."""
    mail = "recipients@verify.example"
    scene.segment("recipients", "plan", "recipients")
    scene.webhook("recipients", segments=["recipients"])
    scene.send({"type": "identify", "userId": "recipients-1", "traits": {"email": mail, "plan": "recipients"}})
    person = scene.customer_id("user_id:recipients-1")
    scene.settle("recipients")
    expect(person in scene.receiver.told("recipients", "segment.entered"), "the webhook was not told of the person")
    status = scene.ask("erasure", mail)

    def told() -> bool:
        return person in scene.receiver.told("recipients", "customer.erased")

    scene.wait_for(told, "the webhook to be told of the erasure")
    request_id = str(status["subject_request_id"])
    certificate = json.loads(_certificate(scene, request_id).read_bytes())
    listed = [each["name"] for each in certificate["recipients"]]
    expect("webhook:recipients" in listed, "the certificate does not list the webhook")

    def acknowledged() -> bool:
        known = scene.get(f"/v1/privacy/requests/{request_id}/recipients")["data"]
        return ("webhook:recipients", "acknowledged") in {(each["name"], each["state"]) for each in known}

    scene.wait_for(acknowledged, "the webhook's answer to be noted")
    return "the webhook was told of the erasure, the certificate lists it, and its answer is noted"


def _identify(user: str, **traits: str) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "traits": traits}


def _traits(scene: Scene, key: str) -> dict[str, Any]:
    attributes: dict[str, Any] = scene.get(f"/v1/profiles/{key}")["attributes"]
    return {name: told["value"] for name, told in attributes.items()}


def _certificate(scene: Scene, request_id: str) -> Path:
    for path in sorted((scene.data_dir / "privacy" / "certificates").glob("*.json")):
        if request_id in path.read_text():
            return path
    raise FileNotFoundError("there is no certificate of the erasure")


ROWS = (
    Row(
        "GDPR 15, 20",
        "export as JSON and CSV, with sources and recipients",
        "the export holds every seeded canary of every store",
        access,
    ),
    Row(
        "GDPR 16",
        "a correction outranks late data",
        "a repeated, late or newer event does not revert it",
        correction,
    ),
    Row(
        "GDPR 17",
        "erasure of merged identifiers from every store",
        "found before, nowhere after; signed certificate; late events refused",
        erasure,
    ),
    Row("GDPR 19", "recipients are told of erasures", "a past recipient is told, and listed", recipients),
)
