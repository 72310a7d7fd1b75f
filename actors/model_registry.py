"""Versions of scoring models and what their aliases stand for, in the control store.

Versions, what was measured of them and moves of aliases are added and never changed, so that every score can be led
back to what made it, and every champion to who chose it and why. Whoever follows the store's `version()` notices a move
as soon as it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from actors.control_file import ControlFile
from actors.errors import Invalid, NotFound

if TYPE_CHECKING:  # with it comes PyArrow, for which no process without models should wait
    from models.scoring.registry import Alias, AliasChange, Evaluation, ModelVersion

_NO_VERSION = "model: there is no such version; `onefold models show NAME` shows those of a model"


class ModelRegistry(ControlFile):
    """The scoring models of a control store."""

    def register_model(
        self, model: ModelVersion, place: Callable[[ModelVersion], ModelVersion] | None = None
    ) -> ModelVersion:
        """Adds the next version of a model; the number in `model` is passed over. Returns it as it is kept.

        `place` puts the artefact where this number's belongs and says what came of it, within the same transaction: if
        it fails nothing is registered. Raises Invalid, and what `place` raises.
        """
        if model.name != model.signature.name:
            raise Invalid("name: expected the name of the signature")
        with self._write():
            statement = "SELECT COALESCE(MAX(version), 0) + 1 FROM model_versions WHERE name = ?"
            (number,) = self._db.execute(statement, (model.name,)).fetchone()
            model = msgspec.structs.replace(model, version=number, created_at=self._clock())
            if place is not None:
                model = place(model)
            self._db.execute(
                "INSERT INTO model_versions VALUES (?, ?, ?)", (model.name, number, msgspec.json.encode(model))
            )
        return model

    def model_versions(self, name: str = "") -> list[ModelVersion]:
        """All versions, of one model or of all, by name and number."""
        rows = self._rows("SELECT body FROM model_versions WHERE ? IN ('', name) ORDER BY name, version", name)
        return [_version(row) for row in rows]

    def model_names(self) -> set[str]:
        """Of which there is a version."""
        return {str(name) for (name,) in self._rows("SELECT DISTINCT name FROM model_versions")}

    def model_version(self, name: str, number: int) -> ModelVersion:
        """One of them. Raises NotFound."""
        row = self._row("SELECT body FROM model_versions WHERE name = ? AND version = ?", name, number)
        if row is None:
            raise NotFound(_NO_VERSION)
        return _version(row)

    def set_model_aliases(self, *changes: AliasChange) -> None:
        """Moves aliases, all or none, and keeps the moves for good. Raises NotFound."""
        with self._write():
            for change in changes:
                statement = "SELECT 1 FROM model_versions WHERE name = ? AND (version = ? OR ? = 0)"
                if not self._db.execute(statement, (change.name, change.version, change.version)).fetchone():
                    raise NotFound(_NO_VERSION)
                self._db.execute(
                    "INSERT INTO model_aliases (name, body) VALUES (?, ?)", (change.name, msgspec.json.encode(change))
                )

    def model_alias_history(self, name: str = "") -> list[AliasChange]:
        """All moves, of one model or of all, in their order."""
        from models.scoring.registry import AliasChange

        rows = self._rows("SELECT body FROM model_aliases WHERE ? IN ('', name) ORDER BY number", name)
        return [msgspec.json.decode(body, type=AliasChange) for (body,) in rows]

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Keeps what was measured of a model's versions."""
        with self._write():
            statement = "INSERT INTO model_evaluations (name, body) VALUES (?, ?)"
            self._db.execute(statement, (evaluation.name, msgspec.json.encode(evaluation)))

    def latest_evaluation(self, name: str, number: int, outcome: str = "") -> Evaluation | None:
        """What was last measured of a version, with what was measured beside it; by one `outcome` or any."""
        from models.scoring.registry import Evaluation

        for (body,) in self._rows("SELECT body FROM model_evaluations WHERE name = ? ORDER BY number DESC", name):
            found = msgspec.json.decode(body, type=Evaluation)
            if number in found.reports and outcome in ("", found.outcome):
                return found
        return None

    def champion(self, name: str) -> ModelVersion | None:
        """The version of a model that counts."""
        from models.scoring.registry import current

        number = current(self.model_alias_history(name)).get((name, "champion"), 0)
        return self.model_version(name, number) if number else None

    def current_models(self) -> dict[tuple[str, Alias], ModelVersion]:
        """(name, alias) -> what it stands for; aliases that stand for nothing are left out."""
        from models.scoring.registry import current

        standing = current(self.model_alias_history())
        return {key: self.model_version(key[0], number) for key, number in standing.items()}

    def rescore(self) -> None:
        """Has scorers score everybody again."""
        with self._write():
            statement = "INSERT INTO meta VALUES ('rescores', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            self._db.execute(statement)

    def rescores(self) -> int:
        """How often that was asked for."""
        return self.meta("rescores") or 0


def _version(row: tuple[Any]) -> ModelVersion:
    from models.scoring.registry import ModelVersion

    return msgspec.json.decode(row[0], type=ModelVersion)
