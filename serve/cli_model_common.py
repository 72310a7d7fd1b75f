"""What commands about scoring models share: the registry, versions by their references, times, and errors of models."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from actors.control import ControlStore
from models.segments.times import parse_instant
from serve.cli_common import USAGE, CommandError, settings_of
from serve.settings import Settings

if TYPE_CHECKING:  # with it comes PyArrow, for which no other command should wait
    from models.scoring.registry import ModelVersion


def model_settings(data_dir: Path | None, config: Path | None) -> Settings:
    """The settings in force."""
    return settings_of(data_dir, config).settings


@contextmanager
def registry(settings: Settings) -> Iterator[ControlStore]:
    """The registry of models, closed afterwards."""
    with closing(ControlStore(settings.control_path)) as control:
        yield control


def version_of(control: ControlStore, reference: str) -> "ModelVersion":
    """The version NAME@VERSION. Raises CommandError, NotFound."""
    name, _, number = reference.partition("@")
    if not number.isdecimal():
        raise CommandError(
            "expected a version, as NAME@VERSION; `onefold models show NAME` shows a model's versions", USAGE, "usage"
        )
    return control.model_version(name, int(number))


def version_or_champion(control: ControlStore, reference: str) -> "ModelVersion":
    """The version NAME@VERSION, or of NAME alone the champion. Raises CommandError, NotFound."""
    if "@" in reference:
        return version_of(control, reference)
    champion = control.current_models().get((reference, "champion"))
    if champion is None:
        raise CommandError(
            f"{reference} has no champion: name a version, as NAME@VERSION; `onefold models list` shows what there is",
            USAGE,
            "usage",
        )
    return champion


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors of models as commands tell them."""
    from models.scoring.contract import Refused
    from models.scoring.hosting import ModelFailed

    try:
        yield
    except ModelFailed as error:
        raise CommandError(f"the model has failed: {error.reason}", code="model_failed") from None
    except Refused as error:
        raise CommandError(f"the model does not keep to the contract: {error}", code="model_failed") from None
    except ValueError as error:
        raise CommandError(str(error)) from None


def instant(option: str, text: str) -> int:
    """A time of the command line, ms."""
    found = parse_instant(text)
    if found is None:
        raise CommandError(f"{option}: expected ISO 8601, such as 2026-01-31, got {text}", USAGE, "usage")
    return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000
