"""Whatever is done to a log behind its back is found, and where."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.audit.chain import GENESIS, Linked, Point, Record, extend, verify
from models.audit.head import Head, decode_head, encode_head, settle
from tests.strategies.audit_entries import edits, records, tampered

KEY = b"k" * 32
batches = st.lists(st.lists(records, min_size=1, max_size=4), min_size=1, max_size=4)


def end_of(log: Sequence[Linked]) -> Point:
    return Point(log[-1].entry.number, log[-1].hash) if log else GENESIS


@given(batches)
def test_batches_make_one_chain(written: list[list[Record]]) -> None:
    log: list[Linked] = []
    for batch in written:
        log += extend(end_of(log), batch)
    assert verify(log, end_of(log)) is None
    assert log == extend(GENESIS, [record for batch in written for record in batch])


@given(st.data())
def test_any_one_tampering_is_found_where_it_is(data: st.DataObject) -> None:
    log = extend(GENESIS, data.draw(st.lists(records, min_size=1, max_size=8)))
    changed, number = data.draw(tampered(log))
    assert verify(changed, end_of(log)) == number


@given(st.data())
def test_a_chain_made_anew_from_an_edit_on_is_found(data: st.DataObject) -> None:
    """Whoever edits an entry and every hash from there on has no signed head that fits."""
    log = extend(GENESIS, data.draw(st.lists(records, min_size=1, max_size=8)))
    at = data.draw(st.integers(0, len(log) - 1))
    entry = data.draw(edits(log[at].entry))
    rest = [Record(*msgspec.structs.astuple(each)[1:]) for each in (entry, *(it.entry for it in log[at + 1 :]))]
    changed = log[:at] + extend(end_of(log[:at]), rest)
    if changed != log:  # an edited number is given anew
        assert verify(changed, end_of(log)) == len(log)


@given(st.data())
def test_a_log_that_ends_elsewhere_than_its_head_says_is_found(data: st.DataObject) -> None:
    """Whatever prefix is left, with whatever appended to it: only the two ends that the head names are taken."""
    log = extend(GENESIS, data.draw(st.lists(records, min_size=2, max_size=8)))
    confirmed, announced = sorted((data.draw(st.integers(0, len(log))), data.draw(st.integers(0, len(log)))))
    head = Head(end_of(log[:confirmed])).announce(end_of(log[:announced]))
    kept = data.draw(st.integers(0, len(log)))
    settled = settle(decode_head(encode_head(head, KEY), KEY), end_of(log[:kept]))
    if kept in (confirmed, announced):
        assert (settled.broken, settled.last) == (0, end_of(log[:kept]))
    else:
        assert settled.broken == min(kept, confirmed) + 1
        # What is written then does not hide it.
        more = extend(settled.last, [data.draw(records)])
        after = settle(settled.announce(end_of(more)), end_of(more))
        assert after.broken == settled.broken


@given(st.binary(max_size=400), st.integers(0, 300), st.integers(1, 255))
def test_a_head_that_was_not_signed_with_the_key_is_none(data: bytes, place: int, flip: int) -> None:
    assert decode_head(data, KEY) is None
    signed = bytearray(encode_head(Head(Point(3, bytes(range(32)))), KEY))
    assert decode_head(bytes(signed), b"other") is None
    signed[place % (len(signed) - 1)] ^= flip
    assert decode_head(bytes(signed), KEY) is None
