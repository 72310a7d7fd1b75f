"""A certificate is issued where two scans show an erasure, and not otherwise."""

import stat
from pathlib import Path

import msgspec
import pytest

from models.privacy.certificate import Certificate, verify
from models.privacy.recipients import Recipient
from models.privacy.scan_report import Found, Planted, ScanReport, StoreScan
from pipelines.erasure_certificate import KEY_FILE, PUBLIC_FILE, CannotCertify, Erasure, issue, read_key, signing_key

NOW = 1_790_000_000_000
ERASURE = Erasure(
    request_id="r1",
    regulation="ccpa",
    fingerprints=["bb", "aa"],
    customer_ids=["cus_1"],
    events=3,
    recipients=[Recipient(name="crm", state="waiting")],
)
HIT = Found("aa", "shards/shard-000.sqlite", "profiles.state", "decoded", 1)
ALIKE = msgspec.structs.replace(HIT, certain=False)
SEEN = [Planted("text", True, None)]


def report(*found: Found, problems: tuple[str, ...] = (), planted: list[Planted] = SEEN) -> ScanReport:
    store = StoreScan("shards", 2, 4_096, 10, list(found), problems=list(problems))
    return ScanReport([store, StoreScan("logs", 1, 5)], planted)


def issued(data_dir: Path, before: ScanReport | None, after: ScanReport) -> Certificate:
    certificate_id, document = issue(data_dir, ERASURE, before, after, NOW)
    certificate = verify(document, read_key(data_dir / PUBLIC_FILE))
    assert certificate.certificate_id == certificate_id
    return certificate


def test_what_two_scans_saw(tmp_path: Path) -> None:
    certificate = issued(tmp_path, report(HIT, ALIKE), report(ALIKE))
    logs, shards = certificate.stores
    assert (shards.found_before, shards.found_after, shards.alike_after, shards.rows) == (1, 0, 1, 10)
    assert (logs.store, logs.found_before, logs.found_after) == ("logs", 0, 0)
    assert (certificate.fingerprints, certificate.events_erased, certificate.issued_at) == (["aa", "bb"], 3, NOW)
    assert [(each.kind, each.raw, each.decoded) for each in certificate.controls] == [("text", True, None)]
    assert certificate.recipients == ERASURE.recipients


def test_without_an_earlier_scan_it_says_so(tmp_path: Path) -> None:
    assert {each.found_before for each in issued(tmp_path, None, report()).stores} == {None}


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (report(), report(), "not found before"),
        (report(ALIKE), report(), "not found before"),
        (report(HIT), report(HIT), "shards/shard-000.sqlite: profiles.state"),
        (report(HIT), report(problems=("x cannot be read",)), "shards: x cannot be read"),
        (report(HIT), report(planted=[]), "no canary was planted"),
        (report(HIT), report(planted=[Planted("gzip", None, False)]), "gzip was not found"),
        (report(HIT), report(planted=[Planted("gzip", None, True, ["a.b"])]), "gzip was not found"),
    ],
)
def test_what_is_not_shown_is_not_certified(tmp_path: Path, before: ScanReport, after: ScanReport, reason: str) -> None:
    with pytest.raises(CannotCertify, match=reason):
        issue(tmp_path, ERASURE, before, after, NOW)
    assert not list(tmp_path.iterdir())


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    (tmp_path / PUBLIC_FILE).unlink()
    assert signing_key(tmp_path) == key == read_key(tmp_path / KEY_FILE)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {KEY_FILE, PUBLIC_FILE}


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"0" * 63, b"0" * 65])
def test_a_damaged_key_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        signing_key(tmp_path)
