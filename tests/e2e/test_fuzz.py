"""Half a minute of what `bench.fuzz_http` and `bench.fuzz_grpc` do for longer, with one seed."""

from bench import fuzz_grpc, fuzz_http
from bench.fuzz_place import place

SECONDS = 25


def test_http() -> None:
    with place() as where:
        assert fuzz_http.fuzz(where, "fuzzing", SECONDS, 1) == []


def test_grpc() -> None:
    with place() as where:
        assert fuzz_grpc.fuzz(where, SECONDS, 1) == []
