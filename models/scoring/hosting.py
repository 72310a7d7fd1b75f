"""What models that are plugged in may use, and how long one that failed is left alone."""

import re
import traceback
from pathlib import PurePath
from typing import Annotated

import msgspec
from msgspec import Meta

_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 300.0


class ModelFailed(Exception):
    """A model has not given scores. `reason` says why, and names no person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of each host of a model."""

    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 5.0  # to score a batch of at most 2,000 people
    start_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 60.0  # to load the model
    memory_mb: Annotated[int, Meta(ge=64)] = 1024  # beside what the process has before it loads the model


def pause_s(failures: int) -> float:
    """How long a host that was lost so many times in a row is not started again: twice as long each time."""
    return min(PAUSE_S_MIN * 2.0 ** min(failures - 1, 30), PAUSE_S_MAX)


def told_error(error: BaseException) -> str:
    """The kind of an error that code of a model raised, and where; never its words, which may be about people."""
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at line {frames[-1].lineno} of {PurePath(frames[-1].filename).name}" if frames else ""
    return f"it raised {kind if _TYPE.fullmatch(kind) else 'an error'}{place}"
