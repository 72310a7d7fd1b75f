"""How much each API key may send: a token bucket a key, counted in events, in each replica by itself.

A bucket holds at most `burst` tokens and fills by `rate` a second. One request may overdraw it by what it carries
(a batch is never cut in two); the next one then waits until the debt is paid.
"""

from collections import OrderedDict

_BUCKETS_MAX = 10_000


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
