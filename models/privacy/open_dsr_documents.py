"""What an OpenDSR 2.0 processor answers and tells (github.com/opengdpr/OpenDSR, sections 6 to 9): documents as bytes.

Names and values of fields are those of the specification. Times are RFC 3339 in UTC. A `processor_signature` signs the
document without it, whose last field it is; the signature in the header is of everything that is sent.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from models.privacy.requests import IdentityFormat, Regulation, RequestKind, State, SubjectRequest

API_VERSION = "2.0"
CERTIFICATE_PATH = "/v2/certificate"
RESULTS_PATH = "/v1/privacy/results/"

# identity_type of the specification (and phone, cookie) -> namespace. Several ids of devices share one namespace here.
IDENTITY_TYPES = {
    "controller_customer_id": "user_id",
    "email": "email",
    "phone": "phone",
    "cookie": "anonymous_id",
    "android_advertising_id": "gaid",
    "ios_advertising_id": "idfa",
    "fire_advertising_id": "advertising_id",
    "microsoft_advertising_id": "advertising_id",
    "roku_advertising_id": "advertising_id",
    "android_id": "device_id",
    "ios_vendor_id": "device_id",
    "microsoft_publisher_id": "device_id",
    "roku_publisher_id": "device_id",
}
FORMATS: tuple[IdentityFormat, ...] = get_args(IdentityFormat)
REQUEST_TYPES: tuple[RequestKind, ...] = get_args(RequestKind)
REGULATIONS: tuple[Regulation, ...] = get_args(Regulation)

Sign = Callable[[bytes], str]
"""Bytes to their signature, base64."""


class Processor(msgspec.Struct, frozen=True):
    """How this service names itself."""

    controller_id: str
    domain: str
    base_url: str  # without a slash at the end


class OpenDsrIdentity(msgspec.Struct, frozen=True):
    """An identifier of the person."""

    identity_type: str
    identity_value: str
    identity_format: IdentityFormat


class OpenDsrRequest(msgspec.Struct, frozen=True):
    """A request of a data subject (7.1)."""

    regulation: Regulation
    subject_request_id: str
    subject_request_type: RequestKind
    submitted_time: str
    subject_identities: list[OpenDsrIdentity]
    api_version: str | UnsetType = UNSET
    status_callback_urls: list[str] | UnsetType = UNSET
    extensions: dict[str, dict[str, Any]] | UnsetType = UNSET


class OpenDsrReceipt(msgspec.Struct, frozen=True):
    """A request was taken (7.3)."""

    controller_id: str
    expected_completion_time: str
    received_time: str
    encoded_request: str
    subject_request_id: str
    processor_signature: str | UnsetType = UNSET


class OpenDsrCancellation(msgspec.Struct, frozen=True):
    """A request was cancelled (9.2)."""

    controller_id: str
    subject_request_id: str
    received_time: str
    api_version: str
    processor_signature: str | UnsetType = UNSET


class OpenDsrStatus(msgspec.Struct, frozen=True):
    """How far a request is (8.3)."""

    controller_id: str
    expected_completion_time: str
    subject_request_id: str
    request_status: State
    api_version: str
    results_url: str | UnsetType = UNSET
    results_count: int | UnsetType = UNSET


class OpenDsrCallback(msgspec.Struct, frozen=True):
    """What callbacks are told at a change of state (8.6); each is told its own `status_callback_url` besides."""

    controller_id: str
    expected_completion_time: str
    subject_request_id: str
    request_status: State
    results_url: str | UnsetType = UNSET
    results_count: int | UnsetType = UNSET


class OpenDsrSupportedIdentity(msgspec.Struct, frozen=True):
    """An identity that requests may name."""

    identity_type: str
    identity_format: IdentityFormat


class OpenDsrDiscovery(msgspec.Struct, frozen=True):
    """What is supported (6.3)."""

    api_version: str
    supported_identities: list[OpenDsrSupportedIdentity]
    supported_subject_request_types: list[RequestKind]
    processor_certificate: str


class OpenDsrErrorDetail(msgspec.Struct, frozen=True):
    """One thing that is wrong: never the value."""

    domain: Literal["Validation", "Authentication", "Request"]
    reason: str
    message: str


class OpenDsrErrorContent(msgspec.Struct, frozen=True):
    """Why a request was refused (7.6)."""

    code: int
    message: str
    errors: list[OpenDsrErrorDetail]


class OpenDsrError(msgspec.Struct, frozen=True):
    """The answer to what was refused (7.5)."""

    error: OpenDsrErrorContent


def rfc3339(ms: int) -> str:
    """ms since 1970 as RFC 3339 in UTC with milliseconds."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:19]}.{ms % 1000:03d}Z"


def receipt(request: SubjectRequest, processor: Processor, sign: Sign) -> bytes:
    """The answer to a request that was taken."""
    document = OpenDsrReceipt(
        controller_id=processor.controller_id,
        expected_completion_time=rfc3339(request.due_at),
        received_time=rfc3339(request.received_at),
        encoded_request=request.encoded,
        subject_request_id=request.request_id,
    )
    return _signed(document, sign)


def cancellation(request_id: str, cancelled_at: int, processor: Processor, sign: Sign) -> bytes:
    """The answer to a cancellation that came at `cancelled_at` ms."""
    document = OpenDsrCancellation(
        controller_id=processor.controller_id,
        subject_request_id=request_id,
        received_time=rfc3339(cancelled_at),
        api_version=API_VERSION,
    )
    return _signed(document, sign)


def status(request: SubjectRequest, processor: Processor) -> bytes:
    """How far a request is."""
    url, count = _results(request, processor)
    document = OpenDsrStatus(
        controller_id=processor.controller_id,
        expected_completion_time=rfc3339(request.due_at),
        subject_request_id=request.request_id,
        request_status=request.state,
        api_version=API_VERSION,
        results_url=url,
        results_count=count,
    )
    return msgspec.json.encode(document)


def callback(request: SubjectRequest, processor: Processor) -> bytes:
    """What all callbacks of a request are told of the state that it is in."""
    url, count = _results(request, processor)
    document = OpenDsrCallback(
        controller_id=processor.controller_id,
        expected_completion_time=rfc3339(request.due_at),
        subject_request_id=request.request_id,
        request_status=request.state,
        results_url=url,
        results_count=count,
    )
    return msgspec.json.encode(document)


def addressed(told: bytes, url: str) -> bytes:
    """The body of the callback to one URL."""
    return msgspec.json.encode({**msgspec.json.decode(told), "status_callback_url": url})


def discovery(processor: Processor) -> bytes:
    """What is supported."""
    document = OpenDsrDiscovery(
        api_version=API_VERSION,
        supported_identities=[OpenDsrSupportedIdentity(kind, form) for kind in IDENTITY_TYPES for form in FORMATS],
        supported_subject_request_types=list(REQUEST_TYPES),
        processor_certificate=processor.base_url + CERTIFICATE_PATH,
    )
    return msgspec.json.encode(document)


def refusal(code: int, message: str, errors: list[OpenDsrErrorDetail]) -> bytes:
    """The answer to what was refused, with the HTTP status `code`."""
    return msgspec.json.encode(OpenDsrError(OpenDsrErrorContent(code, message, errors)))


def _results(request: SubjectRequest, processor: Processor) -> tuple[str | UnsetType, int | UnsetType]:
    """Where the results are, if there is something to be fetched, and how many records they are, if that is known."""
    if request.state != "completed":
        return UNSET, UNSET
    is_file = request.kind != "erasure" and request.results
    url = processor.base_url + RESULTS_PATH + quote(request.results, safe="") if is_file else UNSET
    return url, request.results_count


def _signed(document: OpenDsrReceipt | OpenDsrCancellation, sign: Sign) -> bytes:
    signature = sign(msgspec.json.encode(document))
    return msgspec.json.encode(msgspec.structs.replace(document, processor_signature=signature))
