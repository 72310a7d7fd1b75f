"""What is asked about segments over HTTP: history, analytics, overlap, backtests, past members, why; who may see it."""

from pathlib import Path
from typing import Any

import pytest

from models.segments.catalogue import CHAIN_MAX
from models.segments.criteria import DEPTH_MAX
from tests.unit.serve.http_service import HttpService

PRO = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "pro"}
VIEWED = {"type": "behavioral", "event": "Viewed", "operator": "at_least", "value": 1, "window": {"last": "1d"}}


@pytest.fixture
def service(tmp_path: Path) -> HttpService:
    made = HttpService(tmp_path)
    people = [
        {"type": "identify", "messageId": f"m{n}", "userId": f"u{n}", "traits": {"plan": "pro" if n % 2 else "free"}}
        for n in range(30)
    ]
    made.send(*people)
    made.post("/v1/segments", {"id": "pro", "name": "Pro", "criteria": PRO})
    made.post("/v1/segments", {"id": "viewers", "name": "Viewers", "criteria": VIEWED})
    return made


def view(service: HttpService, *numbers: int) -> None:
    events = [
        {"type": "track", "event": "Viewed", "messageId": f"v{n}", "userId": f"u{n}", "properties": {"color": "red"}}
        for n in numbers
    ]
    service.send(*events)


def test_history_and_past_members(service: HttpService) -> None:
    service.pass_time(3_600_000)
    view(service, 1, 2, 3)
    service.pass_time(3_600_000)
    found = service.get("/v1/segments/viewers/history?from=2026-03-01T12:00:00Z&step=1h").json()
    assert [(each["members"], each["entered"]) for each in found["data"]] == [(0, 0), (0, 0), (3, 3), (3, 0)]
    assert found["growth"] is None
    past = service.get("/v1/segments/viewers/members?at=2026-03-01T12:30:00Z").json()["data"]
    assert past == []
    assert len(service.get("/v1/segments/viewers/members").json()["data"]) == 3
    for query in ("at=2027-01-01", "at=yesterday"):
        assert service.get(f"/v1/segments/viewers/members?{query}").json()["code"] == "invalid"
    for query in ("from=x", "from=2026-03-02&to=2026-03-01", "from=2020-01-01", "step=1"):
        assert service.get(f"/v1/segments/pro/history?{query}").status_code == 400


@pytest.mark.parametrize("what", ["history", "analytics"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("to=0001-01-05", "to"),
        ("from=0001-01-01T00:00%2B12:00&to=0001-01-05", "to"),
        ("from=1960-01-01", "from"),
        ("to=9999-12-31T23:59-12:00", "to"),
    ],
)
def test_times_that_cannot_be_told_are_refused(service: HttpService, what: str, query: str, field: str) -> None:
    refused = service.get(f"/v1/segments/pro/{what}?{query}")
    assert refused.status_code == 400, refused.text
    assert refused.json()["message"].startswith(f"{field}: expected")
    assert service.get(f"/v1/segments/pro/{what}?to=1970-01-02").status_code == 200


def test_a_position_beyond_all_is_refused(service: HttpService) -> None:
    refused = service.get("/v1/segments/pro/changes?after=0:100000000000000000000")
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("after: expected")


def test_analytics(service: HttpService) -> None:
    more = [{"type": "identify", "userId": f"u{n}", "traits": {"plan": "pro"}} for n in range(31, 60, 2)]
    service.send(*more)
    service.pass_time(60_000)
    view(service, *range(1, 60, 2))
    order = {"order_id": "o", "revenue": 20, "currency": "EUR", "products": [{"product_id": "p", "price": 20}]}
    service.send(
        *(
            {
                "type": "track",
                "event": "Order Completed",
                "userId": f"u{n}",
                "properties": {**order, "order_id": f"o{n}"},
            }
            for n in range(1, 40, 2)
        )
    )
    found = service.get("/v1/segments/pro/analytics?within=1d").json()
    assert found["members"] == 30
    assert found["demographics"]["plan"]["values"] == [{"value": "pro", "members": 30}]
    assert found["behaviors"]["Viewed"] == {
        "members": 30,
        "share": 1.0,
        "occurrences": 30,
        "members_30d": 30,
        "share_30d": 1.0,
    }
    assert found["value"]["by_currency"]["EUR"]["revenue"] == "400.00"
    assert found["value"]["by_currency"]["EUR"]["average_order_value"] == "20.00"
    assert found["conversion"] == {
        "event": "Order Completed",
        "within": "1d",
        "entered": 30,
        "converted": 20,
        "rate": 0.6667,
    }
    assert found["growth"]["members_to"] == 30
    assert found["lifecycle"]["new_customer"] == 20
    assert found["churn_risk"] is None
    assert service.get("/v1/segments/pro/analytics?within=soon").status_code == 400


def test_overlap_and_backtest(service: HttpService) -> None:
    view(service, 1, 2, 3)
    found = service.get("/v1/segments/overlap?segments=pro,viewers").json()
    assert found == {"segments": ["pro", "viewers"], "members": [[15, 2], [2, 3]]}
    assert service.get("/v1/segments/overlap?segments=pro").status_code == 400
    assert service.get("/v1/segments/overlap?segments=pro,gone").status_code == 404
    days = service.post("/v1/segments/backtest", {"criteria": VIEWED, "days": 2}).json()["data"]
    assert [each["members"] for each in days] == [0, 0, 3]
    assert service.post("/v1/segments/backtest", {"criteria": VIEWED, "days": 0}).status_code == 400


def test_why(service: HttpService) -> None:
    criteria = {
        "all": [
            PRO,
            {"not": {"type": "membership", "segment": "viewers"}},
            {"type": "computed", "trait": "views", "operator": "at_least", "value": 1},
        ]
    }
    trait = {"id": "views", "name": "Views", "expression": {"type": "behavioral", "event": "Viewed"}}
    assert service.post("/v1/computed-traits", trait).status_code == 200
    assert service.post("/v1/segments", {"id": "mixed", "name": "M", "criteria": criteria}).status_code == 200
    view(service, 1)
    found = service.get("/v1/segments/mixed/why?key=user_id:u1").json()
    assert (found["member"], found["entered_at"]) == (False, None)
    plan, viewers, views = found["criteria"]["all"]
    assert (plan["holds"], plan["found"], plan["source"]) == (True, "pro", "default")
    assert not viewers["holds"]
    inner = viewers["not"]["criteria"]
    assert (inner["holds"], inner["found"]) == (True, 1)
    (occurrence,) = inner["occurrences"]
    assert (occurrence["event"], occurrence["message_id"]) == ("Viewed", "v1")
    assert (inner["changes_at"], occurrence["at"]) == ("2026-03-02T12:30:00.000Z", "2026-03-01T12:30:00.000Z")
    assert (views["holds"], views["found"]) == (True, 1)
    assert service.get("/v1/segments/mixed/why?key=user_id:nobody").status_code == 404
    member = service.get("/v1/segments/viewers/why?key=user_id:u1").json()
    assert member["member"] and member["entered_at"]


def test_why_tells_traits_as_they_are_and_times_as_text(service: HttpService) -> None:
    ends = {"type": "demographic", "trait": "ends", "operator": "before", "value": {"ago": "30d"}}
    place, story = ({"type": "demographic", "trait": name, "operator": "exists"} for name in ("place", "story"))
    seen = {"type": "computed", "trait": "seen", "operator": "exists"}
    trait = {"id": "seen", "name": "S", "expression": {"type": "behavioral", "event": "Viewed", "measure": "last"}}
    assert service.post("/v1/computed-traits", trait).status_code == 200
    met = {"type": "engagement", "channel": "web", "measure": "last", "operator": "exists"}
    criteria = {"all": [ends, place, story, seen, met]}
    assert service.post("/v1/segments", {"id": "odd", "name": "O", "criteria": criteria}).status_code == 200
    traits = {"ends": "9999-12-31", "place": {"at": 5}, "story": {"occurrences": [1], "changes_at": "home"}}
    service.send(
        {"type": "identify", "userId": "u1", "traits": traits}, {"type": "page", "userId": "u1", "name": "Home"}
    )
    view(service, 1)
    answer = service.get("/v1/segments/odd/why?key=user_id:u1")
    assert answer.status_code == 200, answer.text
    never, at, odd, last, web = answer.json()["criteria"]["all"]
    assert (never["found"], never["holds"]) == ("9999-12-31", False)
    assert "changes_at" not in never
    assert never["updated_at"] == "2026-03-01T12:30:00.000Z"
    assert (at["found"], odd["found"]) == (traits["place"], traits["story"])
    assert last["found"] == web["found"] == "2026-03-01T12:30:00.000Z"


def test_why_of_orders_sequences_and_computed_traits_of_criteria(service: HttpService) -> None:
    expression = {"type": "predicate", "criteria": {"any": [PRO, VIEWED]}}
    assert service.post("/v1/computed-traits", {"id": "keen", "name": "K", "expression": expression}).status_code == 200
    spent = {"type": "transactional", "measure": "revenue", "operator": "at_least", "value": 5}
    steps = {"type": "sequence", "steps": [{"event": "Viewed"}, {"event": "Order Completed"}]}
    not_keen = {"type": "computed", "trait": "keen", "operator": "not_equals", "value": True}
    criteria = {"any": [spent, steps, not_keen, {"type": "lifecycle", "stage": "known"}]}
    assert service.post("/v1/segments", {"id": "odd", "name": "O", "criteria": criteria}).status_code == 200
    view(service, 1)
    service.pass_time(1_000)
    order = {"order_id": "o1", "revenue": 20, "currency": "EUR"}
    service.send({"type": "track", "event": "Order Completed", "messageId": "o", "userId": "u1", "properties": order})
    money, sequence, contrary, stage = service.get("/v1/segments/odd/why?key=user_id:u1").json()["criteria"]["any"]
    at = "2026-03-01T12:30:01.000Z"
    assert (money["holds"], money["found"]) == (True, "20.00")
    assert money["occurrences"] == [{"order_id": "o1", "at": at, "message_id": "o"}]
    assert sequence["occurrences"][1] == {"step": 1, "event": "Order Completed", "at": at, "message_id": "o"}
    assert (contrary["holds"], contrary["criteria"]["holds"]) == (False, True)
    assert [part["holds"] for part in contrary["criteria"]["any"]] == [True, True]
    assert (stage["holds"], stage["found"]) == (False, "new_customer")


def test_computed_traits_are_in_the_profile(service: HttpService) -> None:
    event = {"type": "behavioral", "event": "Viewed", "window": {"last": "1d"}}
    expressions: dict[str, Any] = {
        "views": event,
        "color": {**event, "measure": "last_value", "property": "color"},
        "last": {**event, "measure": "last"},
        "keen": {"type": "predicate", "criteria": {"type": "computed", "trait": "views", "operator": "exists"}},
    }
    for trait_id, expression in expressions.items():
        made = service.post("/v1/computed-traits", {"id": trait_id, "name": trait_id, "expression": expression})
        assert made.status_code == 200
    view(service, 1)
    service.pass_time(1_000)
    found = service.get("/v1/profiles/user_id:u1").json()["insights"]["computed_traits"]
    assert found | {"last": ""} == {"views": 1, "color": "red", "last": "", "keen": True}
    assert found["last"].startswith("2026-03-01T12:30:00")
    service.pass_time(86_400_000)
    later = service.get("/v1/profiles/user_id:u1").json()["insights"]["computed_traits"]
    assert later == {"views": 0, "keen": True}


def test_computed_traits_and_what_refers_to_them(service: HttpService) -> None:
    trait = {"id": "views", "name": "Views", "expression": {"type": "behavioral", "event": "Viewed"}}
    made = service.post("/v1/computed-traits", trait).json()
    assert (made["id"], made["version"]) == ("views", 1)
    assert service.post("/v1/computed-traits", trait).json()["version"] == 2
    assert [each["id"] for each in service.get("/v1/computed-traits").json()["computed_traits"]] == ["views"]
    keen = {"id": "keen", "name": "K", "criteria": {"type": "computed", "trait": "views", "operator": "exists"}}
    assert service.post("/v1/segments", keen).status_code == 200
    refused = service.request("DELETE", "/v1/computed-traits/views")
    assert refused.status_code == 409
    assert "segment keen" in refused.json()["message"]
    wrong = service.post("/v1/computed-traits", {"name": "x", "expression": {"type": "behavioral"}})
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["field"] == "expression.event"
    breaks = {**trait, "expression": {"type": "behavioral", "event": "Viewed", "measure": "first"}}
    assert service.post("/v1/computed-traits", breaks).status_code == 200  # "exists" is for times too
    member = {"id": "m", "name": "M", "criteria": {"type": "membership", "segment": "keen"}}
    assert service.post("/v1/segments", member).status_code == 200
    assert service.request("DELETE", "/v1/segments/keen").status_code == 409
    circle = {**keen, "criteria": {"type": "membership", "segment": "m"}}
    assert "cycle" in service.post("/v1/segments", circle).json()["message"]
    for path in ("/v1/segments/m", "/v1/segments/keen", "/v1/computed-traits/views"):
        assert service.request("DELETE", path).status_code == 200
    assert service.get("/v1/computed-traits/views").status_code == 404


def test_a_segment_is_not_replaced_by_what_breaks_another(service: HttpService) -> None:
    base = {"id": "base", "name": "B", "criteria": PRO}
    assert service.post("/v1/segments", base).status_code == 200
    member = {"type": "membership", "segment": "base"}
    dep = {"id": "dep", "name": "D", "criteria": {"any": [member] * 11}}
    assert service.post("/v1/segments", dep).status_code == 200
    refused = service.post("/v1/segments", {**base, "criteria": {"any": [PRO] * 100}})
    assert refused.status_code == 400
    (error,) = refused.json()["errors"]
    assert error["field"] == "criteria"
    assert "segment dep refers to this segment" in error["message"]
    assert service.get("/v1/segments/base").json()["criteria"] == PRO
    assert service.post("/v1/segments", {"id": "new", "name": "N", "criteria": PRO}).status_code == 200


def test_a_segment_that_is_replaced_moves_those_that_refer_to_it(service: HttpService) -> None:
    chain = {"id": "chain", "name": "C", "criteria": {"type": "membership", "segment": "pro"}}
    assert service.post("/v1/segments", chain).json()["members"] == 15
    nobody = {"id": "pro", "name": "Pro", "criteria": {**PRO, "value": "none"}}
    assert service.post("/v1/segments", nobody).json()["members"] == 0
    assert service.get("/v1/segments/chain").json()["members"] == 0


def test_a_chain_of_segments_is_bounded_and_the_longest_can_be_told(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    criteria: dict[str, Any] = PRO
    for number in range(CHAIN_MAX + 1):
        for _ in range(DEPTH_MAX):
            criteria = {"all": [PRO, criteria]}
        made = service.post("/v1/segments", {"id": f"s{number}", "name": "S", "criteria": criteria})
        assert made.status_code == 200, made.text
        criteria = {"type": "membership", "segment": f"s{number}"}
    service.send({"type": "identify", "userId": "u1", "traits": {"plan": "pro"}})
    assert service.get(f"/v1/segments/s{CHAIN_MAX}").json()["members"] == 1
    assert service.get(f"/v1/segments/s{CHAIN_MAX}/why?key=user_id:u1").json()["criteria"]["holds"]
    refused = service.post("/v1/segments", {"id": "more", "name": "M", "criteria": criteria})
    assert refused.status_code == 400
    assert "at most 16 references" in refused.json()["message"]


def test_those_who_may_not_see_people_see_no_small_counts(service: HttpService) -> None:
    service.key = service.create_key("admin", "admin")
    view(service, 1, 2, 3)
    service.key = service.create_key("analyse", "analyst")
    listed = {each["id"]: each["members"] for each in service.get("/v1/segments").json()["segments"]}
    assert listed == {"pro": 15, "viewers": None}
    assert service.post("/v1/segments/preview", {"criteria": VIEWED}).json()["members"] is None
    nobody = {**PRO, "value": "none"}
    assert service.post("/v1/segments/preview", {"criteria": nobody}).json()["members"] == 0
    assert service.get("/v1/segments/overlap?segments=pro,viewers").json()["members"] == [[15, None], [None, None]]
    found = service.get("/v1/segments/viewers/analytics").json()
    assert (found["members"], found["behaviors"]) == (None, {})
    assert service.get("/v1/segments/viewers/members").status_code == 403
    assert service.get("/v1/segments/viewers/why?key=user_id:u1").status_code == 403


def test_those_who_may_not_see_people_see_no_small_part_or_difference(service: HttpService) -> None:
    service.key = service.create_key("admin", "admin")
    service.post("/v1/segments", {"id": "kept", "name": "K", "criteria": PRO, "holdout": 10})
    service.pass_time(3_600_000)
    service.send(*({"type": "identify", "userId": f"x{n}", "traits": {"plan": "pro"}} for n in range(3)))
    service.pass_time(3_600_000)
    path = "/v1/segments/kept/{}?from=2026-03-01T13:00:00Z&to=2026-03-01T15:00:00Z"
    seen = service.get(path.format("analytics")).json()
    assert (seen["growth"]["members_from"], seen["growth"]["entered"], seen["growth"]["left"]) == (15, 3, 0)
    assert seen["growth"]["rate"] == 0.2
    assert 0 < seen["held_out"] < 10
    service.key = service.create_key("analyse", "analyst")
    found = service.get(path.format("analytics")).json()
    growth = found["growth"]
    assert (growth["members_from"], growth["members_to"], growth["rate"]) == (15, 18, 0.2)
    assert growth["entered"] is growth["left"] is found["held_out"] is None
    steps = service.get(path.format("history") + "&step=1h").json()["data"]
    assert [(step["members"], step["entered"], step["left"]) for step in steps] == [
        (15, 0, 0),
        (18, None, None),
        (18, 0, 0),
    ]
    before = service.get("/v1/segments/kept/analytics?from=2026-02-01&to=2026-03-01T15:00:00Z").json()["growth"]
    assert (before["members_from"], before["members_to"], before["entered"]) == (0, 18, 18)


def test_growth_from_a_size_that_is_not_told_is_not_told(service: HttpService) -> None:
    service.key = service.create_key("admin", "admin")
    few = {**PRO, "value": "few"}
    service.send(*({"type": "identify", "userId": f"x{n}", "traits": {"plan": "few"}} for n in range(4)))
    service.post("/v1/segments", {"id": "few", "name": "F", "criteria": few})
    service.pass_time(3_600_000)
    service.send(*({"type": "identify", "userId": f"y{n}", "traits": {"plan": "few"}} for n in range(16)))
    service.key = service.create_key("analyse", "analyst")
    growth = service.get("/v1/segments/few/analytics?from=2026-03-01T13:00:00Z").json()["growth"]
    assert growth["members_to"] == 20
    assert [growth[key] for key in ("members_from", "entered", "left", "rate")] == [None] * 4


def test_rows_read_traits_as_criteria_do(service: HttpService) -> None:
    traits = {"plan": "pro", "address": {"city": "Oslo", "tags": ["a", 1]}, "a.b": 2}
    oslo = {**PRO, "trait": "address.city", "value": "Oslo"}
    service.post("/v1/segments", {"id": "here", "name": "H", "criteria": oslo})
    service.send({"type": "identify", "userId": "u1", "traits": traits})
    names = "address.city,address.tags,address.zip,a.b,address"
    (row,) = service.get(f"/v1/segments/here/members/profiles?traits={names}").json()["data"]
    assert (row["address.city"], row["address.tags"], row["address.zip"], row["a.b"]) == ("Oslo", '["a",1]', None, 2)
    assert row["address"].startswith("{")


@pytest.mark.parametrize("name", ["customer_id", "entered_at", "held_out"])
def test_a_trait_does_not_take_the_place_of_a_rows_own_field(service: HttpService, name: str) -> None:
    refused = service.get(f"/v1/segments/pro/members/profiles?traits=plan,{name}")
    assert refused.status_code == 400
    assert refused.json()["message"].startswith(f"traits: expected other names than {name}:")


def test_rows_and_the_holdout(service: HttpService) -> None:
    service.post("/v1/segments", {"id": "half", "name": "Half", "criteria": PRO, "holdout": 50})
    rows: list[dict[str, Any]] = service.get("/v1/segments/half/members/profiles?traits=plan,gone").json()["data"]
    assert len(rows) == 15
    assert all((row["plan"], row["gone"]) == ("pro", None) for row in rows)
    kept = {row["customer_id"] for row in rows if row["held_out"]}
    assert 0 < len(kept) < 15
    members = service.get("/v1/segments/half/members").json()["data"]
    assert {member["customer_id"] for member in members if member["held_out"]} == kept
    changes = service.get("/v1/segments/half/changes").json()["data"]
    assert {change["customer_id"] for change in changes if change["held_out"]} == kept
    assert service.get("/v1/segments/half/analytics").json()["held_out"] == len(kept)
    wrong = service.post("/v1/segments", {"name": "x", "criteria": PRO, "holdout": 100, "refresh": "5s"}).json()
    assert {error["field"] for error in wrong["errors"]} == {"segment.holdout", "segment.refresh"}
