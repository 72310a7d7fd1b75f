"""A throwaway HTTP service with just enough of the ingestion API to test what talks to it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = tuple[int, dict[str, str], Any]


class FakeService:
    """Collects batches. `answer(path, body)` may return (status, headers, JSON) to answer otherwise."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.messages: dict[str, dict[str, Any]] = {}  # by messageId, as deduplicated
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.answer: Callable[[str, Any], Answer | None] = lambda path, body: None
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, else each waits for the acknowledgement of the other

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
                status, headers, answer = service.handle(self.command, self.path, dict(self.headers), body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_DELETE = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Silence: pytest shows what matters."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def handle(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        with self.lock:
            self.requests.append((method, path, headers, body))
            if (answer := self.answer(path, body)) is not None:
                return answer
            known = len(self.messages)
            for message in body["batch"]:
                self.messages.setdefault(message["messageId"], message)
        taken = len(body["batch"])
        duplicates = taken - (len(self.messages) - known)
        return 200, {}, {"success": True, "accepted": taken, "duplicates": duplicates, "sequence": "0:1"}


@pytest.fixture
def service() -> Iterator[FakeService]:
    fake = FakeService()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.server.shutdown()
    thread.join()
    fake.server.server_close()
