"""Latencies of requests of several kinds, made one after the other and in turns, so that all meet the same machine."""

import time
from collections.abc import Callable, Mapping
from statistics import quantiles
from typing import Any

import msgspec

_LEAST = 2  # requests of a kind, of which quantiles can be told


class Latency(msgspec.Struct, frozen=True):
    """Of requests of one kind, one after the other, in ms."""

    p50_ms: float
    p99_ms: float


def in_turns(
    asked: Callable[[], Mapping[str, Callable[[], Any]]], rounds: int, seconds_max: float = float("inf")
) -> dict[str, Latency]:
    """Makes the requests of each round, by kind, one after the other; no round begins after `seconds_max`."""
    took: dict[str, list[float]] = {}
    until = time.monotonic() + seconds_max
    for number in range(rounds):
        if number >= _LEAST and time.monotonic() > until:
            break
        for name, ask in asked().items():
            took.setdefault(name, []).append(timed(ask))
    return {name: latency_of(times) for name, times in took.items()}


def timed(ask: Callable[[], Any]) -> float:
    """How long a request takes, ms."""
    started = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - started)


def latency_of(times: list[float]) -> Latency:
    """Of at least two times, ms."""
    steps = quantiles(times, n=100)
    return Latency(round(steps[49], 2), round(steps[98], 2))
