"""Requests of data subjects against a running service: everything for the person, then nothing of them anywhere."""

import io
import json
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.erasure import Run, canary
from tests.e2e.service import ROOT, RunningService


class Place:
    """The service as the bench knows it."""

    def __init__(self, running: RunningService) -> None:
        self.url, self.key = running.url, running.admin_key
        self.processes, self.start, self.stop = running.processes, running.start, running.stop


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("privacy") / "data")
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_an_erasure_leaves_nothing_and_harms_nobody_even_when_it_is_killed(place: RunningService) -> None:
    run = Run(Place(place), place.data_dir, people=16, erased=4, seed=3)
    run.plant()
    run.check_before()
    run.back_up()
    export = everything(place, f"{canary(7)}@example.com")
    assert canary(7) in export["data.json"]
    data = json.loads(export["data.json"])
    (person,) = data["people"]
    assert {len(person["events"]) > 3, bool(person["segments"]), bool(person["sources"])} == {True}
    assert canary(7) in export["events.csv"]
    run.erase(kill=True)
    run.check_after()
    assert run.wrong == []
    certificates = sorted((place.data_dir / "privacy" / "certificates").glob("*.json"))
    assert certificates
    verified = verify(place, certificates[0])
    assert verified.returncode == 0
    text = certificates[0].read_text()
    certificates[0].write_text(text.replace('"events_erased":', '"events_erased":1'))
    assert verify(place, certificates[0]).returncode == 1


def everything(place: RunningService, mail: str) -> dict[str, str]:
    """The files of the result of an access request."""
    with place.client() as client:
        request_id = str(uuid.uuid4())
        client.post(
            "/v2/requests",
            {
                "regulation": "gdpr",
                "subject_request_id": request_id,
                "subject_request_type": "access",
                "submitted_time": "2026-01-01T00:00:00Z",
                "subject_identities": [{"identity_type": "email", "identity_value": mail, "identity_format": "raw"}],
            },
        )
        status: dict[str, Any] = {}
        for _ in range(600):
            status = client.get(f"/v2/requests/{request_id}")
            if status["request_status"] == "completed":
                break
            time.sleep(0.1)
        name = status["results_url"].rpartition("/")[2]
    with zipfile.ZipFile(io.BytesIO((place.data_dir / "privacy" / "results" / name).read_bytes())) as archive:
        return {each: archive.read(each).decode() for each in archive.namelist()}


def verify(place: RunningService, certificate: Path) -> Any:
    public = str(place.data_dir / "certificate-signing.pub")
    command = [sys.executable, "-m", "serve", "privacy", "verify-certificate", str(certificate), "--public-key", public]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
