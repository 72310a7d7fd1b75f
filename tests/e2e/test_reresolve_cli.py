"""`onefold reresolve` on a running service: plan, look, apply, roll back, from the command line."""

from pathlib import Path
from typing import Any

from tests.e2e.service import RunningService

# Enough in common for the shipped model, and no exact identifier.
ANN: dict[str, Any] = {
    "firstName": "Philippa",
    "lastName": "Wetherby-Okonjo",
    "birthday": "1971-04-23",
    "address": {"street": "14 Larkspur Close", "city": "Norwich", "postalCode": "NR3 4AB"},
}


def test_everybody_is_resolved_anew_from_the_command_line(unmatched: RunningService, tmp_path: Path) -> None:
    stopped = RunningService(tmp_path / "data")
    assert stopped.command("reresolve", "plan").returncode == 3
    assert stopped.command("reresolve", "show").returncode == 2
    with unmatched.client() as client:
        batch = [{"type": "identify", "anonymousId": f"ann-{n}", "traits": ANN | {"note": n}} for n in range(3)]
        client.post("/v1/batch?wait=true", {"batch": batch})
        ids = [client.get(f"/v1/profiles/anonymous_id:ann-{number}")["customer_id"] for number in range(3)]
        shown = unmatched.cli("reresolve", "plan", timeout_s=120)
        assert (shown["stage"], shown["profiles"]) == ("ready", client.get("/v1/status")["profiles"])
        assert shown["counts"]["joins"] >= 2  # others' tests may have people who are alike
        assert {example["kind"] for example in shown["examples"]} == {"join"}
        assert "Philippa" not in str(shown)
        (told,) = unmatched.cli("reresolve", "apply", "--yes", timeout_s=120)
        assert told["stage"] == "applied"
        joined = {client.get(f"/v1/profiles/anonymous_id:ann-{number}")["customer_id"] for number in range(3)}
        assert joined == {min(ids)}
        assert unmatched.command("reresolve", "status", "nothing").returncode == 4
        (told,) = unmatched.cli("reresolve", "rollback", "--yes", timeout_s=120)
        assert told["stage"] == "rolled_back"
        assert [client.get(f"/v1/profiles/anonymous_id:ann-{number}")["customer_id"] for number in range(3)] == ids
