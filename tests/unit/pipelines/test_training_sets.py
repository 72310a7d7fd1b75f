"""Training sets and training, from real shards' files: nothing of the future is in features, and what is said holds."""

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.router import Router
from actors.shard_log import ShardLog
from models.identity.customer_id import from_text
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.profile.state import DAY_MS, Profile, decode_profile
from models.scoring.builtin import BUILTIN
from models.scoring.contract import Explaining, checked
from models.scoring.features import CUSTOMER, HISTORY, Feature, FeatureReader
from models.scoring.outcomes import Outcome, revenue_between
from models.scoring.registry import ModelVersion
from models.segments.catalogue import EMPTY, resolve
from models.segments.parse import parse_definition
from pipelines import train_models
from pipelines.people_as_of import PeopleAsOf
from pipelines.train_behaviour import train_channel, train_engagement, train_unusual_order
from pipelines.train_models import TooFew, train_additive, train_churn, train_value
from pipelines.training_sets import TrainingSpec, write_training_set
from tests.unit.actors.local_shards import LocalShards, identify, run_scenario, track
from tests.unit.pipelines.planted_shop import AT, HORIZON_DAYS, NOW, POLICY, SHARDS, fill, histories

SPEC = TrainingSpec(
    name="comes_back",
    features={"plan": Feature(trait="plan", text=True), **{name: Feature(history=name) for name in HISTORY}},
    outcome=Outcome(kind="bought"),
    horizon_days=HORIZON_DAYS,
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    fill(folder, histories(700, seed=3))
    return folder


def people(folder: Path, at: int = AT, until: int = NOW, purposes: Purposes | None = None) -> PeopleAsOf:
    return PeopleAsOf(folder, SHARDS, at, until, max(NOW, until), POLICY, purposes or Purposes())


def profiles(folder: Path) -> dict[int, Profile]:
    """As they are live."""
    found: dict[int, Profile] = {}
    for shard in range(SHARDS):
        with closing(ShardLog(folder, shard, SHARDS)) as log:
            found |= {key: decode_profile(state) for key, state in log.profile_states(0, 10_000)}
    return found


def test_offline_features_are_those_of_live_profiles(shop: Path, tmp_path: Path) -> None:
    late = NOW + DAY_MS
    write_training_set(SPEC, [late], lambda at: people(shop, at, at + 1), tmp_path / "set")
    rows = pq.read_table(tmp_path / "set" / "features.parquet").drop_columns(["as_of"]).to_pylist()
    live = profiles(shop)
    assert len(rows) == len(live) == 700
    reader = FeatureReader(SPEC.features)
    for row in rows:
        expected = reader.one(live[from_text(row.pop(CUSTOMER))], late)
        assert row == pytest.approx(expected, abs=1e-6)


def test_planted_events_of_the_future_leave_features_as_they_were(tmp_path: Path) -> None:
    past = [event for event in histories(60, seed=4) if event.timestamp <= AT]
    planted = []
    for number in range(60):
        user = f"user_id:u{number}"
        planted.append(identify(f"p{number}", user, at=AT + 1, plan="planted"))
        planted.append(
            track(f"q{number}", user, name="Order Completed", at=AT + 1, order_id=f"q{number}", revenue=1e6,
                  currency="EUR")
        )  # fmt: skip
    written = {}
    for name, events in (("without", past), ("with", [*planted, *past])):
        fill(tmp_path / name, events)
        write_training_set(SPEC, [AT], partial(people, tmp_path / name), tmp_path / f"{name}.set")
        table = pq.read_table(tmp_path / f"{name}.set" / "features.parquet").drop_columns([CUSTOMER])
        written[name] = sorted(map(str, table.to_pylist()))
        labels = pq.read_table(tmp_path / f"{name}.set" / "labels.parquet")["label"].to_pylist()
        assert set(labels) == {1.0 if name == "with" else 0.0}
    assert written["with"] == written["without"]


def test_labels_are_what_came_within_the_horizon(shop: Path, tmp_path: Path) -> None:
    spec = msgspec.structs.replace(SPEC, outcome=Outcome(kind="revenue", currency="EUR"))
    times = [AT - 30 * DAY_MS, AT]
    made = write_training_set(spec, times, lambda at: people(shop, at, at + HORIZON_DAYS * DAY_MS), tmp_path / "set")
    table = pq.read_table(tmp_path / "set" / "labels.parquet")
    assert made.people == table.num_rows > 1_300
    live = profiles(shop)
    for row in table.to_pylist():
        at = int(row["as_of"].timestamp() * 1000)
        expected = revenue_between(live[from_text(row[CUSTOMER])], at, at + HORIZON_DAYS * DAY_MS, "EUR")
        assert row["label"] == pytest.approx(expected)


def test_people_without_a_basis_for_scores_are_left_out(tmp_path: Path) -> None:
    agreed = {"consent": {"categoryPreferences": {"scoring": True}}}
    events = [
        msgspec.structs.replace(event, context=agreed if event.message_id == "i1" else {})
        for event in histories(5, seed=5)
    ]
    fill(tmp_path / "shop", events)
    purposes = Purposes(
        known={
            "service": Purpose(basis="contract"),
            "scoring": Purpose(basis="consent", data=DataScope(sections=("scores",))),
        },
        default="service",
    )
    made = write_training_set(SPEC, [AT], lambda at: people(tmp_path / "shop", at, NOW, purposes), tmp_path / "set")
    assert (made.people, made.withheld) == (1, 4)
    files = [path for path in (tmp_path / "set").iterdir()]
    assert len(files) == 3 and all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert not any(b"user_id:" in path.read_bytes() for path in files)


Train = Callable[[PeopleAsOf], ModelVersion]


# Who is measured follows from ids, which are others each time: the bars are below what chance has made of it.
@pytest.mark.parametrize(
    ("train", "measure", "least"),
    [
        (lambda read: train_value(read, HORIZON_DAYS), "top_tenth_share", 0.12),
        (lambda read: train_churn(read, HORIZON_DAYS), "auc", 0.6),
        (lambda read: train_additive(read, SPEC), "auc", 0.57),
        (train_engagement, "auc", 0.5),
        (train_unusual_order, "average_precision", 0.3),
        (train_channel, "log_loss", 0.1),
    ],
)
def test_a_trained_model_tells_of_people_it_has_not_seen(shop: Path, train: Train, measure: str, least: float) -> None:
    with closing(people(shop)) as read:
        version = train(read)
    assert version.report is not None
    assert version.report.measures[measure] > least
    assert f"rival_{measure}" in version.report.measures
    assert version.learned["people"] + version.report.people <= 700
    model = BUILTIN[version.target](msgspec.json.decode(msgspec.json.encode(version.parameters)))
    assert model.signature == version.signature
    batch = FeatureReader(model.signature.features).batch(list(profiles(shop).values()), NOW)
    told = checked(model.signature, model.score(batch), 700)["value"]
    assert len([each for each in told if each is not None]) > 550
    if isinstance(model, Explaining):
        told_of = set(model.explain(batch).schema.names)
        assert "base" in told_of and told_of & model.signature.features.keys()


def test_what_is_known_of_a_person_predicts_better_than_what_is_known_of_all(shop: Path) -> None:
    with closing(people(shop)) as read:
        report = train_channel(read).report
    assert report is not None
    assert report.measures["log_loss"] < report.measures["rival_log_loss"]


def test_lifetime_value_is_about_right_in_sum(shop: Path) -> None:
    with closing(people(shop)) as read:
        version = train_value(read, HORIZON_DAYS)
        assert version.report is not None
        spent = [revenue_between(each.end, AT, NOW, "EUR") for each in read]
    assert abs(version.report.measures["bias"]) < 0.6 * float(np.mean(spent))
    assert version.signature.output.unit == f"EUR in {HORIZON_DAYS} days"


def test_too_few_people_teach_nothing(tmp_path: Path) -> None:
    fill(tmp_path, histories(20, seed=6))
    with (
        closing(people(tmp_path)) as read,
        pytest.raises(TooFew, match=r"people had bought, .* 100 are needed: .* --as-of"),
    ):
        train_churn(read, HORIZON_DAYS)
    with pytest.raises(ValueError, match="must have passed"):
        PeopleAsOf(tmp_path, SHARDS, AT, NOW, NOW - 1, POLICY)
    with closing(people(tmp_path)) as read, pytest.raises(ValueError, match="yes or no"):
        train_additive(read, msgspec.structs.replace(SPEC, outcome=Outcome(kind="revenue")))


def test_where_the_same_came_of_all_the_time_is_to_be_chosen_anew(tmp_path: Path) -> None:
    fill(tmp_path, histories(300, seed=6))
    spec = msgspec.structs.replace(SPEC, outcome=Outcome(kind="event", event="Never Done"))
    with closing(people(tmp_path)) as read, pytest.raises(TooFew, match=r"0 of \d+ people have the outcome.*--as-of"):
        train_additive(read, spec)
    later = NOW + 3650 * DAY_MS  # nobody has done anything for years
    with (
        closing(
            PeopleAsOf(tmp_path, SHARDS, later, later + HORIZON_DAYS * DAY_MS, later + HORIZON_DAYS * DAY_MS, POLICY)
        ) as read,
        pytest.raises(TooFew, match=r"(\d+) of \1 people bought nothing afterwards.*--as-of"),
    ):
        train_churn(read, HORIZON_DAYS)


GOLD = {"type": "demographic", "trait": "plan", "operator": "equals", "value": "gold"}


def test_who_left_a_segment_is_told_of_those_who_were_in_it(tmp_path: Path) -> None:
    plans = {  # before the time, within the horizon, and after it
        "stays": ("gold", "gold", "gold"),
        "leaves": ("gold", "basic", "basic"),
        "leaves_later": ("gold", "gold", "basic"),
        "returns": ("gold", "basic", "gold"),
        "comes": ("basic", "gold", "gold"),
        "never": ("basic", "basic", "basic"),
    }
    times: list[int] = []
    ids: dict[str, int] = {}

    async def scenario(router: Router, shards: LocalShards) -> None:
        gold = {"id": "gold", "name": "Gold", "criteria": GOLD}
        await router.put_segment(resolve(parse_definition(gold), EMPTY))
        for step in range(3):
            for person, plan in plans.items():
                event = identify(f"{person}-{step}", f"user_id:{person}", at=AT + step, plan=plan[step])
                ids[person] = (await router.ingest([event], wait=True)).results[0].customer_id
            times.append(time.time_ns() // 1_000_000)
            while time.time_ns() // 1_000_000 == times[-1]:  # what comes is later than the time
                await asyncio.sleep(0)

    run_scenario(tmp_path / "shop", SHARDS, scenario)
    spec = msgspec.structs.replace(SPEC, outcome=Outcome(kind="left", segment="gold"))
    read = PeopleAsOf(tmp_path / "shop", SHARDS, times[0], times[1], times[2], POLICY)
    write_training_set(spec, [times[0]], lambda at: read, tmp_path / "set")
    rows = pq.read_table(tmp_path / "set" / "labels.parquet").to_pylist()
    told = {from_text(row[CUSTOMER]): row["label"] for row in rows}
    expected = {"stays": 0, "leaves": 1, "leaves_later": 0, "returns": 1, "comes": None, "never": None}
    assert {person: told[customer_id] for person, customer_id in ids.items()} == expected


def test_an_empty_set_has_its_columns(tmp_path: Path) -> None:
    fill(tmp_path / "shop", [])
    made = write_training_set(SPEC, [AT], lambda at: people(tmp_path / "shop", at), tmp_path / "set")
    features: pa.Table = pq.read_table(tmp_path / "set" / "features.parquet")
    assert made.people == features.num_rows == 0
    assert features.schema.names == [CUSTOMER, "as_of", *SPEC.features]


def test_who_is_fitted_to_is_of_all_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_models, "_FIT_MAX", 200)
    rows = np.arange(10, 2_010)
    some = train_models._some_of(rows)
    assert len(set(some.tolist())) == 200 and some.tolist() == sorted(some.tolist())
    assert abs(some.mean() - rows.mean()) < 3 * rows.std() / 200**0.5
    assert np.array_equal(some, train_models._some_of(rows))
    assert np.array_equal(train_models._some_of(rows[:200]), rows[:200])
