"""DecisionService: it answers what HTTP answers, and says what did not count and what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from models.privacy.settings import PrivacySettings
from protos.onefold.v1 import decision_pb2 as pb
from serve.settings import Settings
from tests.strategies.decision_points import SCORING
from tests.unit.serve.grpc_service import GrpcService, Refused
from tests.unit.serve.test_http_decide import PURPOSES, promote

KEY = "user_id:u1"
ITEMS: list[dict[str, Any]] = [
    {"id": "tea", "category": "drinks", "popularity": 120.0, "margin": 2.5},
    {"id": "soap", "popularity": 300.0},
    {"id": "cup", "margin": 0.0},
]


@pytest.fixture
def service(tmp_path: Path) -> GrpcService:
    privacy = PrivacySettings(purposes=PURPOSES)
    made = GrpcService(tmp_path, Settings(scoring=SCORING, privacy=privacy))
    made.http.router.purposes = PURPOSES
    made.http.send({"type": "identify", "userId": "u1", "traits": {"plan": "gold"}})
    order = {"order_id": "o1", "products": [{"product_id": "cup", "price": 5}], "revenue": 5, "currency": "EUR"}
    made.http.send({"type": "track", "userId": "u1", "event": "Order Completed", "properties": order})
    promote(made.http)
    return made


def decide(service: GrpcService, decision_id: str, purpose: str = "") -> tuple[pb.DecideResponse, str]:
    """The decision, and what did not count in it."""
    request = pb.DecideRequest(key=KEY, decision="welcome", decision_id=decision_id)
    metadata = (("onefold-purpose", purpose),) if purpose else ()
    reply = service.call("Decide", request, metadata=metadata)
    return pb.DecideResponse.FromString(reply), dict(service.last.trailing).get("onefold-withheld", "")


def rank(service: GrpcService, items: list[dict[str, Any]], purpose: str = "") -> tuple[pb.RankResponse, str]:
    metadata = (("onefold-purpose", purpose),) if purpose else ()
    reply = service.call("Rank", pb.RankRequest(key=KEY, items=[pb.RankItem(**x) for x in items]), metadata=metadata)
    return pb.RankResponse.FromString(reply), dict(service.last.trailing).get("onefold-withheld", "")


def same(message: Any, answer: dict[str, Any]) -> None:
    """Whether a message has in its fields what HTTP has, and nothing where that has null."""
    for field in message.DESCRIPTOR.fields:
        told, expected = getattr(message, field.name), answer.pop(field.name)
        if expected is None:
            assert not (message.HasField(field.name) if field.has_presence else told), field.name
        elif isinstance(expected, list):
            for one, other in zip(told, expected, strict=True):
                same(one, other)
        else:
            assert (dict(told) if isinstance(expected, dict) else told) == expected, field.name
    assert answer == {}


@pytest.mark.parametrize("purpose", ["shop", "mail"])
def test_both_transports_answer_the_same(service: GrpcService, purpose: str) -> None:
    http, headers = service.http, {"Onefold-Purpose": purpose}
    for decision_id in ("d1", "d2"):
        asked = {"decision": "welcome", "decision_id": decision_id}
        if decision_id == "d1":
            decided, withheld = decide(service, decision_id, purpose)
        answer = http.post(f"/v1/profiles/{KEY}/decide", asked, **headers)
        if decision_id == "d2":
            decided, withheld = decide(service, decision_id, purpose)
        assert answer.headers.get("Onefold-Withheld", "") == withheld
        assert decided.personal is (purpose == "shop") and decided.model == "welcome@1"
        same(decided, answer.json())
    ranked, withheld = rank(service, ITEMS, purpose)
    answer = http.post(f"/v1/profiles/{KEY}/rank", {"items": ITEMS}, **headers)
    assert answer.headers.get("Onefold-Withheld", "") == withheld
    assert ranked.personal is (purpose == "shop")
    same(ranked, answer.json())


def test_it_says_what_did_not_count(service: GrpcService) -> None:
    assert (decide(service, "d1")[1], rank(service, ITEMS)[1]) == ("", "")
    assert [each.bought for each in rank(service, ITEMS)[0].items] == [False, False, True]
    assert decide(service, "d2", "mail")[1] == "features=1, segments=1"
    assert rank(service, ITEMS, "mail")[1] == "transactions=1"
    with pytest.raises(Refused, match="FAILED_PRECONDITION: decision_id: it was decided for another purpose"):
        decide(service, "d1", "mail")
    for call in (lambda: decide(service, "d3", "ads"), lambda: rank(service, ITEMS, "ads")):
        with pytest.raises(Refused, match=r"NOT_FOUND: key: .* the purpose ads has no basis"):
            call()


def test_nothing_is_decided_of_who_has_opted_out(service: GrpcService) -> None:
    service.http.post(f"/v1/profiles/{KEY}/consents", {"decisions": {"!no_automated_decisions": True}})
    told, _ = decide(service, "d1")
    assert (told.decided, told.action, told.HasField("propensity")) == ("skipped: opted out", "", False)
    assert not rank(service, ITEMS)[0].personal


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"category": "drinks"}, "items[0]: Object missing required field `id`"),
        ({"id": "tea", "popularity": 0.0}, "items[0].popularity: Expected `float` > 0"),
        ({"id": "tea", "margin": float("nan")}, "items[0].margin: Expected `float` >= 0"),
        ({"id": "tea", "margin": float("inf")}, "items[0].margin: Expected `float` <= "),
        ({"id": "x" * 257}, "items[0].id: Expected `str` of length <= 256"),
        ({"id": "soap"}, "items: expected each id once"),
    ],
)
def test_what_is_wrong_is_named(service: GrpcService, item: dict[str, Any], problem: str) -> None:
    with pytest.raises(Refused) as caught:
        rank(service, [item, {"id": "soap"}])
    assert caught.value.code.name == "INVALID_ARGUMENT" and caught.value.details.startswith(problem)


def test_decisions_are_checked_too(service: GrpcService) -> None:
    with pytest.raises(Refused, match="INVALID_ARGUMENT: decision_id: Expected `str` of length <= 128"):
        decide(service, "x" * 129)
    with pytest.raises(Refused, match="INVALID_ARGUMENT: decision_id: Expected `str` matching regex"):
        decide(service, "d\0")
    with pytest.raises(Refused, match=r"NOT_FOUND: decision: expected one of scoring.decisions \(welcome\)"):
        service.call("Decide", pb.DecideRequest(key=KEY, decision="goodbye"))
    with pytest.raises(Refused, match="INVALID_ARGUMENT: items: Expected `array` of length >= 1"):
        rank(service, [])
