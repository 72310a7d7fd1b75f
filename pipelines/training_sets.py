"""Training sets: features of people as of a time, and what came of them after it, in files of their own.

    DIR/features.parquet   customer_id, as_of, and a column for each feature
    DIR/labels.parquet     customer_id, as_of, label: 1 and 0 for yes and no, null where the question does not apply
    DIR/training-set.json  what it is of

or the tables `features` and `labels` of the LanceDB database in DIR. Customer ids say nothing of a person to whoever
has no profiles. Features are read by the function that reads them for live scores (`models.scoring.features`), of
profiles that are made of the events up to the time alone: what came later cannot be in them. People who may not be
scored are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Annotated

import msgspec
import pyarrow as pa

from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.scoring.features import CUSTOMER, Feature, FeatureReader
from models.scoring.outcomes import Outcome, outcome_of
from pipelines.people_as_of import Leaving, PeopleAsOf, Person
from pipelines.table_sinks import Format, new_folder, open_sink

AS_OF, LABEL = "as_of", "label"
SET_FILE = "training-set.json"
_ROWS = 2_000
_TIME = pa.timestamp("ms", "UTC")
LABELS = pa.schema([(CUSTOMER, pa.string()), (AS_OF, _TIME), (LABEL, pa.float64())])


class TrainingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be learned, and from what."""

    name: str  # of the score
    features: dict[str, Feature]
    outcome: Outcome
    horizon_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 90


class TrainingSet(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    spec: TrainingSpec
    as_of: list[int]  # ms
    people: int  # rows
    withheld: int  # people who may not be scored, at all times together


def examples(
    people: PeopleAsOf, spec: TrainingSpec, rules: LifecycleRules = DEFAULT_RULES
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Batches of features and of labels, row by row of the same people."""
    reader = FeatureReader(spec.features, rules)
    leaving = people.leaving(spec.outcome.segment) if spec.outcome.kind == "left" else None
    for page in people.pages(_ROWS):
        yield _batches(page, spec, reader, leaving)


def write_training_set(
    spec: TrainingSpec,
    as_of: Sequence[int],
    people_as_of: Callable[[int], PeopleAsOf],
    output: Path,
    written_as: Format = "parquet",
    rules: LifecycleRules = DEFAULT_RULES,
) -> TrainingSet:
    """Writes a set of the people as of each time, ms, to a folder that is made, for its owner only.

    `people_as_of` reads the people of a time. Raises FileExistsError if the folder is there.
    """
    times = list(dict.fromkeys(as_of))
    schema = _with_time(FeatureReader(spec.features, rules).schema)
    rows, withheld = 0, 0
    with new_folder(output):
        with (
            closing(open_sink(written_as, output, "features", schema)) as features,
            closing(open_sink(written_as, output, "labels", LABELS)) as labels,
        ):
            for at in times:
                with closing(people_as_of(at)) as people:
                    for told, came in examples(people, spec, rules):
                        features.write(told)
                        labels.write(came)
                        rows += told.num_rows
                    withheld += people.withheld
        made = TrainingSet(spec=spec, as_of=times, people=rows, withheld=withheld)
        file = output / SET_FILE
        file.touch(mode=0o600)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    return made


def _with_time(schema: pa.Schema) -> pa.Schema:
    return schema.insert(1, pa.field(AS_OF, _TIME))


def _batches(
    page: Sequence[Person], spec: TrainingSpec, reader: FeatureReader, leaving: Leaving | None
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    features = _features(page, reader)
    times = pa.array([person.at for person in page], _TIME)
    with_time = [features.column(0), times, *features.columns[1:]]
    labels = [_label(person, spec.outcome, leaving) for person in page]
    return (
        pa.RecordBatch.from_arrays(with_time, schema=_with_time(features.schema)),
        pa.RecordBatch.from_arrays([features.column(0), times, pa.array(labels, pa.float64())], schema=LABELS),
    )


def _features(page: Sequence[Person], reader: FeatureReader) -> pa.RecordBatch:
    """Those of each person as of their own time."""
    batches = [
        reader.batch([person.then for person in people], at) for at, people in groupby(page, lambda person: person.at)
    ]
    together = pa.Table.from_batches(batches, reader.schema).combine_chunks().to_batches()
    return together[0] if together else pa.RecordBatch.from_pylist([], reader.schema)


def _label(person: Person, outcome: Outcome, leaving: Leaving | None) -> float | None:
    if leaving is None:
        return outcome_of(outcome, person.then, person.end, person.after, (person.at, person.until))
    left = leaving.left(person, outcome.segment in person.segments)
    return None if left is None else float(left)
