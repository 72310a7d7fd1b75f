"""Webhooks as far as residency lets data go to them: of a receiver for whom nothing permits that, they are off.

The definitions were checked when they were made. The settings may have changed since.
"""

import msgspec

from actors.deliverer import WebhookStore
from models.delivery.webhook import Webhook
from models.privacy.residency import NoTransfer, Residency


class PermittedWebhooks:
    """Implements `actors.deliverer.WebhookStore`."""

    def __init__(self, store: WebhookStore, residency: Residency) -> None:
        self._store = store
        self._residency = residency

    def version(self) -> int:
        return self._store.version()

    def webhooks(self) -> dict[str, Webhook]:
        return {webhook_id: self._permitted(webhook) for webhook_id, webhook in self._store.webhooks().items()}

    def disable_webhook(self, webhook_id: str, created_at: int, reason: str) -> None:
        self._store.disable_webhook(webhook_id, created_at, reason)

    def _permitted(self, webhook: Webhook) -> Webhook:
        try:
            self._residency.crossing(webhook.region)
        except NoTransfer as missing:
            return msgspec.structs.replace(webhook, enabled=False, disabled_because=str(missing))
        return webhook
