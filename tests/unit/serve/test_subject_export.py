"""What a person is given who asks for what is known of them: all of theirs, and nothing of whom they resemble."""

import zipfile
from pathlib import Path
from typing import Any

import msgspec

from actors.privacy_calls import PrivacyCalls
from actors.privacy_store import PrivacyStore
from actors.router import Router
from actors.shard_calls import ShardCalls
from models.identity.evidence import Explanation, FieldEvidence
from models.privacy.requests import SubjectRequest
from models.profile.lifecycle import LifecycleRules
from models.shard.protocol import Finding, Pairing, Review
from serve.subject_export import FOLDER, SubjectExport
from tests.unit.actors.local_shards import NOW, LocalShards, identify, run_scenario

SECRET = "1984-05-17"  # of the one whom she resembles
EVIDENCE = Explanation(
    method="probabilistic",
    model_version="m1",
    prior=-10.0,
    fields=(FieldEvidence(field="birth_date", level="exact", weight=9.0, left=SECRET, right=SECRET),),
    score=-1.0,
    confidence=0.7,
)


def export_of(router: Router, local: LocalShards) -> SubjectExport:
    reach = ShardCalls(local.count, local)
    calls = PrivacyCalls(router, reach, None, reach)
    return SubjectExport(
        calls, local.data_dir, lambda _, value: value, LifecycleRules(), dict, lambda _: (), lambda *_: {}
    )


async def exported(router: Router, local: LocalShards, key: str) -> dict[str, Any]:
    export = export_of(router, local)
    name, records = await export.write(_request(), [key], NOW)
    assert records > 0
    with zipfile.ZipFile(local.data_dir / FOLDER / name) as archive:
        whole = b"".join(archive.read(each) for each in archive.namelist())
        (person,) = msgspec.json.decode(archive.read("data.json"))["people"]
    assert b"other-9" not in whole and SECRET.encode() not in whole
    found: dict[str, Any] = person
    return found


def _request() -> SubjectRequest:
    return SubjectRequest(
        request_id="6f9d0ab5-0000-4000-8000-000000000001",
        kind="access",
        regulation="gdpr",
        submitted_at=NOW,
        received_at=NOW,
        due_at=NOW,
        identities=[],
    )


def test_nothing_of_whom_a_person_resembles_or_was_taken_for_is_theirs_to_have(tmp_path: Path) -> None:
    async def scenario(router: Router, local: LocalShards) -> None:
        events = [
            identify("m1", "user_id:jane", name="Jane"),
            identify("m2", "user_id:other-9", born=SECRET),
            identify("m3", "user_id:twin", born=SECRET),
        ]
        jane, other, twin = [each.customer_id for each in (await router.ingest(events, wait=True)).results]
        shard = local.running[0]
        paired = await shard.pair(Pairing(jane, other, "operator", "desk", explicit=True, evidence=EVIDENCE))
        (merge,) = await router.merges("user_id:jane")
        assert merge.evidence == EVIDENCE and paired.merge_id == merge.merge_id
        await router.unmerge(merge.merge_id, NOW)
        review = Review(
            review_id="r1",
            left=jane,
            right=twin,
            at=NOW,
            reason="confidence",
            confidence=0.7,
            evidence=msgspec.msgpack.encode(EVIDENCE),
        )
        await shard.reviewed([Finding(jane, [twin], [review])])
        told = await exported(router, local, "user_id:jane")
        assert told["profile"]["attributes"]["name"]["value"] == "Jane"
        for kind in ("reviews", "merges"):
            (entry,) = told[kind]
            (field,) = entry["evidence"]["fields"]
            assert (field["field"], field["weight"]) == ("birth_date", 9.0)

    run_scenario(tmp_path, 1, scenario)


def test_what_an_export_that_was_cut_short_has_written_goes(tmp_path: Path) -> None:
    async def scenario(router: Router, local: LocalShards) -> None:
        await router.ingest([identify("m1", "user_id:jane", name="Jane")], wait=True)
        export = export_of(router, local)
        export.keep_only(())  # before there is any
        store = PrivacyStore(tmp_path / "privacy.sqlite", b"k" * 32)
        names = [(await export.write(_request(), ["user_id:jane"], NOW))[0] for _ in range(2)]
        (tmp_path / FOLDER / "half.zip.new").write_bytes(b"Jane")
        store.add(msgspec.structs.replace(_request(), state="completed", results=names[0]))
        export.keep_only(store.results())
        store.close()
        assert [path.name for path in (tmp_path / FOLDER).iterdir()] == names[:1]

    run_scenario(tmp_path, 1, scenario)
