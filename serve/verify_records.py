"""Rows of `onefold privacy verify` about what is known of the processing: deadlines, and whom a stolen key has seen."""

from datetime import UTC, date, datetime

from models.privacy.deadlines import due, escalates_at, extended, opt_out_due
from serve.verify_rows import Row, expect
from serve.verify_scene import MECHANISM, REGION, REGION_PERMITTED, Scene


def deadlines(scene: Scene) -> str:
    """Article 12, CCPA: by the calendar; and a request whose deadline is near is brought to somebody's notice."""
    cases = (
        ("a month of 31 January", due("gdpr", _ms("2026-01-31")), "2026-02-28"),
        ("two months more", extended("gdpr", _ms("2026-01-31")), "2026-04-30"),
        ("45 days", due("ccpa", _ms("2026-01-01")), "2026-02-15"),
        ("45 days more", extended("ccpa", _ms("2026-01-01")), "2026-04-01"),
        ("15 business days", opt_out_due(_ms("2026-01-02")), "2026-01-23"),
    )
    for name, found, expected in cases:
        told = _day(found).isoformat()
        expect(told == expected, f"{name} ends on {told}, not {expected}")
    entries = {each["id"]: each for each in scene.command("privacy", "requests")}
    waiting = entries[scene.near_deadline]
    expect(waiting["due_soon"] and not waiting["overdue"], "a request near its deadline is not marked")
    expect(_ms(waiting["due_at"][:10]) > escalates_at(_ms(waiting["due_at"][:10])), "escalation is not before the end")

    def logged() -> bool:
        log = (scene.data_dir / "logs" / "serve.log").read_text()
        return any(scene.near_deadline in line and "near its deadline" in line for line in log.splitlines())

    scene.wait_for(logged, "the service to warn of a deadline", 5.0)
    return f"{len(cases)} clocks; a request that waits is marked, and the service warns of it"


def record(scene: Scene) -> str:
    """Article 30: the record is of the configuration in force, and changes with it."""
    before = scene.command("privacy", "record")
    bases = {each["id"]: each["basis"] for each in before["purposes"]}
    expect(bases.get("ads") == "consent" and "service" in bases, "the record does not list the purposes")
    expect(before["controller"] == "example-shop", "the record does not name the controller")
    transfers = [(each["rule"], each["mechanism"]) for each in before["transfers"]]
    expect(transfers == [(f"{REGION}->{REGION_PERMITTED}", MECHANISM)], "the record does not list the transfers")
    scene.webhook("recorded", purpose="ads")
    scene.command("keys", "create", "recorded", "--scope", "read")
    after = scene.command("privacy", "record")
    new = [each for each in after["recipients"] if each not in before["recipients"]]
    found = {(each["kind"], each["who"], each["purpose"]) for each in new}
    expect(found == {("webhook", "127.0.0.1", "ads"), ("api_key", "recorded", "")}, "new recipients are not in it")
    expect(after["security"] != before["security"], "a new key does not change what is said of security")
    return f"{len(bases)} purposes; a new webhook and a new key are in it"


def affected(scene: Scene) -> str:
    """Articles 33 and 34: exactly those whom a stolen key has seen or changed."""
    for user in ("breach-1", "breach-2", "breach-3"):
        scene.send({"type": "identify", "userId": user, "traits": {"note": user}})
    made = scene.command("keys", "create", "stolen", "--scope", "read")
    thief = scene.client(made["secret"])
    for user in ("breach-1", "breach-3", "breach-1"):
        thief.get(f"/v1/profiles/user_id:{user}")
    seen = {scene.customer_id(f"user_id:{user}") for user in ("breach-1", "breach-3")}
    told = scene.get(f"/v1/audit/affected?key={made['id']}")["data"]
    listed = {each["customer_id"]: each["reads"] for each in told}
    expect(listed.keys() == seen, f"{len(listed)} people are listed, {len(seen)} were seen")
    expect(sorted(listed.values()) == [1, 2], "how often they were seen is not right")
    scene.command("audit", "verify")
    return "the two who were seen are listed, the third is not; the log's chain holds"


def _ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()


ROWS = (
    Row(
        "GDPR 12; CCPA clocks",
        "one month (+2); 45 days (+45); 15 business days for opt-outs; escalation",
        "31 January: 28 February; a request near its deadline is marked and warned of",
        deadlines,
    ),
    Row(
        "GDPR 30",
        "record of processing from the configuration in force",
        "changes when that changes",
        record,
    ),
    Row("GDPR 33, 34", "hash-chained audit log", "whom a stolen key has seen: the exact list", affected),
)
