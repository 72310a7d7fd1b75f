"""Discovered segments, from real shards' files: planted groups are found, and their drafts are of the very people."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.privacy.purposes import DataScope, Purpose, Purposes
from models.scoring.features import Feature
from models.scoring.outcomes import Outcome, revenue_between
from models.segments.compile import compile_segment
from models.segments.evaluate import evaluate
from models.segments.parse import parse_definition
from pipelines.discover_segments import Discovery, Interval, Question, discover_segments
from pipelines.people_as_of import PeopleAsOf, Person
from pipelines.training_sets import TrainingSpec
from tests.unit.actors.local_shards import identify, track
from tests.unit.pipelines.planted_shop import AT, HORIZON_DAYS, NOW, POLICY, SHARDS, fill, histories

PEOPLE = 900
CAME_BACK = Question(outcome=Outcome(kind="event", event="Came Back"), horizon_days=HORIZON_DAYS)
PLAN = {"plan": Feature(trait="plan", text=True)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(8)
    after = [
        track(f"c{number}", f"user_id:u{number}", name="Came Back", at=AT + 1)
        for number in range(PEOPLE)
        if rng.random() < (0.7 if number % 3 == 0 else 0.2)  # the plan is gold, or not
    ]
    fill(folder, [*histories(PEOPLE, seed=7), *after])
    return folder


def people(folder: Path, purposes: Purposes | None = None) -> PeopleAsOf:
    return PeopleAsOf(folder, SHARDS, AT, NOW, NOW, POLICY, purposes or Purposes())


def found(shop: Path, question: Question, purposes: Purposes | None = None) -> Discovery:
    return discover_segments(question, lambda: people(shop, purposes), purposes=purposes)


def width(interval: Interval) -> float:
    """Twice as far as it reaches: who is in which half follows from ids, which are others each time."""
    return interval.high - interval.low


def members(shop: Path, draft: dict[str, Any]) -> list[Person]:
    """Who was in a draft at the time, by the evaluator of segments."""
    compiled = compile_segment(parse_definition(draft))
    with closing(people(shop)) as read:
        return [person for person in read if evaluate(compiled, person.then, AT).member]


def test_what_tells_people_apart_is_found_and_drafted_exactly(shop: Path) -> None:
    told = found(shop, msgspec.structs.replace(CAME_BACK, holdout=10.0))
    assert (told.people, told.checked, told.withheld) == (PEOPLE, PEOPLE, 0)
    assert {"plan", "stage", "orders", "revenue in EUR", "last order", "Email Opened in 30 days"} <= set(told.features)
    assert len(told.groups) >= 2
    assert all("plan is" in " ".join(group.conditions) for group in told.groups)
    assert told.groups[0].verdict == "differs"
    assert sum(group.people for group in told.groups) == PEOPLE
    for group in told.groups:
        inside = members(shop, group.segment)
        assert len(inside) == group.people
        assert group.segment["holdout"] == 10.0
        came = np.mean(["Came Back" in person.end.events for person in inside])
        assert abs(came - group.outcome.value) < width(group.outcome)  # half of them had no part in the figure
        assert group.measured < group.people


def test_a_question_may_name_its_features_and_ask_for_the_opposite(shop: Path) -> None:
    told = found(shop, msgspec.structs.replace(CAME_BACK, features=PLAN, negated=True))
    assert told.outcome == "not Came Back"
    (named,) = (group for group in told.groups if group.conditions[0].startswith("plan is "))
    plan = named.conditions[0].removeprefix("plan is ")  # either: there are two plans
    assert named.segment["criteria"] == {"type": "demographic", "trait": "plan", "operator": "equals", "value": plan}
    people, more = {"gold": (PEOPLE / 3, -1), "basic": (2 * PEOPLE / 3, 1)}[plan]
    assert named.people == people
    assert more * named.difference.value > 0.3 and named.verdict == "differs"
    (others,) = (group for group in told.groups if group is not named)
    assert others.conditions == [f"not: plan is {plan}"]


def test_revenue_is_of_one_currency(shop: Path) -> None:
    question = Question(outcome=Outcome(kind="revenue"), horizon_days=HORIZON_DAYS, features=PLAN)
    told = found(shop, question)
    assert told.outcome == "revenue in EUR" and not told.is_yes_or_no
    with closing(people(shop)) as read:
        spent = float(np.mean([revenue_between(person.end, AT, NOW, "EUR") for person in read]))
    assert abs(spent - told.everybody.value) < width(told.everybody)


def test_what_there_is_to_look_at_is_told_by_newcomers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.discover_segments._SAMPLE", 100)
    traits = [{"plan": "gold"}] * 300 + [{"tier": "new"}] * 300  # ids are in the order in which people came
    fill(tmp_path, [identify(f"i{at}", f"user_id:u{at}", at=AT - 1, **each) for at, each in enumerate(traits)])
    told = found(tmp_path, Question(outcome=Outcome(kind="bought"), horizon_days=HORIZON_DAYS))
    assert {"plan", "tier"} <= set(told.features)
    assert told.people == 600 and 50 < told.checked < 150


def test_where_nobody_differs_there_are_no_groups(shop: Path) -> None:
    never = Question(outcome=Outcome(kind="event", event="Never Done"), horizon_days=HORIZON_DAYS)
    told = found(shop, never)
    assert told.groups == []
    assert (told.everybody.value, told.people) == (0.0, PEOPLE)
    assert told.everybody.high > 0  # nobody's having done it does not make it impossible


def test_the_file_in_the_documentation_is_taken(shop: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "insights.md").read_text()
    (block,) = [each for each in text.split("```") if each.startswith("toml\n# groups.toml\n")]
    spec = msgspec.toml.decode(block.removeprefix("toml\n"), type=TrainingSpec)
    told = found(shop, Question(outcome=spec.outcome, horizon_days=HORIZON_DAYS, features=spec.features))
    assert told.features == ["plan", "stage", "viewed"] and told.people == PEOPLE


def test_small_groups_are_not_shown(shop: Path) -> None:
    question = msgspec.structs.replace(CAME_BACK, features=PLAN, people_min=200)
    assert found(shop, question).groups == []  # of the plan there are fewer in each half
    with pytest.raises(
        ValueError, match=r"people: expected 1000 or more in each half, of \d+ there are; choose another --as-of"
    ):
        found(shop, msgspec.structs.replace(question, people_min=500))


def test_what_cannot_be_said_or_may_not_be_used_is_refused(shop: Path) -> None:
    often = msgspec.structs.replace(CAME_BACK, features={"often": Feature(history="repeat_purchases")})
    with pytest.raises(ValueError, match=r"features\.often: no criterion says this"):
        found(shop, often)
    known = {
        "service": Purpose(basis="contract"),
        "scoring": Purpose(basis="contract", data=DataScope(sections=("scores", "transactions"))),
    }
    purposes = Purposes(known=known, default="service")
    plan = Question(outcome=Outcome(kind="bought"), horizon_days=HORIZON_DAYS, features=PLAN)
    with pytest.raises(ValueError, match=r"features\.plan: it serves no purpose that scores serve"):
        found(shop, plan, purposes)
    told = found(shop, msgspec.structs.replace(plan, features={}), purposes)
    assert "plan" not in told.features and "orders" in told.features
    assert "stage" not in told.features
    with pytest.raises(ValueError, match=r"outcome: it serves no purpose"):
        found(shop, CAME_BACK, purposes)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Outcome(kind="revenue", currency="JPY"), "outcome: there was no revenue in JPY"),
        (Outcome(kind="left", segment="nothing"), "outcome: leaving nothing is asked of nobody"),
    ],
)
def test_an_outcome_that_tells_nothing_is_refused(shop: Path, outcome: Outcome, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        found(shop, Question(outcome=outcome, horizon_days=HORIZON_DAYS))
