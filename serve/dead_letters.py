"""Trying refused messages again, for example after their source's schema was corrected."""

from dataclasses import dataclass, field

from models.events.event import Event
from models.events.outcome import Reason
from serve.request_context import RequestContext


@dataclass
class Replayed:
    """How many became events, and why the others did not."""

    count: int = 0
    rejected: dict[str, list[Reason]] = field(default_factory=dict)  # letter id -> reasons


async def replay(context: RequestContext, ids: list[str] | None) -> Replayed:
    """Parses the letters (all of them if `ids` is None) under the rules of now and takes what passes.

    The time of receipt stays what it was. A message without an id gets its letter's, so that a replay that is cut
    short and tried again takes nothing twice. Raises Unavailable.
    """
    services, intake = context.services, context.intake
    outcome = Replayed()
    events: list[Event] = []
    done: list[str] = []
    for letter in await services.router.take_dead_letters(ids):
        source = intake.source(letter.source)
        parsed = intake.parser.parse_items([letter.body], source, letter.received_at, lambda: letter.letter_id)  # noqa: B023
        if parsed.events:
            events += parsed.events
            done.append(letter.letter_id)
        else:
            outcome.rejected[letter.letter_id] = parsed.rejected[0].reasons
    if events:
        await services.router.ingest(events)
        await services.router.mark_replayed(done, services.now())
    outcome.count = len(done)
    return outcome
