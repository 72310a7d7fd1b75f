"""Rows of `onefold privacy verify` about what data may be used for: basis, minors, restriction, objection."""

import time
from typing import Any

from serve.verify_rows import Row, expect
from serve.verify_scene import Scene

EVERYTHING = {"everything": 1}


def legal_basis(scene: Scene) -> str:
    """Articles 6 and 7: without a basis nothing is kept; with it all is; withdrawn, the next use leaves the person out;
    the ledger tells what held at any time."""
    key, income = "user_id:basis-1", "zqincomebasis71"
    scene.segment("basis", "plan", "basis")
    scene.webhook("basis", purpose="ads")
    (result,) = scene.send(_identify("basis-1", income=income))
    expect(result.get("withheld") == ["traits.income"], "a trait without a basis was not left out")
    expect(not scene.scan(income), "what has no basis reached a file")
    _state(scene, key, ads=True)
    agreed_at = _now()
    scene.send(_identify("basis-1", income=income))
    expect(scene.scan(income) == [income], "the scan does not see the trait once it is kept: it proves nothing")
    expect(_read(scene, key, "ads")["attributes"]["income"]["value"] == income, "with a basis a read did not hold it")
    scene.send(_identify("basis-1", plan="basis"))
    scene.settle("basis")
    person = scene.customer_id(key)
    expect(scene.receiver.told("basis", "segment.entered") == [person], "with a basis the webhook was not told")
    expect(scene.members("basis", "ads") == [person], "with a basis the person is not among the members")
    scene.send(_identify("basis-1", plan="none"))
    _state(scene, key, ads=False)
    scene.send(_identify("basis-1", plan="basis"))
    scene.settle("basis")
    expect(_read(scene, key, "ads")["withheld"] == EVERYTHING, "after a withdrawal a read held something")
    expect(scene.members("basis", "ads") == [], "after a withdrawal the person is among the members")
    expect(scene.receiver.told("basis", "segment.entered") == [person], "after a withdrawal the webhook was told")
    then = scene.get(f"/v1/profiles/{key}/ledger?at={agreed_at}")["data"]
    expect([each["granted"] for each in then] == [True], "the ledger does not tell what held before")
    now = scene.get(f"/v1/profiles/{key}/ledger?at={_now()}")["data"]
    expect([each["granted"] for each in now] == [False], "the ledger does not tell what holds now")
    return "left out, kept with consent, left out again by query, members and webhook; evidence of both times"


def minors(scene: Scene) -> str:
    """Article 8: a minor's agreement counts with a guardian's only."""
    key, income = "user_id:minor-1", "zqincomeminor83"
    born = f"{time.gmtime().tm_year - 10}-01-01"
    agreed = {"consent": {"categoryPreferences": {"Advertising": True}}}
    scene.send({**_identify("minor-1", birthday=born, income=income), "context": agreed})
    (result,) = scene.send({**_identify("minor-1", income=income), "context": agreed})
    expect(result.get("withheld") == ["traits.income"], "a minor's own agreement was enough")
    expect(_read(scene, key, "ads")["withheld"] == EVERYTHING, "a minor without proof is profiled")
    scene.post(f"/v1/profiles/{key}/consents", {"decisions": {"!guardian": True}})
    scene.send({**_identify("minor-1", income=income), "context": agreed})
    read = _read(scene, key, "ads")["attributes"]
    expect(read.get("income", {}).get("value") == income, "with a guardian's agreement nothing was kept")
    return "refused without a guardian, kept with one"


def objection(scene: Scene) -> str:
    """Article 21, CCPA 1798.135: an objection, and Sec-GPC: 1 of a device, hold for the person that it is linked to."""
    key = "user_id:object-1"
    page = {"type": "page", "userId": "object-1", "name": "Terms", "messageId": "object-page-1"}
    scene.send(_identify("object-1", email="object@verify.example"), page)
    expect(bool(_read(scene, key, "analytics")["behaviors"]), "before the objection a read holds nothing")
    scene.post(f"/v1/profiles/{key}/consents", {"decisions": {"analytics": False}})
    expect(_read(scene, key, "analytics")["withheld"] == EVERYTHING, "after an objection a read held something")
    scene.segment("objected", "plan", "objected")
    scene.webhook("objected", purpose="ads")
    _state(scene, key, ads=True)
    device = {"type": "track", "anonymousId": "object-device", "event": "Seen", "messageId": "object-device-1"}
    scene.send(device, Sec_GPC="1")
    scene.send({**_identify("object-1", plan="objected"), "anonymousId": "object-device"})
    scene.settle("objected")
    for name in (key, "anonymous_id:object-device"):
        consents = {each["category"]: each["granted"] for each in scene.get(f"/v1/profiles/{name}/consents")["data"]}
        expect(consents.get("ads") is False, "Sec-GPC is not shown as an opt-out of the person")
        expect(_read(scene, name, "ads")["withheld"] == EVERYTHING, "after Sec-GPC a read for ads held something")
    expect(scene.receiver.told("objected", "segment.entered") == [], "after Sec-GPC a webhook for advertising was told")
    signals = [each["methods"] for each in scene.get(f"/v1/profiles/{key}/ledger")["data"]]
    expect(["gpc"] in signals, "the ledger does not show the signal")
    return "objection and Sec-GPC hold at query and activation, for device and person, and are shown"


def restriction(scene: Scene) -> str:
    """Article 18: a restricted person's data is kept, and used for nothing until that is lifted."""
    key, note = "user_id:restrict-1", "zqrestrictnote18"
    scene.segment("restricted", "plan", "restricted")
    scene.webhook("restricted")
    scene.send(_identify("restrict-1", note="before"))
    person = scene.customer_id(key)
    expect(scene.get(f"/v1/profiles/{key}")["attributes"]["note"]["value"] == "before", "the person is not read before")
    scene.command("privacy", "restrict", key, "--reason", "made up")
    scene.send(_identify("restrict-1", plan="restricted", note=note))
    scene.settle("restricted")
    expect(scene.scan(note) == [note], "what came was not kept")
    expect(_read(scene, key, "service")["withheld"] == EVERYTHING, "a restricted person is read")
    expect(scene.members("restricted") == [], "a restricted person is among the members")
    expect(scene.receiver.told("restricted", "segment.entered") == [], "a webhook was told of a restricted person")
    scene.command("privacy", "restrict", key, "--lift", "--reason", "made up")
    expect(_read(scene, key, "service")["attributes"]["note"]["value"] == note, "lifted, the person is not read")
    expect(scene.members("restricted") == [person], "lifted, the person is not among the members")
    return "kept; left out of query, members and webhook until it was lifted"


def automated(scene: Scene) -> str:
    """Article 22: an automated action is logged and reviewed; who has opted out gets none."""
    scene.segment("automated", "plan", "automated")
    scene.webhook("automated", segments=["automated"], automated_decision=True)
    scene.send(_identify("automated-1", note="x"), _identify("automated-2", note="x"))
    scene.command("privacy", "object", "user_id:automated-2", "automated-decisions")
    scene.send(_identify("automated-1", plan="automated"), _identify("automated-2", plan="automated"))
    scene.settle("automated")
    person = scene.customer_id("user_id:automated-1")
    told = scene.receiver.told("automated", "segment.entered")
    expect(told == [person], f"the automated webhook was told {len(told)} times of {len(set(told))} people, not of one")
    (taken,) = scene.command("privacy", "decisions", "user_id:automated-1")
    expect(taken["decided"] == "taken" and taken["subject"] == "automated", "the decision is not in the log")
    (skipped,) = scene.command("privacy", "decisions", "user_id:automated-2")
    expect(skipped["decided"] == "skipped: opted out", "that nothing was decided is not in the log")
    scene.command("privacy", "review", "user_id:automated-1", taken["id"], "--outcome", "overturned", "--by", "verify")
    (reviewed,) = scene.command("privacy", "decisions", "user_id:automated-1")
    expect(reviewed["review"]["outcome"] == "overturned", "the review is not with the decision")
    return "one told and logged, one opted out, left alone and logged; reviewed"


def _identify(user: str, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "traits": traits}


def _state(scene: Scene, key: str, **decisions: bool) -> None:
    scene.post(f"/v1/profiles/{key}/consents", {"decisions": decisions, "notice_version": "verify-1"})
    time.sleep(0.002)  # two answers of one millisecond are one


def _read(scene: Scene, key: str, purpose: str) -> dict[str, Any]:
    read: dict[str, Any] = scene.get(f"/v1/profiles/{key}", Onefold_Purpose=purpose)
    return read


def _now() -> str:
    ms = time.time_ns() // 1_000_000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms // 1000))}.{ms % 1000:03d}Z"


ROWS = (
    Row(
        "GDPR 6, 7",
        "purpose and legal basis of all that is kept; append-only ledger of consents",
        "no basis: not kept; withdrawn: left out of query and activation; evidence as of any time",
        legal_basis,
    ),
    Row("GDPR 8", "age and guardian's agreement", "a minor without proof is not profiled", minors),
    Row(
        "GDPR 18",
        "restriction of processing",
        "blocked at query and activation, and kept",
        restriction,
    ),
    Row(
        "GDPR 21; CCPA opt-out",
        "objection by purpose; Sec-GPC: 1 is an opt-out",
        "blocked at query and activation, on device and linked profile; status shown",
        objection,
    ),
    Row(
        "GDPR 22",
        "log of automated decisions, human review, opt-out",
        "an opted-out person gets no automated action",
        automated,
    ),
)
