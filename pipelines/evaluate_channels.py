"""How well versions of the preferred channel tell responses: by those that came after a time, on each channel."""

from collections.abc import Sequence
from contextlib import closing

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.scoring.builtin_behaviour import (
    CHANNEL_FEATURES,
    ChannelParameters,
    ChannelPreference,
    channel_model,
    contacts_of,
)
from models.scoring.channels import ChannelModel
from models.scoring.evaluation import Report
from models.scoring.features import FeatureReader
from models.scoring.registry import Evaluation, ModelVersion
from pipelines.evaluate_models import ReadPeople
from pipelines.people_as_of import is_measured
from pipelines.train_models import milliseconds

Floats = NDArray[np.float64]


def evaluate_channels(
    versions: Sequence[ModelVersion], at: int, people_as_of: ReadPeople, rules: LifecycleRules = DEFAULT_RULES
) -> Evaluation:
    """Versions side by side, on people as of `at`, ms, from whom none has learned. Raises ValueError if none of them
    was contacted after it."""
    reader = FeatureReader(CHANNEL_FEATURES, rules)
    with closing(people_as_of(at)) as people:
        found = [person for person in people if is_measured(person.customer_id) and person.then.channels]
        then = reader.batch([person.then for person in found], people.at)
        end = reader.batch([person.end for person in found], people.until)
        now, until = people.now, people.until
    reports = {}
    for version in versions:
        parameters = msgspec.convert(version.parameters, ChannelParameters)
        measures = response_measures(channel_model(parameters), then, end)
        if not measures:
            raise ValueError("nobody who is measured was contacted after this time; choose another --as-of")
        took = milliseconds(ChannelPreference(parameters), then)
        reports[version.version] = Report(people=len(found), measures=measures, milliseconds=took)
    return Evaluation(name=versions[0].name, at=now, as_of=at, until=until, outcome="responses", reports=reports)


def response_measures(model: ChannelModel, then: pa.RecordBatch, end: pa.RecordBatch) -> dict[str, float]:
    """The log loss of a response to a contact between two times, of which CHANNEL_FEATURES are known, (n,) of each;
    beside it, that of everybody's rate. Nothing if there was no contact."""
    contacts, responses = contacts_of(then)
    later = zip(contacts_of(end), (contacts, responses), strict=True)
    later_contacts, later_responses = (after - before for after, before in later)
    later_responses = np.clip(later_responses, 0, later_contacts)
    if not later_contacts.sum() > 0:
        return {}
    told = {"log_loss": model.probabilities(contacts, responses), "rival_log_loss": model.rates}
    return {name: _log_loss(np.broadcast_to(likely, contacts.shape), later_contacts, later_responses)
            for name, likely in told.items()}  # fmt: skip


def _log_loss(likely: Floats, contacts: Floats, responses: Floats) -> float:
    """Of one contact."""
    loss = responses * np.log(likely) + (contacts - responses) * np.log(1 - likely)
    return -float(loss.sum() / contacts.sum())
