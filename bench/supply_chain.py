"""`python -m bench.supply_chain [--advisories PATH]`: whether what is installed is what was locked, and safe to use.

Without the network: every line of constraints.txt pins one version; what is installed is what it says, no more and no
less; what pyproject.toml asks for is in it; and each installed file has the SHA-256 that its package has for it, so
that one that was changed afterwards is seen. With advisories in OSV's JSON (a file, or a folder of files, as OSV
publishes all that it has about PyPI), the locked versions are looked for in them. Exit code 1 on a finding.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!_-]+)")
_INSTALLERS = frozenset({"pip", "setuptools", "wheel"})  # that make the environment
# Needed to build a wheel, in an environment of pip's own; and what there is on one platform only.
_ELSEWHERE = frozenset({"hatchling", "trove-classifiers", "atheris"})
_OURS = "onefold"


def locked(text: str) -> tuple[dict[str, str], list[str]]:
    """Versions by name of a file of constraints, and what is wrong with it."""
    versions: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pin = _PIN.fullmatch(line.strip())
        if pin is None:
            wrong.append(f"constraints.txt:{number}: expected name==version")
        elif (name := canonicalize_name(pin[1])) in versions:
            wrong.append(f"constraints.txt:{number}: {name} is there twice")
        else:
            versions[name] = pin[2]
    return versions, wrong


def differences(lock: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """How what is installed differs from the lock. A local build (2.13.0+cpu) is the version it is built from."""
    wrong = []
    for name, version in sorted(installed.items()):
        if name in _INSTALLERS or name == _OURS:
            continue
        if name not in lock:
            wrong.append(f"{name} {version} is installed and not locked: run `make lock`, or uninstall it")
        elif version.partition("+")[0] != lock[name]:
            wrong.append(f"{name} {version} is installed; {lock[name]} is locked: run `make install`")
    missing = lock.keys() - installed.keys() - _ELSEWHERE
    return wrong + [f"{name} {lock[name]} is locked and not installed: run `make install`" for name in sorted(missing)]


def unlocked(project: Mapping[str, Any], lock: Mapping[str, str]) -> list[str]:
    """What pyproject.toml asks for and the lock does not have, or has in a version that is not asked for."""
    asked = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    wrong = []
    for text in asked:
        requirement = Requirement(text)
        version = lock.get(canonicalize_name(requirement.name))
        if version is None:
            wrong.append(f"pyproject.toml asks for {requirement.name}, which is not locked")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"pyproject.toml asks for {requirement}; {version} is locked")
    return wrong


def changed_files(distribution: Distribution) -> list[str]:
    """Files of an installed package that are gone, or not what its record says."""
    wrong = []
    for file in distribution.files or []:
        if file.hash is None or file.hash.mode != "sha256":
            continue
        try:
            with open(str(file.locate()), "rb") as content:
                digest = hashlib.file_digest(content, "sha256").digest()
        except OSError:
            wrong.append(f"{file} is gone")
            continue
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            wrong.append(f"{file} is not the file that was installed")
    return wrong


def advisories(path: Path) -> Iterator[dict[str, Any]]:
    """Records in OSV's form: of one file (a record, or a list of them), or of all .json files of a folder."""
    for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
        found = json.loads(file.read_bytes())
        yield from found if isinstance(found, list) else [found]


def known_weaknesses(lock: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> list[str]:
    """What advisories say of the locked versions."""
    wrong = []
    for record in records:
        if record.get("withdrawn"):
            continue
        for affected in record.get("affected", []):
            package = affected.get("package", {})
            name = canonicalize_name(str(package.get("name", "")))
            if package.get("ecosystem") == "PyPI" and name in lock and is_affected(lock[name], affected):
                wrong.append(f"{record['id']}: {name} {lock[name]}: {record.get('summary', 'no summary')}")
    return wrong


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Whether an advisory's entry is about the version: it is listed, or in one of the ranges."""
    if version in affected.get("versions", []):
        return True
    ranges = [each for each in affected.get("ranges", []) if each.get("type") == "ECOSYSTEM"]
    return any(_is_within(Version(version), each.get("events", [])) for each in ranges)


def _is_within(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    """OSV's rule: the last event at or before the version counts; one `last_affected` counts after its version."""
    placed: list[tuple[Version, bool, bool]] = []
    for event in events:
        for kind, text in event.items():
            try:
                at = Version(text)
            except InvalidVersion:
                continue
            placed.append((at, kind == "introduced", kind == "last_affected"))
    inside = False
    for at, introduces, is_last in sorted(placed, key=lambda each: each[0]):
        if version > at or (version == at and not is_last):
            inside = introduces
    return inside


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares what is installed with the lock, and with advisories.")
    parser.add_argument("--advisories", type=Path, help="file or folder of OSV's JSON")
    given = parser.parse_args()
    lock, wrong = locked((ROOT / "constraints.txt").read_text())
    found = {canonicalize_name(each.metadata["Name"]): each for each in distributions()}
    wrong += unlocked(tomllib.loads((ROOT / "pyproject.toml").read_text()), lock)
    wrong += differences(lock, {name: each.version for name, each in found.items()})
    for name, each in sorted(found.items()):
        if name not in _INSTALLERS and name != _OURS:
            wrong += [f"{name}: {problem}" for problem in changed_files(each)]
    if given.advisories:
        if not given.advisories.exists():
            parser.error(f"--advisories: there is no {given.advisories}")
        wrong += known_weaknesses(lock, advisories(given.advisories))
    for problem in wrong:
        print(problem)
    looked = "looked for in the advisories" if given.advisories else "not looked for: give --advisories"
    print(f"{len(lock)} packages locked, {len(found)} installed, known weaknesses {looked}: {len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
