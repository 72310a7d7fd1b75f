"""Incremental = batch: whatever comes, changes and goes, in whatever order, people are those of bulk resolution."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.identity import blocking
from models.identity.blocking import Key
from models.identity.evaluation import evaluate
from models.identity.incremental import IncrementalResolver
from models.identity.matcher import Matcher
from models.identity.model import MatchModel
from models.identity.nicknames import NicknameTable
from models.identity.record import MatchRecord
from tests.strategies.people import households
from tests.strategies.resolving import in_bulk, learned, partition

NICKNAMES = NicknameTable.shipped()
RECORDS = households(11, 60)[0]
MODEL = learned(RECORDS, NICKNAMES)
# Few people with many records, so that blocks fill; several e-mail addresses, some of which are others' too; a name
# from birth beside that of now; and records that say so little that two of them are not one person.
EMAILS = sorted({record.values["email"][0] for record in RECORDS if "email" in record.values})
POOL = [
    *RECORDS[:25],
    *(
        MatchRecord("", {**record.values, "email": (EMAILS[n % 5], *record.values.get("email", ()), EMAILS[n % 3])})
        for n, record in enumerate(RECORDS[:10])
    ),
    *(
        MatchRecord("", {**record.values, "family_name": (*record.values["family_name"], "zarpelmon")})
        for record in RECORDS[:5]
    ),
    *(MatchRecord("", {"given_name": ("anna",)}), MatchRecord("", {"city": ("badernton",)}), MatchRecord("", {})) * 2,
]
FEW_KEYS = [("birth_date",), ("email",), ("family_name~", "given_name[:1]")]


def model_with(block_max: int, keys: list[Key] | None = None) -> MatchModel:
    settings = msgspec.structs.replace(MODEL.blocking, block_max=block_max)
    return msgspec.structs.replace(MODEL, blocking=settings, keys=keys or MODEL.keys)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, MatchRecord]]:
    """Changes that are possible one after the other."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    there: list[str] = []
    changes = []
    for _ in range(draw(st.integers(1, 60))):
        values = rng.choice(POOL).values
        kind = rng.choice(("add", "add", "add", "remove", "replace")) if there else "add"
        record_id = f"r{rng.randrange(10**6):06d}" if kind == "add" else rng.choice(there)
        if kind == "add" and record_id not in there:
            there.append(record_id)
        elif kind == "add":
            continue
        elif kind == "remove":
            there.remove(record_id)
        changes.append((kind, MatchRecord(record_id, values)))
    return changes


def applied(resolver: IncrementalResolver, there: dict[str, MatchRecord], kind: str, record: MatchRecord) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "add": lambda: resolver.add(record),
        "remove": lambda: resolver.remove(record.record_id),
        "replace": lambda: resolver.replace(record),
    }
    calls[kind]()
    if kind == "remove":
        del there[record.record_id]
    else:
        there[record.record_id] = record


@pytest.mark.parametrize(
    ("all_pairs_max", "block_max", "keys"),
    [(1_500, 250, None), (0, 250, None), (0, 3, FEW_KEYS), (12, 4, FEW_KEYS)],
    ids=["all pairs", "keys", "few keys with small blocks", "from all pairs to keys and back"],
)
def test_any_history_ends_where_bulk_resolution_begins(
    all_pairs_max: int, block_max: int, keys: list[Key] | None
) -> None:
    model = model_with(block_max, keys)

    @given(history=histories(), loaded=st.integers(0, 40))
    @settings(max_examples=40)
    def check(history: list[tuple[str, MatchRecord]], loaded: int) -> None:
        resolver = IncrementalResolver(Matcher(model, NICKNAMES))
        there = {record.record_id: record for record in RECORDS[:loaded]}
        resolver.load(list(there.values()))
        for kind, record in history:
            applied(resolver, there, kind, MatchRecord(f"x{record.record_id}", record.values))
        assert len(resolver) == len(there)
        assert partition(resolver.entities()) == (in_bulk(there.values(), model, NICKNAMES) if there else set())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "ALL_PAIRS_MAX", all_pairs_max)
        check()


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_arrival_does_not_matter(rng: random.Random) -> None:
    some = rng.sample(RECORDS, 60)
    partitions = []
    for _ in range(2):
        resolver = IncrementalResolver(Matcher(MODEL, NICKNAMES))
        for record in some:
            resolver.add(record)
        partitions.append(np.array([resolver.entity_of(record.record_id) for record in sorted(some, key=repr)]))
        rng.shuffle(some)
    assert evaluate(*partitions).adjusted_rand == 1


@given(st.data())
@settings(max_examples=10)
def test_what_is_added_and_removed_leaves_no_trace(data: st.DataObject) -> None:
    resolver = IncrementalResolver(Matcher(MODEL, NICKNAMES))
    resolver.load(RECORDS[:80])
    before = partition(resolver.entities())
    more = data.draw(st.lists(st.sampled_from(RECORDS[80:]), unique_by=lambda record: record.record_id, max_size=20))
    for record in more:
        resolver.add(record)
    for record in data.draw(st.permutations(more)):
        resolver.remove(record.record_id)
    assert partition(resolver.entities()) == before


@given(histories())
@settings(max_examples=25)
def test_a_change_tells_what_became_of_every_entity(history: list[tuple[str, MatchRecord]]) -> None:
    resolver = IncrementalResolver(Matcher(MODEL, NICKNAMES))
    there: dict[str, MatchRecord] = {}
    for kind, record in history:
        before = {entity: tuple(records) for entity, records in resolver.entities().items()}
        applied(resolver, there, kind, record)
        after = {entity: tuple(records) for entity, records in resolver.entities().items()}
        ledger = resolver.ledger
        for entity in before.keys() - after.keys():
            assert ledger.current(entity) is None or ledger.current(entity) in after
        assert all(target is None or target in after for target in ledger.redirects.values())
        assert not ledger.redirects.keys() & after.keys()


@given(histories())
@settings(max_examples=40)
def test_components_beyond_the_bound_still_have_every_record_once(history: list[tuple[str, MatchRecord]]) -> None:
    resolver = IncrementalResolver(Matcher(MODEL, NICKNAMES), component_max=2)
    there: dict[str, MatchRecord] = {}
    for kind, record in history:
        applied(resolver, there, kind, record)
        records = [record_id for entity in resolver.entities().values() for record_id in entity]
        assert sorted(records) == sorted(there)
