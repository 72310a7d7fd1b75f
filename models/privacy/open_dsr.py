"""The body of an OpenDSR 2.0 request (github.com/opengdpr/OpenDSR, section 7.1), read and checked.

Everything that is wrong is told at once, each with its field, what was expected and the way out; never a value. Fields
that the specification does not have are passed over. Of extensions, that of this processor's own domain is read:

    {"extensions": {"privacy.example.com": {"suppress": "earlier"}}}
"""

import re
from base64 import b64encode
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

import msgspec

from models.delivery.addresses import is_loopback
from models.delivery.webhook import address_problem
from models.events.clock import parse_time
from models.identity.identifiers import PROBLEMS, IdentifierNormaliser
from models.privacy.deadlines import DAY_MS, due
from models.privacy.open_dsr_documents import (
    API_VERSION,
    FORMATS,
    IDENTITY_TYPES,
    REGULATIONS,
    REQUEST_TYPES,
    OpenDsrErrorDetail,
)
from models.privacy.requests import IdentityFormat, SubjectIdentity, SubjectRequest
from models.privacy.suppression import Suppress

BODY_BYTES_MAX = 64 * 1024
IDENTITIES_MAX = 100
CALLBACKS_MAX = 10
EXTENSIONS_BYTES_MAX = 16 * 1024
EXTENSIONS_DEPTH_MAX = 16
_UUID4 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_VERSION = re.compile(r"2(\.\d{1,3}){0,2}", re.ASCII)
_HASH_DIGITS: dict[IdentityFormat, int] = {"sha1": 40, "md5": 32, "sha256": 64}
_HEXADECIMAL = re.compile("[0-9a-f]+")
_SUPPRESS: tuple[Suppress, ...] = get_args(Suppress)

T = TypeVar("T", bound=str)


class InvalidRequest(ValueError):
    """The body is no request that can be taken; `problems` has everything that is wrong."""

    def __init__(self, problems: list[OpenDsrErrorDetail]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class Receiver(msgspec.Struct, frozen=True):
    """What is known of a request besides its body."""

    domain: str  # of this processor
    received_at: int  # ms
    actor: str = ""  # who brought it
    loopback_callbacks: bool = False  # whether callbacks may go to this machine over http


def parse_request(body: bytes, normaliser: IdentifierNormaliser, receiver: Receiver) -> SubjectRequest:
    """The request that a body is. Raises InvalidRequest."""
    reading = _Reading(normaliser, receiver)
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        reading.wrong("body", "malformed", "expected a JSON object")
        raise InvalidRequest(reading.problems)
    regulation = reading.choice(asked, "regulation", REGULATIONS)
    kind = reading.choice(asked, "subject_request_type", REQUEST_TYPES)
    request_id = reading.request_id(asked)
    submitted_at = reading.submitted_time(asked)
    identities = reading.identities(asked)
    reading.api_version(asked)
    callbacks = reading.callbacks(asked)
    extensions = reading.extensions(asked)
    suppress = reading.suppress(extensions)
    if reading.problems:
        raise InvalidRequest(reading.problems)
    assert regulation is not None and kind is not None
    return SubjectRequest(
        request_id=request_id,
        kind=kind,
        regulation=regulation,
        submitted_at=submitted_at,
        received_at=receiver.received_at,
        due_at=due(regulation, receiver.received_at),
        identities=identities,
        actor=receiver.actor,
        callbacks=callbacks,
        suppress=suppress,
        extensions=extensions,
        encoded=b64encode(body).decode(),
    )


class _Reading:
    """One body being read; what is wrong gathers in `problems`."""

    def __init__(self, normaliser: IdentifierNormaliser, receiver: Receiver) -> None:
        self.problems: list[OpenDsrErrorDetail] = []
        self._normaliser = normaliser
        self._receiver = receiver

    def wrong(self, field: str, reason: str, message: str) -> None:
        self.problems.append(OpenDsrErrorDetail("Validation", reason, f"{field}: {message}"))

    def choice(self, asked: dict[str, Any], field: str, known: tuple[T, ...], place: str = "") -> T | None:
        """The value of a field that has one of a few."""
        found = asked.get(field)
        for each in known:
            if found == each:
                return each
        reason = "required" if found is None else "unsupported"
        self.wrong(f"{place}{field}", reason, f"expected one of {', '.join(known)}")
        return None

    def request_id(self, asked: dict[str, Any]) -> str:
        found = asked.get("subject_request_id")
        if isinstance(found, str) and _UUID4.fullmatch(found):
            return found
        reason = "required" if found is None else "malformed"
        self.wrong("subject_request_id", reason, "expected a UUID of version 4 in lower case")
        return ""

    def submitted_time(self, asked: dict[str, Any]) -> int:
        found = asked.get("submitted_time")
        text = found.upper() if isinstance(found, str) and len(found) <= 64 else ""
        moment = parse_time(text) if _RFC3339.fullmatch(text) else None
        if moment is None:
            reason = "required" if found is None else "malformed"
            self.wrong("submitted_time", reason, "expected a time of RFC 3339, such as 2026-03-01T12:30:00Z")
        elif not 0 <= moment <= self._receiver.received_at + DAY_MS:
            self.wrong("submitted_time", "unsupported", "expected a time that has passed, after 1970")
        return moment or 0

    def identities(self, asked: dict[str, Any]) -> list[SubjectIdentity]:
        """The identities in their normal form, each once."""
        found = asked.get("subject_identities")
        if not isinstance(found, list) or not 1 <= len(found) <= IDENTITIES_MAX:
            reason = "required" if found in (None, []) else "malformed"
            self.wrong("subject_identities", reason, f"expected a list of 1 to {IDENTITIES_MAX} identities")
            return []
        read = [self._identity(each, f"subject_identities[{place}]") for place, each in enumerate(found)]
        return list({(each.namespace, each.value, each.format): each for each in read if each}.values())

    def _identity(self, asked: Any, place: str) -> SubjectIdentity | None:
        if not isinstance(asked, dict):
            expected = "expected an object with identity_type, identity_value and identity_format"
            self.wrong(place, "malformed", expected)
            return None
        kind = self.choice(asked, "identity_type", tuple(IDENTITY_TYPES), f"{place}.")
        form = self.choice(asked, "identity_format", FORMATS, f"{place}.")
        value = asked.get("identity_value")
        if not isinstance(value, str):
            reason = "required" if value is None else "malformed"
            self.wrong(f"{place}.identity_value", reason, "expected a string")
            return None
        if kind is None or form is None:
            return None
        namespace = IDENTITY_TYPES[kind]
        if form == "raw":
            identifier, problem = self._normaliser.normalise(namespace, value)
            if identifier is None:
                self.wrong(f"{place}.identity_value", "malformed", f"the value {PROBLEMS[problem]}")
                return None
            return SubjectIdentity(namespace, identifier.partition(":")[2])
        digits = value.strip().lower()
        if len(digits) != _HASH_DIGITS[form] or not _HEXADECIMAL.fullmatch(digits):
            expected = f"expected {_HASH_DIGITS[form]} hexadecimal digits, for identity_format is {form}"
            self.wrong(f"{place}.identity_value", "malformed", expected)
            return None
        return SubjectIdentity(namespace, digits, form)

    def api_version(self, asked: dict[str, Any]) -> None:
        found = asked.get("api_version")
        if found is not None and not (isinstance(found, str) and _VERSION.fullmatch(found)):
            self.wrong("api_version", "unsupported", f"expected {API_VERSION}, or leave it out")

    def callbacks(self, asked: dict[str, Any]) -> list[str]:
        """The URLs that are told of changes, each once."""
        found = asked.get("status_callback_urls")
        if found is None:
            return []
        if not isinstance(found, list) or len(found) > CALLBACKS_MAX:
            self.wrong("status_callback_urls", "malformed", f"expected a list of at most {CALLBACKS_MAX} https URLs")
            return []
        for place, url in enumerate(found):
            problem = self._callback_problem(url) if isinstance(url, str) else "expected an https URL"
            if problem:
                self.wrong(f"status_callback_urls[{place}]", "malformed", problem)
        return [url for url in dict.fromkeys(each for each in found if isinstance(each, str))]

    def _callback_problem(self, url: str) -> str:
        """What is wrong with a URL; "" if nothing is."""
        if problem := address_problem(url):
            return problem
        parts = urlsplit(url)
        if parts.scheme == "https":
            return ""
        if self._receiver.loopback_callbacks and is_loopback(parts.hostname or ""):
            return ""
        return "expected an https URL: what is told of people is not sent in the clear"

    def extensions(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The extensions as they are given: bounded, and such that they can be stored."""
        found = asked.get("extensions")
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
            self.wrong("extensions", "malformed", "expected an object with an object for each processor's domain")
            return {}
        if _is_deeper(found, EXTENSIONS_DEPTH_MAX):
            self.wrong("extensions", "too_large", f"expected at most {EXTENSIONS_DEPTH_MAX} levels")
            return {}
        try:
            size = len(msgspec.msgpack.encode(found))
        except OverflowError:
            self.wrong("extensions", "too_large", "expected whole numbers of at most 64 bits")
            return {}
        if size > EXTENSIONS_BYTES_MAX:
            self.wrong("extensions", "too_large", f"expected at most {EXTENSIONS_BYTES_MAX // 1024} KB")
            return {}
        return found

    def suppress(self, extensions: dict[str, Any]) -> Suppress:
        """Which later events are refused, from this processor's own extension."""
        place = f"extensions[{self._receiver.domain}]"
        own: dict[str, Any] = extensions.get(self._receiver.domain, {})
        if own.keys() - {"suppress"}:
            self.wrong(place, "unsupported", "unknown field; expected suppress")
        if "suppress" not in own:
            return "all"
        return self.choice(own, "suppress", _SUPPRESS, f"{place}.") or "all"


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested in each other more than `levels` deep."""
    layer = [value]
    for _ in range(levels + 1):
        inner = [each.values() if isinstance(each, dict) else each for each in layer if isinstance(each, dict | list)]
        if not inner:
            return False
        layer = [each for group in inner for each in group]
    return True
