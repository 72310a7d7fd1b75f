"""Explanations of scores, asked of the very versions that made them: here of those that come with Onefold, which are
closed formulas, and of the hosts of those that are plugged in."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from actors.control import ControlStore
from models.scoring.kept import KeptScore

if TYPE_CHECKING:  # with it comes PyArrow, for which no process without scores should wait
    import pyarrow as pa

    from models.scoring.contract import Explaining
    from models.scoring.explanation import Explanation
    from models.scoring.registry import ModelVersion

_VERSIONS = 64  # that are kept ready


class Hosts(Protocol):
    """Of models that are plugged in (`actors.model_explaining.HostExplanations`)."""

    async def ask(self, model: "ModelVersion", features: "pa.RecordBatch") -> "tuple[str, pa.RecordBatch] | None": ...


class ScoreExplanations:
    """Those of one replica. Without hosts nothing that is plugged in is explained."""

    def __init__(self, control: ControlStore, hosts: Hosts | None = None) -> None:
        self._control = control
        self._hosts = hosts
        self._version = lru_cache(_VERSIONS)(self._read)
        self._builtin = lru_cache(_VERSIONS)(self._make)

    async def of(self, scores: Sequence[KeptScore]) -> dict[str, "Explanation"]:
        """By the score's name, of those that can be explained."""
        found = await asyncio.gather(*(self._explain(kept) for kept in scores))
        return {kept.name: told for kept, told in zip(scores, found, strict=True) if told is not None}

    async def _explain(self, kept: KeptScore) -> "Explanation | None":
        from models.scoring.explanation import explanation_of, question_of

        version = self._version(kept.score.version)
        if version is None:
            return None
        if version.source == "builtin":
            return await asyncio.to_thread(self._explain_here, kept)  # the first of a model takes a moment
        told = None if self._hosts is None else await self._hosts.ask(version, question_of(kept))
        return None if told is None else explanation_of(kept, *told)

    def _explain_here(self, kept: KeptScore) -> "Explanation | None":
        from models.scoring.explanation import explain

        model = self._builtin(kept.score.version)
        return None if model is None else explain(model, kept)

    def _read(self, reference: str) -> "ModelVersion | None":
        """None of what the registry does not have: it may be another than when the score was made."""
        name, _, number = reference.partition("@")
        return next((each for each in self._control.model_versions(name) if each.version == int(number)), None)

    def _make(self, reference: str) -> "Explaining | None":
        from models.scoring.builtin import BUILTIN
        from models.scoring.contract import Explaining

        version = self._version(reference)
        if version is None or version.target not in BUILTIN:
            return None
        model = BUILTIN[version.target](version.parameters)
        return model if isinstance(model, Explaining) else None
