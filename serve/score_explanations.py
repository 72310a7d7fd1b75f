"""Explanations of scores, asked of the very versions that made them: those that come with Onefold.

What is plugged in runs in its host alone, so nothing is asked of it here.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from actors.control import ControlStore
from models.scoring.kept import KeptScore

if TYPE_CHECKING:  # with it comes PyArrow, for which no process without scores should wait
    from models.scoring.contract import Explaining
    from models.scoring.explanation import Explanation

_MODELS = 64  # versions that are kept ready


class ScoreExplanations:
    """Those of one replica."""

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._model = lru_cache(_MODELS)(self._make)

    async def of(self, scores: Sequence[KeptScore]) -> dict[str, "Explanation"]:
        """By the score's name, of those that can be explained. In a thread: the first of a model takes a moment."""
        return await asyncio.to_thread(self._explain, scores) if scores else {}

    def _explain(self, scores: Sequence[KeptScore]) -> dict[str, "Explanation"]:
        from models.scoring.explanation import explain

        models = [(kept, self._model(kept.score.version)) for kept in scores]
        found = {kept.name: explain(model, kept) for kept, model in models if model is not None}
        return {name: told for name, told in found.items() if told is not None}

    def _make(self, reference: str) -> "Explaining | None":
        from models.scoring.builtin import BUILTIN
        from models.scoring.contract import Explaining

        name, _, number = reference.partition("@")
        found = [each for each in self._control.model_versions(name) if each.version == int(number)]
        if not found or found[0].source != "builtin":  # the registry of scores that were restored may be another
            return None
        model = BUILTIN[found[0].target](found[0].parameters)
        return model if isinstance(model, Explaining) else None
