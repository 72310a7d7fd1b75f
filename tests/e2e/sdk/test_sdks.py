"""Four unmodified SDKs, pointed at Onefold by changing their host: each tells a story, and the profile must hold it."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.sdk.send import SCANS
from tests.e2e.service import RunningService

HERE = Path(__file__).parent
SDKS = ["segment-python", "rudderstack-python", "segment-node", "rudderstack-node"]
SEND_S = 120.0
APPLIED_S = 60.0


@pytest.fixture(scope="module")
def npm_packages() -> None:
    """The npm SDKs, as package-lock.json pins them."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed: apt-get install nodejs npm")
    installed = HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        done = subprocess.run([npm, "ci"], cwd=HERE, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


def send(sdk: str, url: str, write_key: str, person: str) -> list[dict[str, Any]]:
    """The errors that the SDK reported while it told the story of `person`."""
    command = ["node", "send.mjs"] if sdk.endswith("node") else [sys.executable, "send.py"]
    line = [*command, sdk, url, write_key, person]
    done = subprocess.run(line, cwd=HERE, capture_output=True, text=True, timeout=SEND_S)
    assert done.returncode == 0, done.stderr
    errors: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return errors


def read(service: RunningService, path: str) -> httpx.Response:
    return httpx.get(service.url + path, headers={"authorization": f"Bearer {service.admin_key}"}, timeout=30)


def profile_of(service: RunningService, person: str) -> dict[str, Any]:
    """The profile of `person` once it has all of the story (an SDK does not say how far its events are applied)."""
    deadline = time.monotonic() + APPLIED_S
    while True:
        response = read(service, f"/v1/profiles/user_id:{person}")
        profile: dict[str, Any] = response.json()
        whole = response.status_code == 200 and (
            profile["behaviors"].get("Item Scanned", {}).get("count") == SCANS and len(profile["identities"]) == 4
        )
        if whole or time.monotonic() > deadline:
            assert response.status_code == 200, profile
            return profile
        time.sleep(0.05)


@pytest.mark.parametrize("sdk", SDKS)
def test_the_profile_holds_what_the_sdk_told(sdk: str, service: RunningService, request: pytest.FixtureRequest) -> None:
    if sdk.endswith("node"):
        request.getfixturevalue("npm_packages")
    assert send(sdk, service.url, service.write_key, sdk) == []

    profile = profile_of(service, sdk)
    assert {f"{it['namespace']}:{it['value']}" for it in profile["identities"]} == {
        f"user_id:{sdk}",
        f"email:{sdk}@example.com",
        f"anonymous_id:{sdk}-anonymous",
        f"anonymous_id:{sdk}-old",
    }
    assert profile["attributes"]["firstName"]["value"] == "Zoë 😀"
    assert profile["attributes"]["email"]["value"] == f"{sdk}@example.com"
    counts = {name: stats["count"] for name, stats in profile["behaviors"].items()}
    assert counts == {
        "Product Viewed": 1,
        "Signed Up": 1,
        "Order Completed": 1,
        "Page Viewed": 1,
        "Page Viewed: Home": 1,
        "Screen Viewed": 1,
        "Screen Viewed: Cart": 1,
        "Said Twice": 1,  # the same message id twice
        "Item Scanned": SCANS,
    }
    assert profile["transactions"]["orders"] == 1
    assert float(profile["transactions"]["revenue"]) == 30.5
    assert profile["first_seen"].startswith("2020-01-01T00:00:")
    assert [group["id"] for group in profile["groups"]] == [f"{sdk}-team"]
    assert profile["groups"][0]["traits"] == {"name": "ACME"}

    # Every identifier leads to the same person.
    for key in (f"anonymous_id:{sdk}-anonymous", f"anonymous_id:{sdk}-old", f"email:{sdk}@example.com"):
        found = read(service, f"/v1/profiles/{key}").json()
        assert found["customer_id"] == profile["customer_id"], key

    letters = read(service, "/v1/deadletters").json()["data"]
    assert [letter for letter in letters if sdk in letter["body"]] == []


@pytest.mark.parametrize("sdk", SDKS)
def test_a_wrong_write_key_is_an_error_that_the_sdk_understands(
    sdk: str, service: RunningService, request: pytest.FixtureRequest
) -> None:
    if sdk.endswith("node"):
        request.getfixturevalue("npm_packages")
    errors = send(sdk, service.url, "wrong", f"{sdk}-stranger")
    assert errors
    assert {error["status"] for error in errors} == {401}
    if sdk.endswith("python"):  # the npm SDKs do not read the body
        assert all(error["code"] and error["message"] for error in errors)
        assert "unknown" not in {error["code"] for error in errors}
    assert read(service, f"/v1/profiles/user_id:{sdk}-stranger").status_code == 404
