"""The outside of a request: compression, the batch, the credential."""

import gzip
import json
import tracemalloc
from base64 import b64encode

import pytest

from models.events.envelope import Credential, credential_of, decompress, message_kind, open_batch
from models.events.limits import Limits
from models.events.outcome import WireError

LIMITS = Limits()
SMALL = Limits(batch_bytes_max=1000, rudderstack_batch_bytes_max=4000)


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (basic("key1:"), b"", Credential("key1", "basic")),
        (basic("key1:secret"), b"", Credential("key1", "basic")),
        (basic("key1"), b"", Credential("key1", "basic")),
        ({"Authorization": "bearer key2"}, b"", Credential("key2", "bearer")),
        ({"authorization": "Bearer key2"}, b'{"writeKey": "key3"}', Credential("key2", "bearer")),
        ({}, b'{"batch": [{"writeKey": "no"}], "writeKey": "key3"}', Credential("key3", "body")),
        (basic(":"), b'{"writeKey": "key3"}', Credential("key3", "body")),
        ({"authorization": "Basic !!!"}, b'{"writeKey": "key3"}', Credential("key3", "body")),
        ({}, b"", None),
        ({}, b'{"writeKey": 3}', None),
        ({}, b"[1]", None),
        ({}, b"{" * 5000, None),
        ({}, b'{"writeKey": "\xff"}', None),
        ({"authorization": "Digest x"}, b"{}", None),
        ({"authorization": "Basic " + b64encode(b"\xff\xff").decode()}, b"{}", None),
    ],
)
def test_credential(headers: dict[str, str], body: bytes, expected: Credential | None) -> None:
    assert credential_of(headers, body) == expected


def test_paths() -> None:
    short = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "batch"}
    for letter, name in short.items():
        assert message_kind(letter) == message_kind(name) == name
    assert message_kind("import") == "import"
    assert message_kind("merge") == "merge"
    assert message_kind("m") is None
    assert message_kind("profiles") is None


def test_decompress() -> None:
    text = b'{"a": 1}'
    assert decompress(text, LIMITS) == text
    assert decompress(gzip.compress(text, mtime=0), LIMITS) == text
    assert decompress(gzip.compress(b'{"a"', mtime=0) + gzip.compress(b": 1}"), LIMITS) == text
    assert decompress(b"\xef\xbb\xbf" + text, LIMITS) == text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (gzip.compress(b"x" * 100, mtime=0)[:-12], 400, "invalid_gzip"),
        (b"\x1f\x8bnot gzip at all", 400, "invalid_gzip"),
        (b"x" * 4001, 413, "request_too_large"),
        (gzip.compress(b" " * 4001, mtime=0), 413, "request_too_large"),
        (gzip.compress(b" " * 2500, mtime=0) + gzip.compress(b" " * 2500, mtime=0), 413, "request_too_large"),
        (gzip.compress(b"\0" * 50_000_000, mtime=0), 413, "request_too_large"),
    ],
)
def test_bodies_that_cannot_be_unzipped(body: bytes, status: int, code: str) -> None:
    with pytest.raises(WireError) as error:
        decompress(body, SMALL)
    assert (error.value.status, error.value.code) == (status, code)


def test_a_gzip_body_has_few_members() -> None:
    parts = [gzip.compress(text, mtime=0) for text in (b"[1,", b"2,", b"3,", b"4,", b"5,", b"6,", b"7,", b"8]")]
    assert decompress(b"".join(parts), LIMITS) == b"[1,2,3,4,5,6,7,8]"
    for body in (b"".join(parts) + gzip.compress(b"", mtime=0), gzip.compress(b"") * 100_000):
        with pytest.raises(WireError, match="more than 8 members") as error:
            decompress(body, LIMITS)
        assert (error.value.status, error.value.code) == (400, "invalid_gzip")


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, mtime=0)
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decompress(bomb, SMALL)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_batch_is_opened_without_touching_its_messages() -> None:
    body = b'{"batch": [{"a":  1}, 2], "sentAt": "x", "context": {"ip": "1"}, "writeKey": "k", "odd": 1, '
    body += b'"integrations": null}'
    envelope = open_batch(body, LIMITS)
    assert envelope.items == [b'{"a":  1}', b"2"]
    assert envelope.shared == {"sentAt": "x", "context": {"ip": "1"}}
    assert envelope.unknown == ["odd"]
    assert envelope.shared_bytes == len(b'{"ip": "1"}') + len(b"null")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b'{"batch": [\xff]}', 400, "invalid_json"),
        (b"nonsense", 400, "invalid_json"),
        (b"[]", 400, "not_a_batch"),
        (b"{}", 400, "not_a_batch"),
        (b'{"batch": {}}', 400, "not_a_batch"),
        (b'{"batch": null}', 400, "not_a_batch"),
        (b'{"batch": NaN}', 400, "not_a_batch"),
        (b'{"batch": []}', 400, "empty_batch"),
        (b'{"batch": [1], "context": 3}', 400, "wrong_type"),
        (b'{"batch": [1], "context": {"a": "\\u0000"}}', 400, "nul_character"),
        (b'{"batch": [1], "context": {"a": 1e999}}', 400, "number_out_of_range"),
        (b'{"batch": [1], "context": {"a": 123456789012345678901234567890}}', 400, "number_out_of_range"),
        (b'{"batch": [1], "context": {"a": ' + b"[" * 50 + b"]" * 50 + b"}}", 400, "too_deep"),
        (b'{"batch": ' + b"[" * 100_000, 400, "too_deep"),
        (b'{"batch": [' + b"1," * 2500 + b"1]}", 413, "batch_too_long"),
    ],
)
def test_batches_that_cannot_be_opened(body: bytes, status: int, code: str) -> None:
    with pytest.raises(WireError) as error:
        open_batch(body, LIMITS)
    assert (error.value.status, error.value.code) == (status, code)


def test_only_rudderstacks_sdks_may_send_large_batches() -> None:
    def batch(**extra: str) -> bytes:
        return json.dumps({"batch": [{"event": "x" * 2000, **extra}]}).encode()

    assert len(open_batch(batch(channel="server"), SMALL).items) == 1
    with pytest.raises(WireError) as error:
        open_batch(batch(), SMALL)
    assert (error.value.status, error.value.code) == (413, "request_too_large")


def test_what_is_json_only_to_lenient_readers_costs_only_its_own_message() -> None:
    envelope = open_batch(b'{"batch": [{"a": NaN}, {"a": "\\ud83d"}, {"a": 1}], "sentAt": 1}', LIMITS)
    assert envelope.items == [b'{"a": NaN}', b'{"a": "\\ud83d"}', b'{"a": 1}']
    assert envelope.shared == {"sentAt": 1}
