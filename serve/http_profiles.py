"""/v1/profiles: one live profile per person, whole or by section.

`{key}` is namespace:value (email:jane@example.com) or a customer id; values are percent-encoded in the path.
"""

import asyncio
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from actors.errors import NotFound
from models.identity.customer_id import to_text
from models.profile.state import Profile
from models.shard.protocol import Link
from serve.http_audit import tell_people
from serve.http_body import read_json
from serve.http_context import (
    Context,
    Limit,
    MinSeq,
    PageCursor,
    Purpose,
    authorise,
    check,
    respond,
    respond_withheld,
    with_withheld,
)
from serve.http_drawings import Form, respond_drawn
from serve.http_events import event_entry
from serve.http_identity_schemas import GraphAnswer, LinksPage, MergesPage
from serve.http_key_route import KeyRoute
from serve.http_openapi import PROFILE, answers, drawn_answers, takes
from serve.http_pages import cursor_of, page, parse_positions, positions_text
from serve.http_schemas import (
    ChangedProfiles,
    EventsPage,
    ObjectsPage,
    ProfilesAnswer,
    ProfilesRequest,
    TraitsPage,
)
from serve.identity_entries import graph_answer, link_entry, merge_entry
from serve.identity_reads import draw_graph
from serve.profile_reads import NOBODY
from serve.purpose_reads import events_for, graph_for, links_for, merges_for
from serve.request_context import RequestContext

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], dependencies=[Depends(authorise)], route_class=KeyRoute)

Key = Annotated[str, Path(description="namespace:value, or a customer id", examples=["email:jane@example.com"])]
_ERRORS = (400, 401, 403, 404, 503)


@router.post(
    "/batch",
    responses=answers(ProfilesAnswer, 400, 401, 403, 503),
    openapi_extra=takes(ProfilesRequest),
    response_class=Response,
)
async def get_profiles(request: Request, context: Context, purpose: Purpose) -> Response:
    """Several profiles at once, in the order of the keys; null where there is none."""
    asked = await read_json(request, ProfilesRequest)
    keys = [context.parse_key(key, f"keys[{index}]") for index, key in enumerate(asked.keys)]
    profiles = await context.services.reads.get_many(keys, context.parse_min_seq(asked.min_seq))
    people = [profile.customer_id for profile in profiles if profile is not None]
    tell_people(people)
    scores, now = await context.services.scores.of(people), context.services.now()
    found = [
        None if each is None else context.document(each, purpose, now, scores.get(each.customer_id, []))[0]
        for each in profiles
    ]
    withheld = Counter(section for each in found if each for section in each.get("withheld", ()))
    return respond_withheld(ProfilesAnswer(found), withheld)


@router.get("/changes", responses=answers(ChangedProfiles, 400, 401, 403, 503), response_class=Response)
async def get_changes(
    request: Request,
    context: Context,
    after: Annotated[str, Query(description="`cursor` of the answer before; without it, the cursor of now")] = "",
    timeout_s: Annotated[float, Query(ge=0.1, le=60, description="how long to wait for the first change")] = 20,
) -> Response:
    """Who changed since `after`, as soon as there is somebody; nobody, when the time is over."""
    shards = context.services.router
    customer_ids: list[int] = []
    if after:
        customer_ids, positions = await shards.changed_profiles(parse_positions(after), timeout_s)
        await check(request)  # the key may have ended while this waited
    else:
        positions = await shards.change_positions()
    known = {shard: position for shard, position in positions.items() if position >= 0}  # of those that answered
    tell_people(customer_ids)
    return respond(ChangedProfiles([to_text(customer_id) for customer_id in customer_ids], positions_text(known)))


@router.get("/{key:path}/traits", responses=answers(TraitsPage, *_ERRORS), response_class=Response)
async def get_traits(
    key: Key, context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = "", min_seq: MinSeq = ""
) -> Response:
    """The person's traits, by name, each with its source and time."""
    found = await _document(context, key, min_seq, purpose)
    traits, following = page(found["attributes"].items(), lambda trait: str(trait[0]), limit, cursor)
    return respond_withheld(TraitsPage(dict(traits), following), found.get("withheld"))


@router.get("/{key:path}/events", responses=answers(EventsPage, *_ERRORS), response_class=Response)
async def get_events(
    key: Key, context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = ""
) -> Response:
    """The person's events, newest first; of each what is for the purpose, and none that is not."""
    normal = context.parse_key(key)
    events, following = await context.services.router.events(normal, limit, cursor)
    if not events and not cursor:
        await _profile(context, key, "")
    shown, withheld = await events_for(context, events, purpose)
    tell_people(stored.customer_id for stored in shown)
    entries = [event_entry(stored) for stored in shown]
    return respond_withheld(EventsPage(entries, cursor_of(following, limit)), withheld)


@router.get("/{key:path}/identities", responses=answers(ObjectsPage, *_ERRORS), response_class=Response)
async def get_identities(
    key: Key, context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = "", min_seq: MinSeq = ""
) -> Response:
    """The person's identifiers."""
    found = await _document(context, key, min_seq, purpose)
    return respond_withheld(
        ObjectsPage(*page(found["identities"], lambda it: f"{it['namespace']}:{it['value']}", limit, cursor)),
        found.get("withheld"),
    )


@router.get("/{key:path}/segments", responses=answers(ObjectsPage, *_ERRORS), response_class=Response)
async def get_segments(
    key: Key, context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = "", min_seq: MinSeq = ""
) -> Response:
    """The segments that the person is in."""
    found = await _document(context, key, min_seq, purpose)
    return respond_withheld(
        ObjectsPage(*page(found["segments"], lambda it: str(it["id"]), limit, cursor)), found.get("withheld")
    )


@router.get("/{key:path}/scores", responses=answers(ObjectsPage, *_ERRORS), response_class=Response)
async def get_scores(
    key: Key,
    context: Context,
    purpose: Purpose,
    limit: Limit = 100,
    cursor: PageCursor = "",
    min_seq: MinSeq = "",
    explain: Annotated[bool, Query(description="tell what each feature adds to each score")] = False,
) -> Response:
    """The person's scores, by name, each with what it was made of."""
    profile = await _profile(context, key, min_seq)
    scores = (await context.services.scores.of([profile.customer_id])).get(profile.customer_id, [])
    explanations = await context.explanations.of(scores) if explain else {}
    found, _ = context.document(profile, purpose, context.services.now(), scores, explanations)
    return respond_withheld(
        ObjectsPage(*page(_named(found["scores"]), lambda it: str(it["name"]), limit, cursor)), found.get("withheld")
    )


@router.get("/{key:path}/consents", responses=answers(ObjectsPage, *_ERRORS), response_class=Response)
async def get_consents(
    key: Key, context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = "", min_seq: MinSeq = ""
) -> Response:
    """What the person has consented to, by category."""
    found = await _document(context, key, min_seq, purpose)
    consents = _named(found["privacy"]["consents"], "category")
    return respond(ObjectsPage(*page(consents, lambda it: str(it["category"]), limit, cursor)))


@router.get("/{key:path}/links", responses=answers(LinksPage, *_ERRORS), response_class=Response)
async def get_links(
    key: Key, context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = ""
) -> Response:
    """The edges of the person's identity graph, each with its evidence, oldest first."""
    links, withheld = await links_for(context, context.parse_key(key), purpose)
    found, following = page(links, _link_key, limit, cursor)
    tell_people(link.customer_id for link in found)
    return respond_withheld(LinksPage([link_entry(link) for link in found], following), withheld)


@router.get("/{key:path}/merges", responses=answers(MergesPage, *_ERRORS), response_class=Response)
async def get_merges(
    key: Key, context: Context, purpose: Purpose, limit: Limit = 100, cursor: PageCursor = ""
) -> Response:
    """The merges that made the person, oldest first. POST /v1/identity/unmerge takes one back."""
    merges, withheld = await merges_for(context, context.parse_key(key), purpose)
    found, following = page(merges, lambda merge: f"{merge.at:020d} {merge.merge_id}", limit, cursor)
    tell_people(customer_id for merge in found for customer_id in (merge.winner, merge.loser))
    return respond_withheld(MergesPage([merge_entry(merge) for merge in found], following), withheld)


@router.get("/{key:path}/graph", responses=drawn_answers(GraphAnswer, *_ERRORS), response_class=Response)
async def get_graph(key: Key, context: Context, purpose: Purpose, form: Form = "json") -> Response:
    """The profiles that became this person and the merges that joined them, with the weakest."""
    cluster, withheld = await graph_for(context, context.parse_key(key), purpose)
    tell_people(cluster.members)
    if form == "json":
        return respond_withheld(await asyncio.to_thread(graph_answer, cluster), withheld)
    return with_withheld(respond_drawn(await asyncio.to_thread(draw_graph, cluster.graph, form), form), withheld)


@router.get("/{key:path}", responses=answers(PROFILE, *_ERRORS, 405), response_class=Response)
async def get_profile(key: Key, context: Context, purpose: Purpose, min_seq: MinSeq = "") -> Response:
    """The whole profile (docs/profile.md). A key that ends like a path below another key (`user_id:a/decide`) is asked
    for with /v1/profiles/batch."""
    found = await _document(context, key, min_seq, purpose)
    return respond_withheld(found, found.get("withheld"))


async def _document(context: RequestContext, key: str, min_seq: str, purpose: str) -> dict[str, Any]:
    """The document of a person for a purpose, as it is now."""
    profile = await _profile(context, key, min_seq)
    scores = await context.services.scores.of([profile.customer_id])
    return context.document(profile, purpose, context.services.now(), scores.get(profile.customer_id, []))[0]


async def _profile(context: RequestContext, key: str, min_seq: str) -> Profile:
    profile = await context.services.reads.get(context.parse_key(key), context.parse_min_seq(min_seq))
    if profile is None:
        raise NotFound(NOBODY)
    tell_people([profile.customer_id])
    return profile


def _named(section: dict[str, Any], key: str = "name") -> list[dict[str, Any]]:
    """A section that is an object of objects, as a list of objects."""
    return [{key: name, **(value if isinstance(value, dict) else {"value": value})} for name, value in section.items()]


def _link_key(link: Link) -> str:
    return f"{link.at:020d} {link.left} {link.right} {link.message_id}"
