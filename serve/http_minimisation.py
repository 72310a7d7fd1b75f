"""/v1/privacy, what comes in and what stays: findings in free text, values behind tokens, runs of the purge."""

import asyncio
from contextlib import closing
from pathlib import Path

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from actors.errors import Invalid
from actors.purge_store import FILE as PURGES
from actors.purge_store import PurgeRun, PurgeStore
from models.privacy.field_rules import revealed
from serve.data_dir import field_keys
from serve.http_body import read_json
from serve.http_context import Context, Limit, authorise, respond
from serve.http_openapi import answers, takes
from serve.http_privacy_schemas import (
    Finding,
    FindingsAnswer,
    PurgedEntry,
    PurgeEntry,
    PurgesAnswer,
    RevealAnswer,
    RevealRequest,
)
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


@router.post("/purge", responses=answers(PurgeEntry, 401, 403, 503, status=202), response_class=Response)
async def purge(context: Context) -> Response:
    """Takes out what is past its time, soon: in a run that has not begun yet."""
    services = context.services
    run = await asyncio.to_thread(_want, services.settings.data_path, services.now())
    return respond(_purge_entry(run), 202)


@router.get("/purges", responses=answers(PurgesAnswer, 401, 403, 503), response_class=Response)
async def list_purges(context: Context, limit: Limit = 100) -> Response:
    """The runs of the purge, the latest first: what each has taken out, by purpose and section."""
    runs = await asyncio.to_thread(_latest, context.services.settings.data_path, limit)
    return respond(PurgesAnswer([_purge_entry(run) for run in runs]))


def _want(data_dir: Path, now: int) -> PurgeRun:
    with closing(PurgeStore(data_dir / PURGES)) as store:
        wanted = store.want(now)
        return next(run for run in store.latest(1_000) if run.run == wanted)


def _latest(data_dir: Path, limit: int) -> list[PurgeRun]:
    with closing(PurgeStore(data_dir / PURGES)) as store:
        return store.latest(limit)


def _purge_entry(run: PurgeRun) -> PurgeEntry:
    report = run.report
    return PurgeEntry(
        run=run.run,
        wanted_at=time_text(run.run),
        finished_at=time_text(run.finished) if run.finished else None,
        people=report.people,
        purged=[PurgedEntry(*each) for each in report.purged],
        erased=report.erased,
        dead_letters=report.dead_letters,
        deliveries=report.deliveries,
        results=report.results,
        decisions=report.decisions,
    )
