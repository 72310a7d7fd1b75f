"""Explanations of models that are plugged in, asked of the hosts that are there. Nothing is started for one."""

import asyncio
import logging
from typing import Any

import pyarrow as pa
import ray
from ray.exceptions import RayError

from actors.model_host import GRACE_S, Failure, host_name
from models.scoring.hosting import HostSettings
from models.scoring.registry import ModelVersion

log = logging.getLogger("onefold.models")


class HostExplanations:
    """Asks hosts of one namespace. Ray must have been initialised."""

    def __init__(self, settings: HostSettings, namespace: str) -> None:
        self._settings = settings
        self._namespace = namespace

    async def ask(self, model: ModelVersion, features: pa.RecordBatch) -> tuple[str, pa.RecordBatch] | None:
        """What each feature adds to scores, and the unit of that (`models.scoring.contract.Explaining`); None if the
        version has no host now, does not explain or fails."""
        limit_s = self._settings.timeout_s
        try:
            host = await asyncio.to_thread(ray.get_actor, host_name(model), self._namespace)
            answer: Any = await asyncio.wait_for(host.explain.remote(features, limit_s), limit_s + GRACE_S)
        except ValueError:  # there is no such actor
            return None
        except (TimeoutError, RayError):
            answer = Failure("its host does not answer")
        if isinstance(answer, Failure):
            fields = {"model": model.reference, "reason": answer.reason}
            log.warning("a score could not be explained", extra={"fields": fields})
            return None
        told: tuple[str, pa.RecordBatch] | None = answer
        return told
