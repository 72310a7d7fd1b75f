"""Rows of an imported file to messages of the ingestion API, with ids that are the same at every import. Pure.

A message id is a hash of the file's source, the row's content and, for rows that repeat, which occurrence it
is: importing a file twice changes nothing, yet identical rows within it all count.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.import_mapping import Field, Mapping, MappingError, Product, Source, columns_used
from pipelines.import_types import (
    is_number_column,
    parse_boolean,
    parse_integer,
    parse_json,
    parse_number,
    parse_time,
    to_iso,
    zone_of,
)

ORDER_EVENT = "Order Completed"
_PARSERS: dict[str, Callable[[Any], Any]] = {
    "number": parse_number,
    "integer": parse_integer,
    "boolean": parse_boolean,
    "json": parse_json,
}
_PENDING_MAX = 1_000_000


class Problem(msgspec.Struct, frozen=True):
    """Why a row was not imported: the field of the message, and what was expected of it."""

    field: str
    reason: str


class BadRow(ValueError):
    """A row that makes no message; `problems` says why, without the row's values."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.reason}" for problem in problems))
        self.problems = problems


class MessageBuilder:
    """Turns rows of one file into messages. Built once a file: the types of untyped columns come from `sample`."""

    def __init__(self, mapping: Mapping, columns: Sequence[str], sample: Sequence[dict[str, Any]], source: str) -> None:
        """`columns` are the file's, `source` names the file in message ids. Raises MappingError for a bad zone."""
        self.mapping = mapping
        self._source = source
        used = columns_used(mapping)
        rest: dict[str, Source] = {column: column for column in columns if column not in used}
        given = mapping.traits if mapping.type == "identify" else mapping.properties
        self._fields = rest if given is None else given
        self._numbers = {column for column in columns if is_number_column(column, [row.get(column) for row in sample])}
        if mapping.timestamp:
            try:
                zone_of(mapping.timestamp.timezone)
            except ValueError as error:
                raise MappingError(f"timestamp.timezone: {error}") from None

    def digest(self, row: dict[str, Any]) -> bytes:
        """16 bytes that identify the row's content within its source, whatever order its columns come in."""
        content = json.dumps(
            [self._source, self.mapping.type, _event_key(self.mapping.event), sorted(row.items())],
            default=_plain,
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def build(self, row: dict[str, Any], digest: bytes, occurrence: int) -> dict[str, Any]:
        """The message of a row: the `occurrence`-th (from 1) with this digest. Raises BadRow."""
        if self.mapping.type == "message":
            message = {name: value for name, value in row.items() if value is not None}
            message.setdefault("messageId", message_id(digest, occurrence))
            return message
        return _Row(self.mapping, self._numbers, row, digest, occurrence).message(self._fields)


class _Row:
    """One row on its way to a message; collects every problem before it gives up."""

    def __init__(
        self, mapping: Mapping, numbers: set[str], row: dict[str, Any], digest: bytes, occurrence: int
    ) -> None:
        self.mapping, self.numbers, self.row = mapping, numbers, row
        self.default_id = message_id(digest, occurrence)
        self.problems: list[Problem] = []

    def message(self, fields: dict[str, Source]) -> dict[str, Any]:
        mapping = self.mapping
        message: dict[str, Any] = {
            "type": "track" if mapping.type == "order" else mapping.type,
            "messageId": self.text(mapping.message_id, "message_id") or self.default_id,
        }
        self.add_identifiers(message)
        if mapping.timestamp:
            message["timestamp"] = self.time()
        context = self.values(mapping.context, "context")
        if context:
            message["context"] = {**context, **message.get("context", {})}
        if mapping.type == "identify":
            found = self.values(fields, "traits")
            message["traits"] = {**{k: v for k, v in message.get("traits", {}).items() if k not in found}, **found}
        else:
            message["properties"] = self.values(fields, "properties")
            name = self.text(mapping.event, "event") or (ORDER_EVENT if mapping.type == "order" else "")
            if mapping.type in ("page", "screen"):
                message.update({"name": name} if name else {})
            elif name:
                message["event"] = name
            else:
                self.problem("event", "missing")
            if mapping.type == "order":
                self.add_order(message["properties"])
        if self.problems:
            raise BadRow(self.problems)
        return message

    def add_identifiers(self, message: dict[str, Any]) -> None:
        external: list[dict[str, str]] = []
        found = False
        for namespace, source in self.mapping.identifiers.items():
            text = self.text(source, f"identifiers.{namespace}")
            if not text:
                continue
            found = True
            if namespace == "user_id":
                message["userId"] = text
            elif namespace == "anonymous_id":
                message["anonymousId"] = text
            else:
                external.append({"id": text, "type": namespace, "collection": "users", "encoding": "none"})
                if namespace in ("email", "phone") and self.mapping.type == "identify":
                    message.setdefault("traits", {})[namespace] = text
        if external:
            message["context"] = {"externalIds": external}
        if not found:
            names = ", ".join(self.mapping.identifiers)
            self.problem("identifiers", f"missing: the row has none of {names}")

    def add_order(self, properties: dict[str, Any]) -> None:
        order = self.mapping.order
        if order is None:
            return
        revenue = self.value(order.revenue, "order.revenue", "number")
        if revenue is None:
            self.problem("order.revenue", "missing")
        properties["revenue"] = revenue
        order_id = self.text(order.order_id or "", "order.order_id")
        if order_id:  # without one, the service goes by the message id
            properties["order_id"] = order_id
        currency = self.text(order.currency or "", "order.currency")
        if currency:
            properties["currency"] = currency.upper()
        if isinstance(order.products, Field):
            products = self.value(order.products, "order.products", "json")
            if products is not None and not isinstance(products, list):
                self.problem("order.products", "expected a JSON list of products")
        else:
            products = [product for part in order.products if (product := self.product(part))]
        if products:
            properties["products"] = products

    def product(self, part: Product) -> dict[str, Any]:
        product_id = self.text(part.product_id, "order.products.product_id")
        if not product_id:
            return {}
        values: dict[str, Any] = {"product_id": product_id}
        for name, kind in (("quantity", "number"), ("price", "number"), ("name", "text"), ("category", "text")):
            source = getattr(part, name)
            if source is not None and (value := self.value(source, f"order.products.{name}", kind)) is not None:
                values[name] = value
        return values

    def time(self) -> str:
        spec = self.mapping.timestamp
        if spec is None:
            return ""
        value = self.raw(spec.column)
        if value is None:
            self.problem("timestamp", "missing")
            return ""
        try:
            return to_iso(parse_time(value, spec.format, spec.timezone))
        except (ValueError, OverflowError) as error:
            self.problem("timestamp", str(error))
            return ""

    def values(self, fields: dict[str, Source], path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, source in fields.items():
            value = self.value(source, f"{path}.{name}")
            if value is not None:
                found[name] = value
        return found

    def text(self, source: Source, path: str) -> str:
        value = self.value(source, path, "text") if source else None
        return "" if value is None else str(value)

    def value(self, source: Source, path: str, kind: str = "auto") -> Any:
        """The value in its type, None if it is missing; a problem is noted, not raised."""
        field = Field(column=source) if isinstance(source, str) else source
        if field.value is not None:
            return field.value
        value = self.raw(field.column)
        if value is None:
            return None
        if kind in ("auto", "json"):
            kind = field.type if field.type != "auto" else kind
        try:
            return self.typed(value, field.column, kind)
        except ValueError as error:
            self.problem(path, str(error))
            return None

    def typed(self, value: Any, column: str, kind: str) -> Any:
        if kind == "text":
            return _text(value)
        if kind in _PARSERS:
            return _PARSERS[kind](value)
        if isinstance(value, str):
            if column in self.numbers:
                try:
                    return parse_number(value)
                except ValueError:
                    return value.strip()
            return value.strip()
        return json.loads(json.dumps(value, default=_plain))

    def raw(self, column: str) -> Any:
        """The column's value; a dotted name reaches into objects."""
        if column in self.row:
            return self.row[column]
        value: Any = self.row
        for part in column.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        return value

    def problem(self, field: str, reason: str) -> None:
        self.problems.append(Problem(field, reason))


def message_id(digest: bytes, occurrence: int) -> str:
    """The id of the `occurrence`-th row (from 1) with this digest."""
    return f"imp_{digest.hex()}_{occurrence}"


class OccurrenceCounter:
    """How often each row has come so far, in at most 12 bytes a distinct row (plus 1 M recent ones in a dict)."""

    def __init__(self) -> None:
        self._keys: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)  # ascending
        self._counts: NDArray[np.uint32] = np.empty(0, dtype=np.uint32)
        self._recent: dict[int, int] = {}

    def next(self, digest: bytes) -> int:
        """1 for the first row with this digest, 2 for the second, ..."""
        # Eight bytes are enough to count by: two rows that share them still differ in their digests.
        key = int.from_bytes(digest[:8], "big")
        count = self._recent.get(key)
        if count is None:
            count = self._settled(key)
            if len(self._recent) >= _PENDING_MAX:
                self._settle()
        self._recent[key] = count + 1
        return count + 1

    def _settled(self, key: int) -> int:
        if not len(self._keys):
            return 0
        at = int(np.searchsorted(self._keys, np.uint64(key)))
        return int(self._counts[at]) if at < len(self._keys) and int(self._keys[at]) == key else 0

    def _settle(self) -> None:
        fresh = np.fromiter(self._recent.keys(), np.uint64, len(self._recent))
        counts = np.fromiter(self._recent.values(), np.uint32, len(self._recent))
        kept = ~np.isin(self._keys, fresh)  # a recent count includes what was settled before
        keys = np.concatenate([self._keys[kept], fresh])
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._counts = np.concatenate([self._counts[kept], counts])[order]
        self._recent = {}


def _event_key(event: Source) -> Any:
    return event if isinstance(event, str) else [event.column, event.value]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float | Decimal | datetime | date):
        return str(_plain(value)) if isinstance(value, datetime | date) else str(value)
    raise ValueError("expected a text or a number, not a list or an object")


def _plain(value: Any) -> Any:
    """JSON's word for what Parquet files hold beyond JSON."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return parse_number(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
