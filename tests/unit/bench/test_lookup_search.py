"""The lookup benchmark's search for a rate, and its report."""

import pytest

from bench.lookup import Bar, RateSearch, Report, Step, lines
from bench.open_loop import percentile


@pytest.mark.parametrize("capacity", [120, 499, 500, 640, 2_400, 6_750])
def test_the_search_closes_in_on_what_a_server_can_do(capacity: float) -> None:
    search = RateSearch()
    steps = 0
    while not search.done:
        search.tell(search.rate <= capacity, search.rate)
        steps += 1
    assert search.best <= capacity
    assert search.best >= 0.75 * capacity
    assert steps <= 15


def test_a_server_that_keeps_nothing_ends_the_search() -> None:
    search = RateSearch()
    while not search.done:
        search.tell(False, 0.0)
    assert search.best == 0


def test_percentiles_by_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (51, 100, 100)
    assert percentile([7.0], 0.99) == 7


def test_the_table_says_what_is_missed() -> None:
    report = Report(
        keys=10,
        reply_bytes=900,
        serial_p50_ms=1.0,
        serial_p99_ms=2.0,
        bare_serial_p50_ms=0.5,
        steady_p99_ms=3.0,
        onefold_rate=1_500,
        bare_rate=3_000,
        ratio=0.5,
        batch_profiles_per_s=29_000,
        batch_p99_ms=9.0,
        origins={"cache": 9, "file": 1},
        cache_hit_ratio=0.9,
        busy_before=0.5,
        seconds=90,
        steps=[Step("bare", 500, 499.6, 0.7, 45.0, 0, False)],
        bars=[Bar("a", 0.5, 0.35, True, True), Bar("b", 29_000, 30_000, True, False)],
    )
    text = "\n".join(lines(report))
    assert "90% from cache" in text and "too slow" in text
    assert "ok   a: 0.50 (>= 0.35)" in text and "MISS b: 29,000.00 (>= 30,000)" in text
    assert "50% of this machine was in use" in text
