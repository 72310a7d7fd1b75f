"""The example of a plugged-in model: installed as a package, registered, promoted, and in profiles; then it is replaced
by one that fails."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.service import ROOT, RunningService

EXAMPLE = ROOT / "docs" / "examples" / "plugin"
WAIT_S = 60


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed, from a copy of the example."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(folder / "source")], check=True, capture_output=True)
    return folder / "site"


def test_the_examples_own_tests_pass(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests")],
        env=os.environ | {"PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"},
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_it_is_registered_promoted_and_in_profiles(installed: Path, tmp_path: Path) -> None:
    path = f"{installed}{os.pathsep}{ROOT}"
    with RunningService(tmp_path / "data", PYTHONPATH=path) as service:
        made = service.cli("models", "register", "--entry-point", "next_order")
        assert (made["name"], made["version"], len(made["digest"])) == ("next_order", 1, 64)
        service.cli("models", "promote", "next_order@1", "--force", "--reason", "the first")
        with service.client(service.write_key) as client:
            client.post("/v1/batch?wait=true", {"batch": [order(1)]})
        score = seen(service, lambda scores: "next_order" in scores)["next_order"]
        assert score["version"] == "next_order@1"
        assert score["value"] == pytest.approx(0.283, abs=0.001)
        assert score["rival"] == pytest.approx(0.283, abs=0.001)
        # Another version of the same code under the same number is not loaded: its last score stays, and says why.
        (installed / "onefold_example_models" / "weights.json").write_text("{}")
        service.stop()
        service.start()
        with service.client(service.write_key) as client:
            client.post("/v1/batch?wait=true", {"batch": [order(2)]})
        stale = seen(service, lambda scores: "stale" in scores["next_order"])["next_order"]
        assert "its code has changed" in stale["stale"]
        assert stale["value"] == score["value"]


def order(number: int) -> dict[str, Any]:
    properties = {"order_id": str(number), "revenue": 10.0, "currency": "EUR"}
    name = "Order Completed"
    return {"type": "track", "userId": "u1", "event": name, "messageId": f"m{number}", "properties": properties}


def seen(service: RunningService, wanted: Any) -> dict[str, Any]:
    """The person's scores, once they are as wanted."""
    until = time.monotonic() + WAIT_S
    while True:
        with service.client() as client:
            scores: dict[str, Any] = client.get("/v1/profiles/user_id:u1")["scores"]
        if wanted(scores):
            return scores
        assert time.monotonic() < until, scores
        time.sleep(0.2)
