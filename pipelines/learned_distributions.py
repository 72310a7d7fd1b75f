"""How the features and scores of a model were distributed among the people from whom it learned, and how far people are
from that today."""

import numpy as np
import pyarrow as pa

from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.profile.state import DAY_MS
from models.scoring.contract import VALUE, ScoringModel
from models.scoring.drift import Distribution, DriftCounts, columns, counts, distributions, drift, plus
from models.scoring.feature_age import asked_of_recent
from models.scoring.features import FeatureReader, Value
from models.scoring.registry import ModelVersion
from pipelines.backfill_scores import days_since_seen
from pipelines.people_as_of import PeopleAsOf, batches, is_measured
from pipelines.train_models import PEOPLE_MIN

_ROWS = 2_000  # people who are scored together, as live


def learned_distributions(
    model: ScoringModel, people: PeopleAsOf, rules: LifecycleRules = DEFAULT_RULES
) -> dict[str, Distribution]:
    """Those of all people of a time; of scores those of people who are measured, as evaluations tell them.

    Raises ValueError if there were too few, whose own numbers would be kept for good as edges; Refused and ModelFailed.
    """
    reader = FeatureReader(model.signature.features, rules)
    features: list[pa.RecordBatch] = []
    told: list[Value] = []
    for page in people.pages(_ROWS):
        batch = reader.batch([person.then for person in page], people.at)
        answer = asked_of_recent(model, batch, days_since_seen(page, people.at))[VALUE]
        told += [value for person, value in zip(page, answer, strict=True) if is_measured(person.customer_id)]
        features.append(batch)
    everybody = pa.Table.from_batches(features).combine_chunks().to_batches()
    known = sum(batch.num_rows for batch in everybody)
    if known < PEOPLE_MIN:
        raise ValueError(
            f"learned-as-of: {known} people were known here then, and {PEOPLE_MIN} are needed: choose another time, or "
            "leave it out, and drift is not told"
        )
    return distributions(columns(model.signature, everybody[0], told))


def drift_today(
    version: ModelVersion, model: ScoringModel, people: PeopleAsOf, rules: LifecycleRules = DEFAULT_RULES
) -> dict[str, float]:
    """How far all people as they are are from those a version learned from (`models.scoring.drift.stability`)."""
    reader = FeatureReader(model.signature.features, rules)
    total = DriftCounts()
    for page in batches(people.present(), _ROWS):
        features = reader.batch(page, people.now)
        days = np.array([(people.now - profile.last_seen) / DAY_MS for profile in page], np.float64)
        now = columns(model.signature, features, asked_of_recent(model, features, days)[VALUE])
        total = plus(total, DriftCounts(people.now, {version.reference: counts(version.distributions, now)}))
    return drift(version.distributions, total.models.get(version.reference, {}))
