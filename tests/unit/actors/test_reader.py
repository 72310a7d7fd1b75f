"""Reads from committed files: redirects, tokens, and when the shard has to be asked instead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.reader import CommittedReader, Elsewhere, parse_sequence, shard_path
from actors.schema import connect, create_shards
from models.identity.customer_id import mint, to_text
from models.identity.placement import home_shard
from models.profile.state import Profile, encode_profile

SHARDS = 2
NOW = 1_800_000_000_000


class Files:
    """The shards' files as the store writes them."""

    def __init__(self, data_dir: Path) -> None:
        create_shards(data_dir, SHARDS)
        self.data_dir = data_dir
        self.connections = [connect(shard_path(data_dir, shard), shard, SHARDS) for shard in range(SHARDS)]
        for connection in self.connections:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('settled', 10)")

    def profile(self, shard: int, sequence: int = 1) -> int:
        customer_id = mint(0, NOW + sequence, shard)
        state = encode_profile(Profile(customer_id, NOW, sequence))
        self.connections[shard].execute("INSERT INTO profiles VALUES (?, ?, 0, ?)", (customer_id, sequence, state))
        return customer_id

    def index(self, identifier: str, customer_id: int) -> None:
        home = self.connections[home_shard(identifier, SHARDS)]
        home.execute("INSERT OR REPLACE INTO identifiers VALUES (?, ?)", (identifier, customer_id))

    def redirect(self, shard: int, customer_id: int, target: int) -> None:
        self.connections[shard].execute("INSERT INTO redirects VALUES (?, ?, 0)", (customer_id, target))
        self.connections[shard].execute("DELETE FROM profiles WHERE customer_id = ?", (customer_id,))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    made = Files(tmp_path)
    yield made
    for connection in made.connections:
        connection.close()


@pytest.fixture
def reader(files: Files) -> Iterator[CommittedReader]:
    made = CommittedReader(files.data_dir, SHARDS)
    yield made
    made.close()


def test_a_profile_is_found_by_any_of_its_identifiers_whatever_their_shard(
    files: Files, reader: CommittedReader
) -> None:
    customer_id = files.profile(shard=1, sequence=7)
    for number in range(8):
        files.index(f"user_id:u{number}", customer_id)
        found = reader.read(f"user_id:u{number}")
        assert found is not None and (found.customer_id, found.sequence) == (customer_id, 7)


def test_a_commit_is_seen_by_the_next_read(files: Files, reader: CommittedReader) -> None:
    customer_id = files.profile(shard=0, sequence=1)
    files.index("user_id:ann", customer_id)
    assert reader.get("user_id:ann") == Profile(customer_id, NOW, 1)
    state = encode_profile(Profile(customer_id, NOW, 2))
    files.connections[0].execute("UPDATE profiles SET sequence = 2, state = ?", (state,))
    assert reader.get("user_id:ann") == Profile(customer_id, NOW, 2)


def test_nobody(reader: CommittedReader) -> None:
    assert reader.read("user_id:nobody") is None
    assert reader.get("customer_id:" + to_text(mint(0, NOW, 1))) is None
    assert reader.get("customer_id:" + to_text(mint(0, NOW, SHARDS + 3))) is None


def test_redirects_are_followed_across_shards(files: Files, reader: CommittedReader) -> None:
    first, second, third = files.profile(0, 1), files.profile(1, 2), files.profile(0, 3)
    files.redirect(0, third, second)
    files.redirect(1, second, first)
    files.index("email:a@example.com", third)
    for key in ("email:a@example.com", "customer_id:" + to_text(third), "customer_id:" + to_text(second)):
        found = reader.read(key)
        assert found is not None and found.customer_id == first


def test_a_person_on_the_way_between_shards_is_the_shards_to_answer_for(files: Files, reader: CommittedReader) -> None:
    files.index("user_id:moving", mint(0, NOW, 1))
    with pytest.raises(Elsewhere):
        reader.read("user_id:moving")


@pytest.mark.parametrize(("token", "settled"), [("0:10", True), ("0:10,1:9", True), ("0:11", False), ("1:11", False)])
def test_an_acknowledgements_token(files: Files, reader: CommittedReader, token: str, settled: bool) -> None:
    files.index("user_id:ann", files.profile(0))
    if settled:
        assert reader.read("user_id:ann", token) is not None
    else:
        with pytest.raises(Elsewhere):
            reader.read("user_id:ann", token)


def test_shards_of_other_nodes_are_not_read(files: Files) -> None:
    reader = CommittedReader(files.data_dir, SHARDS, local={0})
    files.index("user_id:ann", files.profile(1))
    with pytest.raises(Elsewhere):
        reader.read("user_id:ann")
    reader.close()


def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(Elsewhere):
        CommittedReader(tmp_path, SHARDS).read("user_id:ann")


def test_a_file_that_cannot_be_read_yet_is_tried_again(files: Files, reader: CommittedReader, tmp_path: Path) -> None:
    shard = home_shard("user_id:ann", SHARDS)
    files.connections[shard].execute("ALTER TABLE identifiers RENAME TO elsewhere")
    with pytest.raises(Elsewhere):
        reader.read("user_id:ann")
    files.connections[shard].execute("ALTER TABLE elsewhere RENAME TO identifiers")
    assert reader.read("user_id:ann") is None


@pytest.mark.parametrize("token", ["x", "0", "0:", ":1", "0:1,", "0:-1", "2000:1", "0:1;1:2", f"0:{1 << 63}"])
def test_malformed_tokens(token: str) -> None:
    with pytest.raises(ValueError, match="min_seq"):
        parse_sequence(token)


def test_tokens() -> None:
    assert parse_sequence("0:5,1:7") == {0: 5, 1: 7}
    assert parse_sequence(f"0:{(1 << 63) - 1}") == {0: (1 << 63) - 1}


def test_malformed_customer_ids(reader: CommittedReader) -> None:
    for key in ("customer_id:cus_x", "customer_id:17", "customer_id:"):
        with pytest.raises(ValueError, match="customer id"):
            reader.read(key)


def test_a_snapshot_reads_each_shard_as_of_one_moment(files: Files, reader: CommittedReader) -> None:
    customer_id = files.profile(shard=0, sequence=1)
    files.index("user_id:ann", customer_id)
    update = "UPDATE profiles SET sequence = sequence + 1 WHERE customer_id = ?"
    with reader.snapshot():
        before = reader.read("user_id:ann")
        files.connections[0].execute(update, (customer_id,))
        assert reader.read("user_id:ann") == before
    found = reader.read("user_id:ann")
    assert found is not None and before is not None and found.sequence == before.sequence + 1


def test_a_snapshot_outlives_a_connection_that_fails(files: Files, reader: CommittedReader) -> None:
    files.index("user_id:ann", files.profile(0))
    with reader.snapshot():
        reader.close()
        assert reader.read("user_id:ann") is not None
    assert reader.read("user_id:ann") is not None
