"""What is learned of products from real shards' files: tastes, nothing later, nothing of what hardly anybody bought."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from actors.affinity_file import read_affinity
from actors.control import ControlStore
from actors.model_artefacts import DIRECTORY
from models.events.event import Event
from models.profile.state import DAY_MS
from models.scoring.product_affinity import ProductAffinity
from pipelines.people_as_of import PeopleAsOf
from pipelines.train_affinity import train_affinity
from pipelines.train_models import TooFew
from tests.unit.actors.local_shards import track
from tests.unit.command_line import command_line
from tests.unit.pipelines.planted_shop import AT, HORIZON_DAYS, NOW, POLICY, SHARDS, fill

GROUPS, PRODUCTS = 4, 48
AS_OF = datetime.fromtimestamp(AT / 1000, UTC).isoformat()


def purchases(people: int, seed: int) -> Iterator[Event]:
    """Each buys of one group of products, half of the time one of two favourites, and at times anything. `late` is
    first sold after AT, `rare` to two people."""
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, PRODUCTS + 1)
    for person in range(people):
        group, favourites = person % GROUPS, rng.integers(0, PRODUCTS // GROUPS, 2)
        for number in range(16):
            kind = rng.random()
            if kind < 0.8:
                of_group = rng.choice(favourites) if kind < 0.4 else rng.integers(0, PRODUCTS // GROUPS)
                product = f"p{of_group * GROUPS + group}"
            else:
                product = f"p{rng.choice(PRODUCTS, p=popularity / popularity.sum())}"
            at = NOW - rng.uniform(0, 240) * DAY_MS
            if at > AT and rng.random() < 0.1:
                product = "late"
            elif person < 2 and number == 0:
                product, at = "rare", AT - DAY_MS
            line = {"product_id": product, "price": 10, "quantity": 1}
            yield track(f"m{person}.{number}", f"user_id:u{person}", name="Order Completed", at=int(at),
                        order_id=f"{person}.{number}", revenue=10, currency="EUR", products=[line])  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tastes")
    fill(folder, purchases(600, seed=4))
    return folder


def test_tastes_are_found_by_what_unseen_people_bought_after(shop: Path) -> None:
    with closing(PeopleAsOf(shop, SHARDS, AT, NOW, NOW, POLICY)) as people:
        version, data = train_affinity(people, HORIZON_DAYS)
    model = ProductAffinity.decode("affinity@1", data)
    assert set(model.products) == {f"p{number}" for number in range(PRODUCTS)}
    report = version.report
    assert report is not None and report.people > 80
    measures = report.measures
    assert measures["hits_again"] > measures["rival_hits_again"] + 0.05
    assert measures["hits_first"] > measures["rival_hits_first"] + 0.1
    assert measures["hits_ranked"] > measures["rival_hits_ranked"]
    assert measures["log_loss"] < measures["rival_log_loss"] - 0.2
    assert model.model.mix > 0 and version.parameters["products"] == PRODUCTS
    of_group = model.prospects({f"p{number}": 2.0 for number in range(0, 20, GROUPS)})
    assert sum(int(name[1:]) % GROUPS == 0 for name, _ in of_group.first_time) >= 4  # by popularity one


def test_without_enough_buyers_nothing_is_learned(tmp_path: Path) -> None:
    fill(tmp_path, purchases(20, seed=4))
    with (
        closing(PeopleAsOf(tmp_path, SHARDS, AT, NOW, NOW, POLICY)) as people,
        pytest.raises(TooFew, match=r"people had bought, .* 100 are needed: .* --as-of"),
    ):
        train_affinity(people, HORIZON_DAYS)


def test_versions_are_trained_promoted_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = command_line(tmp_path, monkeypatch, capsys)
    (tmp_path / "onefold.toml").write_text("[scoring.gates.affinity]\npeople_min = 50\nmilliseconds_max = 1e9\n")
    assert call("init", "--shards", str(SHARDS), "--config", "onefold.toml")[0] == 0
    data = tmp_path / "onefold-data"
    fill(data, purchases(300, seed=6))
    timed = ("--as-of", AS_OF, "--config", "onefold.toml")
    for _ in range(2):
        exit_code, out, told = call("models", "train", "affinity", "--horizon", str(HORIZON_DAYS), *timed, "--json")
        assert exit_code == 0, told
    assert json.loads(out)["report"]["measures"]["log_loss"] > 0
    exit_code, _, told = call("models", "shadow", "affinity@1", "--config", "onefold.toml")
    assert exit_code != 0 and "gives nobody a score" in told
    past = ("models", "backfill", "affinity@1", "--as-of", AS_OF, "--output", "past", "--config", "onefold.toml")
    exit_code, _, told = call(*past)
    assert exit_code != 0 and "affinity@1 gives nobody a score" in told
    exit_code, out, told = call("models", "promote", "affinity@1", "--config", "onefold.toml")
    assert exit_code == 0 and "affinity@1 is the champion" in out, told
    exit_code, out, told = call("models", "promote", "affinity@2", *timed)  # measured beside the first: as good
    assert exit_code == 0, told
    with closing(ControlStore(data / "control.sqlite")) as control:
        champion = control.champion("affinity")
        assert champion is not None and champion.reference == "affinity@2"
        found = control.latest_evaluation("affinity", 2)
    assert found is not None and set(found.reports) == {1, 2}
    assert read_affinity(champion, data / DIRECTORY).products
