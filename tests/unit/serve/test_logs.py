"""Logs: JSON lines, with what is allowed and nothing else."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from serve import logs

SECRET = "jane.doe@example.com"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger(logs.ROOT)
    before = (root.handlers[:], root.level, root.propagate)
    stream = io.StringIO()
    logs.configure("debug", stream)
    yield stream
    root.handlers[:], root.level, root.propagate = before


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(stream: io.StringIO) -> None:
    token = logs.request_id.set("abc")
    logs.logger("http").warning("request failed", extra=logs.fields(route="/v1/profiles/{key}", status=404))
    logs.request_id.reset(token)
    (line,) = lines(stream)
    assert line.pop("time")
    assert line == {
        "level": "warning",
        "logger": "onefold.http",
        "message": "request failed",
        "request_id": "abc",
        "route": "/v1/profiles/{key}",
        "status": 404,
    }


def test_fields_that_are_not_on_the_list_cannot_be_logged(stream: io.StringIO) -> None:
    with pytest.raises(ValueError, match="email"):
        logs.fields(email=SECRET)
    logs.logger("http").info("x", extra={"fields": {"email": SECRET}})
    assert SECRET not in stream.getvalue()


def test_arguments_of_a_message_are_not_written(stream: io.StringIO) -> None:
    logs.logger("http").info("user %s", SECRET)
    assert SECRET not in stream.getvalue()


def test_an_exception_is_its_type_and_place_without_its_message(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"could not parse {SECRET}")
    except ValueError:
        logs.logger("http").exception("request failed")
    (line,) = lines(stream)
    assert line["error"] == "ValueError"
    assert "test_logs.py" in str(line["at"])
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("proposed", ["0123456789abcdef", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"])
def test_ids_of_clients_are_taken_if_they_are_ids(proposed: str) -> None:
    assert logs.accept_request_id(proposed) == proposed


@pytest.mark.parametrize("proposed", ["", "jane", "+49 176 1234567", "491761234567", SECRET, "6f9619ff-8b86", "a" * 99])
def test_what_could_be_somebodys_data_is_not_taken_as_an_id(proposed: str) -> None:
    assert logs.accept_request_id(proposed) is None
