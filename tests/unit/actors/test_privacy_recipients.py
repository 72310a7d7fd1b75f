"""Recipients of erased people's data are followed until each has answered or was given up, and that is stated."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from actors.delivery_store import Dead, DeliveryStore, Waiting
from actors.privacy_recipients import RecipientStatements
from actors.privacy_store import PrivacyStore
from models.delivery.webhook import erasure_id
from models.privacy.certificate import certificate_or_statement
from models.privacy.recipients import Recipient, RecipientStatement
from models.privacy.requests import SubjectRequest
from pipelines.erasure_certificate import PUBLIC_FILE, read_key, state_recipients

NOW = 1_760_000_000_000
PEOPLE = [7, 9]
MESSAGE = erasure_id(PEOPLE)


class Place:
    """What the desk has left of an erasure, and the webhooks that are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests = PrivacyStore(folder / "privacy.sqlite", bytes(32))
        self.deliveries = DeliveryStore(folder / "deliveries.sqlite")
        self.documents: list[bytes] = []
        request = SubjectRequest(
            request_id="r1",
            kind="erasure",
            regulation="gdpr",
            submitted_at=NOW,
            received_at=NOW,
            due_at=NOW,
            identities=[],
            state="completed",
            people=PEOPLE,
            recipients=["crm", "mail"],
            results="certificate-1",
        )
        self.requests.add(request)
        self.announce()

    def announce(self) -> None:
        self.deliveries.announce(["crm", "mail"], [Waiting(MESSAGE, 0, 0, "", b"{}")])

    async def recipients(self, people: list[list[int]]) -> list[list[Recipient]]:
        return [self.deliveries.recipients(erasure_id(each)) for each in people]

    def issue(self, request: SubjectRequest, recipients: list[Recipient]) -> str:
        name, document = state_recipients(self.folder, request.request_id, request.results, recipients, NOW)
        self.documents.append(document)
        return name

    def work(self) -> int:
        return asyncio.run(RecipientStatements(self.requests, self, self.issue).issue_due())

    def stated(self) -> dict[str, str]:
        """What the latest statement says, verified."""
        found = certificate_or_statement(self.documents[-1], read_key(self.folder / PUBLIC_FILE))
        assert isinstance(found, RecipientStatement)
        assert (found.request_id, found.certificate_id) == ("r1", "certificate-1")
        assert self.requests.request("r1").statement == found.statement_id
        return {each.name: each.state for each in found.recipients}

    def acknowledge(self, webhook_id: str) -> None:
        self.deliveries.note(webhook_id, NOW + 1, delivered=[MESSAGE])

    def give_up(self, webhook_id: str) -> None:
        self.deliveries.note(webhook_id, NOW + 2, dead=[Dead(MESSAGE, NOW + 2, "HTTP 400", b"{}")])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    with closing(made.requests), closing(made.deliveries):
        yield made


def test_all_have_acknowledged(place: Place) -> None:
    place.acknowledge("crm")
    assert place.work() == 0
    place.acknowledge("mail")
    assert place.work() == 1
    assert place.stated() == {"webhook:crm": "acknowledged", "webhook:mail": "acknowledged"}
    assert place.work() == 0


def test_whoever_was_given_up_and_told_again_is_stated_anew(place: Place) -> None:
    place.acknowledge("crm")
    place.give_up("mail")
    assert place.work() == 1
    assert place.stated() == {"webhook:crm": "acknowledged", "webhook:mail": "failed"}
    assert place.work() == 0
    assert place.deliveries.replay("mail", None, NOW) == 1
    assert place.work() == 0
    place.acknowledge("mail")
    assert place.work() == 1
    assert place.stated() == {"webhook:crm": "acknowledged", "webhook:mail": "acknowledged"}


@pytest.mark.parametrize("state", ["acknowledged", "failed"])
def test_a_webhook_that_is_deleted_will_not_answer_and_what_it_said_stays(place: Place, state: str) -> None:
    end: dict[str, Callable[[str], None]] = {"acknowledged": place.acknowledge, "failed": lambda _: None}
    end[state]("crm")
    place.deliveries.forget("crm", NOW + 3)
    place.acknowledge("mail")
    assert place.work() == 1
    assert place.stated()["webhook:crm"] == state


def test_an_erasure_that_is_told_again_is_not_sent_twice(place: Place) -> None:
    place.acknowledge("crm")
    place.announce()
    assert (place.deliveries.waiting("crm"), place.deliveries.waiting("mail")) == (0, 1)
    assert [each.state for each in place.deliveries.recipients(MESSAGE)] == ["acknowledged", "waiting"]


def test_a_statement_is_no_certificate_and_holds_as_it_was_signed(place: Place) -> None:
    for webhook_id in ("crm", "mail"):
        place.acknowledge(webhook_id)
    place.work()
    key = read_key(place.folder / PUBLIC_FILE)
    with pytest.raises(ValueError, match="signature"):
        certificate_or_statement(place.documents[0].replace(b"certificate-1", b"certificate-2"), key)
