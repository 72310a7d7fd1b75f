"""What a re-resolution that was killed leaves of people's data goes with the next erasure; what is at work stays."""

import asyncio
from pathlib import Path

import pytest

from actors.privacy_desk import Finished
from models.privacy.requests import SubjectRequest
from pipelines.reresolve_store import RECORDS, PlanStore, drop_left_records, plan_directory
from serve.erasure_proof import ErasureProof


def left_behind(data_dir: Path, plan_id: str, stage: str) -> PlanStore:
    """A plan that was killed at a stage; with one slice read, and one group planned."""
    directory = plan_directory(data_dir, plan_id)
    store = PlanStore.create(directory)
    store.put_fact("stage", stage)
    store.put_slice(0, 0, 17, 100)
    store.put_groups([(1, b"x")])
    for name in RECORDS:
        (directory / name).mkdir()
        (directory / name / "000.parquet").write_bytes(b"Jane, 1984-05-17")
    (directory / "groups.parquet").write_bytes(b"Jane")
    return store


def holds_people(data_dir: Path) -> bool:
    return any(b"Jane" in path.read_bytes() for path in data_dir.rglob("*.parquet"))


@pytest.mark.parametrize(("stage", "then"), [("partition", "extract"), ("divide", "extract"), ("ready", "ready")])
def test_what_a_killed_plan_has_of_people_goes(tmp_path: Path, stage: str, then: str) -> None:
    store = left_behind(tmp_path, "p-1", stage)
    assert drop_left_records(tmp_path)
    assert not holds_people(tmp_path)
    begins_anew = then == "extract"
    assert (store.fact("stage"), store.extracted(), store.counts()) == (
        (then, 0, {}) if begins_anew else (then, 100, {"planned": 1})
    )
    store.close()


def test_no_erasure_is_certified_while_a_plan_has_records(tmp_path: Path) -> None:
    store = left_behind(tmp_path, "p-1", "partition")
    request = SubjectRequest(
        request_id="r1",
        kind="erasure",
        regulation="gdpr",
        submitted_at=1,
        received_at=1,
        due_at=1,
        identities=[],
        identifiers=["user_id:jane-17"],
    )
    proof = ErasureProof(tmp_path, (), b"k" * 32)
    with store.claim():
        waits = asyncio.run(proof.certify([Finished(request, 1)], None))["r1"]
        assert not waits.certificate and "re-resolution" in waits.obstacle
        assert holds_people(tmp_path)
    assert asyncio.run(proof.certify([Finished(request, 1)], None))["r1"].certificate
    assert not holds_people(tmp_path)
    store.close()
