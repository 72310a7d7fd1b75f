"""The receiver in docs/webhooks.md takes what is sent, once, and nothing else."""

import asyncio
import re
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from actors.webhook_sender import WebhookSender
from models.delivery.webhook import RetryPolicy, Webhook, headers, make_secret

DOCS = Path(__file__).parents[3] / "docs" / "webhooks.md"


def test_the_receiver_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    webhook = Webhook("w", "u", secret=make_secret(bytes(range(32))))
    monkeypatch.setenv("ONEFOLD_WEBHOOK_SECRET", webhook.secret)
    example: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(code, "receiver.py", "exec"), example)
    handled: list[Any] = []
    example["handle"] = handled.append
    example["Receiver"].log_message = lambda *_: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), example["Receiver"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    now = time.time_ns() // 1_000_000
    body = b'{"type":"segment.entered","data":{}}'
    rotated = webhook.rotated(make_secret(bytes(32)), now)
    good, old = headers(webhook, "msg_0_1", body, now), headers(webhook, "msg_0_2", body, now - 600_000)

    async def scenario() -> list[int]:
        sender = WebhookSender(RetryPolicy(allow_private_addresses=True))
        cases = [
            (good, body),
            (good, body),
            (headers(rotated, "msg_0_3", body, now), body),
            (good, body + b" "),
            ({**good, "webhook-id": "msg_0_9"}, body),
            ({**good, "webhook-signature": "v1,"}, body),
            ({"content-type": "application/json"}, body),
            (old, body),
        ]
        statuses = [(await sender.send(url, each, content)).status for each, content in cases]
        await sender.close()
        return statuses

    assert asyncio.run(scenario()) == [204, 204, 204, 401, 401, 401, 401, 401]
    assert len(handled) == 2
    server.shutdown()
    server.server_close()
