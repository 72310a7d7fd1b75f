"""Trying refused messages again, for example after their source's schema was corrected."""

from dataclasses import dataclass, field

from models.events.event import Event
from models.events.outcome import Reason
from models.shard.protocol import DeadLetter
from serve.request_context import RequestContext
from serve.residency import keep_here

PAGE = 1_000  # letters, at most, that one call tries


@dataclass
class Replayed:
    """How many became events, and why the others did not. `positions`: where the next call for all goes on."""

    count: int = 0
    rejected: dict[str, list[Reason]] = field(default_factory=dict)  # letter id -> reasons
    positions: dict[int, int] = field(default_factory=dict)  # by shard
    has_more: bool = False


async def replay(context: RequestContext, ids: list[str]) -> Replayed:
    """Tries the letters with these ids again. Raises Unavailable."""
    return await _replay(context, await context.services.router.take_dead_letters(ids))


async def replay_waiting(context: RequestContext, after: dict[int, int]) -> Replayed:
    """Tries the next letters of every shard again: those after the positions of the call before.

    What cannot pass keeps no other letter from its turn, in its shard or another. Raises Unavailable.
    """
    letters, positions, has_more = await context.services.router.waiting_dead_letters(after, PAGE)
    outcome = await _replay(context, letters)
    outcome.positions, outcome.has_more = positions, has_more
    return outcome


async def _replay(context: RequestContext, letters: list[DeadLetter]) -> Replayed:
    """Parses the letters under the rules of now and takes what passes.

    The time of receipt stays what it was. A message without an id gets its letter's, so that a replay that is cut
    short and tried again takes nothing twice.
    """
    services, intake = context.services, context.intake
    outcome = Replayed()
    events: list[Event] = []
    done: list[str] = []
    for letter in letters:
        source = intake.source(letter.source)
        parsed = intake.parser.parse_items(
            [letter.body],
            source,
            letter.received_at,
            lambda: letter.letter_id,  # noqa: B023
            again=letter.minimised,
        )
        parsed = keep_here(services.settings.residency, parsed, letter.source)
        intake.count_entry(parsed, letter.source)
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
