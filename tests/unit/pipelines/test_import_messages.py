"""Rows to messages, and message ids that are the same at every import yet count identical rows."""

import random
from typing import Any

import pytest

import pipelines.import_messages as import_messages
from pipelines.import_mapping import Mapping, MappingError, default_mapping, parse_mapping
from pipelines.import_messages import BadRow, MessageBuilder, OccurrenceCounter

CDNOW = ["customer_id", "date", "number_of_cds", "dollar_value"]
ROW = {"customer_id": "00001", "date": "19970101", "number_of_cds": "1", "dollar_value": "11.77"}


def builder(mapping: Mapping, columns: list[str], sample: list[dict[str, Any]], source: str = "file") -> MessageBuilder:
    return MessageBuilder(mapping, columns, sample, source)


def build(text: str, row: dict[str, Any]) -> dict[str, Any]:
    maker = builder(parse_mapping(text), list(row), [row])
    return maker.build(row, maker.digest(row), 1)


def test_order_by_default_mapping() -> None:
    maker = builder(default_mapping(CDNOW, [ROW]), CDNOW, [ROW])
    digest = maker.digest(ROW)
    message = maker.build(ROW, digest, 1)
    assert message == {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"imp_{digest.hex()}_1",
        "userId": "00001",
        "timestamp": "1997-01-01T00:00:00.000Z",
        "properties": {"revenue": 11.77, "number_of_cds": 1},
    }
    assert "sentAt" not in message  # the clock correction would move a historic time to now
    assert maker.build(ROW, digest, 2)["messageId"] == f"imp_{digest.hex()}_2"
    assert len(message["messageId"]) <= 100


def test_ids_depend_on_source_content_and_use_but_not_on_column_order() -> None:
    mapping = default_mapping(CDNOW, [ROW])
    digest = builder(mapping, CDNOW, [ROW]).digest(ROW)
    assert digest == builder(mapping, CDNOW, [ROW]).digest(dict(reversed(ROW.items())))
    assert digest != builder(mapping, CDNOW, [ROW], "other").digest(ROW)
    assert digest != builder(mapping, CDNOW, [ROW]).digest({**ROW, "date": "19970102"})
    people = parse_mapping('[identifiers]\nuser_id = "customer_id"')
    assert digest != builder(people, CDNOW, [ROW]).digest(ROW)


def test_identify_takes_the_other_columns_as_traits() -> None:
    row = {"id": "u1", "mail": "Ann@Example.org", "age": "31", "postcode": "01099", "joined": "2026-01-05", "x": None}
    message = build('[identifiers]\nuser_id = "id"\nemail = "mail"\n[timestamp]\ncolumn = "joined"', row)
    assert message["traits"] == {"email": "Ann@Example.org", "age": 31, "postcode": "01099"}
    assert message["userId"] == "u1"
    assert message["context"]["externalIds"] == [
        {"id": "Ann@Example.org", "type": "email", "collection": "users", "encoding": "none"}
    ]
    assert message["timestamp"] == "2026-01-05T00:00:00.000Z"


def test_track_with_dotted_columns_constants_types_and_context() -> None:
    row = {"user": {"id": 7, "tags": ["a"]}, "at": 1772368200, "kind": "Viewed", "n": "3.0", "ok": "yes"}
    text = """
    type = "track"
    event = "kind"
    message_id = "at"
    [identifiers]
    anonymous_id = "user.id"
    [timestamp]
    column = "at"
    format = "unix"
    [properties]
    tags = "user.tags"
    n = {column = "n", type = "integer"}
    ok = {column = "ok", type = "boolean"}
    shop = {value = "Berlin"}
    [context]
    channel = {value = "server"}
    """
    message = build(text, row)
    assert message["messageId"] == "1772368200"
    assert message["anonymousId"] == "7"
    assert message["event"] == "Viewed"
    assert message["properties"] == {"tags": ["a"], "n": 3, "ok": True, "shop": "Berlin"}
    assert message["context"] == {"channel": "server"}


ORDERS = """
type = "order"
[identifiers]
email = "email"
loyalty_card = "card"
[timestamp]
column = "at"
[order]
order_id = "no"
revenue = "total"
currency = "cur"
products = {column = "items", type = "json"}
[properties]
"""


def test_order_with_products_in_json() -> None:
    row = {"email": "a@b.example", "card": "77", "at": "2026-01-01", "no": 5, "total": "9.50", "cur": "eur",
           "items": '[{"product_id": "p1", "quantity": 2}]'}  # fmt: skip
    message = build(ORDERS, row)
    assert message["properties"] == {
        "order_id": "5",
        "revenue": 9.5,
        "currency": "EUR",
        "products": [{"product_id": "p1", "quantity": 2}],
    }
    assert [entry["type"] for entry in message["context"]["externalIds"]] == ["email", "loyalty_card"]


def test_every_problem_of_a_row_is_told_without_its_values() -> None:
    row = {"email": None, "card": "", "at": "yesterday", "no": 5, "total": "much", "cur": "EUR", "items": "{}"}
    with pytest.raises(BadRow) as error:
        build(ORDERS, row)
    assert [problem.field for problem in error.value.problems] == [
        "identifiers", "timestamp", "order.revenue", "order.revenue", "order.products",
    ]  # fmt: skip
    assert "much" not in str(error.value)
    assert "yesterday" not in str(error.value)


def test_product_columns() -> None:
    text = (
        ORDERS.replace('products = {column = "items", type = "json"}', "")
        + """
    [[order.products]]
    product_id = "sku"
    quantity = "qty"
    price = "unit"
    [[order.products]]
    product_id = "sku2"
    """
    )
    row = {"email": "a@b.example", "card": None, "at": "2026-01-01", "no": "5", "total": 3, "cur": None,
           "sku": "p", "qty": "2", "unit": "1.5", "sku2": None}  # fmt: skip
    assert build(text, row)["properties"] == {
        "order_id": "5", "revenue": 3, "products": [{"product_id": "p", "quantity": 2, "price": 1.5}],
    }  # fmt: skip


def test_whole_messages_keep_their_id_or_get_one() -> None:
    maker = builder(Mapping(type="message"), ["type", "userId"], [])
    row = {"type": "identify", "userId": "u", "timestamp": None}
    digest = maker.digest(row)
    assert maker.build(row, digest, 1) == {"type": "identify", "userId": "u", "messageId": f"imp_{digest.hex()}_1"}
    assert maker.build({**row, "messageId": "m1"}, digest, 1)["messageId"] == "m1"


def test_unknown_time_zone_is_a_mapping_error() -> None:
    text = '[identifiers]\nuser_id = "id"\n[timestamp]\ncolumn = "t"\ntimezone = "Mars/Olympus"'
    with pytest.raises(MappingError, match=r"timestamp\.timezone"):
        builder(parse_mapping(text), ["id", "t"], [])


def test_occurrences_equal_a_plain_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_messages, "_PENDING_MAX", 7)
    counter, plain, rng = OccurrenceCounter(), dict[int, int](), random.Random(1)
    for _ in range(2000):
        key = rng.randrange(60)
        plain[key] = plain.get(key, 0) + 1
        assert counter.next(key.to_bytes(2, "big") + bytes(14)) == plain[key]
