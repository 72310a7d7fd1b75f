"""/v1/privacy, what comes in: where personal data was found in free text, and values behind tokens."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from actors.errors import Invalid
from models.privacy.field_rules import revealed
from serve.data_dir import field_keys
from serve.http_body import read_json
from serve.http_context import Context, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_privacy_schemas import Finding, FindingsAnswer, RevealAnswer, RevealRequest
from serve.http_schemas import time_text

router = APIRouter(prefix="/v1/privacy", tags=["data subjects"], dependencies=[Depends(authorise)])


@router.get("/findings", responses=answers(FindingsAnswer, 401, 403, 503), response_class=Response)
async def list_findings(context: Context) -> Response:
    """In which fields of which sources free text holds personal data: how often and when, never what."""
    found = await context.intake.findings.all()
    return respond(
        FindingsAnswer(
            [
                Finding(
                    each.source, each.field or None, each.kind, each.times, time_text(each.first), time_text(each.last)
                )
                for each in found
            ]
        )
    )


@router.post(
    "/reveal",
    responses=answers(RevealAnswer, 400, 401, 403, 503),
    openapi_extra=takes(RevealRequest),
    response_class=Response,
)
async def reveal(request: Request, context: Context) -> Response:
    """The value behind a token that a rule with the action `tokenise` has made. It goes into the audit log."""
    settings = context.services.settings
    if not any(rule.action == "tokenise" for rule in settings.privacy.fields):
        raise Invalid("token: no rule of privacy.fields makes tokens")
    asked = await read_json(request, RevealRequest)
    try:
        return respond(RevealAnswer(revealed(asked.token, field_keys(settings.data_path))))
    except ValueError as error:
        raise Invalid(f"token: {error}") from None
