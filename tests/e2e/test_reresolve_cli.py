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


def test_everybody_is_resolved_anew_from_the_command_line(tmp_path: Path) -> None:
    service = RunningService(tmp_path / "data", ONEFOLD_MATCHING__ENABLED="false")
    assert service.command("reresolve", "plan").returncode == 3
    assert service.command("reresolve", "show").returncode == 2
    with service, service.client() as client:
        batch = [{"type": "identify", "anonymousId": f"a{n}", "traits": ANN | {"note": n}} for n in range(3)]
        client.post("/v1/batch?wait=true", {"batch": batch})
        ids = [client.get(f"/v1/profiles/anonymous_id:a{number}")["customer_id"] for number in range(3)]
        shown = service.cli("reresolve", "plan", timeout_s=120)
        assert (shown["stage"], shown["profiles"], shown["counts"]["joins"]) == ("ready", 3, 2)
        assert [example["kind"] for example in shown["examples"]] == ["join", "join"]
        assert "Philippa" not in str(shown)
        (told,) = service.cli("reresolve", "apply", "--yes", timeout_s=120)
        assert told["stage"] == "applied"
        joined = {client.get(f"/v1/profiles/anonymous_id:a{number}")["customer_id"] for number in range(3)}
        assert joined == {min(ids)}
        assert service.command("reresolve", "status", "nothing").returncode == 4
        (told,) = service.cli("reresolve", "rollback", "--yes", timeout_s=120)
        assert told["stage"] == "rolled_back"
        assert [client.get(f"/v1/profiles/anonymous_id:a{number}")["customer_id"] for number in range(3)] == ids
