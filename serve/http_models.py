"""/v1/models: scoring models, their versions, what aliases stand for. They are registered by the command line alone."""

from collections.abc import Sequence
from contextlib import suppress

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from actors.errors import Unavailable
from models.scoring.drift import DriftCounts
from serve.http_audit import tell
from serve.http_body import read_json
from serve.http_context import Caller, Context, authorise, respond
from serve.http_model_schemas import AliasName, AliasRequest, ModelEntry, ModelsAnswer, RescoreAnswer
from serve.http_openapi import answers, takes
from serve.http_schemas import time_text
from serve.model_moves import model_entries, move_challenger, move_champion, retire_alias

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[Depends(authorise)])


@router.get("", responses=answers(ModelsAnswer, 401, 403), response_class=Response)
async def list_models(context: Context) -> Response:
    """All models with their versions."""
    return respond(ModelsAnswer(model_entries(context.services.control)))


@router.get("/{model}", responses=answers(ModelEntry, 401, 403, 404), response_class=Response)
async def get_model(model: str, context: Context) -> Response:
    """A model, its versions, how far people have drifted from them, and every move of its aliases."""
    drift: list[DriftCounts] = []
    with suppress(Unavailable):  # what it is and stands for is told without scorers too
        drift = await context.services.router.model_drift()
    return respond(_entry(context, model, drift))


@router.post("/rescore", responses=answers(RescoreAnswer, 401, 403, status=202), response_class=Response)
async def rescore(context: Context) -> Response:
    """Has everybody scored again, now, by the models that stand for something. Scorers follow within a second."""
    context.services.control.rescore()
    return respond(RescoreAnswer(time_text(context.services.now())), 202)


@router.put(
    "/{model}/aliases/{alias}",
    responses=answers(ModelEntry, 400, 401, 403, 404, 409),
    openapi_extra=takes(AliasRequest),
    response_class=Response,
)
async def put_alias(model: str, alias: AliasName, request: Request, context: Context, caller: Caller) -> Response:
    """Has an alias stand for a version, or for none. A champion must pass its gate, by what was last measured of it."""
    asked = await read_json(request, AliasRequest)
    services = context.services
    control, by, now = services.control, caller.key_id, services.now()
    if asked.version is None:
        retire_alias(control, model, alias, by, now, asked.reason)
    else:
        version = control.model_version(model, asked.version)
        if alias == "champion":
            gates = services.settings.scoring.gates
            move_champion(control, gates, version, by, now, asked.reason, asked.force)
        else:
            move_challenger(control, version, by, now, asked.reason)
    tell(model=model, alias=alias, version=str(asked.version or ""), forced=str(asked.force).lower())
    return respond(_entry(context, model))


def _entry(context: Context, model: str, drift: Sequence[DriftCounts] = ()) -> ModelEntry:
    (found,) = model_entries(context.services.control, model, drift)
    return found
