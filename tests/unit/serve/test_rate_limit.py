"""Token buckets by key."""

from serve.rate_limit import RateLimiter


def test_a_key_may_run_ahead_by_its_burst_and_then_waits() -> None:
    limiter = RateLimiter(rate=10, burst=20)
    assert limiter.wait_s("a", 0) == 0
    limiter.spend("a", 20, 0)
    assert limiter.wait_s("a", 0) == 0.1
    assert limiter.wait_s("a", 100) == 0
    assert limiter.wait_s("b", 0) == 0


def test_a_batch_overdraws_and_is_paid_back() -> None:
    limiter = RateLimiter(rate=10, burst=20)
    limiter.spend("a", 120, 0)
    assert limiter.wait_s("a", 0) == 10.1
    assert limiter.wait_s("a", 10_000) > 0
    assert limiter.wait_s("a", 10_101) == 0


def test_a_bucket_holds_no_more_than_its_burst() -> None:
    limiter = RateLimiter(rate=10, burst=5)
    limiter.spend("a", 1, 0)
    limiter.spend("a", 5, 3_600_000)
    assert limiter.wait_s("a", 3_600_000) > 0


def test_no_rate_is_no_limit() -> None:
    limiter = RateLimiter(rate=0, burst=1)
    limiter.spend("a", 1_000_000, 0)
    assert limiter.wait_s("a", 0) == 0


def test_a_clock_that_goes_back_does_no_harm() -> None:
    limiter = RateLimiter(rate=10, burst=10)
    limiter.spend("a", 10, 5_000)
    assert 0 < limiter.wait_s("a", 4_000) <= 0.1
