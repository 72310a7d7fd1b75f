"""Decisions on real shards' files: what is read of them, and what is learned where there is something to learn."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from actors.reader import shard_path
from actors.router import Router
from actors.schema import connect
from actors.shard_log import ShardLog
from models.impact.policy_report import policy_text
from models.privacy.decisions import DecisionRecord
from models.privacy.purposes import DataScope, Purpose, Purposes
from models.scoring.deciding import ALLOWED, Champion, choose, columns, with_features
from models.scoring.decision_point import Action
from models.scoring.features import Feature
from models.scoring.gate import Gate
from models.scoring.registry import decides, obstacles
from pipelines.decided import Decided, Times, collect_decisions
from pipelines.policy_reports import report_policies
from pipelines.train_decisions import evaluate_actions, train_actions
from pipelines.train_models import TooFew
from tests.unit.actors.local_shards import LocalShards, identify
from tests.unit.pipelines.planted_decisions import (
    NAME,
    NOW,
    POINT,
    arrivals,
    collect,
    decide_all,
    fill_decided,
    is_reachable,
    plan_of,
)
from tests.unit.pipelines.planted_shop import AT, POLICY, SHARDS

PEOPLE = 1_500
PURPOSES = Purposes(
    known={
        "shop": Purpose(basis="contract", data=DataScope(traits=("*",), events=("*",), sections=("*",))),
        "mail": Purpose(basis="contract", data=DataScope(sections=("insights",))),
    },
    default="shop",
)
Shop = Callable[[bool], Path]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made: dict[bool, Path] = {}

    def folder(personal: bool) -> Path:
        if personal not in made:
            made[personal] = tmp_path_factory.mktemp("decided")
            fill_decided(made[personal], PEOPLE, personal, seed=11)
        return made[personal]

    return folder


def test_what_is_read_is_what_was_known_then_and_what_came_in_time(shop: Shop) -> None:
    found = collect(shop(True))
    history = found.history
    assert (len(found.at), found.waiting, found.withheld, found.retired) == (PEOPLE, 0, 0, 0)
    assert set(found.at.tolist()) == {AT}
    assert sorted(history.features["plan"]) == sorted(["gold", "basic"] * (PEOPLE // 2))  # and nothing later
    share = sum(map(is_reachable, range(PEOPLE))) / PEOPLE
    assert history.allowed.mean(0) == pytest.approx([1.0, 1.0, share])
    assert list(history.features[f"{ALLOWED}call"]).count("yes") == history.allowed[:, 2].sum()
    assert (history.propensities[history.allowed[:, 2]] == 1 / 3).all()
    assert (history.propensities[~history.allowed[:, 2]] == [0.5, 0.5, 0]).all()
    assert (history.values > 0).tolist() == history.responded.tolist()  # the order after the horizon counts for none
    assert len(set(found.people.tolist())) == PEOPLE


def test_what_is_not_over_or_may_not_be_used_is_counted(shop: Shop) -> None:
    early = collect(shop(True), now=AT + 1)
    assert (len(early.at), early.waiting) == (0, PEOPLE)
    fewer = {name: each for name, each in POINT.actions.items() if name != "call"}
    without = collect(shop(True), actions=fewer)
    assert without.retired + len(without.at) == PEOPLE
    assert (without.history.propensities == 0.5).all()
    fewer_point = msgspec.structs.replace(POINT, actions=fewer)
    model = train_actions(NAME, fewer_point, without)
    learned = Champion.of(msgspec.structs.replace(model, version=1))
    live = columns(POINT.features, [{"plan": "gold"}], [dict.fromkeys(fewer)])
    assert learned.parameters.model.expected_values(live).shape == (1, 2)  # asks nothing of what is gone
    consent = Purpose(basis="consent", data=DataScope(sections=("scores",)))
    purposes = Purposes(known={"service": Purpose(basis="contract"), "scoring": consent}, default="service")
    nobody = collect_decisions(shop(True), SHARDS, NAME, POINT, Times(0, NOW, NOW), POLICY, purposes)
    assert (len(nobody.at), nobody.withheld) == (0, PEOPLE)
    some = collect_decisions(shop(True), SHARDS, NAME, POINT, Times(0, NOW, NOW), POLICY, decisions_max=300)
    assert 200 < len(some.at) < 400 and some.left_out == PEOPLE - len(some.at)
    report = report_policies(NAME, POINT, some, [], "", "")
    assert f"{some.left_out} decisions about people who are not in the sample were left out" in policy_text(report)
    assert collect(shop(True)).left_out == 0
    for since, count in ((AT, PEOPLE), (AT + 1, 0)):
        at = Times(since, NOW, NOW)
        assert len(collect_decisions(shop(True), SHARDS, NAME, POINT, at, POLICY).at) == count


def test_a_personal_policy_is_found_where_there_is_one(shop: Shop) -> None:
    found = collect(shop(True))
    version = train_actions(NAME, POINT, found)
    best = Champion.of(msgspec.structs.replace(version, version=1))
    assert best.parameters.model.is_personal
    everything = POINT.allowed({"reachable"})
    for plan, action in (("gold", "letter"), ("basic", "call")):
        assert choose(POINT, best, {"plan": plan}, everything, 0.5).action == action
    report = version.report
    assert report is not None and report.measures["value"] > report.measures["rival_value"]
    assert version.learned["decisions"] + report.people == PEOPLE
    worst = msgspec.structs.replace(best.parameters.model, responses=best.parameters.model.responses[::-1])
    versions = {1: best.parameters, 2: msgspec.structs.replace(best.parameters, model=worst)}
    evaluation = evaluate_actions(POINT, found, versions, NAME, NOW)
    assert evaluation.reports[1].measures["value"] == pytest.approx(report.measures["value"])
    compared = evaluation.comparison
    assert compared is not None and (compared.version, compared.champion, compared.verdict) == (1, 2, "better")
    assert compared.difference == pytest.approx(
        evaluation.reports[1].measures["value"] - evaluation.reports[2].measures["value"]
    )
    gate = decides(Gate(people_min=50, milliseconds_max=1e9), version.signature)
    assert gate.measure == "value"
    assert not obstacles(gate, evaluation.reports[1], evaluation.reports[2])
    (why,) = obstacles(gate, evaluation.reports[2], evaluation.reports[1])
    assert "value" in why


def test_versions_are_judged_by_what_they_have_learned_of_as_long_as_that_is_the_same(shop: Shop) -> None:
    version = msgspec.structs.replace(train_actions(NAME, POINT, collect(shop(True))), version=1)
    learned = Champion.of(version).parameters
    known = Feature(history="days_known")
    point = with_features(msgspec.structs.replace(POINT, features={"known": known}), [learned])
    found = collect(shop(True), features=point.features)
    told = [each.policy for each in report_policies(NAME, point, found, [version], "", "").policies]
    assert told[-1] == "welcome@1"
    evaluation = evaluate_actions(point, found, {1: learned}, NAME, NOW)
    assert evaluation.reports[1].measures["value"] > evaluation.reports[1].measures["rival_value"]
    point = with_features(msgspec.structs.replace(POINT, features={"plan": known}), [learned])
    found = collect(shop(True), features=point.features)
    report = report_policies(NAME, point, found, [version], "", "")
    assert [each.policy for each in report.policies] == told[:-1]
    assert "welcome@1 has learned of a feature that is another one" in report.notes[0]
    with pytest.raises(ValueError, match="welcome@1 has learned of a feature that is another one"):
        evaluate_actions(point, found, {1: learned}, NAME, NOW)


def test_a_version_is_judged_by_what_each_decision_might_see(shop: Shop) -> None:
    version = msgspec.structs.replace(train_actions(NAME, POINT, collect(shop(True))), version=1)
    personal = Champion.of(version).parameters
    blind = msgspec.structs.replace(personal, model=msgspec.structs.replace(personal.model, gain=None))
    assert personal.model.is_personal and not blind.model.is_personal

    def judged(purposes: Purposes) -> tuple[Decided, list[float]]:
        found = collect(shop(True), purposes=purposes)
        reports = evaluate_actions(POINT, found, {1: personal, 2: blind}, NAME, NOW).reports
        same = msgspec.structs.replace(version, version=2, parameters=msgspec.to_builtins(blind))
        told = report_policies(NAME, POINT, found, [version, same], "", "").policies[-2:]
        values = [each.value for each in told if each.value is not None]
        return found, [*values, *(reports[number].measures["value"] for number in (1, 2))]

    # The decisions named no purpose: they count as for the default one.
    seeing, (best, same, measured, of_same) = judged(PURPOSES)
    assert seeing.history.tells(["plan"]).all() and best > same and measured > of_same
    unseeing, (best, same, measured, of_same) = judged(msgspec.structs.replace(PURPOSES, default="mail"))
    assert unseeing.history.features["plan"] == [None] * PEOPLE and not unseeing.history.tells(["plan"]).any()
    assert best == same and measured == of_same
    model = Champion.of(train_actions(NAME, POINT, unseeing)).parameters.model
    assert not model.is_personal and model.means == pytest.approx(personal.model.means)


def test_decisions_of_one_person_may_see_different_things(tmp_path: Path) -> None:
    async def main() -> None:
        shards = LocalShards(tmp_path, SHARDS)
        shards.start_all()
        router = Router(SHARDS, tmp_path, shards, timeout_s=60)
        try:
            await router.ingest(arrivals(4), wait=True)
            for purpose in ("shop", "mail", "gone"):
                await decide_all(router, 4, prefix=purpose, purpose=purpose)
        finally:
            await shards.stop_all()

    asyncio.run(main())
    plans = {number: plan_of(number) for number in range(4)}
    history = collect(tmp_path, purposes=PURPOSES).history
    assert sorted(history.features["plan"], key=str) == sorted([*plans.values(), *[None] * 8], key=str)
    assert (history.tells(["plan"]) == [plan is not None for plan in history.features["plan"]]).all()
    assert collect(tmp_path).history.tells(["plan"]).all()  # without a registry all serves everything


def test_what_is_purged_while_a_report_reads_is_not_said_to_be_outside_of_its_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_decided(tmp_path, 40, True, 1)
    read, reads = ShardLog.decisions_between, 0

    def purged_between(log: ShardLog, since: int, until: int) -> Iterator[DecisionRecord]:
        """The second look into each shard is after the purge."""
        nonlocal reads
        reads += 1
        if reads == SHARDS + 1:
            for shard in range(SHARDS):
                with closing(connect(shard_path(tmp_path, shard), shard, SHARDS)) as db:
                    db.execute("DELETE FROM decisions")
        yield from read(log, since, until)

    monkeypatch.setattr(ShardLog, "decisions_between", purged_between)
    found = collect(tmp_path)
    assert (reads, len(found.at), found.left_out) == (2 * SHARDS, 0, 0)


def test_people_who_respond_alike_get_what_is_best_for_all(shop: Shop) -> None:
    model = Champion.of(train_actions(NAME, POINT, collect(shop(False)))).parameters.model
    assert not model.is_personal
    none, letter, call = model.means
    assert letter > max(none, call)


def test_too_few_decisions_say_how_many_there_are_and_are_needed(tmp_path: Path, shop: Shop) -> None:
    few = collect_decisions(shop(True), SHARDS, NAME, POINT, Times(0, NOW, NOW), POLICY, decisions_max=200)
    with pytest.raises(TooFew, match=r"people got none and their horizon is over, .* 100 are needed"):
        train_actions(NAME, POINT, few)
    more = msgspec.structs.replace(POINT, actions={**POINT.actions, "gift": Action()})
    with pytest.raises(TooFew, match="0 people got gift"):
        train_actions(NAME, more, collect(shop(True), actions=more.actions))


def test_people_count_and_not_how_often_they_were_decided_about(shop: Shop) -> None:
    found = collect(shop(True))
    rows = np.tile(np.arange(PEOPLE), 4)
    often = found._replace(at=found.at[rows], history=found.history.of(rows))
    few = np.isin(often.people, np.unique(found.people)[:150])
    with pytest.raises(TooFew, match="100 are needed"):
        train_actions(NAME, POINT, often._replace(at=often.at[few], history=often.history.of(np.flatnonzero(few))))
    once, more = (train_actions(NAME, POINT, each).report for each in (found, often))
    assert once is not None and more is not None and once.people == more.people
    widths = [each.measures["value_high"] - each.measures["value_low"] for each in (once, more)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


def test_decisions_follow_who_people_are_today(tmp_path: Path) -> None:
    async def main() -> None:
        shards = LocalShards(tmp_path, SHARDS)
        shards.start_all()
        router = Router(SHARDS, tmp_path, shards, timeout_s=60)
        try:
            await router.ingest(arrivals(12), wait=True)
            await decide_all(router, 12)
            await router.merge("user_id:u1", "user_id:u2", "test", AT + 5)
            await router.ingest([identify("m", "user_id:u1", at=AT + 9, plan="gold")], wait=True)
        finally:
            await shards.stop_all()

    asyncio.run(main())
    found = collect(tmp_path)
    assert (len(found.at), len(np.unique(found.people))) == (12, 11)
    folds = found.history.folds()
    assert sum(map(len, folds)) == 12
    where = [{int(each) for each in found.people[fold]} for fold in folds]
    assert not any(one & other for place, one in enumerate(where) for other in where[place + 1 :])
