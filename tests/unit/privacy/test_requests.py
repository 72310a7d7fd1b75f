"""Which requests the work may begin on."""

import msgspec
import pytest

from models.privacy.requests import State, SubjectRequest, is_open, is_ready
from models.privacy.settings import PrivacySettings

REQUEST = SubjectRequest(
    request_id="a7551968-d5d6-44b2-9831-815ac9017798",
    kind="erasure",
    regulation="gdpr",
    submitted_at=0,
    received_at=1,
    due_at=2,
    identities=[],
)
STRICT = PrivacySettings(require_verification=True)


@pytest.mark.parametrize(
    ("state", "open_", "ready"),
    [("pending", True, True), ("in_progress", True, False), ("completed", False, False), ("cancelled", False, False)],
)
def test_pending_requests_are_ready(state: State, open_: bool, ready: bool) -> None:
    request = msgspec.structs.replace(REQUEST, state=state)
    assert (is_open(request), is_ready(request, PrivacySettings())) == (open_, ready)
    assert not is_ready(request, STRICT)
    assert is_ready(msgspec.structs.replace(request, verified_by="team"), STRICT) == ready


@pytest.mark.parametrize(
    "domain", ["https://a.example", "A.example", "a.example:80", "-a.example", "a..b", "a" * 64, " "]
)
def test_a_domain_that_is_none_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match=r"^privacy\.processor_domain "):
        PrivacySettings(processor_domain=domain)


@pytest.mark.parametrize("controller_id", ["", "x" * 201])
def test_a_controller_has_an_id(controller_id: str) -> None:
    with pytest.raises(ValueError, match=r"^privacy\.controller_id "):
        PrivacySettings(controller_id=controller_id)


def test_domains_are_taken() -> None:
    for domain in ("", "localhost", "privacy.example.com", "xn--mnchen-3ya.example"):
        assert PrivacySettings(processor_domain=domain).processor_domain == domain
