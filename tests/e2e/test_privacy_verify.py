"""`onefold privacy verify`: every duty is tried on a service of its own, and its files hold what they should alone."""

import json

import pytest
from typer.testing import CliRunner

from serve import verify_scene
from serve.cli import app
from serve.verify_scene import Scene

DUTIES = 14
GONE, KEPT = ("zqoldterm0", "zqoldterm2", "zqunknownmin0"), "zqrecentterm2"


def test_every_duty_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []

    class Searched(Scene):
        """The scene, searched when it has ended."""

        def _end(self) -> None:
            super()._end()
            left.extend(self.scan(*GONE, KEPT))

    monkeypatch.setattr(verify_scene, "Scene", Searched)
    done = CliRunner().invoke(app, ["privacy", "verify", "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    assert {row["duty"]: row["seen"] for row in told["data"] if row["result"] == "fail"} == {}
    assert (len(told["data"]), told["failed"], done.exit_code) == (DUTIES, 0, 0)
    assert left == [KEPT]
