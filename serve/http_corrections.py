"""/v1/profiles/{key}/corrections: what is held of a person and was wrong (GDPR article 16): docs/privacy.md."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from actors.errors import Invalid, NotFound
from models.privacy.corrections import correction_context
from models.profile.state import Correction, Profile
from serve.http_audit import tell_people
from serve.http_body import read_json
from serve.http_context import Caller, Context, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_privacy_schemas import CorrectionEntry, CorrectionsAnswer, CorrectionsRequest
from serve.http_schemas import time_text
from serve.settings import Settings

router = APIRouter(prefix="/v1/profiles", tags=["privacy"], dependencies=[Depends(authorise)])
Key = Annotated[str, Path(description="namespace:value, or a customer id", examples=["email:jane@example.com"])]


@router.post(
    "/{key:path}/corrections",
    responses=answers(CorrectionsAnswer, 400, 401, 403, 404, 503),
    openapi_extra=takes(CorrectionsRequest),
    response_class=Response,
)
async def correct_profile(key: Key, request: Request, caller: Caller, context: Context) -> Response:
    """States what is right. A corrected trait keeps its value against every event, until it is corrected again or the
    correction is lifted; null: it was wrong, and there is no right value."""
    asked = await read_json(request, CorrectionsRequest)
    services = context.services
    _check(services.settings, asked)
    normal = context.parse_key(key)
    told = correction_context(asked.lift, asked.reason)
    result = await services.router.correct(normal, asked.traits, told, caller.source_id, services.now())
    tell_people([result.customer_id])
    profile = await services.router.profile(normal)
    return respond(CorrectionsAnswer(correction_entries(profile), result.withheld))


@router.get(
    "/{key:path}/corrections", responses=answers(CorrectionsAnswer, 400, 401, 403, 404, 503), response_class=Response
)
async def get_corrections(key: Key, context: Context) -> Response:
    """The corrections of a person that stand, and what events tell of the same traits."""
    profile = await context.services.router.profile(context.parse_key(key))
    if profile is None:
        raise NotFound("key: nobody has this key")
    tell_people([profile.customer_id])
    return respond(CorrectionsAnswer(correction_entries(profile)))


def correction_entries(profile: Profile | None) -> list[CorrectionEntry]:
    """The corrections of a profile that stand, by trait."""
    corrections = {} if profile is None else profile.corrections
    return [_entry(name, each) for name, each in sorted(corrections.items()) if not each.lifted]


def _entry(name: str, correction: Correction) -> CorrectionEntry:
    stated, beneath = correction.stated, correction.beneath
    return CorrectionEntry(
        trait=name,
        value=stated.value,
        stated_at=time_text(stated.timestamp),
        source=stated.source,
        told=None if beneath is None else beneath.winner.value,
    )


def _check(settings: Settings, asked: CorrectionsRequest) -> None:
    """Raises Invalid for what cannot be corrected here, with where it can."""
    policy, limits = settings.profile, settings.profile.limits
    both = asked.traits.keys() & set(asked.lift)
    if both or not (asked.traits or asked.lift):
        raise Invalid("traits: expected traits to correct, others in lift, or both; at least one")
    for name in [*asked.traits, *asked.lift]:
        if not name or len(name) > limits.text:
            raise Invalid(f"traits: expected names of 1 to {limits.text} characters")
        if name in settings.identity.trait_identifiers:
            raise Invalid(
                f"traits.{name}: identifies people, and is not corrected here: take back the merge that brought it "
                "(POST /v1/identity/unmerge), and send the right one with an identify call"
            )
        if name in policy.preference_traits or name in policy.opt_out_traits:
            raise Invalid(
                f"traits.{name}: is a wish, of which the latest word holds: send the new one with an identify call, or "
                "state consent with POST /v1/profiles/{key}/consents"
            )
    for name, value in asked.traits.items():
        if _size_of(value) > limits.value_bytes:
            raise Invalid(f"traits.{name}: expected at most {limits.value_bytes} bytes")


def _size_of(value: Any) -> int:
    return len(msgspec.msgpack.encode(value))
