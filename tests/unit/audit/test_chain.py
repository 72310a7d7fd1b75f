"""The chain of the audit log: its encoding is fixed for ever, and every tampering has a number."""

import hashlib

import pytest

from models.audit.chain import GENESIS, Entry, Linked, Point, Record, canonical, extend, link, verify

RECORDS = [
    Record(1_000 + number, "key_1", "GET /v1/profiles/{key}", "200", (7, number), {"requests": 1, "kind": "read"})
    for number in range(5)
]
LOG = extend(GENESIS, RECORDS)
END = Point(5, LOG[-1].hash)


def test_the_encoding_is_the_documented_one() -> None:
    """Logs are checked by other programs too: this never changes."""
    expected = b'[1,1000,"key_1","GET /v1/profiles/{key}","200",[7,0],{"kind":"read","requests":1}]'
    assert canonical(LOG[0].entry) == expected
    assert LOG[0].hash == hashlib.sha256(bytes(32) + expected).digest()
    assert LOG[1].hash == hashlib.sha256(LOG[0].hash + canonical(LOG[1].entry)).digest()


def test_an_untouched_log_is_whole() -> None:
    assert verify(LOG, END) is None
    assert verify([], GENESIS) is None


@pytest.mark.parametrize(
    ("log", "broken"),
    [
        ([*LOG[:2], Linked(Entry(3, *RECORDS[0]), LOG[2].hash), *LOG[3:]], 3),  # edited
        ([*LOG[:2], *LOG[3:]], 3),  # removed
        ([*LOG[:2], LOG[1], *LOG[2:]], 3),  # inserted
        ([LOG[0], LOG[2], LOG[1], *LOG[3:]], 2),  # moved
        (LOG[:3], 4),  # cut off
        (LOG[1:], 1),  # the first one removed
        ([], 1),
        ([*LOG, *extend(END, RECORDS[:1])], 6),  # added behind the head
        (extend(GENESIS, [*RECORDS[:4], RECORDS[0]]), 5),  # made anew to its end
    ],
)
def test_tampering_has_a_number(log: list[Linked], broken: int) -> None:
    assert verify(log, END) == broken


def test_an_entry_with_a_hash_of_its_own_breaks_the_next() -> None:
    forged = Entry(2, *RECORDS[0])
    assert verify([LOG[0], Linked(forged, link(LOG[0].hash, forged)), *LOG[2:]], END) == 3
