"""Segments as operators handle them, whatever the transport: defined in the control store, evaluated at the shards."""

from typing import Any

import msgspec

from models.identity.customer_id import shard_of
from models.segments.criteria import SegmentDefinition
from models.segments.field_reader import InvalidCriteria
from models.segments.parse import parse_definition
from models.segments.parse_criteria import parse_criteria
from models.shard.protocol import SegmentChange
from serve.errors import FieldError, InvalidFields
from serve.services import Services

_CALLS_MAX = 20  # to the shards for one page of changes: others' changes are skipped over


def definition_of(services: Services, segment_id: str) -> SegmentDefinition:
    """A segment's definition. Raises NotFound."""
    return msgspec.convert(services.control.segment(segment_id), SegmentDefinition)


def definitions(services: Services) -> list[SegmentDefinition]:
    """All definitions, by id."""
    return [msgspec.convert(stored, SegmentDefinition) for stored in services.control.segments().values()]


async def put(services: Services, asked: dict[str, Any]) -> SegmentDefinition:
    """Creates a segment, or replaces the one with the same id. The shards begin to evaluate it at once.

    `asked`: {"id", "name", "description", "criteria"}, of which name and criteria are required. Raises InvalidFields.
    """
    try:
        definition = parse_definition({**asked, "created_at": services.now(), "version": 1})
    except InvalidCriteria as error:
        raise _invalid("the segment", error) from None
    before = services.control.segments().get(definition.id)
    if before is not None:
        definition = msgspec.structs.replace(
            definition, created_at=before.get("created_at", 0), version=before.get("version", 1) + 1
        )
    stored = msgspec.to_builtins(definition)
    services.control.put_segment(definition.id, stored)
    await services.router.put_segment(stored)
    return definition


async def delete(services: Services, segment_id: str) -> SegmentDefinition:
    """Deletes a segment and its memberships. Returns what it was. Raises NotFound."""
    definition = definition_of(services, segment_id)
    services.control.delete_segment(segment_id)
    await services.router.delete_segment(segment_id)
    return definition


async def preview(services: Services, criteria: Any) -> int:
    """How many people meet criteria now, exactly. Raises InvalidFields."""
    try:
        parse_criteria(criteria)
    except InvalidCriteria as error:
        raise _invalid("the criteria", error) from None
    members: int = await services.router.preview(criteria, services.now())
    return members


async def sizes(services: Services) -> dict[str, int]:
    """Members by segment id, over all shards."""
    members: dict[str, int] = {}
    for shard in await services.router.status():
        for segment_id, count in shard.segments.items():
            members[segment_id] = members.get(segment_id, 0) + count
    return members


async def changes(
    services: Services, segment_id: str, after: dict[int, int], limit: int
) -> tuple[list[SegmentChange], dict[int, int], bool]:
    """At most `limit` entries to a segment and exits from it ("" for all segments), oldest first in each shard.

    Returns them with the positions to go on from, and whether there are more.
    """
    positions = dict(after)
    found: list[SegmentChange] = []
    has_more = True
    for _ in range(_CALLS_MAX):
        page = await services.router.segment_changes(positions, limit)
        has_more = len(page) >= limit
        for change in page:
            if len(found) == limit:
                has_more = True
                break
            positions[shard_of(change.customer_id)] = change.sequence
            if segment_id in ("", change.segment_id):
                found.append(change)
        if not has_more or len(found) == limit:
            break
    return found, positions, has_more


def _invalid(what: str, error: InvalidCriteria) -> InvalidFields:
    problems = [FieldError(problem.path, problem.message) for problem in error.errors]
    return InvalidFields(f"{what} cannot be used: {error}", problems)
