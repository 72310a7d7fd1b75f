"""/v1/admin and /v1/status: API keys, sources with their schemas, and what shards, matchers and scorers hold."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from actors.control import SchemaRule, Source
from actors.errors import OnefoldError
from serve.http_audit import tell
from serve.http_body import read_json
from serve.http_context import Context, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_schemas import (
    KeyEntry,
    KeyRequest,
    KeysAnswer,
    MatcherEntry,
    NewKey,
    RotatedKey,
    RotateRequest,
    SchemaEntry,
    ScorerEntry,
    ShardEntry,
    SourceEntry,
    SourceRequest,
    SourcesAnswer,
    StatusAnswer,
)
from serve.key_entries import key_entry, key_facts, parse_key_purpose, parse_lifetime, parse_overlap, parse_region
from serve.source_schemas import compile_rules

_STATUSES_S = 2.0  # a matcher that works or reads its profiles answers between two steps, within milliseconds
Entry = TypeVar("Entry", MatcherEntry, ScorerEntry)

router = APIRouter(prefix="/v1", tags=["administration"], dependencies=[Depends(authorise)])


@router.get("/status", responses=answers(StatusAnswer, 401, 403, 503), response_class=Response)
async def get_status(context: Context) -> Response:
    """What shards, matchers and scorers hold and have done, each and together."""
    router = context.services.router
    shards, matchers, scorers = await asyncio.gather(
        router.status(),
        _statuses(router.matcher_statuses(), MatcherEntry),
        _statuses(router.scorer_statuses(), ScorerEntry),
    )
    segments: Counter[str] = Counter()
    for shard in shards:
        segments.update({segment_id: status.members for segment_id, status in shard.segments.items()})
    entries = [msgspec.convert(shard, ShardEntry, from_attributes=True) for shard in shards]
    return respond(
        StatusAnswer(
            profiles=sum(shard.profiles for shard in shards),
            identifiers=sum(shard.identifiers for shard in shards),
            events=sum(shard.events for shard in shards),
            duplicates=sum(shard.duplicates for shard in shards),
            in_flight=sum(shard.in_flight for shard in shards),
            dead_letters=sum(shard.dead_letters for shard in shards),
            pending_matches=sum(shard.pending_matches for shard in shards),
            pending_match_ms=max(shard.pending_match_ms for shard in shards),
            reviews=sum(shard.reviews for shard in shards),
            segments=segments,
            shards=entries,
            matchers=matchers,
            scorers=scorers,
        )
    )


@router.get("/admin/keys", responses=answers(KeysAnswer, 401, 403), response_class=Response)
async def list_keys(context: Context) -> Response:
    """All keys, revoked ones too, without their secrets."""
    keys = context.services.control.keys()
    return respond(KeysAnswer([key_entry(key) for key in keys]))


@router.post(
    "/admin/keys",
    responses=answers(NewKey, 400, 401, 403),
    openapi_extra=takes(KeyRequest),
    response_class=Response,
)
async def create_key(request: Request, context: Context) -> Response:
    """Makes a key. Its secret is in this answer and nowhere else: only a digest is kept."""
    asked = await read_json(request, KeyRequest)
    control = context.services.control
    lifetime_ms = parse_lifetime(asked.expires)
    settings = context.services.settings
    purpose = parse_key_purpose(asked.purpose, settings.privacy.purposes)
    region = parse_region(asked.region, settings.residency)
    key, secret = await asyncio.to_thread(
        control.create_key, asked.name, asked.scopes, asked.source_id, lifetime_ms, purpose, region
    )
    tell(**key_facts(key))
    return respond(NewKey(key_entry(key), secret))


@router.delete("/admin/keys/{key_id}", responses=answers(KeyEntry, 401, 403, 404, 409), response_class=Response)
async def revoke_key(key_id: str, context: Context) -> Response:
    """Revokes a key. It is refused within a second, everywhere."""
    key = await asyncio.to_thread(context.services.control.revoke_key, key_id)
    tell(key_id=key.key_id)
    return respond(key_entry(key))


@router.post(
    "/admin/keys/{key_id}/rotate",
    responses=answers(RotatedKey, 400, 401, 403, 404, 409),
    openapi_extra=takes(RotateRequest),
    response_class=Response,
)
async def rotate_key(key_id: str, request: Request, context: Context) -> Response:
    """Makes a key with the name, rights, source and lifetime of another, which ends when the overlap is over."""
    asked = await read_json(request, RotateRequest)
    overlap_ms = parse_overlap(asked.overlap)
    key, replaced, secret = await asyncio.to_thread(context.services.control.rotate_key, key_id, overlap_ms)
    tell(**key_facts(key), replaced=replaced.key_id)
    return respond(RotatedKey(key_entry(key), secret, key_entry(replaced)))


@router.get("/admin/sources", responses=answers(SourcesAnswer, 401, 403), response_class=Response)
async def list_sources(context: Context) -> Response:
    """All sources with their schemas."""
    return respond(SourcesAnswer([_source_entry(source) for source in context.services.control.sources()]))


@router.put(
    "/admin/sources/{source_id}",
    responses=answers(SourceEntry, 400, 401, 403),
    openapi_extra=takes(SourceRequest),
    response_class=Response,
)
async def put_source(source_id: str, request: Request, context: Context) -> Response:
    """Makes or replaces a source. Its schemas hold for events that come in half a second later."""
    asked = await read_json(request, SourceRequest)
    rules = {name: SchemaRule(entry.document, entry.mode) for name, entry in asked.schemas.items()}
    compile_rules(rules)
    source = Source(source_id, asked.kind, rules)
    await asyncio.to_thread(context.services.control.put_source, source)
    return respond(_source_entry(source))


async def _statuses(asked: Awaitable[Sequence[object]], kind: type[Entry]) -> list[Entry] | None:
    """None if they do not answer in time: what the shards tell is then worth all the more."""
    try:
        async with asyncio.timeout(_STATUSES_S):
            statuses = await asked
    except (OnefoldError, TimeoutError):
        return None
    return [msgspec.convert(status, kind, from_attributes=True) for status in statuses]


def _source_entry(source: Source) -> SourceEntry:
    schemas = {name: SchemaEntry(rule.document, rule.mode) for name, rule in source.schemas.items()}
    return SourceEntry(source.source_id, source.kind, schemas)
