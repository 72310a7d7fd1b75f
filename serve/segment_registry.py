"""Segments as operators handle them, whatever the transport: defined in the control store, evaluated at the shards."""

from typing import Any

import msgspec

from actors.errors import Conflict
from models.identity.customer_id import shard_of
from models.segments.catalogue import (
    Catalogue,
    Resolved,
    catalogue_of,
    dependents,
    expand_expression,
    resolve,
    resolve_dependents,
)
from models.segments.criteria import ComputedTrait, SegmentDefinition
from models.segments.field_reader import CriteriaError, InvalidCriteria
from models.segments.parse import parse_computed_trait, parse_definition
from models.segments.parse_criteria import parse_criteria, parse_expression
from models.shard.protocol import SegmentChange, SegmentStatus
from serve import logs
from serve.errors import FieldError, InvalidFields
from serve.loose_ends import Notes, notes_on_criteria
from serve.services import Services

log = logs.logger("segments")

_CALLS_MAX = 20  # to the shards for one page of changes: others' changes are skipped over


def definition_of(services: Services, segment_id: str) -> SegmentDefinition:
    """A segment's definition. Raises NotFound."""
    return msgspec.convert(services.control.segment(segment_id), SegmentDefinition)


def definitions(services: Services) -> list[SegmentDefinition]:
    """All definitions, by id."""
    return [msgspec.convert(stored, SegmentDefinition) for stored in services.control.segments().values()]


def catalogue(services: Services) -> Catalogue:
    """All definitions of segments and computed traits."""
    return catalogue_of(services.control.segments(), services.control.computed_traits())


def notes(services: Services) -> Notes:
    """What tells of criteria what they name that there is not."""
    return notes_on_criteria(services.settings, services.control)


async def put(services: Services, asked: dict[str, Any]) -> SegmentDefinition:
    """Creates a segment, or replaces the one with the same id; the segments that refer to it follow.

    `asked`: {"id", "name", "description", "criteria", "refresh", "holdout", "purpose"}, of which name and criteria are
    required.
    Raises InvalidFields.
    """
    try:
        definition = parse_definition({**asked, "created_at": services.now(), "version": 1})
        _check_purpose(services, definition.purpose)
        before = services.control.segments().get(definition.id)
        if before is not None:
            definition = msgspec.structs.replace(
                definition, created_at=before.get("created_at", 0), version=before.get("version", 1) + 1
            )
        known = catalogue(services)
        known.segments[definition.id] = definition
        installed = [resolve(definition, known), *resolve_dependents("segment", definition.id, known)]
    except InvalidCriteria as error:
        raise _invalid("the segment", error) from None
    services.control.put_segment(definition.id, msgspec.to_builtins(definition))
    for note in notes(services)(definition.criteria):
        told = f"segment {definition.id}: {note}"
        log.warning("something is named that there is not", extra=logs.fields(reason=told))
    for resolved in installed:
        await services.router.put_segment(resolved)
    return definition


async def delete(services: Services, segment_id: str) -> SegmentDefinition:
    """Deletes a segment and its memberships. Returns what it was. Raises NotFound, Conflict if others refer to it."""
    definition = definition_of(services, segment_id)
    _refuse_if_referred(services, "segment", segment_id)
    services.control.delete_segment(segment_id)
    await services.router.delete_segment(segment_id)
    return definition


def draft(services: Services, criteria: Any) -> Resolved:
    """Criteria as a segment that is not stored, with all that they refer to. Raises InvalidFields."""
    try:
        parse_criteria(criteria)
        return resolve(SegmentDefinition(id="", name="draft", criteria=criteria), catalogue(services))
    except InvalidCriteria as error:
        raise _invalid("the criteria", error) from None


async def preview(services: Services, criteria: Any) -> tuple[int, int]:
    """How many people meet criteria now, exactly, and how many people there are. Raises InvalidFields."""
    members, people = await services.router.preview(draft(services, criteria), services.now())
    return members, people


async def statuses(services: Services) -> dict[str, SegmentStatus]:
    """Where each segment stands, over all shards: it is live when it is so everywhere."""
    found: dict[str, list[SegmentStatus]] = {}
    for shard in await services.router.status():
        for segment_id, status in shard.segments.items():
            found.setdefault(segment_id, []).append(status)
    return {segment_id: _joined(parts) for segment_id, parts in found.items()}


def _joined(parts: list[SegmentStatus]) -> SegmentStatus:
    order = ("stopped", "leaving", "counting", "live")
    worst = min(parts, key=lambda part: order.index(part.state))
    return SegmentStatus(
        members=sum(part.members for part in parts),
        state=worst.state,
        evaluated_at=min(part.evaluated_at for part in parts),
        late_ms=max(part.late_ms for part in parts),
        error=worst.error,
    )


def _refuse_if_referred(services: Services, kind: str, key: str) -> None:
    found = dependents(kind, key, catalogue(services))
    if found:
        raise Conflict(f"{kind.replace(' ', '_')}_id: {', '.join(found)} refer to it; change or delete these first")


def computed_trait_of(services: Services, trait_id: str) -> ComputedTrait:
    """A computed trait's definition. Raises NotFound."""
    return msgspec.convert(services.control.computed_trait(trait_id), ComputedTrait)


async def put_computed_trait(services: Services, asked: dict[str, Any]) -> ComputedTrait:
    """Creates a computed trait, or replaces the one with the same id; the segments that refer to it follow.

    `asked`: {"id", "name", "description", "expression"}, of which name and expression are required. Raises
    InvalidFields.
    """
    try:
        trait = parse_computed_trait({**asked, "created_at": services.now(), "version": 1})
        before = services.control.computed_traits().get(trait.id)
        if before is not None:
            trait = msgspec.structs.replace(
                trait, created_at=before.get("created_at", 0), version=before.get("version", 1) + 1
            )
        known = catalogue(services)
        known.traits[trait.id] = trait
        expand_expression(parse_expression(trait.expression), known, f"computed trait {trait.id}")
        installed = resolve_dependents("computed trait", trait.id, known)
    except InvalidCriteria as error:
        raise _invalid("the computed trait", error) from None
    services.control.put_computed_trait(trait.id, msgspec.to_builtins(trait))
    for resolved in installed:
        await services.router.put_segment(resolved)
    return trait


def delete_computed_trait(services: Services, trait_id: str) -> ComputedTrait:
    """Deletes a computed trait. Returns what it was. Raises NotFound, Conflict if others refer to it."""
    trait = computed_trait_of(services, trait_id)
    _refuse_if_referred(services, "computed trait", trait_id)
    services.control.delete_computed_trait(trait_id)
    return trait


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


def _check_purpose(services: Services, purpose: str) -> None:
    known = services.settings.privacy.purposes.known
    if purpose and purpose not in known:
        expected = f"expected a purpose of the registry ({', '.join(known) or 'none: the registry is empty'})"
        raise InvalidCriteria([CriteriaError("segment.purpose", expected)])


def _invalid(what: str, error: InvalidCriteria) -> InvalidFields:
    problems = [FieldError(problem.path, problem.message) for problem in error.errors]
    return InvalidFields(f"{what} cannot be used: {error}", problems)
