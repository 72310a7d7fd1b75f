"""ProfileService: lookups, batches, watching, and who may."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.onefold.v1 import profile_pb2 as pb
from serve import grpc_profiles
from serve.grpc_call import is_local
from tests.unit.serve.grpc_service import GrpcService, Refused

JANE = {
    "type": "identify",
    "userId": "jane",
    "messageId": "m1",
    "traits": {"email": "jane@example.com", "plan": "gold", "address": {"city": "Oslo"}},
}
ORDER = {
    "type": "track",
    "userId": "jane",
    "messageId": "m2",
    "event": "Order Completed",
    "properties": {
        "order_id": "o1",
        "revenue": 19.99,
        "currency": "USD",
        "products": [{"product_id": "p1", "price": 19.99}],
    },
    "context": {"page": {"url": "https://shop.example/thanks"}, "consent": {"categoryPreferences": {"ads": False}}},
}


@pytest.fixture
def service(tmp_path: Path) -> GrpcService:
    made = GrpcService(tmp_path)
    made.http.send(JANE, ORDER)
    return made


def get(service: GrpcService, key: str) -> pb.Profile:
    return pb.Profile.FromString(service.call("Get", pb.GetRequest(key=key)))


def refusal(service: GrpcService, method: str, request: Any, **more: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(Refused) as caught:
        service.call(method, request, **more)
    return caught.value.code, caught.value.details


def test_a_profile_has_what_its_document_has(service: GrpcService) -> None:
    profile = get(service, "user_id:jane")
    document = service.http.get("/v1/profiles/user_id:jane").json()
    assert profile.customer_id == document["customer_id"]
    assert profile.version == document["version"]
    assert [identity.namespace for identity in profile.identities] == [i["namespace"] for i in document["identities"]]
    assert {name: json.loads(told.value_json) for name, told in profile.attributes.items()} == {
        name: told["value"] for name, told in document["attributes"].items()
    }
    assert profile.attributes["plan"].updated_at == document["attributes"]["plan"]["updated_at"]
    behavior = profile.behaviors["Order Completed"]
    assert (behavior.count, dict(behavior.by_day)) == (1, document["behaviors"]["Order Completed"]["by_day"])
    transactions = document["transactions"]
    assert (profile.transactions.currency, profile.transactions.totals.revenue) == ("USD", "19.99")
    assert profile.transactions.totals.average_order_value == transactions["average_order_value"]
    assert [order.order_id for order in profile.transactions.latest] == ["o1"]
    assert profile.transactions.products[0].quantity == 1
    assert profile.lifecycle.stage == document["lifecycle"]["stage"]
    assert profile.privacy.consents["ads"].granted is False
    page = document["realTimeContext"]["page"]["value"]
    assert json.loads(profile.real_time_context.page.value_json) == page
    assert profile.real_time_context.session.active is document["realTimeContext"]["session"]["active"]
    assert profile.scores_json == "{}"
    assert json.loads(profile.insights_json) == document["insights"] != {}


def test_every_section_of_the_document_is_in_the_message(service: GrpcService) -> None:
    sections = {*service.http.get("/v1/profiles/user_id:jane").json(), "beyond_limits", "withheld", "region"}
    names = {"realTimeContext": "real_time_context", "scores": "scores_json", "insights": "insights_json"}
    assert {names.get(section, section) for section in sections} == set(pb.Profile.DESCRIPTOR.fields_by_name)


def test_what_a_full_profile_left_out_is_told(service: GrpcService) -> None:
    (profile,) = service.http.router.people.values()
    assert not get(service, "user_id:jane").beyond_limits
    profile.beyond_limits = {"attributes": 3}
    profile.sequence += 1
    assert dict(get(service, "user_id:jane").beyond_limits) == {"attributes": 3}


def test_any_spelling_of_any_identifier(service: GrpcService) -> None:
    customer_id = get(service, "user_id:jane").customer_id
    for key in ("email:Jane@Example.COM", "customer_id:" + customer_id, customer_id):
        assert get(service, key).customer_id == customer_id


def test_a_new_version_is_seen_at_once(service: GrpcService) -> None:
    assert get(service, "user_id:jane").behaviors["Order Completed"].count == 1
    service.http.send({**ORDER, "messageId": "m3", "properties": {"order_id": "o2", "revenue": 5}})
    assert get(service, "user_id:jane").behaviors["Order Completed"].count == 2


def test_time_alone_changes_a_profile(service: GrpcService) -> None:
    assert get(service, "user_id:jane").real_time_context.session.active
    service.http.pass_time(3_600_000)
    assert not get(service, "user_id:jane").real_time_context.session.active


def test_a_segments_new_name_is_seen(service: GrpcService) -> None:
    criteria = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "gold"}
    for name in ("Gold", "Golden"):
        service.http.post("/v1/segments", {"id": "gold", "name": name, "criteria": criteria})
        service.http.pass_time(1_000)
        assert [segment.name for segment in get(service, "user_id:jane").segments] == [name]


def test_nobody_and_nonsense(service: GrpcService) -> None:
    assert refusal(service, "Get", pb.GetRequest(key="user_id:nobody"))[0] is grpc.StatusCode.NOT_FOUND
    for key in ("", "jane", "user_id:", "email:no-address", "customer_id:17"):
        code, details = refusal(service, "Get", pb.GetRequest(key=key))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert details.startswith("key: ") and "no-address" not in details
    code, details = refusal(service, "Get", pb.GetRequest(key="user_id:jane", min_seq="later"))
    assert (code, details.partition(":")[0]) == (grpc.StatusCode.INVALID_ARGUMENT, "min_seq")


def test_a_shard_that_does_not_answer(service: GrpcService) -> None:
    service.http.router.down = True
    assert refusal(service, "Get", pb.GetRequest(key="user_id:jane"))[0] is grpc.StatusCode.UNAVAILABLE


def test_a_mistake_of_ours_says_nothing_of_the_person(
    service: GrpcService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(key: str, min_seq: str = "") -> None:
        raise ZeroDivisionError(key)

    monkeypatch.setattr(service.context.profiles, "get", broken)
    code, details = refusal(service, "Get", pb.GetRequest(key="user_id:jane"))
    assert code is grpc.StatusCode.INTERNAL
    assert "jane" not in details


def test_a_batch_keeps_the_order_of_its_keys(service: GrpcService) -> None:
    service.http.send({"type": "identify", "userId": "joe", "traits": {"plan": "free"}})
    keys = ["user_id:joe", "user_id:nobody", "email:jane@example.com", "user_id:joe"]
    response = pb.BatchGetResponse.FromString(service.call("BatchGet", pb.BatchGetRequest(keys=keys)))
    joe, jane = get(service, "user_id:joe"), get(service, "user_id:jane")
    assert [result.profile if result.HasField("profile") else None for result in response.results] == [
        joe,
        None,
        jane,
        joe,
    ]
    assert not pb.BatchGetResponse.FromString(service.call("BatchGet", pb.BatchGetRequest())).results


def test_a_batch_has_its_limit(service: GrpcService) -> None:
    keys = ["user_id:jane"] * (grpc_profiles.KEYS_MAX + 1)
    assert refusal(service, "BatchGet", pb.BatchGetRequest(keys=keys))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_where_an_answer_came_from_is_told_on_request(service: GrpcService) -> None:
    explain = (("explain", "1"),)
    service.call("Get", pb.GetRequest(key="user_id:jane"))
    assert service.last.trailing == []
    service.call("Get", pb.GetRequest(key="user_id:jane"), metadata=explain)
    assert service.last.trailing == [("served-from", "shard")]
    service.call("BatchGet", pb.BatchGetRequest(keys=["user_id:jane", "user_id:x"]), metadata=explain)
    assert service.last.trailing == [("served-from", "shard=1,nobody=1")]


def test_keys_and_their_scopes(service: GrpcService) -> None:
    request = pb.GetRequest(key="user_id:jane")
    read, ingest = service.http.create_key("read", "reader"), service.http.create_key("ingest", "writer")
    assert refusal(service, "Get", request)[0] is grpc.StatusCode.UNAUTHENTICATED
    service.key = "ofk_guessed"
    assert refusal(service, "Get", request)[0] is grpc.StatusCode.UNAUTHENTICATED
    service.key = ingest
    assert refusal(service, "Get", request)[0] is grpc.StatusCode.PERMISSION_DENIED
    service.key = read
    assert service.call("Get", request)
    service.context.records.flush()
    route = "/onefold.v1.ProfileService/Get"
    count = service.http.metrics.total
    assert count("onefold_requests", transport="grpc", route=route, status="OK") == 1
    assert count("onefold_requests", transport="grpc", route=route, status="UNAUTHENTICATED") == 2


def test_without_keys_only_this_machine_is_served(service: GrpcService) -> None:
    request = pb.GetRequest(key="user_id:jane")
    assert refusal(service, "Get", request, peer="ipv4:192.0.2.7:1234")[0] is grpc.StatusCode.PERMISSION_DENIED
    assert service.call("Get", request, peer="ipv6:%5B::1%5D:1234")


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("ipv4:127.0.0.1:40000", True),
        ("ipv4:127.8.0.1:40000", True),
        ("ipv6:[::1]:40000", True),
        ("ipv6:%5B::1%5D:40000", True),
        ("ipv6:%5B::ffff:127.0.0.1%5D:40000", True),
        ("unix:/run/onefold.sock", True),
        ("ipv4:192.0.2.7:40000", False),
        ("ipv4:127.0.0.1.example.com:40000", False),
        ("ipv6:%5B2001:db8::1%5D:40000", False),
        ("", False),
    ],
)
def test_who_is_local(peer: str, local: bool) -> None:
    assert is_local(peer) is local


async def changes(service: GrpcService, request: pb.WatchRequest, wanted: int) -> list[pb.ProfileChange]:
    """The first `wanted` changes; Joe and a second order of Jane's come in once the first one is there."""
    found: list[pb.ProfileChange] = []
    stream = service.stream("Watch", request)
    router, parser = service.http.router, service.context.intake
    more = [
        {"type": "identify", "userId": "joe", "messageId": "m4"},
        {"type": "track", "userId": "jane", "messageId": "m5", "event": "Returned"},
    ]
    parsed = parser.parser.parse_items(
        [json.dumps(message).encode() for message in more], parser.source("web"), service.http.now, str
    )
    async for data in stream:
        found.append(pb.ProfileChange.FromString(data))
        if len(found) == 1:
            await router.ingest(parsed.events)
        if len(found) == wanted:
            break
    return found


def test_watching_keys(service: GrpcService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_profiles, "GATHER_S", 0.0)
    request = pb.WatchRequest(keys=["email:jane@example.com", "user_id:joe"])
    first, *others = asyncio.run(changes(service, request, 3))
    jane = get(service, "user_id:jane")
    assert first.profile.customer_id == jane.customer_id and "Returned" not in first.profile.behaviors
    assert {change.profile.customer_id for change in others} == {
        jane.customer_id,
        get(service, "user_id:joe").customer_id,
    }
    assert all(change.cursor for change in others)


def test_watching_everybody_from_a_cursor(service: GrpcService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_profiles, "GATHER_S", 0.0)
    first, second, third = asyncio.run(changes(service, pb.WatchRequest(after="0:0,1:0"), 3))
    assert first.profile.customer_id == get(service, "user_id:jane").customer_id
    assert {second.profile.customer_id, third.profile.customer_id} == {
        get(service, key).customer_id for key in ("user_id:jane", "user_id:joe")
    }
    assert first.cursor == second.cursor != third.cursor


def test_watching_that_stops_in_the_middle_goes_on_without_a_gap(
    service: GrpcService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_profiles, "GATHER_S", 0.0)
    monkeypatch.setattr(grpc_profiles, "_CHUNK", 2)
    people = [f"p{number}" for number in range(5)]
    service.http.send(*({"type": "identify", "userId": person, "messageId": person} for person in people))
    asked: list[int] = []
    get_many = service.context.profiles.get_many

    async def counting(keys: list[str], min_seq: str, purpose: str) -> Any:
        asked.append(len(keys))
        return await get_many(keys, min_seq, purpose)

    monkeypatch.setattr(service.context.profiles, "get_many", counting)

    async def watch(after: str, wanted: int) -> list[pb.ProfileChange]:
        stream = service.stream("Watch", pb.WatchRequest(after=after))
        return [pb.ProfileChange.FromString(await anext(stream)) for _ in range(wanted)]

    changes = asyncio.run(watch("0:0,1:0", 6))
    assert [change.cursor for change in changes[:-1]] == ["0:0,1:0"] * 5
    assert asked == [2, 2, 2]
    again = asyncio.run(watch(changes[0].cursor, 6))
    assert {change.profile.customer_id for change in again} == {change.profile.customer_id for change in changes}
    (rest,) = asyncio.run(watch(changes[-1].cursor, 1))
    assert not rest.HasField("profile")
    assert rest.cursor == changes[-1].cursor


def test_watching_asks_for_a_good_cursor(service: GrpcService) -> None:
    with pytest.raises(Refused) as caught:
        asyncio.run(changes(service, pb.WatchRequest(after="yesterday"), 1))
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_what_encoded_profiles_were_made_with_is_there_at_the_next_read(service: GrpcService) -> None:
    """Else each would be encoded again for each read."""
    first, again = service.context.profiles._made_with(), service.context.profiles._made_with()
    assert [id(each) for each in first] == [id(each) for each in again]
