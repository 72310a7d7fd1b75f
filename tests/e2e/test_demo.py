"""The demo, small: every figure that it prints is there and consistent, and exact identifiers do their part."""

import pytest

from tests.e2e.conftest import DEMO_PEOPLE, Shop


def test_demo(shop: Shop) -> None:
    report, accuracy = shop.report, shop.report["accuracy"]
    assert report["people"] == accuracy["people"] == DEMO_PEOPLE
    assert report["rejected"] == 0
    assert report["duplicates"] == report["events"] - accuracy["records"] > 0
    assert accuracy["profiles"] >= DEMO_PEOPLE
    assert accuracy["unified"] > 0.8
    assert accuracy["pairwise_precision"] > 0.95
    assert accuracy["bcubed_f1"] == pytest.approx(
        2 * accuracy["bcubed_precision"] * accuracy["bcubed_recall"]
        / (accuracy["bcubed_precision"] + accuracy["bcubed_recall"])
    )  # fmt: skip
    assert len(report["segments"]) == 3
    assert all(0 < segment["members"] < DEMO_PEOPLE for segment in report["segments"])
    assert {"identities", "attributes", "behaviors", "transactions", "engagement"} <= report["profile"].keys()
    assert {one["namespace"] for one in report["profile"]["identities"]} >= {"user_id", "email", "anonymous_id"}
    assert 0 < report["lookup"]["p50_ms"] <= report["lookup"]["p99_ms"]
    assert shop.status["profiles"] == accuracy["profiles"]
    assert shop.status["events"] == accuracy["records"]
    again = shop.service.command("demo", "--people", str(DEMO_PEOPLE))
    assert again.returncode == 2  # it does not mix with data that is there
