"""Scans and certificates on the command line, without a service."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from actors.audit_log import AuditLog, EntryFilter
from models.privacy.signed_document import sign
from pipelines import privacy_scan
from pipelines.erasure_certificate import PUBLIC_FILE, signing_key
from tests.strategies.certificates import certificate
from tests.unit.command_line import Call, command_line
from tests.unit.pipelines.in_process import InProcess

ID = certificate().certificate_id


@pytest.fixture
def onefold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command: its exit code, and what it wrote. A scan works in the test's process."""
    monkeypatch.setattr(privacy_scan, "Processes", InProcess)
    return command_line(tmp_path, monkeypatch, capsys)


@pytest.fixture
def data(onefold: Call, tmp_path: Path) -> Path:
    assert onefold("init", "--shards", "1")[0] == 0
    return tmp_path / "onefold-data"


def test_nothing_is_found_in_a_new_directory(onefold: Call, data: Path) -> None:
    exit_code, out, _ = onefold("privacy", "scan", "--identifier", "email:jane@example.com")
    assert exit_code == 0
    assert "0 places; control: 9 of 9 planted canaries found" in out


def test_what_is_found_is_told_by_fingerprint_and_place(onefold: Call, data: Path) -> None:
    (data / "logs").mkdir()
    (data / "logs" / "a.log").write_text("told JANE@example.com of it")
    options = ("--identifier", "email:Jane@Example.com", "--needle", "told jane")
    exit_code, out, _ = onefold("privacy", "scan", *options, "--json")
    assert exit_code == 1
    report = json.loads(out)
    (logs,) = [store for store in report["stores"] if store["store"] == "logs"]
    assert {(each["file"], each["place"], each["certain"]) for each in logs["found"]} == {("logs/a.log", "bytes", True)}
    assert not report["clean"] and report["failures"] == []
    exit_code, out, _ = onefold("privacy", "scan", *options)
    assert exit_code == 1
    assert "logs/a.log" in out
    assert "jane" not in out.lower()


def test_a_scan_that_cannot_read_fails(onefold: Call, data: Path) -> None:
    (data / "broken.gz").write_bytes(b"\x1f\x8b")
    exit_code, out, _ = onefold("privacy", "scan", "--needle", "canary-17")
    assert exit_code == 1
    assert "not whole: other: broken.gz cannot be read" in out


def test_a_scan_is_in_the_audit_log_without_what_it_looked_for(onefold: Call, data: Path) -> None:
    onefold("privacy", "scan", "--needle", "canary-17")
    with closing(AuditLog(data)) as log:
        (entry, *_) = log.entries(EntryFilter(action="onefold privacy scan"), 1 << 62, 10)
    assert "canary" not in repr(entry)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "--needle"),
        (("--needle", "abc"), "at least 6"),
        (("--identifier", "jane"), "namespace:value"),
        (("--needle", "canary-17", "--data-dir", "elsewhere"), "not a data directory"),
    ],
)
def test_what_cannot_be_scanned_is_refused(onefold: Call, data: Path, options: tuple[str, ...], reason: str) -> None:
    exit_code, _, err = onefold("privacy", "scan", *options)
    assert exit_code == 2
    assert reason in err


def test_a_certificate_is_verified_with_nothing_but_the_key(onefold: Call, tmp_path: Path) -> None:
    document = sign(certificate(), signing_key(tmp_path))
    (tmp_path / "certificate.json").write_bytes(document)
    command = ("privacy", "verify-certificate", "certificate.json", "--public-key", PUBLIC_FILE)
    exit_code, out, _ = onefold(*command)
    assert exit_code == 0
    assert f"holds: certificate {ID}" in out
    assert json.loads(onefold(*command, "--json")[1])["certificate_id"] == ID
    (tmp_path / "certificate.json").write_bytes(document.replace(b'"events_erased":17', b'"events_erased":71'))
    exit_code, out, err = onefold(*command)
    assert (exit_code, out) == (1, "")
    assert "changed after it was signed" in err


def test_files_that_are_none_are_told(onefold: Call, tmp_path: Path) -> None:
    (tmp_path / "certificate.json").write_bytes(b"{}")
    exit_code, _, err = onefold("privacy", "verify-certificate", "certificate.json", "--public-key", PUBLIC_FILE)
    assert (exit_code, PUBLIC_FILE in err) == (2, True)
    exit_code, _, err = onefold("privacy", "verify-certificate", "certificate.json", "--public-key", "certificate.json")
    assert (exit_code, "64 hexadecimal digits" in err) == (2, True)
