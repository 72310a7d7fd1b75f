"""A few seconds of what `bench.fuzz_http` and `bench.fuzz_grpc` do for longer, with one seed."""

from collections.abc import Iterator

import pytest

from bench import fuzz_grpc, fuzz_http
from bench.fuzz_place import Place, place

SECONDS = 10


@pytest.fixture(scope="module")
def where() -> Iterator[Place]:
    with place() as made:
        yield made


def test_http(where: Place) -> None:
    assert fuzz_http.fuzz(where, "fuzzing", SECONDS, 1) == []


def test_grpc(where: Place) -> None:
    assert fuzz_grpc.fuzz(where, SECONDS, 1) == []
