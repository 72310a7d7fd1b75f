"""How much each API key may send and ask, and how often an address may show keys that are not valid.

For keys it is a token bucket, counted in events or in calls, in each replica by itself.

A bucket holds at most `burst` tokens and fills by `rate` a second. One request may overdraw it by what it carries
(a batch is never cut in two); the next one then waits until the debt is paid.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

from serve.auth import Authenticator, Principal
from serve.errors import RateLimited, Unauthenticated
from serve.settings import Limits

CLIENT_HEADER = "onefold-client"  # HAProxy puts the client's address there, whatever the client has sent
_BUCKETS_MAX = 10_000
_WINDOW_MS = 60_000


class RateLimiter:
    """Token buckets by key id. `rate` in tokens a second, 0 for no limit; `burst` in tokens."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # key id -> tokens, as of ms

    def wait_s(self, key_id: str, now: int) -> float:
        """Seconds until this key may send again, 0 if it may now. `now` in ms."""
        if self._rate <= 0:
            return 0.0
        tokens = self._tokens(key_id, now)
        return 0.0 if tokens > 0 else (1.0 - tokens) / self._rate

    def spend(self, key_id: str, tokens: int, now: int) -> None:
        """Take `tokens` from the key's bucket. `now` in ms."""
        if self._rate <= 0:
            return
        self._buckets[key_id] = (self._tokens(key_id, now) - tokens, now)
        self._buckets.move_to_end(key_id)
        if len(self._buckets) > _BUCKETS_MAX:  # the longest unused one has long been full again
            self._buckets.popitem(last=False)

    def _tokens(self, key_id: str, now: int) -> float:
        tokens, since = self._buckets.get(key_id, (self._burst, now))
        return min(self._burst, tokens + self._rate * max(now - since, 0) / 1000)


class FailureLimiter:
    """How many failures each address has had in the last minute or so, those that are longest ago forgotten first."""

    def __init__(self, failures_max: int) -> None:
        self._failures_max = failures_max
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()  # address -> how many, since when (ms)

    def wait_s(self, address: str, now: int) -> float:
        """Seconds until this address is listened to again, 0 if it is now. `now` in ms."""
        count, since = self._failures.get(address, (0, now))
        left_ms = since + _WINDOW_MS - now
        return left_ms / 1000 if count >= self._failures_max and left_ms > 0 else 0.0

    def fail(self, address: str, now: int) -> None:
        """Notes a failure. `now` in ms."""
        count, since = self._failures.get(address, (0, now))
        if now - since >= _WINDOW_MS:
            count, since = 0, now
        self._failures[address] = (count + 1, since)
        self._failures.move_to_end(address)
        if len(self._failures) > _BUCKETS_MAX:
            self._failures.popitem(last=False)


class CallLimits:
    """What one replica asks of callers beside their key. Without limits it costs nothing."""

    def __init__(self, authenticator: Authenticator, limits: Limits, now: Callable[[], int]) -> None:
        self._authenticator = authenticator
        self._now = now
        self._per_second = limits.calls_per_second
        self._calls = RateLimiter(limits.calls_per_second, limits.calls_burst)
        failures_max = limits.failed_keys_per_minute
        self._failures = FailureLimiter(failures_max) if failures_max else None

    def caller(self, credential: str | None, address: Callable[[], str]) -> Principal:
        """Who shows this credential. `address` gives the client's. Raises Unauthenticated, RateLimited."""
        if self._failures is None:
            return self._authenticator.caller(credential)
        client, now = address(), self._now()
        if wait_s := self._failures.wait_s(client, now):
            raise RateLimited(
                f"too many keys that are not valid came from this address: send again in {math.ceil(wait_s)} s", wait_s
            )
        try:
            return self._authenticator.caller(credential)
        except Unauthenticated:
            self._failures.fail(client, now)
            raise

    def admit(self, caller: Principal) -> None:
        """Counts a call. Raises RateLimited if the caller makes too many."""
        if not self._per_second:
            return
        now = self._now()
        if wait_s := self._calls.wait_s(caller.key_id, now):
            raise RateLimited(
                f"this key makes more than its {self._per_second:g} calls per second: "
                f"send again in {math.ceil(wait_s)} s",
                wait_s,
            )
        self._calls.spend(caller.key_id, 1, now)
