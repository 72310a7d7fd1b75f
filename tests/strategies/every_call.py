"""Every HTTP route and every gRPC method, called about given things: so that a test of all of them misses none.

A new placeholder in a path, or a new field in a request, has no value here and is a KeyError: say then what stands for
it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from actors.api_keys import Scope
from protos.onefold.v1 import decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2
from serve.http_scopes import PUBLIC, SCOPES

# What paths may name. Whoever adds something says in the test of tenants what stands for it.
IN_PATHS = frozenset(
    {
        *("key", "segment_id", "webhook_id", "trait_id", "source_id", "key_id", "merge_id", "review_id"),
        *("subject_request_id", "name", "decision_id", "decision", "model", "alias"),
    }
)
# By the template of the route. Of others the body is {}.
_BODIES: Mapping[str, Any] = {
    "/v1/profiles/batch": {"keys": ["{key}", "{other_key}"]},
    "/v1/profiles/{key}/rank": {"items": [{"id": "p1"}]},
    "/v1/profiles/{key}/decide": {"decision": "welcome"},
    "/v1/identity/resolve": {"identifiers": ["{key}"]},
    "/v1/identity/merge": {"left": "{key}", "right": "{other_key}"},
    "/v1/identity/unmerge": {"merge_id": "{merge_id}"},
    "/v1/deadletters": {"all": True},
    "/v1/deadletters/replay": {"all": True},
    "/v1/segments/preview": {"criteria": {"type": "demographic", "trait": "{trait}", "operator": "exists"}},
}
_QUERIES: Mapping[str, Mapping[str, str]] = {
    "/v1/identity/explain": {"left": "{key}", "right": "{other_key}"},
    "/v1/segments/overlap": {"segments": "{segment_id}"},
    "/v1/segments/{segment_id}/why": {"key": "{key}"},
    "/v1/profiles/changes": {"timeout_s": "0.1"},
    "/v1/events": {"after": "0:0"},
}


class HttpCall(NamedTuple):
    """A request. `scope` is what it asks for."""

    method: str
    route: str
    scope: Scope
    path: str
    body: Any


def http_calls(about: Mapping[str, str]) -> Iterator[HttpCall]:
    """A request to every route that asks for a scope. `about`: what stands for each placeholder."""
    for (method, route), scope in sorted(SCOPES.items()):
        if scope == PUBLIC:
            continue
        path = re.sub(r"\{(\w+)\}", lambda found: quote(about[found[1]], safe=""), route)
        if route in _QUERIES:
            path += "?" + urlencode(_filled(_QUERIES[route], about))
        yield HttpCall(method, route, scope, path, None if method == "GET" else _filled(_BODIES.get(route, {}), about))


def grpc_calls(about: Mapping[str, str]) -> Iterator[tuple[MethodDescriptor, Message]]:
    """A request to every method of the contract. `about`: what stands for each field of text."""
    for module in (decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield method, _message(method.input_type, about)


def _message(kind: Descriptor, about: Mapping[str, str]) -> Message:
    made = GetMessageClass(kind)()
    for field in kind.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                getattr(made, field.name).append(about[field.name])
            else:
                setattr(made, field.name, about[field.name])
        elif field.message_type is decision_pb2.RankItem.DESCRIPTOR:  # without any, nothing is asked
            getattr(made, field.name).append(_message(field.message_type, about))
    return made


def _filled(value: Any, about: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: about[found[1]], value)
    if isinstance(value, Mapping):
        return {name: _filled(each, about) for name, each in value.items()}
    return [_filled(each, about) for each in value] if isinstance(value, list) else value
