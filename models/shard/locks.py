"""Locks on identifiers and profiles, held by workflows across steps and crashes.

A request takes its names one after the other in sorted order and waits at the first that is taken. Behind
a held profile lock also wait events for that profile. Lock rows are tables, so a restart resumes exactly.
"""

import msgspec

from models.shard.tables import Table


class Lock(msgspec.Struct, array_like=True):
    """`queue` holds workflows that wait (positive) and held events (negative numbers of rows of `held`)."""

    holder: int
    queue: list[int] = []


class Request(msgspec.Struct, array_like=True):
    """A workflow's outstanding wish at this shard: `names` in order, the first `taken` of them are held."""

    workflow: int
    names: list[str]
    taken: int = 0
    digests: bool = False  # the answer shall tell the digests of the profiles' records


class Locks:
    """Acquires and releases; what a grant leads to is the caller's business."""

    def __init__(self, locks: Table[str, Lock], requests: Table[int, Request]) -> None:
        self._locks = locks
        self._requests = requests

    def held(self, name: str) -> bool:
        return name in self._locks

    def acquire(self, workflow: int, names: list[str], digests: bool = False) -> bool:
        """Asks for `names` (sorted). True if all are held now; otherwise `release` will grant them later."""
        return self._go_on(Request(workflow, names, digests=digests))

    def hold(self, name: str, held: int) -> None:
        """Queues a held event behind the lock on its profile."""
        lock = self._locks[name]
        lock.queue.append(-held)
        self._locks.put(name, lock)

    def release(self, name: str) -> tuple[list[int], Request | None]:
        """Frees a lock: the held events that may go now, and the request (if any) that is complete by this.

        The events go before the next workflow: they were waiting first.
        """
        lock = self._locks[name]
        events: list[int] = []
        while lock.queue:
            entry = lock.queue.pop(0)
            if entry < 0:
                events.append(-entry)
                continue
            lock.holder = entry
            self._locks.put(name, lock)
            request = self._requests[entry]
            request.taken += 1
            return events, request if self._go_on(request) else None
        self._locks.delete(name)
        return events, None

    def _go_on(self, request: Request) -> bool:
        while request.taken < len(request.names):
            name = request.names[request.taken]
            lock = self._locks.get(name)
            if lock is not None:
                lock.queue.append(request.workflow)
                self._locks.put(name, lock)
                self._requests.put(request.workflow, request)
                return False
            self._locks.put(name, Lock(request.workflow))
            request.taken += 1
        self._requests.delete(request.workflow)
        return True


def key_lock(identifier: str) -> str:
    """Name of an identifier's lock."""
    return "k" + identifier


def profile_lock(customer_id: int) -> str:
    """Name of a profile's lock; fixed width, so that names sort as the ids do."""
    return f"p{customer_id:019d}"
