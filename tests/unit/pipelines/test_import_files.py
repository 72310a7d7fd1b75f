"""The import as a whole against a throwaway service: retries, refusals by line, the same ids twice."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.batch_client import ApiClient, ApiError, Batch, batches, send_all
from pipelines.import_files import ImportReport, import_file, load_mapping, print_report
from pipelines.import_mapping import MappingError

from .conftest import Answer, FakeService

ROWS = "customer_id,date,dollar_value\n1,20260101,5\n1,20260101,5\nx,20260102\n2,soon,7\n3,20260103,0\n"


def run(path: Path, service: FakeService, **options: Any) -> ImportReport:
    return import_file(path, service.url, "ofk_test", console=Console(file=io.StringIO()), **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ROWS)
    return path


def test_good_rows_go_in_and_bad_ones_are_told_by_line(path: Path, service: FakeService, tmp_path: Path) -> None:
    report = run(path, service, error_file=tmp_path / "errors.jsonl")
    assert (report.rows, report.imported, report.bad, report.sequence) == (5, 3, 2, "0:1")
    assert [(error.line, error.field) for error in report.errors] == [(4, ""), (5, "timestamp")]
    assert Counter(m["properties"]["revenue"] for m in service.messages.values()) == {5: 2, 0: 1}
    told = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert [error["line"] for error in told] == [4, 5]
    assert report.as_json()["errors"][0]["reason"] == "expected 3 fields, found 2"
    assert service.requests[0][2]["Authorization"].startswith("Basic ")


def test_rows_nested_too_deep_are_told_by_line(service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    depths = [1, *range(900, 1000, 5), 100_000]
    rows = [f'{{"user_id": "u", "x": {"[" * depth}{"]" * depth}}}' for depth in depths]
    path.write_text("\n".join([*rows, '{"user_id": "last", "x": 1}']))
    report = run(path, service)
    assert report.rows == len(depths) + 1
    assert report.imported + report.bad == report.rows
    assert report.imported >= 2
    assert (report.errors[-1].line, report.errors[-1].reason) == (len(depths), "objects and arrays are nested too deep")


def test_the_token_stands_for_all_batches(path: Path, service: FakeService) -> None:
    tokens = ["0:5,1:3", "1:9", "", "0:7,1:2"]
    service.answer = lambda route, body: (200, {}, {"sequence": tokens.pop() if tokens else "0:6,2:1"})
    assert run(path, service, batch_events=1, connections=1).sequence == "0:7,1:9"


def test_second_import_sends_the_same_ids(path: Path, service: FakeService) -> None:
    run(path, service)
    before = dict(service.messages)
    run(path, service, batch_events=1, connections=3)
    assert service.messages == before


def test_other_source_makes_other_ids(path: Path, service: FakeService) -> None:
    run(path, service)
    run(path, service, source="another shop")
    assert len(service.messages) == 6


def test_busy_service_is_asked_again(path: Path, service: FakeService) -> None:
    answers: list[Answer] = [
        (429, {"Retry-After": "0"}, {"code": "rate_limited", "message": "slower"}),
        (503, {}, {"code": "unavailable", "message": "restarting"}),
    ]
    service.answer = lambda route, body: answers.pop() if answers else None
    assert run(path, service).imported == 3
    assert len(service.requests) == 3


def test_refused_events_are_told_by_their_line(path: Path, service: FakeService) -> None:
    reasons = [{"code": "blocked", "field": "userId", "message": "a blocked value"}]
    warning = {"index": 2, "code": "invalid_phone", "field": "traits.phone", "message": "not used"}
    answer = {"duplicates": 1, "rejected": [{"index": 1, "reasons": reasons}], "warnings": [warning]}
    service.answer = lambda route, body: (200, {}, answer)
    report = run(path, service)
    assert (report.imported, report.duplicates, report.bad) == (2, 1, 3)
    assert (report.warnings[0].line, report.warnings[0].field) == (6, "traits.phone")
    assert (report.errors[0].line, report.errors[0].field, report.errors[0].reason) == (3, "userId", "a blocked value")


def test_wrong_key_ends_it(path: Path, service: FakeService) -> None:
    service.answer = lambda route, body: (401, {}, {"code": "unauthorized", "message": "unknown key"})
    with pytest.raises(ApiError) as error:
        run(path, service)
    assert (error.value.status, error.value.code) == (401, "unauthorized")


def test_no_service(path: Path) -> None:
    with ApiClient("http://127.0.0.1:9", patience_s=0.0) as client, pytest.raises(ApiError, match="no answer") as error:
        client.send_batch([b"{}"])
    assert error.value.status == 0


def test_answer_of_something_else(service: FakeService) -> None:
    service.answer = lambda route, body: (404, {}, "nothing here")
    with ApiClient(service.url) as client, pytest.raises(ApiError, match="is this an Onefold service"):
        client.post("/v1/segments", {})


def test_mapping_errors(path: Path, service: FakeService, tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="no such file"):
        run(tmp_path / "absent.csv", service)
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(tmp_path / "absent.toml")
    assert load_mapping(None) is None
    toml = tmp_path / "m.toml"
    toml.write_text('[identifiers]\nuser_id = "nobody"')
    with pytest.raises(MappingError, match='no column "nobody"'):
        run(path, service, mapping=load_mapping(toml))
    assert service.requests == []


def test_base_url_must_be_one() -> None:
    with pytest.raises(ValueError, match="base_url"):
        ApiClient("localhost:8080")


def test_batches_keep_to_both_limits() -> None:
    messages = [(b"x" * 150_000, 0), (b"x" * 150_000, 1), (b"x" * 150_000, 2), (b"y", 3), (b"y", 4)]
    assert [batch.tags for batch in batches(messages, events_max=2)] == [[0, 1], [2, 3], [4]]


def test_send_all_holds_few_batches(service: FakeService) -> None:
    taken = 0

    def work(client: ApiClient) -> Any:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield client.send_batch, Batch([json.dumps({"messageId": str(number)}).encode()], [number])

    with ApiClient(service.url) as client:
        answered = 0
        for _ in send_all(work(client), connections=2):
            answered += 1
            assert taken - answered <= 4
    assert answered == 30
    assert len(service.messages) == 30


def test_report_for_people(path: Path, service: FakeService) -> None:
    out = io.StringIO()
    print_report(run(path, service), Console(file=out, width=200))
    assert "5 rows read, 3 imported as order (0 of them were there before), 2 bad" in out.getvalue()
    assert "line 4: expected 3 fields, found 2" in out.getvalue()
