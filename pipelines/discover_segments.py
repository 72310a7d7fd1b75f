"""Segments that suggest themselves: groups of people whose outcome differs, with criteria that make segments of them.

People as of a time and what came of them, as models are trained on. Half of them, always the same, finds the groups;
the other half measures them. Each group is drafted as a segment, and the draft is asked about people of whom the group
is known: it holds for the very same ones.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.identity.customer_id import from_text
from models.impact.policy_value import Estimate
from models.privacy.purposes import Purposes
from models.privacy.visibility import serves_all
from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.profile.state import Profile
from models.scoring.builtin_additive import columns_of
from models.scoring.discovery import Condition, Group, candidates_of, discover, mean_of, members
from models.scoring.features import CUSTOMER, Feature, FeatureReader, reads_of
from models.scoring.group_criteria import check_sayable, criteria_of, nearest, told
from models.scoring.outcomes import Outcome
from models.scoring.usual_features import usual_currency, usual_features
from models.segments.compile import compile_segment
from models.segments.criteria import TEXT_MAX
from models.segments.evaluate import evaluate
from models.segments.holdout import is_held_out
from models.segments.parse import parse_definition
from pipelines.people_as_of import PeopleAsOf
from pipelines.training_sets import LABEL, TrainingSpec, examples

_SAMPLE = 2_000  # people, about, who tell what there is, and of whom drafts are asked
_NOT_USED = "it serves no purpose that scores serve"
_FINDERS = "people who find groups"  # salt: half of the people, always the same


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for."""

    outcome: Outcome
    negated: bool = False  # that it does not happen
    horizon_days: int
    features: dict[str, Feature] = {}  # without any, the usual ones
    holdout: float = 0.0  # percent, of the drafts
    people_min: int = 1  # of each half of a group


class Interval(msgspec.Struct, frozen=True):
    """A figure, and where it lies."""

    value: float
    low: float
    high: float


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A group, as people are who had no part in finding it."""

    conditions: list[str]
    people: int  # as of the time
    share: float  # of all
    measured: int  # who had no part in finding it
    outcome: Interval
    difference: Interval  # from all others
    verdict: str  # "differs", or "not distinguishable"
    segment: dict[str, Any]  # the draft, as `onefold segments create` takes it


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    outcome: str
    is_yes_or_no: bool  # outcomes are shares of people
    as_of: int  # ms
    until: int
    people: int
    withheld: int  # who may not be scored
    features: list[str]  # that were looked at
    everybody: Interval
    checked: int  # people of whom the drafts were asked
    groups: list[Suggestion]


def discover_segments(
    question: Question,
    people_as_of: Callable[[], PeopleAsOf],
    rules: LifecycleRules = DEFAULT_RULES,
    purposes: Purposes | None = None,
) -> Discovery:
    """Looks for groups among the people of a time.

    Raises ValueError if a feature cannot be said as criteria or may not be used, or there are too few people.
    """
    may_use = _may_use(purposes or Purposes())
    with closing(people_as_of()) as people:
        sample = [person.then for person in people.sample(_SAMPLE)]
        spec = _spec(question, sample, people.at, may_use)
        found = _collect(people, spec, rules)
        at, until, withheld = people.at, people.until, people.withheld
    batch, outcomes = found[0], 1 - found[1] if question.negated else found[1]
    _check_outcomes(outcomes, spec.outcome)
    columns = columns_of(batch, spec.features)
    ids = [from_text(each) for each in batch.column(CUSTOMER).to_pylist()]
    finders = np.array([is_held_out(_FINDERS, each, 50.0) for each in ids], np.bool_)
    tried = [nearest(each, spec.features[each.feature], at) for each in candidates_of(columns, finders)]
    candidates = list(dict.fromkeys(each for each in tried if each is not None))
    try:
        groups = discover(columns, outcomes, finders, candidates, people_min=question.people_min)
    except ValueError as error:
        raise ValueError(f"{error}; choose another --as-of, or more --people") from None
    drafts = [_draft(number, group, question, spec, at) for number, group in enumerate(groups, 1)]
    for group, draft in zip(groups, drafts, strict=True):
        _check(draft, group.conditions, sample, spec.features, at, rules)
    return Discovery(
        outcome=_outcome_text(question, spec.outcome),
        is_yes_or_no=spec.outcome.is_yes_or_no,
        as_of=at,
        until=until,
        people=len(outcomes),
        withheld=withheld,
        features=list(spec.features),
        everybody=_interval(mean_of(outcomes[~finders])),
        checked=len(sample),
        groups=[
            Suggestion(
                conditions=[told(each, spec.features[each.feature], at) for each in group.conditions],
                people=round(group.share * len(outcomes)),
                share=group.share,
                measured=group.people,
                outcome=_interval(group.mean),
                difference=_interval(group.difference),
                verdict="differs" if group.difference.told else "not distinguishable",
                segment=draft,
            )
            for group, draft in zip(groups, drafts, strict=True)
        ],
    )


def _may_use(purposes: Purposes) -> Callable[[Feature], bool]:
    """Whether what a feature tells serves a purpose that scores serve."""
    scored = purposes.serving("sections", "scores") if purposes.is_on else []
    return lambda feature: not purposes.is_on or any(serves_all(purposes, each, reads_of(feature)) for each in scored)


def _spec(question: Question, sample: list[Profile], at: int, may_use: Callable[[Feature], bool]) -> TrainingSpec:
    """The question with all that was left open. Raises ValueError."""
    outcome = question.outcome
    currency = outcome.currency or usual_currency(sample, at)
    if outcome.kind == "revenue":
        outcome = msgspec.structs.replace(outcome, currency=currency)
    if outcome.kind != "left" and not may_use(_told_by(outcome)):
        raise ValueError(f"outcome: {_NOT_USED}")
    for name, feature in question.features.items():
        check_sayable(name, feature)
        if not may_use(feature):
            raise ValueError(f"features.{name}: {_NOT_USED}")
    features = question.features or usual_features(sample, at, currency, may_use)
    return TrainingSpec(name="group", features=features, outcome=outcome, horizon_days=question.horizon_days)


def _told_by(outcome: Outcome) -> Feature:
    """A feature that is made of what the outcome is made of."""
    event = {"type": "behavioral", "event": outcome.event}
    return Feature(computed=event if outcome.kind == "event" else {"type": "transactional"})


def _collect(people: PeopleAsOf, spec: TrainingSpec, rules: LifecycleRules) -> tuple[pa.RecordBatch, Any]:
    """Features and outcomes of everybody whom the question is about."""
    pairs = list(examples(people, spec, rules))
    features = pa.Table.from_batches([told for told, _ in pairs]).combine_chunks()
    labels = pa.Table.from_batches([came for _, came in pairs]).column(LABEL).to_numpy()
    known = np.isfinite(np.asarray(labels, np.float64))
    rows = features.filter(pa.array(known)).combine_chunks().to_batches()
    batch = rows[0] if rows else pa.RecordBatch.from_pylist([], features.schema)
    return batch, np.asarray(labels, np.float64)[known]


def _check_outcomes(outcomes: NDArray[np.float64], outcome: Outcome) -> None:
    """Raises ValueError if they tell nothing: not even how far revenue spreads."""
    if not len(outcomes):
        raise ValueError(f"outcome: {outcome.text} is asked of nobody who was known then; choose another, or --as-of")
    if not outcome.is_yes_or_no and not outcomes.any():
        raise ValueError(f"outcome: there was no {outcome.text} in this time; choose another currency, or --as-of")


def _draft(number: int, group: Group, question: Question, spec: TrainingSpec, at: int) -> dict[str, Any]:
    """The segment of a group. Its id is made of its name. Raises InvalidCriteria."""
    asked = f"{_outcome_text(question, spec.outcome)} in {spec.horizon_days} days"
    definition = {
        "name": f"Group {number}: {asked} as of {datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"[:TEXT_MAX],
        "description": "; ".join(told(each, spec.features[each.feature], at) for each in group.conditions)[:TEXT_MAX],
        "criteria": criteria_of(group.conditions, spec.features, at),
        **({"holdout": question.holdout} if question.holdout else {}),
    }
    return {"id": parse_definition(definition).id, **definition}


def _check(
    draft: dict[str, Any],
    conditions: tuple[Condition, ...],
    sample: list[Profile],
    features: dict[str, Feature],
    at: int,
    rules: LifecycleRules,
) -> None:
    """Raises ValueError if a draft is not of the people who were found."""
    compiled = compile_segment(parse_definition(draft), rules)
    batch = FeatureReader(features, rules).batch(sample, at)
    inside = members(conditions, columns_of(batch, features))
    differing = sum(evaluate(compiled, each, at).member != held for each, held in zip(sample, inside, strict=True))
    if differing:
        raise ValueError(
            f"{draft['id']}: its criteria differ from what was found for {differing} of {len(sample)} people"
        )


def _outcome_text(question: Question, outcome: Outcome) -> str:
    return f"not {outcome.text}" if question.negated else outcome.text


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.value, estimate.low, estimate.high)
