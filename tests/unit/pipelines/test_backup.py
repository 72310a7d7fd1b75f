"""Backups of real shards in one process: what is restored is what was there, without those who were erased since."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.backup_keys import FILE, BackupKeys
from actors.control import ControlStore
from actors.errors import Conflict, Invalid, NotFound, Unavailable
from actors.refusal_journal import RefusalJournal
from actors.router import Router
from models.backup.manifest import Manifest
from models.backup.owners import SHARD
from models.events.event import decode_event
from models.identity.identifiers import IdentifierNormaliser
from models.privacy.signed_document import InvalidDocument
from models.privacy.suppression import FOREVER, fingerprint
from models.profile.state import Profile, encode_profile
from models.shard.commands import Erasure
from models.shard.machine import SMALL_TABLES
from models.shard.protocol import DeadLetter
from pipelines import backup_cut, backup_restore
from pipelines.backup_create import RULES, create
from pipelines.backup_read import opened, verified
from tests.unit.actors.local_shards import NOW, LocalShards, identify, settings, track

SHARDS = 2
KEY = b"k" * 32
SETTINGS = msgspec.structs.replace(settings(), suppression_key=KEY)
Scenario = Callable[["Place"], Awaitable[None]]


class Place:
    """A data directory with shards that run, its keys, and what is made of it."""

    def __init__(self, path: Path) -> None:
        self.data_dir = path / "data"
        self.data_dir.mkdir()
        self.backup, self.new, self.copy = path / "backup", path / "new", path / "keys-copy.sqlite"
        (self.data_dir / "suppression.key").write_text(KEY.hex() + "\n")
        ControlStore(self.data_dir / "control.sqlite", create=True).close()
        self.shards = LocalShards(self.data_dir, SHARDS, SETTINGS)
        self.router = Router(SHARDS, self.data_dir, self.shards, timeout_s=5)
        self.keys = BackupKeys(self.data_dir / FILE, self.copy)

    def create(self) -> Manifest:
        return create(self.data_dir, self.backup, SHARDS, self.keys, SETTINGS.policy, SETTINGS.purposes)

    async def erase(self, key: str) -> None:
        """As the desk does."""
        profile = await self.router.profile(key)
        assert profile is not None
        home = profile.customer_id >> 11 & 1023
        erased = await self.shards.running[home].erase(Erasure(key, profile.customer_id, FOREVER))
        fingerprints = {fingerprint(identifier, KEY): FOREVER for identifier in profile.identifiers}
        self.keys.destroy([f"p:{each}" for each in erased.people], fingerprints)

    def journal(self) -> int:
        with closing(RefusalJournal(self.data_dir, SHARDS, self.keys, SETTINGS.policy, SETTINGS.purposes)) as journal:
            return journal.catch_up()

    def restore(self, keys: Path | None = None) -> backup_restore.Restored:
        with closing(BackupKeys(keys or self.copy, create=False)) as found:
            return backup_restore.restore(self.backup, self.new, found, normaliser)

    async def restored(self, *identifiers: str) -> list[Profile | None]:
        """Profiles as shards on the new directory serve them."""
        shards = LocalShards(self.new, SHARDS, SETTINGS)
        shards.start_all()
        try:
            router = Router(SHARDS, self.new, shards, timeout_s=5)
            return [await router.profile(identifier) for identifier in identifiers]
        finally:
            await shards.stop_all()
            assert not shards.deaths


def normaliser(data_dir: Path) -> IdentifierNormaliser:
    return IdentifierNormaliser(SETTINGS.identity)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    def runner(scenario: Scenario) -> None:
        async def main() -> None:
            place = Place(tmp_path)
            place.shards.start_all()
            try:
                await scenario(place)
            finally:
                place.keys.close()
                await place.shards.stop_all()
            assert not place.shards.deaths

        asyncio.run(main())

    return runner


async def plant(place: Place, people: int) -> None:
    """Each with two profiles that become one, a letter, and some events."""
    for n in range(people):
        for event in (
            identify(f"a{n}", f"user_id:u{n}", name=f"canary-{n}."),
            track(f"b{n}", f"anonymous_id:d{n}", text=f"canary-{n}."),
            identify(f"c{n}", f"user_id:u{n}", f"anonymous_id:d{n}", email_opt_in=True),
        ):
            await place.router.ingest([event], wait=True)
    body = b'{"type":"track","userId":"u%d","text":"canary-%d."}'
    await place.router.reject([DeadLetter(f"l{n}", NOW, "web", "track", [], body % (n, n)) for n in range(people)])


def rows(data_dir: Path) -> dict[str, set[tuple[Any, ...]]]:
    """All rows of all shards, but those of messages that have arrived."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for path in sorted((data_dir / "shards").glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[f"{path.name}:{table}"] = (
                    set() if table == "outbox" else set(db.execute(f"SELECT * FROM {table}"))
                )
    return found


def comparable(found: dict[str, set[tuple[Any, ...]]]) -> dict[str, set[tuple[Any, ...]]]:
    """Without digests of messages, counters, and what an erasure leaves of its own work."""
    own = ("erased", "pending")
    return {
        name: {row for row in of_table if row[0] not in own}
        for name, of_table in found.items()
        if not name.endswith((":dedupe", ":meta", ":channels"))
    }


def test_files_of_models_are_restored_and_those_of_none_are_left_out(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        folder = place.data_dir / "models"
        for path in ("churn/1/model.onnx", "churn/2/pyfunc/code/step.py", ".incoming-1/2/half"):
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_bytes(path.encode())
        place.create()
        place.restore()
        found = {path.relative_to(place.new): path for path in (place.new / "models").rglob("*") if path.is_file()}
        expected = ["models/churn/1/model.onnx", "models/churn/2/pyfunc/code/step.py"]
        assert sorted(map(str, found)) == expected
        assert all(path.read_bytes() == str(name).removeprefix("models/").encode() for name, path in found.items())

    run(scenario)


def test_a_restore_without_erasures_is_the_same_rows(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 12)
        manifest = await asyncio.to_thread(place.create)
        assert manifest.people == 12
        restored = place.restore()
        assert (restored.people, restored.people_left_out, restored.letters_left_out) == (12, 0, 0)
        before, after = rows(place.data_dir), rows(place.new)
        assert sum(map(len, before.values())) > 100
        assert after == before

    run(scenario)


def test_an_erased_person_is_in_no_byte_that_remaining_keys_open(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 8)
        manifest = await asyncio.to_thread(place.create)
        decoded = plain_of(place, manifest)
        assert all(f"canary-{n}." in decoded for n in range(8)), "a search that would find nothing"
        await place.erase("user_id:u3")
        place.keys.destroy(["l:l3"], {})
        assert "canary-3." not in plain_of(place, manifest)
        assert not any(b"canary" in path.read_bytes() for path in place.backup.iterdir())
        restored = place.restore()
        assert (restored.people, restored.people_left_out, restored.letters_left_out) == (7, 2, 1)
        found = [path.name for path in place.new.rglob("*") if path.is_file() and b"canary-3." in path.read_bytes()]
        assert found == []
        await place.router.delete_dead_letters(["l3"])
        assert comparable(rows(place.new)) == comparable(rows(place.data_dir))
        shards = LocalShards(place.new, SHARDS, SETTINGS)
        shards.start_all()
        try:
            router = Router(SHARDS, place.new, shards, timeout_s=5)
            late = identify("late", "user_id:u3", "email:new@example.com")
            (result,) = (await router.ingest([late], wait=True)).results
            assert result.status == "suppressed"
            for n in (0, 7):
                one, other = await router.profile(f"user_id:u{n}"), await place.router.profile(f"user_id:u{n}")
                assert one is not None and other is not None
                assert encode_profile(one) == encode_profile(other)
        finally:
            await shards.stop_all()

    run(scenario)


def plain_of(place: Place, manifest: Manifest) -> str:
    """All that the keys that stand can open."""
    return "".join(
        "" if each.rows is None else repr([row for row in each.rows if row.table != "profiles"])
        for each in opened(place.backup, manifest, place.keys)
    )


def test_a_letter_that_names_an_erased_person_is_left_out_though_its_key_stands(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 3)
        await asyncio.to_thread(place.create)
        await place.erase("user_id:u1")
        assert place.restore().letters_left_out == 1
        letters = {row[1] for name, found in rows(place.new).items() if name.endswith("letters") for row in found}
        assert letters == {"l0", "l2"}

    run(scenario)


def test_what_others_share_with_somebody_erased_since_comes_back_without_it(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 3)
        shared = track("shared", "user_id:u2", "anonymous_id:d1", text="canary-2.")
        await place.router.ingest([shared], wait=True)
        await place.router.merge("user_id:u1", "user_id:u2", "desk", NOW)
        await place.router.ingest([identify("late", "user_id:u1", "anonymous_id:late1")], wait=True)
        merge = (await place.router.merges("user_id:u2"))[-1]
        await place.router.unmerge(merge.merge_id, NOW)
        await asyncio.to_thread(place.create)
        await place.erase("user_id:u1")
        place.restore()
        files = [path.read_bytes() for path in (place.new / "shards").iterdir()]
        for identifier, is_there in (("d1", False), ("late1", False), ("d2", True)):
            assert any(f"anonymous_id:{identifier}".encode() in file for file in files) == is_there
        events = [row for name, found in rows(place.new).items() if name.endswith(":events") for row in found]
        (kept,) = [decode_event(row[3]) for row in events if decode_event(row[3]).message_id == "shared"]
        assert (kept.identifiers, kept.demoted, kept.properties) == (("user_id:u2",), (), {"text": "canary-2."})

    run(scenario)


def test_what_was_refused_since_holds_and_what_was_granted_since_is_lost(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 3)
        await asyncio.to_thread(place.create)
        later = NOW + 1000
        for event in (
            consents("r0", "user_id:u0", later, ads=False),
            consents("r1", "user_id:new", later, ads=False),
            identify("r2", "user_id:new", "anonymous_id:other", at=later),
            identify("r3", "user_id:u2", at=later, email_opt_in=False),
            consents("r4", "user_id:u1", later, ads=True, sms=True),
        ):
            await place.router.ingest([event], wait=True)
        alias = identify("r5", "user_id:new", "user_id:u1", at=later)  # whoever refused becomes one with somebody
        await place.router.ingest([msgspec.structs.replace(alias, explicit=True)], wait=True)
        assert place.journal() > 0
        assert place.journal() == 0
        place.keys.set_noted_until(later)
        restored = place.restore()
        assert restored.refusals_told == 3
        first, joined, third = await place.restored("user_id:u0", "user_id:u1", "user_id:u2")
        assert first is not None and joined is not None and third is not None
        assert first.consents["ads"].value is False
        assert joined.consents["ads"].value is False
        assert "sms" not in joined.consents
        assert third.preferences["email_opt_in"].value is False
        assert first.preferences["email_opt_in"].value is True

    run(scenario)


def consents(message_id: str, identifier: str, at: int, **answers: bool) -> Any:
    told = identify(message_id, identifier, at=at)
    return msgspec.structs.replace(told, context={"consent": {"categoryPreferences": answers}})


def test_a_journal_goes_on_where_events_are_erased_meanwhile(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.refusal_journal.PAGE", 1)

    async def scenario(place: Place) -> None:
        await plant(place, 1)
        await asyncio.to_thread(place.create)
        for n in range(3):
            await place.router.ingest([identify(f"n{n}", "user_id:late", at=NOW + n)], wait=True)
        loop, note = asyncio.get_running_loop(), place.keys.note

        def erasing(*arguments: Any) -> int:
            if any(place.keys.followed()[shard] < sequence for shard, sequence in arguments[1].items()):
                monkeypatch.setattr(place.keys, "note", note)
                asyncio.run_coroutine_threadsafe(place.erase("user_id:late"), loop).result(10)
            return note(*arguments)

        monkeypatch.setattr(place.keys, "note", erasing)
        await asyncio.to_thread(place.journal)
        await place.router.ingest([consents("r0", "user_id:u0", NOW + 9, ads=False)], wait=True)
        assert place.journal() > 0

    run(scenario)


def test_a_journal_that_ends_too_early_is_not_gone_on_with(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 1)
        made_at = (await asyncio.to_thread(place.create)).made_at
        backup_restore.check_journal(place.keys, made_at + backup_restore.JOURNAL_MS_MAX)
        with pytest.raises(Conflict, match="--consents-as-of-backup"):
            backup_restore.check_journal(place.keys, made_at + 2 * backup_restore.JOURNAL_MS_MAX)

    run(scenario)


def test_it_is_made_while_events_come_in(run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_cut, "UNHELD_S", 0.05)

    async def scenario(place: Place) -> None:
        stop = asyncio.Event()
        acknowledged: list[str] = []

        async def load(number: int) -> None:
            for n in range(10_000):
                if stop.is_set():
                    break
                name = f"{number}-{n}"
                events = [
                    identify(f"a{name}", f"user_id:{name}"),
                    identify(f"b{name}", f"user_id:{name}", f"email:{name}"),
                ]
                await place.router.ingest(events)
                acknowledged.append(name)

        loads = [asyncio.create_task(load(number)) for number in range(4)]
        await asyncio.sleep(0)
        while len(acknowledged) < 50:
            await asyncio.sleep(0.01)
        before = list(acknowledged)
        manifest = await asyncio.to_thread(place.create)
        stop.set()
        await asyncio.gather(*loads)
        assert manifest.people > len(before) // 2
        place.restore()
        profiles = await place.restored(*[f"email:{name}" for name in before[:50]])
        assert all(profile is not None and len(profile.identifiers) == 2 for profile in profiles)

    run(scenario)


def test_what_does_not_come_to_rest_is_not_backed_up(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_cut, "HELD_S", 0.2)

    async def scenario(place: Place) -> None:
        await plant(place, 1)
        await place.shards.stop_all()
        with closing(sqlite3.connect(place.data_dir / "shards" / "shard-001.sqlite")) as db:
            db.execute("INSERT INTO small VALUES ('unsettled', '99', x'c3')")
            db.commit()
        with pytest.raises(Unavailable, match="in progress"):
            await asyncio.to_thread(place.create)

    run(scenario)


def test_a_backup_that_was_changed_or_cut_short_is_found(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 2)
        manifest = await asyncio.to_thread(place.create)
        signer = place.keys.backup_key(manifest.backup_id).signer
        assert verified(place.backup, signer).chunks == manifest.chunks
        chunk = place.backup / manifest.chunks[0].name
        whole = chunk.read_bytes()
        chunk.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(InvalidDocument, match="rows-00000 is not as it was"):
            verified(place.backup, signer)
        chunk.unlink()
        with pytest.raises(InvalidDocument, match="rows-00000 is missing"):
            place.restore()
        chunk.write_bytes(whole)
        document = place.backup / "manifest.json"
        document.write_bytes(document.read_bytes().replace(b'"people":2', b'"people":1'))
        with pytest.raises(InvalidDocument, match="signature"):
            verified(place.backup, signer)

    run(scenario)


def test_keys_of_another_place_open_nothing(run: Callable[[Scenario], None], tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 1)
        await asyncio.to_thread(place.create)
        other = tmp_path / "other.sqlite"
        BackupKeys(other).close()
        with pytest.raises(NotFound, match="not of this backup"):
            place.restore(other)

    run(scenario)


def test_places_that_cannot_be(run: Callable[[Scenario], None]) -> None:
    async def scenario(place: Place) -> None:
        await plant(place, 1)
        place.backup = place.data_dir / "backup"
        with pytest.raises(Invalid, match="outside"):
            place.create()
        place.backup = place.data_dir.parent / "full"
        place.backup.mkdir()
        (place.backup / "file").touch()
        with pytest.raises(Invalid, match="empty"):
            place.create()

    run(scenario)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[BackupKeys]:
    with closing(BackupKeys(tmp_path / FILE, tmp_path / "copy.sqlite")) as opened_keys:
        yield opened_keys


def test_a_destroyed_key_is_in_neither_file_and_is_not_made_again(keys: BackupKeys, tmp_path: Path) -> None:
    made = keys.make_keys([f"p:{n}" for n in range(2000)])
    keys.mirror()
    files = [tmp_path / FILE, tmp_path / "copy.sqlite"]
    assert all(made["p:7"] in path.read_bytes() for path in files)
    keys.destroy([f"p:{n}" for n in range(0, 2000, 7)], {"f": 5})
    for n in range(2000):
        assert [made[f"p:{n}"] in path.read_bytes() for path in files] == [n % 7 != 0] * 2
    assert set(keys.make_keys(["p:6", "p:7"])) == {"p:6"}
    assert keys.suppressed() == {"f": 5}
    keys.lift(["f"])
    assert keys.suppressed() == {}
    assert keys.destroyed("p") == {f"p:{n}" for n in range(0, 2000, 7)}


def test_a_copy_is_for_its_owner_only_though_it_was_there_before(keys: BackupKeys, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    copy.touch()
    copy.chmod(0o644)
    keys.mirror()
    assert copy.stat().st_mode & 0o777 == 0o600


def test_keys_are_not_destroyed_before_the_copy_can_be_written(tmp_path: Path) -> None:
    with closing(BackupKeys(tmp_path / FILE, tmp_path / "away" / "copy.sqlite")) as keys, pytest.raises(Unavailable):
        keys.destroy(["p:1"], {})


def test_a_copy_that_is_not_where_it_was_is_not_taken_for_a_new_one(keys: BackupKeys, tmp_path: Path) -> None:
    """Its disk may be away, and the keys on it would outlast an erasure."""
    copy, away = tmp_path / "copy.sqlite", tmp_path / "unmounted.sqlite"
    keys.make_keys(["p:1"])
    keys.mirror()
    copy.rename(away)
    with pytest.raises(Unavailable, match="not where it was"):
        keys.destroy(["p:1"], {})
    assert not copy.exists()
    away.rename(copy)
    keys.destroy(["p:1"], {})
    with closing(BackupKeys(copy, create=False)) as copied:
        assert copied.keys(["p:1"]) == {}
    copy.write_bytes(b"")  # lost for good: the operator says so
    keys.mirror()
    with closing(BackupKeys(copy, create=False)) as copied:
        assert copied.destroyed("p") == {"p:1"}


def test_every_table_says_whom_its_rows_concern(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.keys.close()
    with closing(sqlite3.connect(place.data_dir / "shards" / "shard-000.sqlite")) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert set(SHARD) == tables
    from models.backup import owners

    handled = owners._SMALL_IN_PROGRESS | owners._SMALL_OF_NOBODY | {"pending", "reviews", "merges"}
    assert handled == set(SMALL_TABLES)
    assert set(RULES) == {"shard", "deliveries", "privacy", "audit"}
