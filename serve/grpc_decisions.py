"""DecisionService: what to do for a person, and what to show them first."""

from typing import Any, TypeVar

import msgspec
from google.protobuf.message import Message

from models.identity.customer_id import from_text
from protos.onefold.v1 import decision_pb2 as pb
from serve.choices import chosen_for, decide_for, rank_for
from serve.errors import invalid_fields
from serve.grpc_call import Call, Methods, Reply, unary
from serve.http_schemas import DecideRequest, RankRequest

SERVICE = "onefold.v1.DecisionService"

T = TypeVar("T")


class DecisionMethods(Methods):
    """Methods of DecisionService. Their names are those of the calls."""

    @unary(SERVICE, "read", "purpose")
    async def Decide(self, request: pb.DecideRequest, call: Call) -> Reply:
        context, purpose = self.context, call.purpose()
        asked = _checked({"decision": request.decision, "decision_id": request.decision_id}, DecideRequest)
        context.insights.decisions.point(asked.decision)
        key = context.parse_key(request.key)
        profile = await chosen_for(context, key, purpose)
        call.told.people([profile.customer_id])
        call.told.facts["decision"] = asked.decision
        answer, withheld = await decide_for(context, key, profile, asked, purpose)
        call.told.people({from_text(answer.customer_id)} - {profile.customer_id})
        call.tell_withheld(withheld)
        return pb.DecideResponse(**_said(answer))

    @unary(SERVICE, "read", "purpose")
    async def Rank(self, request: pb.RankRequest, call: Call) -> Reply:
        context, purpose = self.context, call.purpose()
        asked = _checked({"items": [_set(item) for item in request.items]}, RankRequest)
        profile = await chosen_for(context, context.parse_key(request.key), purpose)
        call.told.people([profile.customer_id])
        answer, withheld = rank_for(context, profile, asked, purpose)
        call.tell_withheld(withheld)
        return pb.RankResponse(**_said(answer))


def _checked(told: dict[str, Any], kind: type[T]) -> T:
    """What HTTP takes as JSON. Raises InvalidFields."""
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise invalid_fields(error) from None


def _set(message: Message) -> dict[str, Any]:
    """The fields that are set."""
    return {field.name: value for field, value in message.ListFields()}


def _said(answer: msgspec.Struct) -> dict[str, Any]:
    """An answer as HTTP has it, for a message with the same fields: what is null there is not set."""
    return {name: value for name, value in msgspec.to_builtins(answer).items() if value is not None}
