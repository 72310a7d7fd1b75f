"""The demo, small: every figure that it prints is there and consistent, and exact identifiers do their part."""

from pathlib import Path

import pytest

from tests.e2e.service import RunningService

PEOPLE = 600


def test_demo(tmp_path: Path) -> None:
    with RunningService(tmp_path / "data") as service:
        report = service.cli("demo", "--people", str(PEOPLE), timeout_s=300)
        accuracy = report["accuracy"]
        assert report["people"] == accuracy["people"] == PEOPLE
        assert report["rejected"] == 0
        assert report["duplicates"] == report["events"] - accuracy["records"] > 0
        assert accuracy["profiles"] >= PEOPLE
        assert accuracy["unified"] > 0.8
        assert accuracy["pairwise_precision"] > 0.95
        assert accuracy["bcubed_f1"] == pytest.approx(
            2 * accuracy["bcubed_precision"] * accuracy["bcubed_recall"]
            / (accuracy["bcubed_precision"] + accuracy["bcubed_recall"])
        )  # fmt: skip
        assert len(report["segments"]) == 3
        assert all(0 < segment["members"] < PEOPLE for segment in report["segments"])
        assert {"identities", "attributes", "behaviors", "transactions", "engagement"} <= report["profile"].keys()
        assert {one["namespace"] for one in report["profile"]["identities"]} >= {"user_id", "email", "anonymous_id"}
        assert 0 < report["lookup"]["p50_ms"] <= report["lookup"]["p99_ms"]
        status = service.cli("status")
        assert status["profiles"] == accuracy["profiles"]
        assert status["events"] == accuracy["records"]
        again = service.command("demo", "--people", str(PEOPLE))
        assert again.returncode == 2  # it does not mix with data that is there
