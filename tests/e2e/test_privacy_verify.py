"""`onefold privacy verify`: every duty is tried on a service of its own, which is gone afterwards."""

import json
import os
import subprocess
import sys

from tests.e2e.service import ROOT

DUTIES = 14


def test_every_duty_is_met() -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ONEFOLD_", "RAY_"))}
    command = [sys.executable, "-m", "serve", "privacy", "verify", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=600, check=False)
    told = json.loads(done.stdout)
    assert {row["duty"]: row["seen"] for row in told["data"] if row["result"] == "fail"} == {}
    assert (len(told["data"]), told["failed"], done.returncode) == (DUTIES, 0, 0)
