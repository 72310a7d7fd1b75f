"""/v2: requests of data subjects as OpenDSR 2.0 has them: taken, told, cancelled, refused, and every answer signed."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from models.delivery.webhook import RetryPolicy
from models.privacy.deadlines import due
from models.privacy.requests import advanced, anonymised
from models.privacy.settings import PrivacySettings
from serve.settings import Settings
from tests.unit.serve.http_service import NOW, HttpService

MAIL = "jane.canary@example.com"
ID = "a7551968-d5d6-44b2-9831-815ac9017798"
PATH = f"/v2/requests/{ID}"
URL = "https://c.example/cb"
BODY: dict[str, Any] = {
    "regulation": "gdpr",
    "subject_request_id": ID,
    "subject_request_type": "access",
    "submitted_time": "2026-02-27T15:00:00Z",
    "subject_identities": [{"identity_type": "email", "identity_value": MAIL, "identity_format": "raw"}],
    "status_callback_urls": [URL],
}
DOMAIN = "privacy.example.com"
SETTINGS = Settings(privacy=PrivacySettings(controller_id="shop", processor_domain=DOMAIN))


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    return HttpService(tmp_path, SETTINGS)


def check(service: HttpService, answer: httpx.Response) -> Any:
    """The answer's document, its signature checked with the certificate that everybody can have."""
    certificate = service.get("/v2/certificate", Authorization="").content
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, RSAPublicKey)
    assert answer.headers["x-opendsr-processor-domain"] == DOMAIN
    signature = b64decode(answer.headers["x-opendsr-signature"])
    key.verify(signature, answer.content, PKCS1v15(), hashes.SHA256())
    document = answer.json()
    if inner := document.get("processor_signature"):
        unsigned = answer.content.replace(b',"processor_signature":"' + inner.encode() + b'"', b"")
        assert "processor_signature" not in json.loads(unsigned)
        key.verify(b64decode(inner), unsigned, PKCS1v15(), hashes.SHA256())
    return document


def told(service: HttpService) -> list[str]:
    """What callbacks that are due say."""
    return [json.loads(each.body)["request_status"] for each in service.privacy.due_callbacks(service.now, 10)]


def test_a_request_is_taken(service: HttpService) -> None:
    body = json.dumps(BODY).encode()
    answer = service.request("POST", "/v2/requests", body)
    assert answer.status_code == 201
    document = check(service, answer)
    assert document.pop("processor_signature")
    assert document == {
        "controller_id": "shop",
        "expected_completion_time": "2026-04-01T23:59:59.999Z",
        "received_time": "2026-03-01T12:30:00.000Z",
        "encoded_request": b64encode(body).decode(),
        "subject_request_id": ID,
    }
    stored = service.privacy.request(ID)
    assert (stored.kind, stored.state, stored.due_at) == ("access", "pending", due("gdpr", NOW))
    assert told(service) == ["pending"]


def test_the_same_request_again_has_the_same_answer(service: HttpService) -> None:
    first = service.post("/v2/requests", BODY)
    service.pass_time(60_000)
    again = service.post("/v2/requests", BODY)
    assert (again.status_code, again.content) == (201, first.content)
    assert told(service) == ["pending"]
    other = service.post("/v2/requests", {**BODY, "subject_request_type": "erasure"})
    assert other.status_code == 400
    assert check(service, other)["error"]["errors"][0]["reason"] == "conflict"


def test_an_erasure_that_is_done_can_be_sent_again(service: HttpService) -> None:
    erasure = {**BODY, "subject_request_type": "erasure"}
    first = service.post("/v2/requests", erasure).json()
    service.privacy.change(ID, lambda found: anonymised(advanced(found, "completed", NOW)))
    assert service.post("/v2/requests", erasure).json() == first
    assert service.privacy.request(ID).encoded == ""


def test_the_status_follows_the_work(service: HttpService) -> None:
    service.post("/v2/requests", BODY)
    pending = check(service, service.get(PATH))
    assert pending == {
        "controller_id": "shop",
        "expected_completion_time": "2026-04-01T23:59:59.999Z",
        "subject_request_id": ID,
        "request_status": "pending",
        "api_version": "2.0",
    }
    service.privacy.change(ID, lambda found: advanced(found, "in_progress", NOW))
    assert service.get(PATH).json() == {**pending, "request_status": "in_progress"}
    service.privacy.change(ID, lambda found: advanced(found, "completed", NOW, results="r.zip", results_count=3))
    results = {"results_url": f"https://{DOMAIN}/v1/privacy/results/r.zip", "results_count": 3}
    assert service.get(PATH).json() == {**pending, "request_status": "completed", **results}


def test_a_pending_request_can_be_cancelled_once(service: HttpService) -> None:
    service.post("/v2/requests", BODY)
    service.pass_time(5_000)
    answer = service.request("DELETE", PATH)
    assert answer.status_code == 202
    document = check(service, answer)
    assert document.pop("processor_signature")
    assert document == {
        "controller_id": "shop",
        "subject_request_id": ID,
        "received_time": "2026-03-01T12:30:05.000Z",
        "api_version": "2.0",
    }
    assert service.get(PATH).json()["request_status"] == "cancelled"
    again = service.request("DELETE", PATH)
    assert again.status_code == 400
    assert "only a pending one" in check(service, again)["error"]["message"]


def test_what_is_begun_is_not_cancelled(service: HttpService) -> None:
    service.post("/v2/requests", BODY)
    service.privacy.change(ID, lambda found: advanced(found, "in_progress", NOW))
    assert service.request("DELETE", PATH).status_code == 400
    assert service.privacy.request(ID).state == "in_progress"


def test_refusals_have_the_form_of_opendsr_and_no_value(service: HttpService) -> None:
    secret = service.create_key("read", "reader")
    wrong = {**BODY, "regulation": MAIL, "subject_identities": [MAIL]}
    cases = [
        (service.request("POST", "/v2/requests", wrong, {"Authorization": ""}), 401, "Authentication"),
        (service.post("/v2/requests", wrong, Authorization=f"Bearer {secret}"), 403, "Authentication"),
    ]
    service.key = service.create_key("privacy", "privacy")
    cases += [
        (service.post("/v2/requests", wrong), 400, "Validation"),
        (service.request("POST", "/v2/requests", MAIL.encode()), 400, "Validation"),
        (service.request("POST", "/v2/requests", b"\x1f\x8b" + MAIL.encode()), 400, "Request"),
        (service.request("POST", "/v2/requests", json.dumps({**BODY, "x": "y" * 65_536}).encode()), 413, "Request"),
        (service.get(f"/v2/requests/{MAIL}"), 404, "Request"),
        (service.request("DELETE", f"/v2/requests/{MAIL}"), 404, "Request"),
    ]
    for answer, status, domain in cases:
        error = check(service, answer)["error"]
        assert (answer.status_code, error["code"]) == (status, status)
        assert error["message"] and {each["domain"] for each in error["errors"]} == {domain}
        assert MAIL not in answer.text
    assert len(cases[2][0].json()["error"]["errors"]) == 2
    assert cases[0][0].headers["www-authenticate"]
    assert service.metrics.total("onefold_refusals") == 3


def test_the_requests_key_is_noted_and_the_action_recorded(service: HttpService) -> None:
    service.key = service.create_key("privacy", "privacy")
    service.post("/v2/requests", BODY)
    (key,) = service.control.keys()
    assert service.privacy.request(ID).actor == key.key_id
    (entry,) = service.recorded()
    assert (entry.action, entry.outcome, entry.actor) == ("POST /v2/requests", "201", key.key_id)
    assert entry.detail["subject_request_id"] == ID and MAIL not in str(entry)


def test_discovery_names_what_is_supported(service: HttpService) -> None:
    found = check(service, service.get("/v2/discovery"))
    assert found["api_version"] == "2.0"
    assert {"identity_type": "cookie", "identity_format": "sha256"} in found["supported_identities"]
    assert found["supported_subject_request_types"] == ["access", "portability", "erasure"]
    assert found["processor_certificate"] == f"https://{DOMAIN}/v2/certificate"


def test_without_a_domain_addresses_are_those_of_this_machine(tmp_path: Path) -> None:
    service = HttpService(tmp_path, Settings(webhooks=RetryPolicy(allow_private_addresses=True)))
    answer = service.get("/v2/discovery")
    assert answer.headers["x-opendsr-processor-domain"] == "localhost"
    assert answer.json()["processor_certificate"] == "http://127.0.0.1:8080/v2/certificate"
    local = {**BODY, "status_callback_urls": ["http://127.0.0.1:9/cb"]}
    assert service.post("/v2/requests", local).status_code == 201


def test_the_own_extension_decides_what_is_suppressed(service: HttpService) -> None:
    service.post("/v2/requests", {**BODY, "extensions": {DOMAIN: {"suppress": "earlier"}}})
    assert service.privacy.request(ID).suppress == "earlier"


def test_nothing_is_answered_unsigned(service: HttpService) -> None:
    def broken() -> Any:
        raise RuntimeError("no key")

    object.__setattr__(service.services, "signer", broken)
    assert service.get("/v2/discovery").status_code == 500
