"""Scores that scorers kept, measured by what came of the people: real scorers over real shards, for weeks."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from actors.router import Router
from actors.score_store import samples_of
from models.identity.customer_id import mint
from models.profile.state import DAY_MS
from models.scoring.builtin import BUILTIN
from models.scoring.contract import ScoringModel
from models.scoring.evaluation import measure_probabilities
from models.scoring.gate import LABELS, Gate
from models.scoring.registry import ModelVersion, complete
from models.scoring.samples import WEEK_MS, Samples, latest_of_all
from pipelines.evaluate_models import evaluate
from pipelines.label_file import Labels
from pipelines.people_as_of import PeopleAsOf, is_measured, merged_into
from tests.strategies.purchase_models import order, version
from tests.unit.actors.local_shards import NOW, identify, settings
from tests.unit.actors.test_scorer import Bench, play

HORIZON_DAYS = 30
BUYING = {"r": 0.9, "alpha": 30.0, "a": 0.2, "b": 5.0}
CHAMPION = version("churn", 1, horizon_days=HORIZON_DAYS)
CHALLENGER = version("churn", 2, horizon_days=HORIZON_DAYS, purchases=BUYING)
PEOPLE = [f"p{number}" for number in range(240)]


def kept(folder: Path) -> list[Samples]:
    return [samples_of(folder, 0, each.reference) for each in (CHALLENGER, CHAMPION)]


def loaded() -> list[tuple[ModelVersion, ScoringModel]]:
    return [(each, BUILTIN["churn"](each.parameters)) for each in (CHALLENGER, CHAMPION)]


def people(bench: Bench, times: dict[int, tuple[int, int]]) -> PeopleAsOf:
    first, last = min(at for at, _ in times.values()), max(end for _, end in times.values())
    return PeopleAsOf(bench.folder, 1, first, last, bench.now, settings().policy, bench.purposes, times=times)


async def weeks(bench: Bench, days: Sequence[int]) -> None:
    """Scores everybody on these days, of whom half buy between any two."""
    await bench.send(*(order(each, 1, 40 + number) for number, each in enumerate(PEOPLE)))
    await bench.send(*(order(each, 2, 20 + number % 20) for number, each in enumerate(PEOPLE[::3])))
    for round_, day in enumerate(days):
        bench.now = NOW + day * DAY_MS
        await bench.settle()
        buyers = [each for number, each in enumerate(PEOPLE) if number % 3 == 0 or (number + round_) % 7 == 0]
        await bench.send(*(order(each, 10 + round_, -day - 1) for each in buyers))


def test_what_was_kept_measures_as_what_is_made_anew_as_of_the_same_times(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.registry.choose("challenger", CHALLENGER)
        await weeks(bench, (1, 2, 8, 20, 60))
        samples = kept(tmp_path)
        assert samples[0].keys() == samples[1].keys()
        assert {at for _, at in samples[0]} == {NOW + day * DAY_MS for day in (2, 8, 20, 60)}  # the last of each week
        assert all(is_measured(customer_id) for customer_id, _ in samples[0])
        latest = bench.now - HORIZON_DAYS * DAY_MS
        times = {
            customer_id: (at, at + HORIZON_DAYS * DAY_MS) for customer_id, at in latest_of_all(samples, latest).items()
        }
        assert {at for at, _ in times.values()} == {NOW + 20 * DAY_MS}
        gate = complete(Gate(), CHAMPION.signature)
        by_kept = evaluate(loaded(), gate, latest, lambda _: people(bench, times), kept=samples)
        anew = evaluate(loaded(), gate, latest, lambda _: people(bench, times))
        assert by_kept.kept and not anew.kept
        for number in (1, 2):
            assert by_kept.reports[number].measures == pytest.approx(anew.reports[number].measures, abs=1e-6)
            assert by_kept.reports[number].people == len(times) == by_kept.asked
        assert by_kept.comparison is not None and by_kept.comparison == anew.comparison
        assert (by_kept.comparison.version, by_kept.comparison.champion) == (2, 1)
        assert by_kept.comparison.low <= by_kept.comparison.difference <= by_kept.comparison.high

    play(tmp_path, scenario, CHAMPION)


def test_labels_take_the_place_of_outcomes(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.registry.choose("challenger", CHALLENGER)
        await weeks(bench, (1, 10))
        samples = kept(tmp_path)
        ids = sorted({customer_id for customer_id, _ in samples[0]})
        at = NOW + 10 * DAY_MS
        yes = np.random.default_rng(6).random(len(ids)) < 0.5
        labels = dict(zip(ids, yes.astype(float).tolist(), strict=True))
        times = {customer_id: (at, at) for customer_id in [*ids, 7]}  # somebody who is not known
        labels[7] = 1.0
        gate = msgspec.structs.replace(complete(Gate(), CHAMPION.signature), outcome=LABELS)
        for given in (None, samples):
            found = evaluate(loaded(), gate, at, lambda _: people(bench, times), labels=labels, kept=given)
            assert (found.outcome, found.asked, found.reports[1].people) == (LABELS, len(ids) + 1, len(ids))
            for number, mine in ((2, samples[0]), (1, samples[1])):
                told = np.array([mine[customer_id, at].value for customer_id in ids])
                expected = measure_probabilities(told, yes)
                assert {name: found.reports[number].measures[name] for name in expected} == pytest.approx(expected)
        with pytest.raises(ValueError, match="expected 1 and 0"):
            evaluate(loaded(), gate, at, lambda _: people(bench, times), labels=dict.fromkeys(labels, 0.5))

    play(tmp_path, scenario, CHAMPION)


def test_a_label_is_of_whom_the_customer_id_leads_to_today(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await weeks(bench, (1,))
        ids = await bench.send(*(identify(f"i-{each}", f"user_id:{each}") for each in PEOPLE))
        who = dict(zip(PEOPLE, ids, strict=True))
        last = next(each for each in PEOPLE if is_measured(who[each]))
        for into, other in ((PEOPLE[-2], PEOPLE[-1]), (last, PEOPLE[-2])):
            await Router(1, bench.folder, bench.shards).merge(f"user_id:{into}", f"user_id:{other}", "desk", bench.now)
        nobody = mint(0, bench.now, 9)  # of no shard that there is
        found = merged_into(bench.folder, 1, [*ids, nobody])
        assert found == {who[each]: who[last] for each in PEOPLE[-2:]}
        gate = msgspec.structs.replace(complete(Gate(), CHAMPION.signature), outcome=LABELS)
        rest = {who[each]: float(number % 2) for number, each in enumerate(PEOPLE[:-2]) if each != last}
        labels = Labels({**rest, who[PEOPLE[-1]]: 1.0}, bench.now).followed(found)
        times = {customer_id: (bench.now, bench.now) for customer_id in labels.of}
        told = evaluate(loaded(), gate, bench.now, lambda _: people(bench, times), labels=labels.of)
        assert (told.asked, told.reports[1].people) == (len(rest) + 1, sum(map(is_measured, [*rest, who[last]])))

    play(tmp_path, scenario, CHAMPION)


def test_what_is_kept_ends_with_its_time_its_model_and_its_person(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.registry.choose("challenger", CHALLENGER)
        await weeks(bench, (1, 9))
        ids = sorted({customer_id for customer_id, _ in kept(tmp_path)[0]})
        gone = ids[: len(ids) // 2]

        def in_files(customer_id: int) -> bool:
            encoded = customer_id.to_bytes(8, "big")  # as SQLite writes it
            return any(encoded in path.read_bytes() for path in (tmp_path / "scores").iterdir())

        assert all(in_files(each) for each in ids)
        other = await bench.scorer.other_scores(ids[:1])
        assert {(each.model, each.at) for each in other} == {
            (model, NOW + day * DAY_MS) for model in ("churn@1", "churn@2") for day in (1, 9)
        }
        await bench.scorer.forget(gone)
        assert [in_files(each) for each in ids] == [each not in gone for each in ids]
        assert {customer_id for customer_id, _ in kept(tmp_path)[1]} == set(ids) - set(gone)
        bench.now += (HORIZON_DAYS + 29) * DAY_MS
        await bench.settle()
        assert {at for _, at in kept(tmp_path)[0]} == {bench.now}
        bench.registry.choose("challenger")
        await bench.settle()
        challengers, champions = kept(tmp_path)
        assert not challengers and {at // WEEK_MS for _, at in champions} == {bench.now // WEEK_MS}
        bench.registry.choose("champion")  # none is left, so that nobody is looked at any more
        await bench.settle()
        assert kept(tmp_path) == [{}, {}]

    play(tmp_path, scenario, CHAMPION)
