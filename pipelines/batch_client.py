"""A client of the public HTTP API for bulk work: requests with retries, batches sent over several connections.

Imports and the demo load through the front door, as any customer's system does. http.client on threads:
one connection a thread, kept open, and far less work for each request than a full HTTP library.
"""

import base64
import http.client
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

BATCH_EVENTS_MAX = 500
BATCH_BYTES_MAX = 400_000  # the API takes 500 KB
EVENT_BYTES_MAX = 32 * 1024
IMPORT_PATH = "/v1/import"  # as /v1/batch, for messages that may have other ids than userId and anonymousId
_RETRIED = {429, 502, 503, 504}
_BACKOFF_S = 0.1
_BACKOFF_S_MAX = 5.0

Tag = TypeVar("Tag")
Send = Callable[[list[bytes]], "BatchAnswer"]


class ApiError(Exception):
    """The API refused a request, or could not be reached (status 0) for as long as the client is patient."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message


class Notice(NamedTuple):
    """Something about one event of a batch: which one, from 0, which field, and what."""

    event: int
    field: str
    text: str


class BatchAnswer(NamedTuple):
    """What became of a batch. `sequence` is the token for `min_seq` reads."""

    sequence: str
    duplicates: int  # events that were taken before
    rejected: list[Notice]  # each reason of each event that was not taken
    warnings: list[Notice]  # of events that were taken, but not with everything


class ApiClient:
    """Requests to one service, from any number of threads; each keeps its own connection open.

    `patience_s` is how long a request is retried while the service is unreachable, busy or restarting.
    """

    def __init__(self, base_url: str, key: str = "", timeout_s: float = 30.0, patience_s: float = 120.0) -> None:
        parts = urlsplit(base_url)
        if not (parts.path if parts.scheme == "unix" else parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("base_url: expected http://host:port, https://host:port or unix:/path/of/a/socket")
        self.base_url = base_url.rstrip("/")
        self._parts, self._timeout_s, self._patience_s = parts, timeout_s, patience_s
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[http.client.HTTPConnection] = []

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every thread's connection."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def get(self, path: str) -> Any:
        """JSON answer to a GET. Raises ApiError."""
        return self.request("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """JSON answer to a POST of `body` as JSON. Raises ApiError."""
        return self.request("POST", path, msgspec.json.encode(body))

    def text(self, path: str) -> str:
        """The answer to a GET as it is. Raises ApiError."""
        return self._answer("GET", path, None).decode()

    def data(self, path: str) -> bytes:
        """The answer to a GET as bytes. Raises ApiError."""
        return self._answer("GET", path, None)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """JSON answer, None if empty. Only for requests that may be repeated. Raises ApiError."""
        data = self._answer(method, path, body, headers)
        return msgspec.json.decode(data) if data else None

    def _answer(self, method: str, path: str, body: bytes | None, more: Mapping[str, str] | None = None) -> bytes:
        """The answer to a request, which is repeated while that can help."""
        deadline = time.monotonic() + self._patience_s
        for attempt in range(1_000_000):
            pause = min(_BACKOFF_S * 2 ** min(attempt, 10), _BACKOFF_S_MAX) * random.uniform(0.5, 1.0)  # nosec B311
            try:
                status, headers, data = self._once(method, path, body, more or {})
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                failure = ApiError(0, "unreachable", f"no answer from {self.base_url}: {type(error).__name__}")
            else:
                if status < 300:
                    return data
                failure = _failure(status, data)
                if status not in _RETRIED:
                    raise failure
                pause = max(pause, _retry_after(headers))
            if time.monotonic() + pause > deadline:
                raise failure
            time.sleep(pause)
        raise AssertionError("unreachable: the deadline ends the loop")

    def send_batch(self, messages: list[bytes], path: str = IMPORT_PATH) -> BatchAnswer:
        """Posts encoded messages as a batch; durable when it returns. Raises ApiError."""
        answer = self.request("POST", path, b'{"batch":[' + b",".join(messages) + b"]}") or {}
        return BatchAnswer(
            sequence=str(answer.get("sequence", "")),
            duplicates=int(answer.get("duplicates", 0)),
            rejected=_reasons(answer.get("rejected", [])),
            warnings=[_notice(entry, entry) for entry in answer.get("warnings", [])],
        )

    def _once(
        self, method: str, path: str, body: bytes | None, more: Mapping[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection()
        prefix = "" if self._parts.scheme == "unix" else self._parts.path.rstrip("/")
        connection.request(method, prefix + path, body, {**self._headers, **more})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self._parts.scheme == "unix":
                connection = _SocketConnection(self._parts.path, self._timeout_s)
            else:
                kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
                connection = kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout_s)
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    def _drop(self) -> None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Batch(NamedTuple, Generic[Tag]):
    """Encoded messages and, for each, what the caller needs to recognise it by."""

    messages: list[bytes]
    tags: list[Tag]


def batches(messages: Iterable[tuple[bytes, Tag]], events_max: int = BATCH_EVENTS_MAX) -> Iterator[Batch[Tag]]:
    """Groups (message, tag) pairs into batches that the API takes."""
    batch: Batch[Tag] = Batch([], [])
    size = 0
    for message, tag in messages:
        if batch.messages and (len(batch.messages) >= events_max or size + len(message) > BATCH_BYTES_MAX):
            yield batch
            batch, size = Batch([], []), 0
        batch.messages.append(message)
        batch.tags.append(tag)
        size += len(message) + 1
    if batch.messages:
        yield batch


def send_all(work: Iterable[tuple[Send, Batch[Tag]]], connections: int = 4) -> Iterator[tuple[Batch[Tag], BatchAnswer]]:
    """Sends each batch by its function, several at a time; yields it with its answer, in order of completion.

    At most two batches a connection are held. Raises ApiError at the first batch that fails for good.
    """
    pending: dict[Future[BatchAnswer], Batch[Tag]] = {}
    with ThreadPoolExecutor(connections, thread_name_prefix="batch") as pool:
        try:
            for send, batch in work:
                pending[pool.submit(send, batch.messages)] = batch
                while len(pending) >= 2 * connections:
                    yield from _completed(pending)
            while pending:
                yield from _completed(pending)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _completed(pending: dict[Future[BatchAnswer], Batch[Tag]]) -> Iterator[tuple[Batch[Tag], BatchAnswer]]:
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        yield pending.pop(future), future.result()


def _reasons(rejected: list[dict[str, Any]]) -> list[Notice]:
    return [_notice(entry, reason) for entry in rejected for reason in entry.get("reasons") or [{}]]


def _notice(entry: dict[str, Any], about: dict[str, Any]) -> Notice:
    return Notice(int(entry["index"]), str(about.get("field", "")), str(about.get("message", "not accepted")))


def _failure(status: int, data: bytes) -> ApiError:
    try:
        body = msgspec.json.decode(data)
        if "error" in body:  # OpenDSR's form, of requests of data subjects
            details = body["error"]["errors"]
            return ApiError(status, str(details[0]["reason"]), "; ".join(str(each["message"]) for each in details))
        return ApiError(status, str(body["code"]), str(body["message"]))
    except (ValueError, LookupError, TypeError):
        return ApiError(status, f"http_{status}", "the answer is not an Onefold error; is this an Onefold service?")


def _retry_after(headers: http.client.HTTPMessage) -> float:
    try:
        return min(float(headers.get("Retry-After", "0")), 60.0)
    except ValueError:
        return 0.0
