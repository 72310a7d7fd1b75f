"""The control store: what operators decide, in one small SQLite file that every process of the service reads.

API keys, sources with their schemas, segment definitions, webhooks, scoring models, the names of tenants. The command
line, the admin routes and any number of replicas open the same file at once. Webhooks' secrets are kept as they are:
they sign.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, cast

import msgspec

from actors.api_keys import ApiKeys
from actors.control_file import check_id, check_source
from actors.errors import Conflict, NotFound
from actors.model_registry import ModelRegistry
from actors.tenants import TenantNames
from models.delivery.webhook import Webhook


class SchemaRule(msgspec.Struct, frozen=True):
    """What a source's messages of one kind must look like, and what happens to those that do not.

    `mode` block: the message goes to the dead letters. omit: the offending fields are left out and reported.
    """

    document: dict[str, Any]  # JSON Schema of the message's traits or properties
    mode: Literal["block", "omit"] = "block"


class Source(msgspec.Struct, frozen=True):
    """Where events come from. Fields that an earlier version stored and this one does not know are passed over."""

    source_id: str
    kind: str = "http"  # free text, such as web, mobile, crm
    schemas: dict[str, SchemaRule] = {}  # by type ("identify") or type and name ("track:Order Completed")


class ControlStore(ApiKeys, ModelRegistry, TenantNames):
    """The open store; how it is opened says `actors.control_file.ControlFile`."""

    # Sources

    def put_source(self, source: Source) -> None:
        """Makes or replaces a source. The schemas must have been checked (`models.events`). Raises Invalid."""
        check_source(source.source_id)
        with self._write():
            self._db.execute(
                "INSERT OR REPLACE INTO sources VALUES (?, ?)", (source.source_id, msgspec.json.encode(source))
            )

    def sources(self) -> list[Source]:
        """All sources, by id."""
        rows = self._rows("SELECT body FROM sources ORDER BY source_id")
        return [msgspec.json.decode(body, type=Source) for (body,) in rows]

    def source(self, source_id: str) -> Source:
        """One source. Raises NotFound."""
        row = self._row("SELECT body FROM sources WHERE source_id = ?", source_id)
        if row is None:
            raise NotFound("source_id: no such source; GET /v1/admin/sources lists them")
        return msgspec.json.decode(row[0], type=Source)

    # Segments

    def put_segment(self, segment_id: str, definition: dict[str, Any]) -> None:
        """Makes or replaces a segment's definition, which must have been checked (`models.segments`)."""
        check_id("segment_id", segment_id)
        with self._write():
            self._db.execute(
                "INSERT OR REPLACE INTO segments VALUES (?, ?)", (segment_id, msgspec.json.encode(definition))
            )

    def segments(self) -> dict[str, dict[str, Any]]:
        """All definitions, by id."""
        return {
            segment_id: msgspec.json.decode(body)
            for segment_id, body in self._rows("SELECT segment_id, body FROM segments ORDER BY segment_id")
        }

    def segment(self, segment_id: str) -> dict[str, Any]:
        """One definition. Raises NotFound."""
        row = self._row("SELECT body FROM segments WHERE segment_id = ?", segment_id)
        if row is None:
            raise NotFound("segment_id: no such segment; `onefold segments list` shows them")
        return cast(dict[str, Any], msgspec.json.decode(row[0]))

    def delete_segment(self, segment_id: str) -> None:
        """Raises NotFound."""
        self.segment(segment_id)
        with self._write():
            self._db.execute("DELETE FROM segments WHERE segment_id = ?", (segment_id,))

    # Computed traits

    def put_computed_trait(self, trait_id: str, definition: dict[str, Any]) -> None:
        """Makes or replaces a computed trait's definition, which must have been checked (`models.segments`)."""
        check_id("computed_trait_id", trait_id)
        with self._write():
            self._db.execute(
                "INSERT OR REPLACE INTO computed_traits VALUES (?, ?)", (trait_id, msgspec.json.encode(definition))
            )

    def computed_traits(self) -> dict[str, dict[str, Any]]:
        """All definitions, by id."""
        rows = self._rows("SELECT trait_id, body FROM computed_traits ORDER BY trait_id")
        return {trait_id: msgspec.json.decode(body) for trait_id, body in rows}

    def computed_trait(self, trait_id: str) -> dict[str, Any]:
        """One definition. Raises NotFound."""
        row = self._row("SELECT body FROM computed_traits WHERE trait_id = ?", trait_id)
        if row is None:
            raise NotFound("computed_trait_id: no such computed trait; GET /v1/computed-traits lists them")
        return cast(dict[str, Any], msgspec.json.decode(row[0]))

    def delete_computed_trait(self, trait_id: str) -> None:
        """Raises NotFound."""
        self.computed_trait(trait_id)
        with self._write():
            self._db.execute("DELETE FROM computed_traits WHERE trait_id = ?", (trait_id,))

    # Webhooks

    def create_webhook(self, webhook: Webhook) -> None:
        """Makes a webhook, which must have been checked (`models.delivery.webhook`). Raises Invalid, Conflict."""
        check_id("id", webhook.id)
        with self._write():
            statement = "INSERT OR IGNORE INTO webhooks VALUES (?, ?)"
            if not self._db.execute(statement, (webhook.id, msgspec.msgpack.encode(webhook))).rowcount:
                raise Conflict("id: there is such a webhook; PUT changes it")

    def update_webhook(self, webhook_id: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        """Changes a webhook in one step, so that no other change is lost. Raises NotFound, and what `change` raises."""
        with self._write():
            statement = "SELECT body FROM webhooks WHERE webhook_id = ?"
            webhook = change(_webhook(self._db.execute(statement, (webhook_id,)).fetchone()))
            body = msgspec.msgpack.encode(webhook)
            self._db.execute("UPDATE webhooks SET body = ? WHERE webhook_id = ?", (body, webhook_id))
        return webhook

    def webhooks(self) -> dict[str, Webhook]:
        """All webhooks with their secrets, by id."""
        rows = self._rows("SELECT body FROM webhooks ORDER BY webhook_id")
        return {webhook.id: webhook for webhook in map(_webhook, rows)}

    def webhook(self, webhook_id: str) -> Webhook:
        """One webhook. Raises NotFound."""
        return _webhook(self._row("SELECT body FROM webhooks WHERE webhook_id = ?", webhook_id))

    def disable_webhook(self, webhook_id: str, created_at: int, reason: str) -> None:
        """Ends deliveries to a webhook, and says why. Nothing if it was deleted meanwhile, or made anew."""

        def disabled(webhook: Webhook) -> Webhook:
            if webhook.created_at != created_at:
                return webhook
            return msgspec.structs.replace(webhook, enabled=False, disabled_because=reason)

        with suppress(NotFound):
            self.update_webhook(webhook_id, disabled)

    def delete_webhook(self, webhook_id: str) -> None:
        """Raises NotFound."""
        self.webhook(webhook_id)
        with self._write():
            self._db.execute("DELETE FROM webhooks WHERE webhook_id = ?", (webhook_id,))


def _webhook(row: tuple[bytes] | None) -> Webhook:
    if row is None:
        raise NotFound("webhook_id: no such webhook; GET /v1/webhooks lists them")
    return msgspec.msgpack.decode(row[0], type=Webhook)
