"""`python -m bench.fuzz_grpc --minutes 10`: the gRPC API under calls that nobody would make.

Starts a service in a temporary directory and calls every method of every service of the contract: messages made field
by field from their descriptors (boundaries, all kinds of text, JSON where JSON is expected, identifiers that exist),
messages of right calls with some bytes changed, bytes at random, wrong metadata, streams that are opened and dropped.
Exit code 1 on a finding: UNKNOWN or INTERNAL, no answer within 10 s, memory that grows, an error in the log. Each
finding names the number of its call: `--seed S --only NUMBER` makes that call alone.
"""

import argparse
import itertools
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bench.fuzz_place import HANG_S, PEOPLE, SEGMENT, Place, Watch, place, report, seed
from pipelines.batch_client import ApiError
from protos.onefold.v1 import decision_pb2, identity_pb2, ingest_pb2, profile_pb2, segment_pb2

FILES = (profile_pb2, ingest_pb2, identity_pb2, segment_pb2, decision_pb2)
WRONG = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED)
_CALLERS = 4
_STREAM_READS_MAX = 3
_STREAM_S = 0.5  # a stream with nothing to tell stays open for ever: then it is dropped
_DEPTH_MAX = 4
_RESEED_EVERY = 2_000
_KEYS = ("key", "keys", "left", "right", "identifiers")

TEXTS = (
    *("", " ", "0", "-1", "null", "\x00", "a" * 300, "é" * 2_000, "\u202e\u2603\U0001f600", "'; DROP TABLE events; --"),
    *("email:fuzz1@example.com", "user_id:fuzz-1", "customer_id:cus_0d3k5w2m8r000", "email:", ":", "a:b:c", "shoppers"),
    *("welcome", "0:1", "0:1,1:1", "0:99999999999999999999", "-1:-1", "identify", "track", "merge", "Order Completed"),
    *("2026-03-01T12:30:00Z", "9999-12-31T23:59:59Z", "0000-00-00", "1e400", "${jndi:ldap://x}", "%s%n", "../../etc"),
)
INTEGERS = (0, 1, -1, 2, 100, 1_000, 1_001, 2**31 - 1, -(2**31))
WIDE = (2**32, 2**53 + 1, 2**63 - 1, -(2**63))
DOUBLES = (0.0, -0.0, 1.5, -1.0, 1e308, float("inf"), float("-inf"), float("nan"))
JSONS = (
    *(
        "{}",
        "[]",
        "null",
        "{",
        "1e999",
        '{"a":1e400}',
        "[" * 5_000,
        '{"email":"fuzz1@example.com"}',
        '{"a":{"b":[1,2]}}',
    ),
    *('{"$gt":1}', json.dumps(SEGMENT["criteria"]), json.dumps({"all": [SEGMENT["criteria"]] * 40}), '"\\ud800"'),
    '{"firstName":"Leonora","lastName":"Vankirk1","birthday":"1911-08-23"}',
)


class Maker:
    """Makes messages and metadata at random from a seed."""

    def __init__(self, number: int) -> None:
        self.choose = random.Random(number)

    def message(self, kind: Descriptor, depth: int = 0) -> Message:
        """A message of this kind, most of its fields set."""
        made = GetMessageClass(kind)()
        for each in kind.fields:
            if self.choose.random() < 0.25:
                continue
            if each.message_type and each.message_type.GetOptions().map_entry:
                self._fill_map(getattr(made, each.name), each, depth)
            elif each.is_repeated:
                count = self.choose.choice([0, 1, 2, 3, 50 if depth else 1_001])
                values = [self._value(each, depth) for _ in range(min(count, 5) if each.message_type else count)]
                getattr(made, each.name).extend(value for value in values if value is not None)
            elif each.message_type:
                if (value := self._value(each, depth)) is not None:
                    getattr(made, each.name).CopyFrom(value)
            else:
                setattr(made, each.name, self._value(each, depth))
        return made

    def _fill_map(self, target: Any, of: FieldDescriptor, depth: int) -> None:
        assert of.message_type is not None
        key, value = of.message_type.fields
        for _ in range(self.choose.randrange(4)):
            name = self._value(key, depth)
            if value.message_type:
                target[name].CopyFrom(self._value(value, depth) or GetMessageClass(value.message_type)())
            else:
                target[name] = self._value(value, depth)

    def _value(self, of: FieldDescriptor, depth: int) -> Any:
        choose = self.choose
        if of.message_type:
            return self.message(of.message_type, depth + 1) if depth < _DEPTH_MAX else None
        if of.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            if of.type == FieldDescriptor.TYPE_BYTES:
                return choose.randbytes(choose.randrange(64))
            if of.name.endswith("_json") and choose.random() < 0.9:
                return choose.choice(JSONS)
            if choose.random() < 0.2:
                return "".join(chr(choose.choice([choose.randrange(1, 128), choose.randrange(0xE000, 0x11000)]))
                               for _ in range(choose.randrange(40)))  # fmt: skip
            right = 0.8 if of.name in _KEYS else 0.1
            return f"user_id:fuzz-{choose.randrange(PEOPLE)}" if choose.random() < right else choose.choice(TEXTS)
        if of.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return choose.random() < 0.5
        if of.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return choose.choice(DOUBLES)
        if of.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            return choose.choice([0, 1, 2, 77, -1])
        wide = of.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
        value = choose.choice((*INTEGERS, *WIDE) if wide else INTEGERS)
        return abs(value) if of.cpp_type in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64) else value

    def data(self, kind: Descriptor) -> bytes:
        """An encoded message: whole, damaged, or nothing like it."""
        choose, whole = self.choose, self.message(kind).SerializeToString()
        how = choose.random()
        if how < 0.7 or not whole:
            return whole
        if how < 0.8:
            return whole[: choose.randrange(len(whole))]
        if how < 0.9:
            damaged = bytearray(whole)
            for _ in range(choose.randrange(1, 6)):
                damaged[choose.randrange(len(damaged))] = choose.randrange(256)
            return bytes(damaged)
        if how < 0.95:  # groups in groups: what a decoder that recurses would not survive
            return bytes([choose.randrange(1, 16) << 3 | 3]) * choose.randrange(1, 20_000)
        return choose.randbytes(choose.randrange(200))

    def metadata(self, key: str) -> tuple[tuple[str, str | bytes], ...]:
        """The right key nearly always; else none, another, or what is no key; and entries that methods read."""
        choose = self.choose
        shown = f"Bearer {key}"
        if choose.random() < 0.1:
            shown = choose.choice(["", "Bearer", "Bearer ", "Basic !!!", "Basic " + "A" * 4_000, key])
        entries: list[tuple[str, str | bytes]] = [("authorization", shown)] if shown else []
        if choose.random() < 0.3:
            entries.append(("onefold-purpose", choose.choice(["ads", "service", "nothing", "", "a" * 500])))
        if choose.random() < 0.1:
            more: list[tuple[str, str | bytes]] = [("explain", "1"), ("x-bin", b"\x00\xff"), ("application", "onefold")]
            entries.append(choose.choice(more))
        return tuple(entries)


@dataclass
class Tally:
    """What came back, and what should not have."""

    statuses: dict[str, Counter[str]] = field(default_factory=dict)  # by method
    found: dict[str, list[int]] = field(default_factory=dict)  # what -> numbers of the calls
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, method: str, status: str) -> None:
        with self.lock:
            self.statuses.setdefault(method, Counter())[status] += 1

    def find(self, what: str, number: int) -> None:
        with self.lock:
            self.found.setdefault(what, []).append(number)


def methods() -> list[MethodDescriptor]:
    """Every method of the contract."""
    services = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def call(channel: grpc.Channel, key: str, run_seed: int, number: int, tally: Tally) -> None:
    """Makes call `number` of the run with that seed."""
    maker = Maker(run_seed * 1_000_003 + number)
    method = maker.choose.choice(methods())
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = maker.metadata(key)
    if method.client_streaming:
        requests = [maker.data(method.input_type) for _ in range(maker.choose.randrange(4))]
    else:
        requests = [maker.data(method.input_type)]
    cancels = maker.choose.random() < 0.05
    streams = method.server_streaming
    began_s = time.monotonic()
    status = "OK"
    try:
        reply = _start(channel, method, path, requests, metadata, _STREAM_S if streams else HANG_S)
        if cancels:
            reply.cancel()
        if streams:
            for _ in itertools.islice(reply, _STREAM_READS_MAX):
                pass
            reply.cancel()
        else:
            GetMessageClass(method.output_type).FromString(reply.result())
    except grpc.FutureCancelledError:
        status = "CANCELLED"
    except grpc.RpcError as error:
        code = error.code()
        status = code.name
        dropped = streams and code is grpc.StatusCode.DEADLINE_EXCEEDED
        if code in WRONG and not dropped:
            tally.find(f"{path} answered {code.name}: {_shortened(error.details())}", number)
    if time.monotonic() - began_s > HANG_S:
        tally.find(f"{path} took more than {HANG_S:g} s", number)
    tally.add(path, status)


def _start(
    channel: grpc.Channel,
    method: MethodDescriptor,
    path: str,
    requests: list[bytes],
    metadata: tuple[tuple[str, str | bytes], ...],
    timeout_s: float,
) -> Any:
    if method.client_streaming:
        return channel.stream_unary(path, None, None).future(iter(requests), metadata=metadata, timeout=timeout_s)
    if method.server_streaming:
        return channel.unary_stream(path, None, None)(requests[0], metadata=metadata, timeout=timeout_s)
    return channel.unary_unary(path, None, None).future(requests[0], metadata=metadata, timeout=timeout_s)


def _shortened(details: str | None) -> str:
    return (details or "")[:200]


def fuzz(where: Place, seconds: float, run_seed: int, only: int | None = None) -> list[str]:
    """Calls for so long, several at once. Returns what was found."""
    tally, numbers = Tally(), _numbers(only)
    deadline = time.monotonic() + seconds
    with Watch(where) as watch, where.client() as client, grpc.insecure_channel(where.grpc_target) as channel:

        def work() -> None:
            for number in numbers:
                if time.monotonic() > deadline:
                    return
                call(channel, where.key, run_seed, number, tally)
                if number and number % _RESEED_EVERY == 0:
                    with suppress(ApiError):  # another caller may delete a segment just now
                        seed(client)

        _together(work)
    calls = sum(sum(statuses.values()) for statuses in tally.statuses.values())
    print(f"{calls:,} calls, seed {run_seed}")
    for path, statuses in sorted(tally.statuses.items()):
        print("   ", path, *(f"{name} {count}" for name, count in statuses.most_common()))
    found = [f"{what} ({len(made)} times; --seed {run_seed} --only {made[0]})" for what, made in tally.found.items()]
    if only is None and (left := {_path(method) for method in methods()} - tally.statuses.keys()):
        found.append(f"never called: {', '.join(sorted(left))}")
    return found + watch.findings()


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _numbers(only: int | None) -> Iterator[int]:
    """Numbers of calls, safe to share between threads."""
    return iter([only]) if only is not None else itertools.count()


def _together(work: Callable[[], None]) -> None:
    """Does the work in several threads. Raises what one of them raises."""
    with ThreadPoolExecutor(_CALLERS) as pool:
        for caller in [pool.submit(work) for _ in range(_CALLERS)]:
            caller.result()


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes the gRPC API of a service of its own.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="number of the one call to make")
    given = parser.parse_args()
    with place() as where:
        return report(fuzz(where, given.minutes * 60, given.seed, given.only))


if __name__ == "__main__":
    sys.exit(main())
