"""The demo shop's data: messages of eight systems about people who are known in truth. Seeded: same seed, same bytes.

The truth (which person each message is about) is kept beside the messages and never sent; it is what
`pipelines.demo_accuracy` measures the platform against.
"""

import random
from typing import NamedTuple

import msgspec

from pipelines.demo_people import make_people
from pipelines.demo_touchpoints import Journey, Touchpoint

PEOPLE_DEFAULT = 12_000
_DOUBLED_SHARE = 0.015
_DOUBLED_MS_MAX = 120_000


class DemoMessage(NamedTuple):
    """One message as it is sent, and the truth about it."""

    arrival: int  # ms; messages are in this order
    message_id: str
    touchpoint: Touchpoint
    body: bytes  # JSON for the ingestion API
    person: int  # whom it is truly about; never sent


def generate(seed: int, people: int, now: int) -> list[DemoMessage]:
    """All messages of the half year before `now` (ms since 1970), in order of arrival.

    Some come late, some twice (with the same message id), as from real senders.
    """
    rng = random.Random(f"onefold demo arrivals {seed}")  # nosec B311
    messages = []
    for person in make_people(seed, people):
        for said in Journey(person, seed, now).all():
            body = msgspec.json.encode(said.message)
            message = DemoMessage(said.arrival, said.message["messageId"], said.touchpoint, body, person.number)
            messages.append(message)
            if rng.random() < _DOUBLED_SHARE:
                messages.append(message._replace(arrival=said.arrival + rng.randrange(_DOUBLED_MS_MAX)))
    messages.sort()
    return messages
