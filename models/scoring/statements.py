"""What models say of a person, as an event that a scorer sends: the bands that scores are in, as traits.

It is none of the person's doing: nobody was seen, nothing is counted, and nobody comes to be by it. No client can send
one, and none can write as its source.
"""

from collections.abc import Mapping

from models.events.event import Event
from models.identity.customer_id import to_text

SCORED = "scored"  # the type of the event
SCORER_SOURCE = "onefold_scoring"


def band_trait(name: str) -> str:
    """The trait that has the band of a score."""
    return f"{name}_band"


def statement(
    customer_id: int,
    identifier: str,
    bands: Mapping[str, str | None],
    versions: Mapping[str, str],
    at: int,
    after: int = 0,
) -> Event:
    """The statement of a person's bands by the scores' names, None where there is none now, as of `at` ms; `versions`
    are those of the models that gave the scores. It is later than the last one, `after` ms, which may be of a clock
    that was ahead."""
    time = max(at, after + 1)
    return Event(
        message_id=f"{SCORED}-{to_text(customer_id)}-{time}",
        type=SCORED,
        name="",
        timestamp=time,
        received_at=at,
        source=SCORER_SOURCE,
        identifiers=(identifier,),
        route=identifier,
        traits={band_trait(name): band for name, band in bands.items()},
        context={"scores": dict(versions)} if versions else {},
    )
