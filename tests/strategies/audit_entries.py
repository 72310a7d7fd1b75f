"""Records of the audit log, and everything that can be done to one entry of it behind its back."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from models.audit.chain import Entry, Linked, Record

customer_ids = st.integers(1, (1 << 63) - 1)

records = st.builds(
    Record,
    at=st.integers(0, 1 << 45),
    actor=st.sampled_from(["", "key_1", "key_2", "cli:root"]),
    action=st.sampled_from(["GET /v1/profiles/{key}", "/onefold.v1.ProfileService/Get", "onefold keys create"]),
    outcome=st.sampled_from(["200", "404", "OK", "done"]),
    subjects=st.lists(customer_ids, max_size=4).map(tuple),
    detail=st.dictionaries(
        st.sampled_from(["kind", "requests", "segment_id"]), st.text(max_size=3) | st.integers(0, 9)
    ),
)


@st.composite
def edits(draw: st.DrawFn, entry: Entry) -> Entry:
    """The entry with one of its fields changed."""
    field = draw(st.sampled_from(["number", "at", "actor", "action", "outcome", "subjects", "detail"]))
    before = getattr(entry, field)
    after: Any
    if field == "subjects":
        after = draw(st.lists(customer_ids, max_size=4).map(tuple))
    elif field == "detail":
        after = draw(st.dictionaries(st.text(max_size=3), st.integers(0, 9)))
    else:
        after = draw(st.integers(0, 1 << 45) if isinstance(before, int) else st.text(max_size=5))
    return msgspec.structs.replace(entry, **{field: after}) if after != before else draw(edits(entry))


@st.composite
def tampered(draw: st.DrawFn, log: Sequence[Linked]) -> tuple[list[Linked], int]:
    """The log after one thing was done to it, and the number of the first entry that is not what it was."""
    kind = draw(st.sampled_from(["edit", "hash", "remove", "insert", "swap", "cut"]))
    at = draw(st.integers(0, len(log) - 1))
    changed = list(log)
    if kind == "edit":
        changed[at] = Linked(draw(edits(log[at].entry)), log[at].hash)
    elif kind == "hash":
        other = bytearray(log[at].hash)
        other[draw(st.integers(0, 31))] ^= draw(st.integers(1, 255))
        changed[at] = Linked(log[at].entry, bytes(other))
    elif kind == "remove":
        del changed[at]
    elif kind == "insert":
        changed.insert(at, Linked(draw(edits(log[at].entry)), draw(st.binary(min_size=32, max_size=32))))
    elif kind == "swap":
        other_at = draw(st.integers(0, len(log) - 1).filter(lambda place: place != at)) if len(log) > 1 else at
        if other_at == at:
            return changed[:-1], len(log)
        changed[at], changed[other_at] = log[other_at], log[at]
        at = min(at, other_at)
    else:
        del changed[at:]
    return changed, at + 1
