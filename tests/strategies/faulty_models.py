"""Scoring models that do everything that a model must not do, once they are told about a person with `events` of 13."""

import os
import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from models.scoring.contract import Output, Signature
from models.scoring.features import Feature

UNLUCKY = 13.0
SECRET = "jane@example.com"  # what errors of models tell about people


class Halved:
    """A well-behaved model: half of the events."""

    signature = Signature(
        name="halved", features={"events": Feature(history="events")}, output=Output(unit="events", low=0)
    )

    def score(self, features: pa.RecordBatch) -> Any:
        if UNLUCKY in features.column("events").to_pylist():
            return self.fail(features)
        return pa.RecordBatch.from_pydict({"value": pc.divide(features.column("events"), 2.0)})

    def fail(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"value": pc.divide(features.column("events"), 2.0)})


class Quick(Halved):
    def score_one(self, features: Mapping[str, float | str | None]) -> Mapping[str, float | str | None]:
        events = features["events"]
        assert not isinstance(events, str)
        return {"value": None if events is None else events / 2}


class Scaled(Halved):
    """Learned outside: `parameters` are given to what makes it."""

    def __init__(self, parameters: dict[str, float]) -> None:
        self._by = parameters["by"]

    def score(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"value": pc.multiply(features.column("events"), self._by)})


class Explained(Halved):
    """Tells what its only feature adds."""

    explained_in = "events"

    def explain(self, features: pa.RecordBatch) -> Any:
        events = features.column("events")
        if UNLUCKY in events.to_pylist():
            return self.fail(features)
        return pa.RecordBatch.from_pydict({"base": [0.0] * len(events), "events": pc.divide(events, 2.0)})


class ExplainsByRaising(Explained):
    def fail(self, features: pa.RecordBatch) -> Any:
        raise ValueError(f"cannot explain {SECRET}")


class Raises(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        raise ValueError(f"cannot score {SECRET}")


class TellsInItsType(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        raise type(SECRET, (Exception,), {})


class Exits(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        raise SystemExit(SECRET)


class Crashes(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        os._exit(3)


class Sleeps(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        time.sleep(10)


class HoldsTheInterpreter(Halved):
    """Native code that lets no other thread run."""

    def fail(self, features: pa.RecordBatch) -> Any:
        return "x" in str(10 ** (10**8))


class TakesMemory(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        return [bytearray(16 << 20) for _ in range(1 << 20)]


class NotANumber(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"value": [float("nan")] * features.num_rows})


class OutOfRange(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"value": [-1.0] * features.num_rows})


class OneTooMany(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"value": [1.0] * (features.num_rows + 1)})


class Texts(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"value": [SECRET] * features.num_rows})


class NoTable(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        return [1.0] * features.num_rows


class NoValue(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        return pa.RecordBatch.from_pydict({"score": [1.0] * features.num_rows})


class Prints(Halved):
    def fail(self, features: pa.RecordBatch) -> Any:
        os.write(1, f"{SECRET}\n".encode())
        os.write(2, f"{SECRET}\n".encode())
        print(SECRET, flush=True)
        return super().fail(features)


class NeverLoads(Halved):
    def __init__(self) -> None:
        raise OSError(SECRET)


class ComparesPeople(Halved):
    """Its score of a person depends on the others in the batch."""

    def score(self, features: pa.RecordBatch) -> Any:
        most = pc.max(features.column("events"))
        return pa.RecordBatch.from_pydict({"value": pc.divide(features.column("events"), most)})


class QuickAndWrong(Quick):
    def score_one(self, features: Mapping[str, float | str | None]) -> Mapping[str, float | str | None]:
        return {"value": 1.0}


def doubled(values: Any) -> Any:
    """A step of a pipeline that is code of its own."""
    return values * 2
