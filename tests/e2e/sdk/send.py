"""Tells one person's story through an unmodified Python SDK: send.py SDK URL WRITE_KEY PERSON.

Prints the errors that the SDK reports, as JSON: [{"status", "code", "message"}].
"""

import importlib
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

SCANS = 25
CLIENTS = {"segment-python": "segment.analytics.client", "rudderstack-python": "rudderstack.analytics.client"}


def tell(client: Any, person: str) -> None:
    """The story. send.mjs tells the same."""
    anonymous, email = f"{person}-anonymous", f"{person}@example.com"
    signed_up = datetime(2020, 1, 1, tzinfo=UTC)
    client.track(anonymous_id=anonymous, event="Product Viewed", properties={"product_id": "p1"})
    client.identify(person, {"email": email, "firstName": "Zoë 😀"}, anonymous_id=anonymous)
    client.track(person, "Signed Up", timestamp=signed_up)
    client.track(person, "Order Completed", {"order_id": f"{person}-1", "revenue": 30.5, "currency": "USD"})
    client.page(person, "Docs", "Home", {"path": "/"})
    client.screen(person, "App", "Cart")
    client.group(person, f"{person}-team", {"name": "ACME"})
    client.alias(f"{person}-old", person)
    for _ in range(2):
        client.track(person, "Said Twice", message_id=f"{person}-twice")
    for number in range(SCANS):
        client.track(person, "Item Scanned", {"number": number})


def main(sdk: str, url: str, write_key: str, person: str) -> None:
    errors: list[dict[str, Any]] = []

    def failed(error: Any, batch: Any) -> None:
        errors.append({name: getattr(error, name, None) for name in ("status", "code", "message")})

    logging.disable()
    client = importlib.import_module(CLIENTS[sdk]).Client(write_key, host=url, on_error=failed)
    tell(client, person)
    client.shutdown()
    print(json.dumps(errors))


if __name__ == "__main__":
    main(*sys.argv[1:])
