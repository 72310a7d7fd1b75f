"""The commands about the audit log and the rotation of keys, on a data directory without a service."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.audit_log import FILE, AuditLog
from actors.control import ControlStore
from models.audit.chain import Record
from models.identity.customer_id import to_text
from tests.unit.command_line import Call, command_line

PROFILE = "GET /v1/profiles/{key}"


@pytest.fixture
def onefold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in a directory that init has made: its exit code, and what it wrote."""
    call = command_line(tmp_path, monkeypatch, capsys)
    assert call("init", "--shards", "1")[0] == 0
    return call


def told(onefold: Call, *arguments: str) -> Any:
    exit_code, out, err = onefold(*arguments, "--json")
    assert exit_code == 0, err
    return json.loads(out)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "onefold-data"


def read(data: Path, actor: str, at: int, *subjects: int) -> None:
    with closing(AuditLog(data)) as log:
        log.append([Record(at, actor, PROFILE, "200", subjects, {"kind": "read", "requests": 1})])


def test_init_makes_the_log_and_commands_are_in_it(onefold: Call, data: Path) -> None:
    assert {"audit.sqlite", "audit.head", "audit.key"} <= {file.name for file in data.iterdir()}
    made = told(onefold, "keys", "create", "web")
    rotated = told(onefold, "keys", "rotate", "web", "--overlap", "0")
    told(onefold, "keys", "revoke", rotated["key"]["id"])
    entries = told(onefold, "audit", "list")[::-1]
    assert [entry["action"] for entry in entries] == [
        *("onefold init", "onefold keys create", "onefold keys rotate", "onefold keys revoke", "onefold audit list"),
    ]
    assert {entry["actor"].partition(":")[0] for entry in entries} == {"cli"} and entries[0]["actor"] != "cli:"
    assert entries[2]["detail"] == {"kind": "action", "key_id": rotated["key"]["id"], "replaced": made["id"]}
    assert rotated["secret"] not in str(entries) and made["secret"] not in str(entries)


def test_an_untouched_log_is_verified(onefold: Call) -> None:
    exit_code, out, _ = onefold("audit", "verify")
    assert exit_code == 0 and out.startswith("1 entries, all as they were written")
    end = out.split()[-1]
    verdict = told(onefold, "audit", "verify", "--expect", end)
    assert (verdict["entries"], verdict["broken"], f"1:{verdict['head']['hash']}") == (1, None, end)
    told(onefold, "keys", "create", "web")
    told(onefold, "audit", "verify", "--expect", end)  # that it has grown is no harm
    assert onefold("audit", "verify", "--expect", "1:" + "00" * 32)[0] == 1
    assert onefold("audit", "verify", "--expect", "x")[0] == 2


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE entries SET actor = 'nobody' WHERE number = 2", "broken from entry 2 on: an entry was changed"),
        ("DELETE FROM entries WHERE number = 2", "broken from entry 2 on: an entry was changed, removed"),
        ("DELETE FROM entries WHERE number > 2", "broken from entry 3 on: entries were cut off the end"),
    ],
)
def test_tampering_is_told_with_its_number(onefold: Call, data: Path, statement: str, said: str) -> None:
    for name in ("web", "crm"):
        told(onefold, "keys", "create", name)
    with closing(sqlite3.connect(data / FILE)) as db, db:
        db.execute(statement)
    exit_code, out, _ = onefold("audit", "verify")
    assert exit_code == 1 and out.startswith(said)
    exit_code, out, _ = onefold("audit", "verify", "--json")
    assert exit_code == 1 and json.loads(out)["broken"] == int(said.split()[3])


def test_entries_are_listed_by_what_they_are_about(onefold: Call, data: Path) -> None:
    key = told(onefold, "keys", "create", "web")["id"]
    read(data, key, 1_000, 7, 8)
    read(data, key, 90_000_000, 8)

    def numbers(*arguments: str) -> list[int]:
        return [entry["number"] for entry in told(onefold, "audit", "list", *arguments)]

    assert numbers("--key", "web") == numbers("--key", key) == [4, 3]
    assert numbers("--action", PROFILE, "--limit", "1") == [4]
    assert numbers("--subject", to_text(7)) == [3]
    assert numbers("--from", "1970-01-01", "--to", "1970-01-02") == [3]
    assert 2 in numbers("--action", "onefold keys create")
    exit_code, out, _ = onefold("audit", "list", "--key", "web")
    assert exit_code == 0 and PROFILE in out and f"{to_text(7)} {to_text(8)}" in out
    assert onefold("audit", "list", "--key", "nobody")[0] == 4
    assert onefold("audit", "list", "--from", "yesterday")[0] == 2
    assert onefold("audit", "list", "--subject", "u1")[0] == 2


def test_whom_a_key_has_seen_is_listed(onefold: Call, data: Path) -> None:
    key = told(onefold, "keys", "create", "web")["id"]
    read(data, key, 1_000, 7, 8)
    read(data, "key_other", 1_500, 9)
    read(data, key, 2_000, 8, 8)
    answer = told(onefold, "audit", "affected", "--key", "web")
    assert (answer["key_id"], answer["people"]) == (key, 2)
    seen, often = answer["data"]
    assert (seen["customer_id"], seen["reads"]) == (to_text(7), 1)
    assert (often["reads"], often["first_at"], often["last_at"]) == (
        3,
        "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:00:02.000Z",
    )
    assert told(onefold, "audit", "affected", "--key", "web", "--from", "1970-01-02")["data"] == []
    assert to_text(8) in onefold("audit", "affected", "--key", key)[1]
    assert onefold("audit", "affected")[0] == 2
    assert onefold("audit", "affected", "--key", "nobody")[0] == 4


def test_keys_that_end_are_shown_as_such(onefold: Call, data: Path) -> None:
    told(onefold, "keys", "create", "web", "--expires", "90d", "--scope", "privacy")
    _, out, _ = onefold("keys", "rotate", "web", "--overlap", "1h")
    assert "takes the place of" in out and out.splitlines()[-1].startswith("ofk_")
    assert onefold("keys", "list")[1].count(" web ") >= 2 and "ENDS" in onefold("keys", "list")[1]
    assert onefold("keys", "rotate", "web")[0] == 2  # two have the name
    assert onefold("keys", "rotate", "nobody")[0] == 4
    assert onefold("keys", "rotate", "cli", "--overlap", "soon")[0] == 2
    assert onefold("keys", "create", "x", "--expires", "0")[0] == 2
    with closing(ControlStore(data / "control.sqlite")) as control:
        keys = control.keys()
    assert [key.lifetime_ms for key in keys if key.name == "web"] == [90 * 86_400_000] * 2


def test_without_a_data_directory_there_is_nothing_to_verify(onefold: Call, tmp_path: Path) -> None:
    exit_code, _, err = onefold("audit", "verify", "--data-dir", str(tmp_path / "elsewhere"))
    assert exit_code == 4 and "onefold init" in err
