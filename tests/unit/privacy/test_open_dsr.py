"""What a body of POST /v2/requests is taken for, and how refusals are told."""

import json
from base64 import b64decode
from typing import Any

import pytest

from models.identity.identifiers import IdentifierNormaliser
from models.privacy.deadlines import due
from models.privacy.open_dsr import CALLBACKS_MAX, IDENTITIES_MAX, InvalidRequest, Receiver, parse_request
from models.privacy.open_dsr_documents import IDENTITY_TYPES
from models.privacy.requests import SubjectIdentity, SubjectRequest

NOW = 1_772_368_200_000  # 2026-03-01T12:30:00Z
CANARY = "jane.canary@example.com"
NORMALISER = IdentifierNormaliser()
RECEIVER = Receiver("privacy.example.com", NOW, "key_1")
MAIL = {"identity_type": "email", "identity_value": " Jane.Canary@Example.com", "identity_format": "raw"}
BODY: dict[str, Any] = {
    "regulation": "gdpr",
    "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798",
    "subject_request_type": "erasure",
    "submitted_time": "2026-02-27T15:00:00+01:00",
    "subject_identities": [MAIL],
}


def parse(changes: dict[str, Any] | None = None, receiver: Receiver = RECEIVER) -> SubjectRequest:
    body = {name: value for name, value in {**BODY, **(changes or {})}.items() if value is not ...}
    return parse_request(json.dumps(body).encode(), NORMALISER, receiver)


def problems(changes: dict[str, Any], receiver: Receiver = RECEIVER) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidRequest) as found:
        parse(changes, receiver)
    assert all(problem.domain == "Validation" for problem in found.value.problems)
    assert CANARY not in str(found.value)
    texts = [(problem.reason, *problem.message.split(": ", 1)) for problem in found.value.problems]
    return [(reason, field, text) for reason, field, text in texts]


def one(changes: dict[str, Any], receiver: Receiver = RECEIVER) -> tuple[str, str]:
    ((reason, field, _),) = problems(changes, receiver)
    return reason, field


def test_a_request_is_read() -> None:
    request = parse({"status_callback_urls": ["https://c.example/cb"], "api_version": "2.0", "group_id": "other"})
    assert (request.request_id, request.kind, request.regulation) == (BODY["subject_request_id"], "erasure", "gdpr")
    assert (request.received_at, request.due_at, request.state) == (NOW, due("gdpr", NOW), "pending")
    assert request.submitted_at == 1_772_200_800_000
    assert request.identities == [SubjectIdentity("email", CANARY)]
    assert (request.actor, request.callbacks, request.suppress) == ("key_1", ["https://c.example/cb"], "all")
    assert json.loads(b64decode(request.encoded))["subject_identities"] == [MAIL]


@pytest.mark.parametrize(("kind", "namespace"), IDENTITY_TYPES.items())
def test_every_identity_type_has_a_namespace(kind: str, namespace: str) -> None:
    value = {"email": CANARY, "phone": "+41791234567"}.get(namespace, "AB-cd-12")
    identity = {"identity_type": kind, "identity_value": value, "identity_format": "raw"}
    (found,) = parse({"subject_identities": [identity]}).identities
    assert found.namespace == namespace
    assert f"{namespace}:{found.value}" == NORMALISER.normalise(namespace, value).identifier


@pytest.mark.parametrize(("form", "digits"), [("sha1", 40), ("md5", 32), ("sha256", 64)])
def test_hashes_are_read_in_lower_case(form: str, digits: int) -> None:
    identity = {"identity_type": "email", "identity_value": "AB" * (digits // 2), "identity_format": form}
    (found,) = parse({"subject_identities": [identity]}).identities
    assert (found.value, found.format) == ("ab" * (digits // 2), form)
    for wrong in ("ab" * (digits // 2 - 1), "xy" * (digits // 2), CANARY):
        reason, field = one({"subject_identities": [{**identity, "identity_value": wrong}]})
        assert (reason, field) == ("malformed", "subject_identities[0].identity_value")


def test_the_same_identity_twice_is_one() -> None:
    again = {**MAIL, "identity_value": CANARY}
    assert len(parse({"subject_identities": [MAIL, again, {**again, "identity_type": "cookie"}]}).identities) == 2


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("regulation", ..., "required"),
        ("regulation", "lgpd", "unsupported"),
        ("regulation", ["gdpr"], "unsupported"),
        ("subject_request_type", ..., "required"),
        ("subject_request_type", CANARY, "unsupported"),
        ("subject_request_id", ..., "required"),
        ("subject_request_id", "A7551968-D5D6-44B2-9831-815AC9017798", "malformed"),
        ("subject_request_id", "a7551968-d5d6-14b2-9831-815ac9017798", "malformed"),  # version 1
        ("subject_request_id", "a7551968-d5d6-44b2-c831-815ac9017798", "malformed"),  # variant
        ("subject_request_id", "a7551968-d5d6-44b2-9831-815ac9017798\n", "malformed"),
        ("subject_request_id", 7, "malformed"),
        ("submitted_time", ..., "required"),
        ("submitted_time", "2026-02-27", "malformed"),
        ("submitted_time", "2026-02-27T15:00:00", "malformed"),  # no offset
        ("submitted_time", "2026-02-30T15:00:00Z", "malformed"),
        ("submitted_time", 1_772_368_200, "malformed"),
        ("submitted_time", "2026-03-03T15:00:00Z", "unsupported"),  # to come
        ("submitted_time", "0001-01-01T00:00:00Z", "unsupported"),
        ("subject_identities", ..., "required"),
        ("subject_identities", [], "required"),
        ("subject_identities", CANARY, "malformed"),
        ("subject_identities", [MAIL] * (IDENTITIES_MAX + 1), "malformed"),
        ("api_version", "1.0", "unsupported"),
        ("api_version", 2, "unsupported"),
        ("status_callback_urls", "https://c.example", "malformed"),
        ("status_callback_urls", ["https://c.example"] * (CALLBACKS_MAX + 1), "malformed"),
        ("extensions", [], "malformed"),
        ("extensions", {"other.example.com": 7}, "malformed"),
        ("extensions", {"other.example.com": {"x": "y" * 20_000}}, "too_large"),
        ("extensions", {"other.example.com": {"x": 1 << 70}}, "too_large"),
        ("extensions", {"other.example.com": {"x": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}}, "too_large"),
    ],
)
def test_each_field_that_is_wrong_is_named(field: str, value: Any, reason: str) -> None:
    assert one({field: value}) == (reason, field)


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"identity_type": "passport"}, "unsupported", "identity_type"),
        ({"identity_type": ...}, "required", "identity_type"),
        ({"identity_format": "sha512"}, "unsupported", "identity_format"),
        ({"identity_format": ...}, "required", "identity_format"),
        ({"identity_value": ...}, "required", "identity_value"),
        ({"identity_value": 7}, "malformed", "identity_value"),
        ({"identity_value": "null"}, "malformed", "identity_value"),
        ({"identity_value": f"{CANARY} {CANARY}"}, "malformed", "identity_value"),
    ],
)
def test_what_is_wrong_with_an_identity_is_told_with_its_place(
    changes: dict[str, Any], reason: str, field: str
) -> None:
    identity = {name: value for name, value in {**MAIL, **changes}.items() if value is not ...}
    assert one({"subject_identities": [MAIL, identity]}) == (reason, f"subject_identities[1].{field}")


def test_unknown_identity_types_are_told_which_are_known() -> None:
    ((_, _, text),) = problems({"subject_identities": [{**MAIL, "identity_type": CANARY}]})
    assert all(kind in text for kind in IDENTITY_TYPES)


def test_an_identity_that_is_none_is_told() -> None:
    assert one({"subject_identities": [MAIL, CANARY]}) == ("malformed", "subject_identities[1]")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems({"regulation": "x", "submitted_time": "x", "subject_identities": [{**MAIL, "identity_type": "x"}]})
    assert [field for _, field, _ in found] == ["regulation", "submitted_time", "subject_identities[0].identity_type"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b"[" * 10_000, b'{"a":' * 5_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="body: expected a JSON object"):
        parse_request(body, NORMALISER, RECEIVER)


@pytest.mark.parametrize(
    "url",
    ["http://c.example/", "http://127.0.0.1:9/", "ftp://c.example", f"https://{CANARY}/", "https://", "x", "", 7, None],
)
def test_callbacks_go_over_https_only(url: Any) -> None:
    assert one({"status_callback_urls": ["https://c.example/", url]}) == ("malformed", "status_callback_urls[1]")


def test_loopback_may_be_called_over_http_if_settings_say_so() -> None:
    receiver = Receiver("localhost", NOW, loopback_callbacks=True)
    urls = ["http://127.0.0.1:9/cb", "http://localhost/cb", "http://[::1]:9/", "https://c.example"]
    assert parse({"status_callback_urls": urls}, receiver).callbacks == urls
    assert one({"status_callback_urls": ["http://c.example/"]}, receiver)[1] == "status_callback_urls[0]"


def test_the_own_extension_is_read_and_others_are_kept() -> None:
    extensions = {"privacy.example.com": {"suppress": "earlier"}, "other.example.com": {"suppress": 7, "x": [1, {}]}}
    request = parse({"extensions": extensions})
    assert (request.suppress, request.extensions) == ("earlier", extensions)


@pytest.mark.parametrize(
    ("own", "field"),
    [
        ({"suppress": "never"}, "extensions[privacy.example.com].suppress"),
        ({CANARY: 1}, "extensions[privacy.example.com]"),
    ],
)
def test_the_own_extension_is_checked(own: dict[str, Any], field: str) -> None:
    assert one({"extensions": {"privacy.example.com": own}}) == ("unsupported", field)
