"""The mapping file: what it accepts, what it refuses and how it says so, and the guess made without one."""

import re
from pathlib import Path

import pytest

from pipelines.import_mapping import (
    Field,
    Mapping,
    MappingError,
    check_columns,
    default_mapping,
    parse_mapping,
    sources,
)

ORDER = """
type = "order"
[identifiers]
user_id = "customer"
[timestamp]
column = "date"
format = "%Y%m%d"
[order]
revenue = { column = "amount", type = "number" }
currency = { value = "USD" }
[[order.products]]
product_id = "sku"
"""


def test_parse_order() -> None:
    mapping = parse_mapping(ORDER)
    assert mapping.type == "order"
    assert mapping.order is not None
    assert mapping.order.currency == Field(value="USD")
    assert isinstance(mapping.order.products, tuple)
    assert mapping.order.products[0].product_id == "sku"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type = ", "not valid TOML"),
        ('type = "sale"', "type"),
        ('colour = "red"', "colour"),
        ('type = "identify"', "identifiers"),
        ('[identifiers]\n"e mail" = "x"', "namespace"),
        ('type = "track"\n[identifiers]\nuser_id = "u"\n[timestamp]\ncolumn = "t"', "event"),
        ('type = "track"\nevent = "e"\n[identifiers]\nuser_id = "u"', "timestamp"),
        ('type = "order"\n[identifiers]\nuser_id = "u"\n[timestamp]\ncolumn = "t"', "[order]"),
        ('[identifiers]\nuser_id = "u"\n[properties]\na = "a"', "[traits]"),
        ('type = "page"\n[identifiers]\nuser_id = "u"\n[timestamp]\ncolumn = "t"\n[traits]\na = "a"', "[properties]"),
        ('[identifiers]\nuser_id = "u"\n[traits]\na = {column = "a", value = 1}', "traits.a"),
        ('[identifiers]\nuser_id = "u"\n[traits]\na = {type = "number"}', "traits.a"),
        ('[identifiers]\nuser_id = "u"\n[file]\ndelimiter = "::"', "file.delimiter"),
        ('[identifiers]\nuser_id = "u"\n[file]\nencoding = "utf-16"', "file.encoding"),
        ('[identifiers]\nuser_id = "u"\n[file]\nencoding = "klingon"', "file.encoding"),
        ('type = "message"\n[traits]\na = "a"', "traits"),
    ],
)
def test_refused(text: str, expected: str) -> None:
    with pytest.raises(MappingError) as error:
        parse_mapping(text)
    assert expected in str(error.value)


def test_unknown_column_is_named_with_those_that_exist() -> None:
    with pytest.raises(MappingError, match=r'order.products.product_id: the file has no column "sku".*customer, date'):
        check_columns(parse_mapping(ORDER), ["customer", "date", "amount"])


def test_dotted_name_reaches_into_an_object() -> None:
    check_columns(parse_mapping('[identifiers]\nemail = "user.email"'), ["user"])


def test_default_orders() -> None:
    sample = [{"customer_id": "00001", "date": "19970101", "dollar_value": "11.77"}]
    mapping = default_mapping(["customer_id", "date", "number_of_cds", "dollar_value"], sample)
    assert (mapping.type, mapping.identifiers) == ("order", {"user_id": "customer_id"})
    assert mapping.order is not None
    assert mapping.order.revenue == "dollar_value"
    assert mapping.order.order_id is None


def test_default_order_with_product() -> None:
    columns = ["Invoice No", "StockCode", "Quantity", "Invoice Date", "Amount", "Customer ID", "Currency"]
    mapping = default_mapping(columns, [{"Amount": "3.5"}])
    assert mapping.order is not None
    assert mapping.order.order_id == "Invoice No"
    assert isinstance(mapping.order.products, tuple)
    assert (mapping.order.products[0].product_id, mapping.order.products[0].quantity) == ("StockCode", "Quantity")


def test_default_events_and_people() -> None:
    events = default_mapping(["anonymousId", "event", "timestamp", "page"], [])
    assert (events.type, events.event, events.identifiers) == ("track", "event", {"anonymous_id": "anonymousId"})
    people = default_mapping(["id", "E-Mail", "Phone Number", "city"], [])
    assert people.type == "identify"
    assert people.identifiers == {"user_id": "id", "email": "E-Mail", "phone": "Phone Number"}


def test_default_amount_that_is_not_a_number_makes_no_orders() -> None:
    mapping = default_mapping(["customer_id", "date", "value"], [{"value": "high"}])
    assert mapping.type == "identify"


def test_default_orders_despite_a_broken_amount() -> None:
    sample = [{"value": "1.5"}, {"value": "much"}, {"value": ""}, {"value": "7"}]
    assert default_mapping(["customer_id", "date", "value"], sample).type == "order"


def test_default_segment_messages() -> None:
    sample = [{"type": "track", "userId": "u1", "event": "Signed Up"}]
    assert default_mapping(["type", "userId", "event"], sample) == Mapping(type="message")


def test_default_without_identifier() -> None:
    with pytest.raises(MappingError, match=r"no column looks like an identifier.*colour, size"):
        default_mapping(["colour", "size"], [])


def test_the_documented_mappings_are_mappings() -> None:
    root = Path(__file__).parents[3]
    cdnow = parse_mapping((root / "docs/examples/cdnow.toml").read_text("utf-8"))
    assert (cdnow.type, cdnow.source, cdnow.identifiers) == ("order", "cdnow", {"user_id": "customer_id"})
    guide = (root / "docs/import.md").read_text("utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", guide, re.S)
    mapping = parse_mapping(example)
    assert {path.partition(".")[0] for path, _ in sources(mapping)} == {
        *("identifiers", "event", "message_id", "timestamp", "order", "properties", "context")
    }
