"""What is asked about segments: counts, history, members' traits and doings, overlap, and why somebody is in one.

Numbers below `segments.min_count` are not told to those who may not read profiles (`Suppression`): a count of one, with
the right criteria, is a look at a person.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.errors import Invalid, NotFound
from models.identity.customer_id import to_text
from models.privacy.visibility import may_read, serves_all
from models.profile.state import DAY_MS, Profile
from models.segments.analytics import report
from models.segments.attributes import trait_reader
from models.segments.compile import Reads
from models.segments.explain import TIME_MAX, explain
from models.segments.times import parse_duration, parse_instant
from models.shard.protocol import StoredEvent
from serve import segment_registry
from serve.auth import Principal
from serve.http_schemas import time_text
from serve.request_context import RequestContext
from serve.services import Services

DAYS_MAX = 400  # of a history or a backtest
OVERLAP_MAX = 50  # segments in one matrix
CONVERSION = "Order Completed"
ROW_FIELDS = ("customer_id", "entered_at", "held_out")  # of a member's row, before the traits
_EVENTS_PAGE = 500
_EVENTS_MAX = 2_000  # of one person that are looked through for what is behind an answer


class Suppression:
    """Which counts a caller may see."""

    def __init__(self, services: Services, principal: Principal | None) -> None:
        sees_people = principal is None or principal.allows("read")
        self._least = 0 if sees_people else services.settings.segments.min_count

    def count(self, members: int) -> int | None:
        """The count; None if it is too small to be told. Nobody is always told."""
        return members if members >= self._least or not members else None

    def part(self, some: int, whole: int) -> int | None:
        """A count of some of so many; None if they, or the others, are too few to be told."""
        return None if self.count(whole - some) is None else self.count(some)

    def flow(self, before: int, after: int, entered: int, left: int) -> tuple[int | None, int | None]:
        """Who entered and left between two sizes: None, both, if one of the four is too small to be told. It would be
        what the three others come to."""
        told = all(self.count(count) is not None for count in (before, after, entered, left))
        return (entered, left) if told else (None, None)


def moments(services: Services, since: str, until: str, default_days: int) -> tuple[int, int]:
    """A range of time, ms, from ISO 8601 texts: until now, and `default_days` long, where they are empty."""
    end = _instant("to", until) if until else services.now()
    start = _instant("from", since) if since else end - default_days * DAY_MS
    if not start < end:
        raise Invalid("from: expected a time before `to`")
    if end - start > DAYS_MAX * DAY_MS:
        raise Invalid(f"from: expected at most {DAYS_MAX} days before `to`")
    return start, end


def past(services: Services, at: str) -> int:
    """A past time in ISO 8601, as ms."""
    found = _instant("at", at)
    if found > services.now():
        raise Invalid("at: expected a time in the past")
    return found


async def members_at(
    context: RequestContext, segment_id: str, at: str, limit: int, cursor: str, purpose: str
) -> tuple[list[int], str]:
    """A page of those who were in a segment at a past time and may be told of now, also if they were somebody else's
    profile then; and the cursor of the next page."""
    services = context.services
    found, following = await services.router.members_at(segment_id, past(services, at), limit, cursor, purpose)
    readable = await context.basis.people(found, purpose)
    return [customer_id for customer_id in found if customer_id in readable], following


async def history(services: Services, segment_id: str, start: int, end: int, step: str) -> list[dict[str, Any]]:
    """The segment's size at the end of each step from `start` to `end` (ms), with who entered and left in it."""
    segment_registry.definition_of(services, segment_id)
    length = parse_duration(step)
    if length is None or (end - start) // length > DAYS_MAX * 24:
        raise Invalid('step: expected a duration such as "1d" or "1h", and not too many of them')
    times = [*range(start, end, length), end]
    members, flows = await services.router.segment_flow(segment_id, times)
    sizes = [members]
    for entered, left in reversed(flows):
        sizes.append(sizes[-1] - entered + left)
    sizes.reverse()  # at each of `times`, and now
    return [
        {"at": time_text(at), "members": size, "entered": entered, "left": left}
        for at, size, (entered, left) in zip(times, sizes, [(0, 0), *flows[:-1]], strict=False)
    ]


async def analytics(
    services: Services, segment_id: str, start: int, end: int, conversion: str, within: str
) -> dict[str, Any]:
    """What the members are like; growth and conversion are of the time from `start` to `end` (ms)."""
    definition = segment_registry.definition_of(services, segment_id)
    length = parse_duration(within)
    if length is None:
        raise Invalid('within: expected a duration such as "7d"')
    summary = await services.router.segment_summary(
        segment_id, definition.holdout, start, end, conversion or CONVERSION, length
    )
    predictions = await services.router.segment_predictions(segment_id)
    found = report(summary, services.settings.segments.min_count, predictions)
    found["conversion"] |= {"event": conversion or CONVERSION, "within": within}
    steps = await history(services, segment_id, start, end, f"{max((end - start) // 1000, 1)}s")
    before, after = steps[0]["members"], steps[-1]["members"]
    growth = {"from": time_text(start), "to": time_text(end), "members_from": before, "members_to": after}
    growth |= {key: sum(step[key] for step in steps[1:]) for key in ("entered", "left")}
    growth["rate"] = round((after - before) / before, 4) if before else None
    return {"segment_id": segment_id, "at": time_text(services.now()), "growth": growth, **found}


async def overlap(services: Services, segment_ids: Sequence[str]) -> list[list[int]]:
    """How many are in both of each two of the segments."""
    if not 2 <= len(segment_ids) <= OVERLAP_MAX:
        raise Invalid(f"segments: expected the ids of 2 to {OVERLAP_MAX} segments, with commas between them")
    for segment_id in segment_ids:
        segment_registry.definition_of(services, segment_id)
    found: list[list[int]] = await services.router.segment_overlap(list(segment_ids))
    return found


async def backtest(services: Services, criteria: Any, days: int) -> list[tuple[int, int]]:
    """How many people would have met the criteria at this time of each of the past days: (ms, members), oldest first.

    Events and orders count by their own times; traits and channels are those of now.
    """
    if not 1 <= days <= DAYS_MAX:
        raise Invalid(f"days: expected 1 to {DAYS_MAX}")
    now = services.now()
    times = [now - day * DAY_MS for day in range(days, -1, -1)]
    counts = await services.router.backtest(segment_registry.draft(services, criteria), times)
    return list(zip(times, counts, strict=True))


async def why(
    context: RequestContext, segment_id: str, key: str, purpose: str
) -> tuple[dict[str, Any], int, dict[str, int]]:
    """Why the person of a normalised key is in the segment or not: every clause with what was found, and the events, as
    far as they serve the purpose. Also who that is (customer id), and what was withheld. Raises NotFound, also if the
    purpose has no basis for the person."""
    services = context.services
    definition = segment_registry.definition_of(services, segment_id)
    context.check_segment(segment_id, purpose)
    profile: Profile | None = await services.reads.get(key)
    if profile is None:
        raise NotFound("key: nobody has this identifier")
    now = services.now()
    if not may_read(profile, context.purposes, purpose, now):
        raise NotFound(f"key: nothing is told of this person: the purpose {purpose} has no basis for them")
    hidden = 0

    def may_show(reads: Reads) -> bool:
        nonlocal hidden
        is_shown = serves_all(context.purposes, purpose, reads)
        hidden += not is_shown
        return is_shown

    catalogue, rules = segment_registry.catalogue(services), services.settings.lifecycle
    tree, occurrences = explain(definition.criteria, catalogue, profile, now, rules, time_text, may_show)
    await _name_events(services, key, occurrences)
    entered = profile.memberships.get(segment_id)
    told = {
        "segment_id": segment_id,
        "member": entered is not None,
        "entered_at": None if entered is None else time_text(entered),
        "at": time_text(now),
        "criteria": tree,
    }
    return told, profile.customer_id, {"criteria": hidden}


async def _name_events(services: Services, key: str, occurrences: list[dict[str, Any]]) -> None:
    """Adds the message ids of the events behind the answers, as far as they are among the person's latest."""
    wanted: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for occurrence in occurrences:
        wanted.setdefault((occurrence.get("event", ""), occurrence["at"]), []).append(occurrence)
    cursor, seen = "", 0
    while wanted and seen < _EVENTS_MAX:
        page, cursor = await services.router.events(key, _EVENTS_PAGE, cursor)
        seen += len(page)
        for stored in page:
            for name in _names(stored):
                for occurrence in wanted.pop((name, time_text(stored.event.timestamp)), ()):
                    occurrence["message_id"] = stored.event.message_id
        if not cursor:
            break


def _names(stored: StoredEvent) -> tuple[str, ...]:
    """What the occurrences of an event go by; orders go by their time alone."""
    event = stored.event
    order = any(name in event.properties for name in ("order_id", "orderId", "transaction_id"))
    viewed = {"page": "Page Viewed", "screen": "Screen Viewed"}.get(event.type)
    names = (event.name,) if viewed is None else (viewed, f"{viewed}: {event.name}")
    return (*names, "") if order else names


def _instant(field: str, text: str) -> int:
    found = parse_instant(text)
    if found is None:
        raise Invalid(f'{field}: expected an ISO 8601 date or time such as "2026-05-01" or "2026-05-01T12:00:00Z"')
    if not 0 <= found <= TIME_MAX:
        raise Invalid(f"{field}: expected a time from 1970-01-01 to the end of 9999, in UTC")
    return found


def trait_names(text: str) -> list[str]:
    """The names of traits for rows, with commas between them. Raises Invalid for those of a row's own fields."""
    names = [name for name in text.split(",") if name]
    if taken := [name for name in ROW_FIELDS if name in names]:
        raise Invalid(
            f"traits: expected other names than {', '.join(taken)}: each row has fields of these names anyway"
        )
    return names


def flat_row(profile: Profile, entered: int, held_out: bool, traits: Sequence[str]) -> dict[str, Any]:
    """A member as one row: for files and tables. Traits are read as criteria do: a dot looks into an object."""
    row: dict[str, Any] = {
        "customer_id": to_text(profile.customer_id),
        "entered_at": time_text(entered),
        "held_out": held_out,
    }
    for trait in traits:
        value = trait_reader(trait)(profile)
        row[trait] = msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value
    return row
