"""The queue of requests: one id is one request, changes are whole, callbacks are told in their order."""

from pathlib import Path

import msgspec
import pytest

from actors.errors import Conflict, NotFound
from actors.privacy_store import FILE, PrivacyStore
from models.privacy.requests import SubjectIdentity, SubjectRequest, advanced, anonymised

ID = "a7551968-d5d6-44b2-9831-815ac9017798"
URL, OTHER_URL = "https://c.example/", "https://d.example/"


def request(number: int = 0, **changes: object) -> SubjectRequest:
    made = SubjectRequest(
        request_id=f"{number:08x}{ID[8:]}",
        kind="access",
        regulation="gdpr",
        submitted_at=1,
        received_at=10 + number,
        due_at=100,
        identities=[SubjectIdentity("email", "jane@example.com")],
        callbacks=[URL, OTHER_URL],
    )
    return msgspec.structs.replace(made, **changes)


def tell(request: SubjectRequest) -> bytes:
    return request.state.encode()


@pytest.fixture
def store(tmp_path: Path) -> PrivacyStore:
    return PrivacyStore(tmp_path / FILE, b"k" * 32)


def test_the_same_request_again_is_the_one_that_is_there(store: PrivacyStore) -> None:
    first = store.add(request())
    assert store.add(request(received_at=99)) == first
    for other in (request(kind="erasure"), request(regulation="ccpa"), request(identities=[])):
        with pytest.raises(Conflict):
            store.add(other)
    erased = store.change(first.request_id, anonymised)
    assert store.add(request()) == erased


def test_requests_are_found_by_id_state_and_results(store: PrivacyStore) -> None:
    made = [store.add(request(number)) for number in range(3)]
    store.change(made[1].request_id, lambda found: advanced(found, "completed", 50, results="r.zip"))
    assert [found.request_id for found in store.requests(("pending",), 10)] == [made[0].request_id, made[2].request_id]
    assert store.requests(("pending", "completed"), 1, (10, made[0].request_id))[0].results == "r.zip"
    assert store.with_results("r.zip").request_id == made[1].request_id
    for name in ("", "other.zip"):
        with pytest.raises(NotFound):
            store.with_results(name)
    with pytest.raises(NotFound):
        store.request("nobody")
    with pytest.raises(NotFound):
        store.change("nobody", anonymised)


def test_a_change_that_fails_changes_nothing(store: PrivacyStore) -> None:
    first = store.add(request(), tell)

    def refused(_: SubjectRequest) -> SubjectRequest:
        raise Conflict("no")

    with pytest.raises(Conflict):
        store.change(first.request_id, refused, tell)
    assert store.request(first.request_id) == first
    assert len(store.due_callbacks(0, 10)) == 2


def test_a_url_is_told_of_changes_in_their_order(store: PrivacyStore) -> None:
    first, second = store.add(request(1), tell), store.add(request(2), tell)
    store.change(first.request_id, lambda found: advanced(found, "in_progress", 20), tell)
    due = store.due_callbacks(0, 10)
    assert [(each.request_id, each.url, each.body) for each in due] == [
        (made.request_id, url, b"pending") for made in (first, second) for url in (URL, OTHER_URL)
    ]
    store.put_off(due[0].number, 500)
    store.drop_callback(due[1].number)
    due = store.due_callbacks(499, 10)
    assert (first.request_id, OTHER_URL, b"in_progress") in [(each.request_id, each.url, each.body) for each in due]
    assert (first.request_id, URL) not in [(each.request_id, each.url) for each in due]
    (again,) = [each for each in store.due_callbacks(500, 10) if (each.request_id, each.url) == (first.request_id, URL)]
    assert (again.body, again.failures) == (b"pending", 1)


def test_the_file_is_for_its_owner_and_of_this_version(tmp_path: Path) -> None:
    store = PrivacyStore(tmp_path / FILE, b"k" * 32)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    store._db.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(Conflict, match="schema 99"):
        PrivacyStore(tmp_path / FILE, b"k" * 32)
