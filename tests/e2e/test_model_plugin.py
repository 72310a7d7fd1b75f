"""The example of a plugged-in model: installed as a package, registered, promoted, and in profiles; then it is replaced
by one that fails."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import pytest

from bench.processes import title
from tests.e2e.service import ROOT, RunningService

EXAMPLE = ROOT / "docs" / "examples" / "plugin"
WAIT_S = 60
PERSON = "next-order-1"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Path:
    """Where the package is installed, from a copy of the example."""
    source = tmp_path_factory.mktemp("plugin") / "source"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(plugins), str(source)], check=True, capture_output=True)
    return plugins


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


def test_it_is_registered_promoted_and_in_profiles(installed: Path, service: RunningService) -> None:
    made = service.cli("models", "register", "--entry-point", "next_order")
    assert (made["name"], made["version"], len(made["digest"])) == ("next_order", 1, 64)
    service.cli("models", "promote", "next_order@1", "--force", "--reason", "the first")
    score = seen(service, lambda score: bool(score))
    assert score["version"] == "next_order@1"
    assert score["value"] == pytest.approx(0.283, abs=0.001)
    assert score["rival"] == pytest.approx(0.283, abs=0.001)
    with service.client() as client:
        listed = client.get(f"/v1/profiles/user_id:{PERSON}/scores?explain=true")["data"]
    why = next(each["explanation"] for each in listed if each["name"] == "next_order")
    assert why["unit"] == "orders to expect in 30 days"
    assert 1 - exp(-why["base"] - sum(why["adds"].values())) == pytest.approx(score["value"])
    # Another version of the same code under the same number is not loaded: its last score stays, and says why.
    (installed / "onefold_example_models" / "weights.json").write_text("{}")
    (host,) = [pid for pid in service.processes() if title(pid).startswith("ray::ModelHost")]
    os.kill(host, signal.SIGKILL)
    stale = seen(service, lambda score: "its code has changed" in score.get("stale", ""))
    assert stale["value"] == score["value"]
    service.cli("models", "retire", "next_order", "--reason", "the test is over")


def seen(service: RunningService, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The model's score of somebody who has bought once and goes on looking, once it is as wanted."""
    properties = {"order_id": "1", "revenue": 10.0, "currency": "EUR"}
    order = {"type": "track", "userId": PERSON, "event": "Order Completed", "properties": properties}
    once = order | {"messageId": PERSON}
    look = {"type": "track", "userId": PERSON, "event": "Product Looked At"}
    until = time.monotonic() + WAIT_S
    with service.client() as client:
        while True:
            client.post("/v1/batch?wait=true", {"batch": [once, look]})
            score: dict[str, Any] = client.get(f"/v1/profiles/user_id:{PERSON}")["scores"].get("next_order", {})
            if wanted(score):
                return score
            assert time.monotonic() < until, score
            time.sleep(0.2)
