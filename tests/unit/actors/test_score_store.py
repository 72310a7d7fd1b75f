"""The file of scores: made privately, made anew where another version wrote it, and all or nothing in a transaction."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.reader import Elsewhere
from actors.score_reader import ScoreReader
from actors.score_store import SCHEMA_VERSION, ScoreStore, Stale, scores_path
from models.identity.customer_id import mint
from models.scoring.kept import Row, body_of
from tests.strategies.purchase_models import version
from tests.unit.actors.local_shards import NOW

ANN = mint(0, NOW, 0)


def row(customer_id: int, value: float, at: int = 1, until: int = 0) -> Row:
    features = [1.0, 2.0, 3.0]
    return Row(customer_id, "churn", 1, at, until, value, "", body_of(None, None, None, features))


def test_the_file_is_private_and_tells_what_was_put(tmp_path: Path) -> None:
    path = scores_path(tmp_path, 0)
    reader = ScoreReader(tmp_path, 1, lambda: 0.0)
    with closing(ScoreStore(path)) as store:
        assert path.stat().st_mode & 0o777 == 0o600
        assert store.model(version("churn")) == store.model(version("churn")) == 1
        store.put("scores", [row(ANN, 0.5)])
        store.put("shadow", [row(ANN, 0.9)])
        (kept,) = reader.scores(reader.rows(ANN))
        assert (kept.score.value, kept.score.version, list(kept.score.features.values())) == (0.5, "churn@1", [1, 2, 3])
        store.mark("scores", [Stale(ANN, "churn", "why", 7), Stale(ANN + 1, "churn", "nobody", 7)])
        assert [(each.stale, each.until) for each in reader.rows(ANN)] == [("why", 7)]
        assert (store.due(6, 10), store.due(7, 10)) == ([], [ANN])
    reader.close()


def test_what_another_version_wrote_is_made_anew(tmp_path: Path) -> None:
    path = scores_path(tmp_path, 0)
    with closing(ScoreStore(path)) as store:
        store.put("scores", [row(ANN, 0.5)])
        store.set_meta(position=5)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    reader = ScoreReader(tmp_path, 1, lambda: 0.0)
    assert list(reader.rows(ANN)) == []  # it is not this version's to read
    reader.close()
    with closing(ScoreStore(path)) as store:
        assert (store.count(), store.meta("position", -1)) == (0, -1)


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    with closing(ScoreStore(scores_path(tmp_path, 0))) as store:
        store.put("scores", [row(ANN, 0.5)])
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.drop([ANN])
            store.put("scores", [row(ANN + 1, 1 / 0)])
        assert store.people_between(0, 1 << 62) == [ANN]


def test_a_file_that_is_damaged_sends_readers_elsewhere(tmp_path: Path) -> None:
    path = scores_path(tmp_path, 0)
    path.parent.mkdir()
    path.write_bytes(b"nothing that SQLite knows" * 100)
    reader = ScoreReader(tmp_path, 1)
    with pytest.raises(Elsewhere):
        reader.rows(ANN)
