"""Real data through the front door: the CDNOW purchase log equals what pandas computes, twice changes nothing."""

import json
import os
import time
from decimal import Decimal
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.batch_client import ApiClient
from tests.e2e.conftest import Shop
from tests.e2e.service import ROOT, RunningService

MAPPING = ROOT / "docs" / "examples" / "cdnow.toml"
CUSTOMERS = 23_570
PURCHASES = 69_659
AGAIN = 10_000  # of these, a second time
PARTLY = 6


def cdnow_log() -> Path:
    """The log, from ONEFOLD_TEST_CDNOW or else from the lifetimes package."""
    given = os.environ.get("ONEFOLD_TEST_CDNOW")
    if given:
        return Path(given)
    package = find_spec("lifetimes")  # found, not imported: it warns under newer versions of pandas
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "datasets" / "CDNOW_master.txt"


def wait_until_applied(service: RunningService) -> dict[str, Any]:
    """The status as soon as nothing is on its way, and nobody waits to be matched."""
    with service.client() as client:
        deadline = time.monotonic() + 120
        status: dict[str, Any] = client.get("/v1/status")
        while (status["in_flight"] or status["pending_matches"]) and time.monotonic() < deadline:
            time.sleep(0.2)
            status = client.get("/v1/status")
        assert not (status["in_flight"] or status["pending_matches"]), status["matchers"]
        return status


def customers_by_pandas() -> pd.DataFrame:
    """Orders, revenue in cents, first and last day of each customer."""
    log = pd.read_csv(cdnow_log(), sep=r"\s+", dtype={"customer_id": str, "date": str, "dollar_value": str})
    log["cents"] = (log["dollar_value"].map(Decimal) * 100).map(int)
    return log.groupby("customer_id").agg(
        orders=("date", "size"), cents=("cents", "sum"), first=("date", "min"), last=("date", "max")
    )


def customers_by_onefold(client: ApiClient, ids: list[str]) -> pd.DataFrame:
    """The same, from the profiles."""
    rows = []
    for start in range(0, len(ids), 1000):
        asked = [f"user_id:{one}" for one in ids[start : start + 1000]]
        for profile in client.post("/v1/profiles/batch", {"keys": asked})["profiles"]:
            bought = profile["transactions"]
            assert bought["currency"] == "USD"
            days = [bought[edge][:10].replace("-", "") for edge in ("first_at", "last_at")]
            rows.append((bought["orders"], int(Decimal(bought["revenue"]) * 100), *days))
    return pd.DataFrame(rows, index=pd.Index(ids, name="customer_id"), columns=["orders", "cents", "first", "last"])


def test_customers_equal_pandas_and_a_second_import_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    service = shop.service
    before = wait_until_applied(service)
    report = service.cli("import", str(cdnow_log()), "--mapping", str(MAPPING), timeout_s=300)
    assert (report["rows"], report["imported"], report["bad"]) == (PURCHASES, PURCHASES, 0)
    after = wait_until_applied(service)
    added = [after[name] - before[name] for name in ("profiles", "events")]
    assert added == [CUSTOMERS, PURCHASES]
    expected = customers_by_pandas()
    assert len(expected) == CUSTOMERS
    with service.client() as client:
        found = customers_by_onefold(client, list(expected.index))
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
        keys = [f"user_id:{one}" for one in expected.index[:1000]]
        profiles = client.post("/v1/profiles/batch", {"keys": keys})
        part = tmp_path / "part.txt"
        with cdnow_log().open() as log:
            part.write_text("".join(islice(log, 1 + AGAIN)))  # the first line names the columns
        again = service.cli("import", str(part), "--mapping", str(MAPPING), timeout_s=300)
        assert again["duplicates"] == again["imported"] == AGAIN
        status = wait_until_applied(service)
        assert [status[name] for name in ("profiles", "events")] == [after[name] for name in ("profiles", "events")]
        assert client.post("/v1/profiles/batch", {"keys": keys}) == profiles


def test_broken_rows_are_told_by_line_and_good_ones_imported(service: RunningService, tmp_path: Path) -> None:
    path, told = tmp_path / "broken.csv", tmp_path / "errors.jsonl"
    path.write_text(
        "customer_id,email,phone,date,amount\n"
        "brk-1,brk1@mail.example,,2025-01-02,10.50\n"
        "brk-2,,,2025-01-02\n"  # a field is missing
        "brk-3,,,02.01.2025,1\n"  # a date in another format
        "brk-4,,,2025-01-02,much\n"  # no number
        ',"brk5,,2025-01-02,1\n'  # a quotation mark that is never closed
        ",,,2025-01-02,1\n"  # nobody
        "null,,,2025-01-02,1\n"  # a blocked id: the service refuses it
        "brk-8,,12,2025-01-02,3\n"  # a telephone number that is none: imported without it
    )
    done = service.command("import", str(path), "--errors", str(told))
    assert done.returncode == PARTLY
    report = json.loads(done.stdout)
    assert (report["rows"], report["imported"], report["bad"]) == (8, 2, 6)
    assert sorted({error["line"] for error in report["errors"]}) == [3, 4, 5, 6, 7, 8]
    assert {error["line"] for error in report["warnings"]} == {9}
    by_line = {error["line"]: error for error in map(json.loads, told.read_text().splitlines())}
    assert by_line[3]["reason"] == "expected 5 fields, found 4"
    assert by_line[4]["field"] == "timestamp"
    assert by_line[5]["field"] == "order.revenue"
    assert "never closed" in by_line[6]["reason"]
    assert by_line[7]["field"] == "identifiers"
    with service.client() as client:
        found = client.get(f"/v1/profiles/email:brk1@mail.example?min_seq={report['sequence']}")
        assert found["transactions"]["revenue"] == "10.50"
        assert client.post("/v1/profiles/batch", {"keys": ["user_id:brk-3", "user_id:brk-8"]})["profiles"][0] is None


def test_json_lines_and_parquet(service: RunningService, tmp_path: Path) -> None:
    people = pd.DataFrame(
        {
            "crm_id": ["c-1", "c-2"],
            "email": ["par1@mail.example", "par2@mail.example"],
            "visits": [3, 4],
            "since": pd.to_datetime(["2024-05-01", "2024-06-01"]),
        }
    )
    people.to_parquet(tmp_path / "people.parquet")
    events = [
        {"email": "par1@mail.example", "event": "Signed Up", "time": 1_735_689_600, "plan": "plus"},
        {"email": "par2@mail.example", "event": "Signed Up", "time": 1_735_689_600, "plan": "free"},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert service.cli("import", str(tmp_path / "people.parquet"))["imported"] == 2
    report = service.cli("import", str(tmp_path / "events.jsonl"))
    assert (report["type"], report["imported"]) == ("track", 2)
    wait_until_applied(service)
    with service.client() as client:
        profile = client.get("/v1/profiles/crm_id:c-1")
    assert profile["attributes"]["visits"]["value"] == 3
    assert profile["behaviors"]["Signed Up"]["first"] == "2025-01-01T00:00:00.000Z"
