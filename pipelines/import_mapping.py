"""What each column of an imported file means: a small TOML file, or a guess from the columns' names. Pure.

`parse_mapping` reads and checks the TOML; `default_mapping` guesses. Both give a `Mapping`, which
`pipelines.import_messages` turns into messages. docs/import.md explains every table.
"""

import tomllib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from pipelines.import_types import looks_numeric

MessageKind = Literal["identify", "track", "page", "screen", "order", "message"]
ValueType = Literal["auto", "text", "number", "integer", "boolean", "json"]


class MappingError(ValueError):
    """The mapping, or its fit to the file, is wrong. The message names the field and the way out."""


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a value comes from: a column, or a constant. `type` says what the column's text is read as."""

    column: str = ""
    value: Any = None
    type: ValueType = "auto"


Source = str | Field  # a bare string is a column's name


class FileOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is read. Empty values are found out from the file."""

    format: Literal["", "csv", "jsonl", "parquet"] = ""
    delimiter: str = ""  # one character, "tab" or "whitespace"
    columns: tuple[str, ...] = ()  # names, for a CSV file without a header line
    encoding: str = "utf-8-sig"
    nulls: tuple[str, ...] = ("",)  # texts that stand for no value


class Timestamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it happened. `format`: auto, iso8601, unix, unix_ms, or a strptime pattern such as %d/%m/%Y."""

    column: str
    format: str = "auto"
    timezone: str = "UTC"  # for values without an offset


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One product of an order, from the columns of its row."""

    product_id: Source
    quantity: Source | None = None
    price: Source | None = None
    name: Source | None = None
    category: Source | None = None


class OrderFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of an order. Without `order_id` each row is an order of its own, named by its message id."""

    revenue: Source
    order_id: Source | None = None
    currency: Source | None = None
    products: tuple[Product, ...] | Field = ()  # products of the row, or one column that holds a JSON list


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file's columns and what becomes of them: see docs/import.md."""

    type: MessageKind = "identify"
    source: str = ""  # part of every message id; empty: the file's name
    event: Source = ""  # name of a track, page or screen: `{value = "..."}` or a column
    message_id: str = ""  # column that identifies the row; empty: made from the row's content
    file: FileOptions = FileOptions()
    identifiers: dict[str, Source] = {}  # namespace -> column
    timestamp: Timestamp | None = None
    order: OrderFields | None = None
    traits: dict[str, Source] | None = None  # None: every column that nothing else uses
    properties: dict[str, Source] | None = None  # None: as above; for all types but identify
    context: dict[str, Source] = {}


def parse_mapping(text: str) -> Mapping:
    """The mapping in a TOML text. Raises MappingError for syntax, unknown keys, wrong types, contradictions."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"not valid TOML: {error}") from None
    try:
        mapping = msgspec.convert(data, Mapping)
    except msgspec.ValidationError as error:
        raise MappingError(f"{error}; docs/import.md lists the keys") from None
    _check(mapping)
    return mapping


def _check(mapping: Mapping) -> None:
    if mapping.type == "message":
        used = [
            name
            for name in ("event", "message_id", "identifiers", "timestamp", "order", "traits", "properties", "context")
            if getattr(mapping, name)
        ]
        if used:
            raise MappingError(f'{used[0]}: not allowed with type = "message", whose lines are whole messages')
        return
    if not mapping.identifiers:
        raise MappingError('identifiers: expected at least one, e.g. user_id = "customer_id"')
    for namespace in mapping.identifiers:
        if not namespace or any(c.isspace() or c == ":" for c in namespace):
            raise MappingError("identifiers: a namespace has no colon and no white space, e.g. loyalty_card")
    if mapping.type == "track" and not mapping.event:
        raise MappingError('event: needed for type = "track": a column, or {value = "Signed Up"}')
    if (mapping.type == "order") != (mapping.order is not None):
        raise MappingError('order: needed with type = "order" and with no other type; add or remove the [order] table')
    if mapping.type == "identify" and mapping.properties is not None:
        raise MappingError("properties: an identify has traits instead; rename the table to [traits]")
    if mapping.type != "identify" and mapping.traits is not None:
        raise MappingError("traits: only an identify has them; rename the table to [properties]")
    if mapping.type != "identify" and mapping.timestamp is None:
        raise MappingError(f'timestamp: needed for type = "{mapping.type}": [timestamp] with column = "..."')
    for path, source in sources(mapping):
        if isinstance(source, Field) and bool(source.column) == (source.value is not None):
            raise MappingError(f"{path}: expected either column or value, and not both")
    delimiter = mapping.file.delimiter
    if delimiter not in ("", "tab", "whitespace") and len(delimiter) != 1:
        raise MappingError('file.delimiter: expected one character, "tab" or "whitespace"')
    try:
        one_byte = "a\n".encode(mapping.file.encoding).endswith(b"a\n")
    except LookupError:
        one_byte = False
    if not one_byte:
        raise MappingError("file.encoding: expected one with one-byte line ends, such as utf-8 or cp1252")


def sources(mapping: Mapping) -> list[tuple[str, Source]]:
    """Every (path in the TOML, column or constant) of the mapping."""
    found: list[tuple[str, Source]] = [(f"identifiers.{name}", source) for name, source in mapping.identifiers.items()]
    if mapping.event:
        found.append(("event", mapping.event))
    if mapping.message_id:
        found.append(("message_id", mapping.message_id))
    if mapping.timestamp:
        found.append(("timestamp.column", mapping.timestamp.column))
    for table in ("traits", "properties", "context"):
        found += [(f"{table}.{name}", source) for name, source in (getattr(mapping, table) or {}).items()]
    if mapping.order:
        found += _present("order", mapping.order, ("revenue", "order_id", "currency"))
        if isinstance(mapping.order.products, Field):
            found.append(("order.products", mapping.order.products))
        else:
            for product in mapping.order.products:
                found += _present("order.products", product, ("product_id", "quantity", "price", "name", "category"))
    return found


def _present(path: str, holder: OrderFields | Product, names: Sequence[str]) -> list[tuple[str, Source]]:
    return [(f"{path}.{name}", source) for name in names if (source := getattr(holder, name)) is not None]


def columns_used(mapping: Mapping) -> dict[str, str]:
    """Column -> path of its first use in the mapping."""
    used: dict[str, str] = {}
    for path, source in sources(mapping):
        column = source if isinstance(source, str) else source.column
        if column:
            used.setdefault(column, path)
    return used


def check_columns(mapping: Mapping, columns: Sequence[str]) -> None:
    """Raises MappingError if the mapping names a column that the file does not have.

    A dotted name ("user.email") reaches into the object in the column "user".
    """
    known = set(columns)
    for column, path in columns_used(mapping).items():
        if column not in known and column.split(".")[0] not in known:
            raise MappingError(f'{path}: the file has no column "{column}"; it has: {", ".join(columns)}')


# Names of columns as they are found in exports, without case and punctuation -> what they hold.
_IDENTIFIER_NAMES = {
    "user_id": ("userid", "customerid", "custid", "clientid", "memberid", "uid"),
    "anonymous_id": ("anonymousid", "visitorid", "cookieid"),
    "email": ("email", "emailaddress", "mail"),
    "phone": ("phone", "phonenumber", "mobile", "mobilephone", "telephone", "tel", "cell"),
    "crm_id": ("crmid", "contactid"),
    "loyalty_card": ("loyaltycard", "loyaltyid", "loyaltynumber", "cardnumber"),
    "device_id": ("deviceid", "idfa", "gaid", "advertisingid"),
}
_LAST_RESORT_ID = "id"
_TIME_NAMES = (
    *("timestamp", "eventtime", "occurredat", "time", "datetime", "orderdate", "purchasedate", "invoicedate"),
    *("transactiondate", "date", "createdat", "updatedat"),
)
_EVENT_NAMES = ("event", "eventname", "eventtype", "action")
_ORDER_ID_NAMES = ("orderid", "ordernumber", "orderno", "invoiceno", "invoiceid", "transactionid")
_REVENUE_NAMES = ("revenue", "total", "ordertotal", "totalprice", "amount", "dollarvalue", "spend", "sales", "value")
_CURRENCY_NAMES = ("currency", "currencycode")
_PRODUCT_NAMES = ("productid", "sku", "itemid", "stockcode")
_QUANTITY_NAMES = ("quantity", "qty", "units")
_SEGMENT_TYPES = {"identify", "track", "page", "screen", "group", "alias"}


def default_mapping(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> Mapping:
    """The mapping that the columns' names suggest; `sample` holds the file's first rows.

    Orders if there are a customer, a time and an amount; events if there are an event name and a time;
    whole messages if every row has a Segment type and an id; else people (identify).
    Raises MappingError when no column looks like an identifier.
    """
    if _are_messages(columns, sample):
        return Mapping(type="message")
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault("".join(c for c in column.lower() if c.isalnum()), column)

    def find(names: Sequence[str]) -> str:
        return next((by_name[name] for name in names if name in by_name), "")

    identifiers: dict[str, Source] = {
        namespace: column for namespace, names in _IDENTIFIER_NAMES.items() if (column := find(names))
    }
    if "user_id" not in identifiers and _LAST_RESORT_ID in by_name and not find(_ORDER_ID_NAMES):
        identifiers["user_id"] = by_name[_LAST_RESORT_ID]
    if not identifiers:
        raise MappingError(
            "identifiers: no column looks like an identifier (user_id, customer_id, email, phone, ...); "
            f"the columns are: {', '.join(columns)}; give a mapping file"
        )
    time, event, revenue = find(_TIME_NAMES), find(_EVENT_NAMES), find(_REVENUE_NAMES)
    timestamp = Timestamp(column=time) if time else None
    if event and timestamp:
        return Mapping(type="track", event=event, identifiers=identifiers, timestamp=timestamp)
    if revenue and timestamp and _mostly_numeric([row.get(revenue) for row in sample]):
        product, quantity = find(_PRODUCT_NAMES), find(_QUANTITY_NAMES)
        order = OrderFields(
            revenue=revenue,
            order_id=find(_ORDER_ID_NAMES) or None,
            currency=find(_CURRENCY_NAMES) or None,
            products=(Product(product_id=product, quantity=quantity or None),) if product else (),
        )
        return Mapping(type="order", identifiers=identifiers, timestamp=timestamp, order=order)
    return Mapping(type="identify", identifiers=identifiers, timestamp=timestamp)


def _mostly_numeric(values: Sequence[Any]) -> bool:
    """A few broken rows do not make another kind of file of it."""
    present = [value for value in values if value not in (None, "")]
    return 2 * sum(map(looks_numeric, present)) >= len(present)


def _are_messages(columns: Sequence[str], sample: Sequence[dict[str, Any]]) -> bool:
    names = set(columns)
    if "type" not in names or not names & {"userId", "anonymousId"}:
        return False
    return bool(sample) and all(row.get("type") in _SEGMENT_TYPES for row in sample)
