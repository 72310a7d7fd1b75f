"""The events that the ingestion benchmark sends: a growing population, identify and track mixed. Cheap to make.

Events are filled into byte templates, a few microseconds each, so that the generator leaves the machine to the
service. Sizes and fields are those of a shop's web tracking (330 to 560 bytes an event).
"""

import itertools
import random
import threading
import time

_NEW = (
    b'{"type":"identify","messageId":"%(id)s","timestamp":"%(time)s","anonymousId":"%(anonymous)s","userId":"%(user)s",'
    b'"traits":{"email":"%(user)s@mail.example","firstName":"Kim","lastName":"Example","plan":"free",'
    b'"address":{"city":"Leeds","country":"GB"}},"context":{"locale":"en-GB","channel":"web",'
    b'"page":{"path":"/welcome","url":"https://shop.example/welcome"}}}'
)
_UPDATE = (
    b'{"type":"identify","messageId":"%(id)s","timestamp":"%(time)s","anonymousId":"%(anonymous)s","userId":"%(user)s",'
    b'"traits":{"plan":"plus","visits":%(number)d},"context":{"locale":"en-GB","channel":"web"}}'
)
_TRACKS = (
    b'{"type":"track","messageId":"%(id)s","timestamp":"%(time)s","anonymousId":"%(anonymous)s","userId":"%(user)s",'
    b'"event":"Product Viewed","properties":{"product_id":"P%(number)d","name":"Rain jacket","category":"jackets",'
    b'"price":129,"currency":"EUR"},"context":{"locale":"en-GB","channel":"web","page":{"path":"/p/%(number)d",'
    b'"url":"https://shop.example/p/%(number)d"}}}',
    b'{"type":"track","messageId":"%(id)s","timestamp":"%(time)s","anonymousId":"%(anonymous)s","userId":"%(user)s",'
    b'"event":"Product Added","properties":{"product_id":"P%(number)d","price":129,"quantity":1,"currency":"EUR"},'
    b'"context":{"locale":"en-GB","channel":"web"}}',
    b'{"type":"track","messageId":"%(id)s","timestamp":"%(time)s","anonymousId":"%(anonymous)s","userId":"%(user)s",'
    b'"event":"Order Completed","properties":{"order_id":"%(id)s","revenue":%(number)d.5,"currency":"EUR",'
    b'"products":[{"product_id":"P%(number)d","price":%(number)d.5,"quantity":1}]},'
    b'"context":{"locale":"en-GB","channel":"web"}}',
)
_TRACK_WEIGHTS = (70, 20, 10)
_UPDATE_SHARE = 0.1  # of all events: a known person's traits change
_RIPE = 2000  # the newest people are left alone: their first event may still be on its way
_ACTIVE = 50_000  # people who come back are among this many of the latest


class Load:
    """Makes batches, from any thread. `run` keeps the ids of two runs apart; the same seed makes the same mix."""

    def __init__(self, run: str, new_share: float, seed: int) -> None:
        self._run = run.encode()
        self._new_share = new_share
        self._rng = random.Random(seed)
        self._messages = itertools.count()
        self._lock = threading.Lock()
        self.people = 0

    def batch(self, events: int) -> bytes:
        """The body of a request with that many events."""
        clock = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()).encode()
        with self._lock:
            return b'{"batch":[' + b",".join(self._event(clock) for _ in range(events)) + b"]}"

    def _event(self, clock: bytes) -> bytes:
        draw = self._rng.random()
        if draw < self._new_share or self.people <= _RIPE:
            person, template = self.people, _NEW
            self.people += 1
        else:
            last = self.people - _RIPE
            person = last - 1 - int(self._rng.random() * min(last, _ACTIVE))
            if draw < self._new_share + _UPDATE_SHARE:
                template = _UPDATE
            else:
                template = self._rng.choices(_TRACKS, _TRACK_WEIGHTS)[0]
        return template % {
            b"id": b"%b-%d" % (self._run, next(self._messages)),
            b"time": clock,
            b"anonymous": b"a%b-%d" % (self._run, person),
            b"user": b"u%b-%d" % (self._run, person),
            b"number": 100 + person % 400,
        }
