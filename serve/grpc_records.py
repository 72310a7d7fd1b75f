"""What is counted of gRPC calls, handed to the metrics in lots: one by one it would cost as much as a lookup."""

import asyncio
from collections import Counter

from serve.metrics import Metrics

FLUSH_S = 0.25
TIMED_MAX = 50  # calls of a route that are timed between two flushes; beyond 200 a second that is a sample


class CallRecords:
    """Calls of one replica, since the last flush."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: Counter[tuple[str, str]] = Counter()  # (route, status)
        self._seconds: dict[str, list[float]] = {}  # by route
        self._flush: asyncio.TimerHandle | None = None

    def add(self, route: str, status: str, seconds: float | None = None) -> None:
        """A call that has ended, and how long it took if that is to be told. Needs a running event loop."""
        self._counts[route, status] += 1
        if seconds is not None:
            timed = self._seconds.setdefault(route, [])
            if len(timed) < TIMED_MAX:
                timed.append(seconds)
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Hands over what there is."""
        self._flush = None
        for (route, status), amount in self._counts.items():
            self._metrics.count("onefold_requests", amount, transport="grpc", route=route, status=status)
        self._counts.clear()
        for route, timed in self._seconds.items():
            for seconds in timed:
                self._metrics.observe("onefold_request_seconds", seconds, transport="grpc", route=route)
        self._seconds.clear()
