"""Moves of models' aliases and what they ask for, the same over HTTP and from the command line."""

from collections.abc import Mapping, Sequence

import msgspec

from actors.control import ControlStore
from actors.errors import Conflict, Invalid, NotFound
from models.scoring.drift import DriftCounts, live_drift
from models.scoring.evaluation import Report
from models.scoring.gate import DEFAULT_OUTCOMES, LABELS, Gate
from models.scoring.registry import Alias, AliasChange, Evaluation, ModelVersion, current, decides, obstacles
from serve.http_model_schemas import AliasMove, ModelComparison, ModelDrift, ModelEntry, ModelReport, ModelVersionEntry
from serve.http_schemas import time_text

REASON_MAX = 500


def model_entries(control: ControlStore, name: str = "", drift: Sequence[DriftCounts] = ()) -> list[ModelEntry]:
    """All models, or one. `drift`: what scorers have counted, of each shard. Raises NotFound."""
    versions, moves = control.model_versions(name), control.model_alias_history(name)
    if name and not versions:
        raise NotFound("model: there is no such model; `onefold models list` shows them")
    standing = current(moves)
    return [
        ModelEntry(
            each,
            standing.get((each, "champion")),
            standing.get((each, "challenger")),
            [_entry(control, version, standing, drift) for version in reversed(versions) if version.name == each],
            [
                AliasMove(move.alias, move.version or None, time_text(move.at), move.by, move.reason)
                for move in reversed(moves)
                if move.name == each
            ],
        )
        for each in dict.fromkeys(version.name for version in versions)
    ]


def move_champion(
    control: ControlStore, gates: Mapping[str, Gate], model: ModelVersion, by: str, now: int, reason: str, force: bool
) -> None:
    """Makes a version the champion, if the gate lets it. Raises Conflict with what is in the way, and Invalid."""
    if force and not reason:
        raise Invalid("reason: say why a version is promoted that has not passed its gate (--reason)")
    if not force and is_champion(control, model):
        raise Conflict(f"version: {model.reference} is the champion already")
    if not force and (found := obstacles_of(control, gates, model)):
        raise Conflict(
            f"{model.reference} does not pass its gate: {'; '.join(found)}; --force with --reason (over HTTP `force`, "
            "`reason`) promotes it all the same"
        )
    changes = [_change(model.name, "champion", model.version, now, by, reason)]
    if _standing(control, model.name, "challenger") == model.version:
        changes.append(_change(model.name, "challenger", 0, now, by, "it became the champion"))
    control.set_model_aliases(*changes)


def move_challenger(control: ControlStore, model: ModelVersion, by: str, now: int, reason: str) -> None:
    """Has a version score in the shadow; one of a decision point is judged beside the champion, and chooses nothing.
    Raises Conflict, Invalid."""
    if not (model.is_score or model.is_decision):
        raise Conflict(
            f"version: {model.reference} gives nobody a score, so that none can be kept in the shadow; "
            f"`onefold models evaluate {model.reference}` compares it with the champion"
        )
    if is_champion(control, model):
        raise Conflict(f"version: {model.reference} is the champion, beside which another version can be in the shadow")
    control.set_model_aliases(_change(model.name, "challenger", model.version, now, by, reason))


def retire(control: ControlStore, name: str, number: int, by: str, now: int, reason: str) -> list[Alias]:
    """Ends what a version stands for, or with number 0 all of its model's. Returns the aliases. Raises Conflict."""
    model_entries(control, name)
    standing = current(control.model_alias_history(name))
    ended: list[Alias] = [alias for (_, alias), version in standing.items() if number in (0, version)]
    if not ended:
        told = f"{name}@{number} is neither" if number else f"no version of {name} is"
        raise Conflict(
            f"version: {told} champion {'nor' if number else 'or'} challenger, so there is nothing to retire; versions "
            "that are neither score nobody. `onefold models list` shows which is what"
        )
    control.set_model_aliases(*(_change(name, alias, 0, now, by, reason) for alias in ended))
    return ended


def retire_alias(control: ControlStore, name: str, alias: Alias, by: str, now: int, reason: str) -> None:
    """Has an alias stand for nothing. Raises NotFound, Conflict."""
    model_entries(control, name)
    if not _standing(control, name, alias):
        raise Conflict(f"alias: no version of {name} is the {alias}, so there is nothing to retire")
    control.set_model_aliases(_change(name, alias, 0, now, by, reason))


def is_champion(control: ControlStore, model: ModelVersion) -> bool:
    """Whether a version's scores count."""
    return _standing(control, model.name, "champion") == model.version


def obstacles_of(control: ControlStore, gates: Mapping[str, Gate], model: ModelVersion) -> list[str]:
    """Why a version may not become the champion, by what was last measured of it beside the champion there is, which is
    another one."""
    gate = decides(gates.get(model.name, Gate()), model.signature)
    champion = _standing(control, model.name, "champion")
    outcome = gate.outcome or DEFAULT_OUTCOMES.get(model.name, LABELS)
    # What was measured by another outcome, such as before the gate was changed, says nothing. These have their own.
    has_its_own = model.is_decision or model.is_channels
    evaluation = control.latest_evaluation(model.name, model.version, "" if has_its_own else outcome)
    if evaluation is not None and (not champion or champion in evaluation.reports):
        mine, theirs = evaluation.reports[model.version], evaluation.reports.get(champion)
        comparison = evaluation.comparison
        if comparison is not None and (comparison.version, comparison.measure) != (model.version, gate.measure):
            comparison = None
        return obstacles(gate, mine, theirs, comparison)
    if model.report is not None and not champion:
        return obstacles(gate, model.report, None)
    beside = f" beside {model.name}@{champion}" if champion else ""
    return [f"it was not measured{beside}; `onefold models evaluate {model.reference}` does that"]


def _entry(
    control: ControlStore,
    model: ModelVersion,
    standing: Mapping[tuple[str, Alias], int],
    drift: Sequence[DriftCounts],
) -> ModelVersionEntry:
    aliases = [alias for (name, alias), version in standing.items() if (name, version) == (model.name, model.version)]
    evaluation = control.latest_evaluation(model.name, model.version)
    now = live_drift(model.distributions, model.reference, drift)
    report = model.report if evaluation is None else evaluation.reports[model.version]
    return ModelVersionEntry(
        name=model.name,
        version=model.version,
        alias=aliases[0] if aliases else None,
        source=model.source,
        target=model.target,
        digest=model.digest,
        owner=model.signature.owner,
        description=model.signature.description,
        features=msgspec.to_builtins(model.signature.features),
        output=msgspec.to_builtins(model.signature.output),
        rival=model.signature.rival,
        created_at=time_text(model.created_at),
        created_by=model.created_by,
        report=None if report is None else report_entry(report),
        comparison=_comparison(evaluation, model.version),
        drift_now=None if now is None else ModelDrift(time_text(now.as_of), now.people, now.indices),
    )


def _comparison(evaluation: Evaluation | None, version: int) -> ModelComparison | None:
    told = None if evaluation is None else evaluation.comparison
    if told is None or told.version != version:
        return None
    return ModelComparison(told.champion, told.measure, told.difference, told.low, told.high, told.verdict)


def report_entry(report: Report) -> ModelReport:
    """A report as it is shown."""
    return ModelReport(report.people, report.measures, report.drift, report.drift_today, report.milliseconds)


def _standing(control: ControlStore, name: str, alias: Alias) -> int:
    return current(control.model_alias_history(name)).get((name, alias), 0)


def _change(name: str, alias: Alias, version: int, now: int, by: str, reason: str) -> AliasChange:
    if len(reason) > REASON_MAX:
        raise Invalid(f"reason: expected at most {REASON_MAX} characters")
    return AliasChange(name, alias, version, now, by, reason)
