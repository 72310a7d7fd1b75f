"""The key's file: made once, for its owner, with a certificate for the domain that is in force."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.errors import Conflict
from actors.signing_key import FILE, load_signer
from models.privacy.signing import Signer

NOW = 1_772_368_200_000  # 2026-03-01T12:30:00Z


def load(path: Path, domain: str = "localhost") -> Signer:
    return load_signer(path, domain, lambda: NOW)


def test_those_who_need_it_first_at_once_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        signers = list(threads.map(lambda _: load(tmp_path), range(3)))
    assert len({signer.certificate for signer in signers}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert load(tmp_path).certificate == signers[0].certificate


def test_another_domain_has_another_certificate_of_the_same_key(tmp_path: Path) -> None:
    before = load(tmp_path)
    after = load(tmp_path, "privacy.example.com")
    assert after.is_for("privacy.example.com") and not after.is_for("localhost")
    assert after.sign(b"x") == before.sign(b"x")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert load(tmp_path, "privacy.example.com").certificate == after.certificate


def test_a_damaged_file_is_kept_and_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no key")
    with pytest.raises(Conflict, match="holds no RSA key"):
        load(tmp_path)
    assert (tmp_path / FILE).read_text() == "no key"
