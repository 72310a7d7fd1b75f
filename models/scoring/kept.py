"""Scores as they are kept: rows of a file, and what is told of them in a profile's document."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from models.scoring.contract import Output, Score
from models.scoring.features import Feature

_encode = msgspec.msgpack.Encoder().encode


class Row(NamedTuple):
    """A score as a row. `body` holds what nobody searches for: see `body_of`."""

    customer_id: int
    name: str
    model: int  # of the file's models
    at: int  # ms, as of when the features were
    until: int  # ms at which the person is to be looked at again; 0 for never
    value: float | str
    stale: str
    body: bytes


class KeptModel(msgspec.Struct, frozen=True):
    """What made a score, as the file of scores knows it by a number: enough to tell of the score without a registry."""

    reference: str  # name@version
    output: Output
    features: dict[str, Feature]
    rival: str = ""


class KeptScore(NamedTuple):
    """A person's score, and what made it."""

    name: str
    score: Score
    model: KeptModel


Body = tuple[float | str | None, float | str | None, float | str | None, list[float | str | None]]
_decode = msgspec.msgpack.Decoder(Body).decode


def body_of(
    low: float | str | None,
    high: float | str | None,
    rival: float | str | None,
    features: Sequence[float | str | None],
) -> bytes:
    """The rest of a score: its interval, its rival's score, and the features in the order of the signature."""
    return _encode((low, high, rival, features))


def rival_of(row: Row) -> float | None:
    """The rival's score of a row that is a number."""
    return _number(_decode(row.body)[2])


def kept_score(row: Row, model: KeptModel) -> KeptScore:
    """The score of a row."""
    low, high, rival, features = _decode(row.body)
    named = dict(zip(model.features, features, strict=True))
    score = Score(row.value, model.reference, row.at, _number(low), _number(high), rival, named, row.stale)
    return KeptScore(row.name, score, model)


def told(
    scores: list[KeptScore],
    time_text: Callable[[int], str],
    shows: Callable[[Feature], bool] | None = None,
    explanations: Mapping[str, msgspec.Struct] | None = None,
) -> dict[str, dict[str, Any]]:
    """The section `scores` of a document, by name. With `shows`, which says which features may be shown, also those
    that each score was made of, and an explanation if all of them may be shown: it would tell of the others too."""
    section: dict[str, dict[str, Any]] = {}
    for name, score, model in sorted(scores, key=lambda kept: kept.name):
        entry: dict[str, Any] = {"value": score.value, "unit": model.output.unit, "version": score.version}
        entry["as_of"] = time_text(score.at)
        if model.output.horizon_days:
            entry["horizon_days"] = model.output.horizon_days
        optional: Mapping[str, Any] = {"low": score.low, "high": score.high, "rival": score.rival}
        entry |= {key: value for key, value in optional.items() if value is not None}
        if score.stale:
            entry["stale"] = score.stale
        if shows is not None:
            entry["features"] = {key: score.features[key] for key, f in model.features.items() if shows(f)}
            if explanations and name in explanations and len(entry["features"]) == len(model.features):
                entry["explanation"] = msgspec.to_builtins(explanations[name])
        section[name] = entry
    return section


def _number(value: float | str | None) -> float | None:
    """An end of an interval; labels have none."""
    return None if isinstance(value, str) else value
