"""Whatever the body of a request is: it is taken, and can be stored and answered, or refused in one way."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.identity.identifiers import IdentifierNormaliser
from models.privacy import open_dsr_documents as documents
from models.privacy.open_dsr import InvalidRequest, Receiver, parse_request
from models.privacy.requests import SubjectRequest

NOW = 1_772_368_200_000  # 2026-03-01T12:30:00Z
NORMALISER = IdentifierNormaliser()
PROCESSOR = documents.Processor("shop", "privacy.example.com", "https://privacy.example.com")

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def near(*good: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(good) | st.sampled_from(good) | values


identities = st.fixed_dictionaries(
    {
        "identity_type": near(*documents.IDENTITY_TYPES),
        "identity_value": near("jane@example.com", "+41791234567", "ab" * 32) | st.text(max_size=20),
        "identity_format": near(*documents.FORMATS),
    }
)
bodies = st.fixed_dictionaries(
    {
        "regulation": near("gdpr", "ccpa"),
        "subject_request_id": near("a7551968-d5d6-44b2-9831-815ac9017798"),
        "subject_request_type": near(*documents.REQUEST_TYPES),
        "submitted_time": near("2026-02-27T15:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
        "subject_identities": st.lists(identities, min_size=1, max_size=3) | values,
    },
    optional={
        "api_version": near("2.0"),
        "status_callback_urls": st.lists(near("https://c.example/", "https://[::1"), max_size=3) | values,
        "extensions": st.dictionaries(near("privacy.example.com").filter(lambda key: isinstance(key, str)), values),
    },
)


def check(body: bytes) -> None:
    try:
        request = parse_request(body, NORMALISER, Receiver("privacy.example.com", NOW))
    except InvalidRequest as error:
        assert error.problems
        documents.refusal(400, str(error), error.problems)
        return
    assert request.identities
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=SubjectRequest) == request
    told = documents.callback(request, PROCESSOR)
    for url in request.callbacks:
        assert json.loads(documents.addressed(told, url))["status_callback_url"] == url
    documents.receipt(request, PROCESSOR, lambda _: "signature")
    documents.status(request, PROCESSOR)


@given(bodies)
def test_any_values(body: dict[str, Any]) -> None:
    check(json.dumps(body).encode())


@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    check(body)


@given(st.text(max_size=300))
def test_any_text(body: str) -> None:
    check(body.encode("utf-8", "surrogatepass"))
