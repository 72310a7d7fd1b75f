"""What is installed against the lock, and locked versions against advisories."""

import base64
import hashlib
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.supply_chain import (
    ROOT,
    advisories,
    changed_files,
    differences,
    is_affected,
    known_weaknesses,
    locked,
    unlocked,
)


def test_the_lock_of_this_project_pins_all_that_it_asks_for() -> None:
    lock, wrong = locked((ROOT / "constraints.txt").read_text())
    assert wrong == [] and len(lock) > 100
    assert unlocked(tomllib.loads((ROOT / "pyproject.toml").read_text()), lock) == []


def test_only_pins_are_a_lock() -> None:
    lock, wrong = locked("# all\nAn_y.io==4.1\nloose>=1\nhere @ file:///x\nany-io==4.2\n")
    assert lock == {"an-y-io": "4.1"} | {"any-io": "4.2"}
    assert [problem.split(":")[1] for problem in wrong] == ["3", "4"]
    assert "twice" in locked("a==1\nA==2\n")[1][0]


def test_more_less_and_other_than_locked() -> None:
    lock = {"a": "1", "b": "2", "torch": "2.13.0"}
    assert differences(lock, {"a": "1", "b": "2", "torch": "2.13.0+cpu", "pip": "9", "onefold": "0"}) == []
    wrong = differences(lock, {"a": "1.1", "c": "3", "torch": "2.13.0"})
    assert [problem.split()[0] for problem in wrong] == ["a", "c", "b"]


def test_what_is_asked_for_is_locked_in_a_version_that_is_asked_for() -> None:
    project: dict[str, Any] = {
        "project": {"dependencies": ["a>=2", "b"], "optional-dependencies": {"dev": ["c<1"]}},
        "build-system": {"requires": []},
    }
    assert unlocked(project, {"a": "2.1", "b": "1", "c": "0.5"}) == []
    assert len(unlocked(project, {"a": "1.9", "c": "1.0"})) == 3


def test_a_file_that_was_changed_after_it_was_installed_is_seen(tmp_path: Path) -> None:
    info = tmp_path / "thing-1.dist-info"
    info.mkdir()
    module = tmp_path / "thing.py"
    module.write_text("good = True\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(module.read_bytes()).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"thing.py,sha256={digest},12\nthing-1.dist-info/RECORD,,\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
    thing = Distribution.at(info)
    assert changed_files(thing) == []
    module.write_text("good = False\n")
    assert changed_files(thing) == ["thing.py is not the file that was installed"]
    module.unlink()
    assert changed_files(thing) == ["thing.py is gone"]


def entry(*events: tuple[str, str], versions: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": [dict([event]) for event in events]}], "versions": [*versions]}


@pytest.mark.parametrize(
    ("version", "affected", "expected"),
    [
        ("1.5", entry(("introduced", "0"), ("fixed", "1.6")), True),
        ("1.6", entry(("introduced", "0"), ("fixed", "1.6")), False),
        ("1.10", entry(("introduced", "1.9"), ("fixed", "1.11")), True),
        ("2.0", entry(("introduced", "0"), ("last_affected", "2.0")), True),
        ("2.0.1", entry(("introduced", "0"), ("last_affected", "2.0")), False),
        ("3.1", entry(("fixed", "2.0"), ("introduced", "3.0"), ("introduced", "1.0")), True),
        ("2.5", entry(("introduced", "1.0"), ("fixed", "2.0"), ("introduced", "3.0")), False),
        ("7", entry(versions=("6", "7")), True),
        ("8", entry(versions=("6", "7")), False),
    ],
)
def test_versions_that_an_advisory_is_about(version: str, affected: dict[str, Any], expected: bool) -> None:
    assert is_affected(version, affected) is expected


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_range_holds_what_is_between_its_ends(first: int, fixed: int, version: int) -> None:
    if first < fixed:
        events = entry(("fixed", f"1.{fixed}"), ("introduced", f"1.{first}"))
        assert is_affected(f"1.{version}", events) == (first <= version < fixed)


def test_advisories_of_a_file_or_a_folder(tmp_path: Path) -> None:
    record = '{"id":"%s","affected":[{"package":{"ecosystem":"%s","name":"An_y"},"versions":["1"]}]%s}'
    (tmp_path / "1.json").write_text(record % ("PYSEC-1", "PyPI", ',"summary":"bad"'))
    (tmp_path / "2.json").write_text("[" + record % ("GHSA-2", "npm", "") + "," + record % ("GHSA-3", "PyPI", "") + "]")
    (tmp_path / "3.json").write_text(record % ("PYSEC-4", "PyPI", ',"withdrawn":"2026-01-01T00:00:00Z"'))
    found = known_weaknesses({"an-y": "1"}, advisories(tmp_path))
    assert found == ["PYSEC-1: an-y 1: bad", "GHSA-3: an-y 1: no summary"]
    assert len(known_weaknesses({"an-y": "1"}, advisories(tmp_path / "1.json"))) == 1
