"""Scores of people as of times past, made as live ones are: the same features, the same model, the same reasons.

    DIR/scores.parquet   a row a person and time: see `schema_of`
    DIR/backfill.json    what it is of

or the table `scores` of the LanceDB database in DIR. A profile of a time past is made of the events up to then alone,
so that no score knows what came later. Of people who may not be scored there is no row.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.profile.lifecycle import DEFAULT_RULES, LifecycleRules
from models.profile.state import DAY_MS
from models.scoring.contract import HIGH, LOW, RIVAL, VALUE, Refused, ScoringModel
from models.scoring.feature_age import asked_of_recent, recent, too_old
from models.scoring.features import CUSTOMER, FeatureReader, Value
from models.scoring.hosting import ModelFailed
from models.scoring.lineup import NO_SCORE
from models.scoring.registry import ModelVersion
from pipelines.people_as_of import PeopleAsOf, Person
from pipelines.table_sinks import Format, new_folder, open_sink

AS_OF, VERSION, STALE = "as_of", "version", "stale"
BACKFILL_FILE = "backfill.json"
_ROWS = 2_000  # people who are scored together, as live
_TOLD = (VALUE, LOW, HIGH, RIVAL)


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    model: str  # name@version
    as_of: list[int]  # ms
    rows: int
    scored: int  # rows with a score
    withheld: int  # people who may not be scored, at all times together


def schema_of(model: ModelVersion) -> pa.Schema:
    """customer_id, as_of, value, the ends of its interval, the rival's score, version, and why there is none.

    Scores are null where there are none; `stale` is empty where there is one."""
    score = pa.string() if model.signature.output.kind == "label" else pa.float64()
    return pa.schema(
        [(CUSTOMER, pa.string()), (AS_OF, pa.timestamp("ms", "UTC"))]
        + [(name, score) for name in _TOLD]
        + [(VERSION, pa.string()), (STALE, pa.string())]
    )


def backfill(
    version: ModelVersion,
    model: ScoringModel,
    as_of: Sequence[int],
    people_as_of: Callable[[int], PeopleAsOf],
    output: Path,
    written_as: Format = "parquet",
    rules: LifecycleRules = DEFAULT_RULES,
) -> Backfill:
    """Writes the scores as of each time, ms, to a folder that is made, for its owner only.

    `people_as_of` reads the people of a time. Raises FileExistsError if the folder is there. What a model fails to
    score has the reason instead.
    """
    rows, scored, withheld = 0, 0, 0
    times = list(dict.fromkeys(as_of))
    reader = FeatureReader(version.signature.features, rules)
    with new_folder(output):
        with closing(open_sink(written_as, output, "scores", schema_of(version))) as sink:
            for at in times:
                with closing(people_as_of(at)) as people:
                    for batch in scores(version, model, people, reader):
                        sink.write(batch)
                        rows += batch.num_rows
                        scored += batch.num_rows - batch.column(VALUE).null_count
                    withheld += people.withheld
        made = Backfill(model=version.reference, as_of=times, rows=rows, scored=scored, withheld=withheld)
        file = output / BACKFILL_FILE
        file.touch(mode=0o600)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    return made


def scores(
    version: ModelVersion, model: ScoringModel, people: PeopleAsOf, reader: FeatureReader
) -> Iterator[pa.RecordBatch]:
    """Batches of `schema_of`, of everybody of a time."""
    for page in people.pages(_ROWS):
        yield _scored(version, model, page, people.at, reader)


def _scored(
    version: ModelVersion, model: ScoringModel, page: Sequence[Person], at: int, reader: FeatureReader
) -> pa.RecordBatch:
    features = reader.batch([person.then for person in page], at)
    days = days_since_seen(page, at)
    told: dict[str, list[Value]] = {}
    reason = NO_SCORE
    try:
        told = asked_of_recent(model, features, days)
    except (ModelFailed, Refused) as error:
        reason = f"the model failed: {error}"
    nothing: list[Value] = [None] * len(page)
    why = [reason if asked else too_old(version.signature) for asked in recent(version.signature, days).tolist()]
    values = told.get(VALUE, nothing)
    columns = {
        CUSTOMER: features.column(CUSTOMER),
        AS_OF: [at] * len(page),
        **{name: _where(values, told.get(name, nothing)) for name in _TOLD},
        VERSION: [version.reference] * len(page),
        STALE: ["" if value is not None else reason for value, reason in zip(values, why, strict=True)],
    }
    return pa.RecordBatch.from_pydict(columns, schema_of(version))


def days_since_seen(page: Sequence[Person], at: int) -> NDArray[np.float64]:
    """How many days before a time, ms, each of n people was last seen by then, (n,)."""
    return np.array([(at - person.then.last_seen) / DAY_MS for person in page], np.float64)


def _where(values: Sequence[Value], column: Sequence[Value]) -> list[Value]:
    """A column where there is a score."""
    return [None if value is None else told for value, told in zip(values, column, strict=True)]
