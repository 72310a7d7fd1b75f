"""Every text comes out of every record, however it is packed."""

import json
import random
from base64 import b64encode, urlsafe_b64encode
from typing import Any, get_args

import msgspec
import pytest

from models.privacy.decoding import open_bytes, texts
from models.privacy.needles import Hit, Search, needles_of
from models.profile.packing import pack, packed_within, unpack
from models.profile.state import Profile, encode_profile
from models.shard.machine import SMALL_TABLES
from models.shard.messages import Message, encode_envelope
from models.shard.protocol import DeadLetter, Link, SegmentChange
from tests.strategies.filled import Filler

RECORDS = [*(kind for _, kind in SMALL_TABLES.values()), Profile, Link, SegmentChange, DeadLetter]


def assert_all_found(filler: Filler, encoded: bytes) -> None:
    assert set(filler.texts) <= set(texts(encoded).strings)


@pytest.mark.parametrize("kind", RECORDS, ids=str)
def test_every_text_of_every_record(kind: Any) -> None:
    filler = Filler()
    assert_all_found(filler, msgspec.msgpack.encode(filler.of(kind)))


@pytest.mark.parametrize("kind", get_args(Message), ids=lambda kind: kind.__name__)
def test_every_text_of_every_message_between_shards(kind: Any) -> None:
    filler = Filler()
    assert_all_found(filler, encode_envelope([filler.of(kind)]))


def test_a_packed_profile() -> None:
    filler = Filler()
    assert_all_found(filler, encode_profile(filler.of(Profile)))
    assert len(filler.texts) > 20


@pytest.mark.parametrize(
    "value",
    [
        b'{"body": "held here"}',
        '["held here"]',
        {"held here": None},
        json.dumps({"inner": json.dumps({"inner": "held here"})}),
        b64encode(b'{"body": "held here"}').decode(),
        urlsafe_b64encode(msgspec.msgpack.encode({"\xff\xfe": "held here"})).decode().rstrip("="),
        pack(msgspec.msgpack.encode(["held here"])),
        msgspec.msgpack.encode({"packed": pack(msgspec.msgpack.encode({"body": b'"held here"'}))}),
        msgspec.msgpack.encode(msgspec.msgpack.Ext(7, msgspec.msgpack.encode(["held here"]))),
        bytearray(b"held here"),
        memoryview(b"held here"),
    ],
)
def test_values_within_values(value: object) -> None:
    assert "held here" in texts(value).strings


def test_numbers_are_told_too() -> None:
    assert sorted(texts(msgspec.msgpack.encode([1234567, 2.0, 2.5, True, None])).numbers) == [2, 1234567]


def test_what_is_no_encoding_is_told_as_it_is() -> None:
    assert open_bytes(b"\x01damaged") is None
    assert open_bytes(b"\xff\xfe\xfd") is None
    assert open_bytes(b"") == ""
    assert texts(b"\xff\xfe\xfd").unopened == [b"\xff\xfe\xfd"]
    assert texts(b'{"a": "first", "a": "last"}').unopened


def test_values_within_values_end() -> None:
    value: object = "deep"
    for _ in range(200):
        value = msgspec.msgpack.encode([value])
    assert texts(value).unopened


def test_another_persons_longer_identifier_is_none_of_the_erased_where_a_page_ends_within_it() -> None:
    words = [f"word{number}" for number in range(30)]
    texts_of = [*words, "user_id:u12345678", *words, "end"]
    packed = pack(b"\xdc\x00\x3e" + b"".join(map(msgspec.msgpack.encode, texts_of)))
    search = Search(needles_of(["user_id:u1"], [], b"k" * 32))
    torn = 0
    for seed in range(20):
        page = random.Random(seed).randbytes(400)
        for cut in range(60, len(packed)):
            for held in packed_within(b"\0" * 5 + packed[:cut] + page, 1 << 20):
                torn += any(hit.right not in ("", "2345678") for hit in search.in_bytes(held))
                assert list(search.in_message_pack(held)) == []
    assert torn > 20
    assert list(search.in_message_pack(unpack(pack(msgspec.msgpack.encode(["user_id:u1", "a"]))))) == [Hit(0)]


def test_packed_profiles_are_found_wherever_they_begin_and_cut_off_too() -> None:
    packed = encode_profile(Filler().of(Profile))
    data = b"\x01\x03" * 9 + packed + b"\x01" + packed[: len(packed) // 2]
    whole, part = packed_within(data, len(data))
    assert b"planted-000000" in whole
    assert len(whole) > len(part) > 100
    assert whole.startswith(part)
    assert list(packed_within(data, 18)) == []
