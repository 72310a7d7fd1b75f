"""The vector index against a plain search of all vectors, with real LanceDB (which looks for Ray when imported)."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from actors import vector_index
from actors.router import Router
from actors.vector_index import VectorCandidates, VectorIndex, Vectors
from models.identity.record import MatchRecord
from tests.unit.actors.local_matchers import LocalMatchers, matching_settings
from tests.unit.actors.local_shards import LocalShards, identify

DIMENSIONS = 16


def vectors(seed: int, count: int) -> Vectors:
    found = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)
    unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def test_it_finds_what_a_plain_search_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "_GATHERED_MAX", 40)
    monkeypatch.setattr(vector_index, "_COMPACT_WRITES", 4)
    index = VectorIndex(tmp_path / "index", DIMENSIONS)
    rng = np.random.default_rng(7)
    truth: dict[int, Vectors] = {}
    for step in range(60):
        ids = [int(i) for i in rng.choice(400, size=12, replace=False)]
        if step % 3 == 2:
            index.delete(ids)
            for customer_id in ids:
                truth.pop(customer_id, None)
        else:
            fresh = vectors(step, len(ids))
            index.upsert(ids, fresh)
            truth.update(zip(ids, fresh, strict=True))
        assert len(index) == len(truth)
        (query,) = vectors(1000 + step, 1)
        expected = sorted(((float(v @ query), c) for c, v in truth.items()), reverse=True)[:5]
        found = index.nearest(query, 5)
        assert [c for c, _ in found] == [c for _, c in expected]
        assert [s for _, s in found] == pytest.approx([s for s, _ in expected], abs=1e-5)
    assert index.versions <= 3 * 4


def test_an_indexed_table_finds_the_same_vector_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "_GATHERED_MAX", 200)
    monkeypatch.setattr(vector_index, "_COMPACT_WRITES", 2)
    index = VectorIndex(tmp_path / "index", DIMENSIONS, index_rows=300)
    known = vectors(1, 900)
    index.upsert(range(1, 901), known)
    for start in range(0, 900, 100):
        index.upsert(range(start + 1, start + 101), known[start : start + 100])
        index.flush()
    for number in (0, 450, 899):
        assert index.nearest(known[number], 1)[0][0] == number + 1


def test_a_start_is_from_nothing_and_zeros_are_near_to_nobody(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", DIMENSIONS)
    index.upsert([1], vectors(1, 1))
    index.flush()
    again = VectorIndex(tmp_path / "index", DIMENSIONS)
    assert len(again) == 0
    assert again.nearest(vectors(1, 1)[0], 3) == []
    again.upsert([1, 2], np.zeros((2, DIMENSIONS), np.float32))
    assert again.nearest(np.zeros(DIMENSIONS, np.float32), 3) == []


def letters(texts: Sequence[str]) -> Vectors:
    """A tiny embedding: counts of letters."""
    counts = [[text.count(chr(ord("a") + n)) for n in range(26)] for text in texts]
    return np.array(counts, np.float32)


def test_records_near_in_text_are_candidates(tmp_path: Path) -> None:
    candidates = VectorCandidates(
        VectorIndex(tmp_path / "index", 26), lambda r: r.values["full_name"][0], letters, similarity_min=0.9
    )
    names = {1: "katherine", 2: "catherine", 3: "bob"}
    records = [MatchRecord(str(c), {"full_name": (name,)}) for c, name in names.items()]
    candidates.put(list(names), records)
    assert set(candidates.near(records[0])) == {1, 2}
    candidates.drop([2])
    assert candidates.near(records[0]) == [1]


def test_a_matcher_compares_what_is_near_though_no_key_is_shared(tmp_path: Path) -> None:
    names = VectorIndex(tmp_path / "vectors", 26)
    near = VectorCandidates(names, lambda r: r.values["given_name"][0].lower(), letters, similarity_min=0.9)

    async def scenario() -> int:
        shards = LocalShards(tmp_path / "data", 1, matching_settings(1))
        matchers = LocalMatchers(shards, 1, vectors=near)
        shards.start_all()
        matchers.start_all()
        router = Router(1, tmp_path / "data", shards, timeout_s=5, matchers=matchers)
        for key, name in (("crm_id:1", "Katherine"), ("crm_id:2", "Catherine"), ("crm_id:3", "Bob")):
            event = identify(key, key, firstName=name, lastName="Lees", postcode="N1 9GU")
            await router.ingest([event], wait=True)
        while sum(status.pending_matches for status in await router.status()):
            await asyncio.sleep(0.01)
        found = await router.profiles(["crm_id:1", "crm_id:2", "crm_id:3"])
        await matchers.stop_all()
        await shards.stop_all()
        assert not shards.deaths
        return len({profile.customer_id for profile in found if profile is not None})

    assert asyncio.run(scenario()) == 2
    assert len(names) == 2
