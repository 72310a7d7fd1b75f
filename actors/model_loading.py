"""From a version in the registry to a model that scores.

A built-in model is made of the parameters in its version. What is plugged in is code that is installed beside the
service (an entry point, an import path), or an artefact that was copied when it was registered. Code counts as it was
registered too: if it has changed since, the version is another one and must be registered as that.

Nothing here runs in a process that serves: what is plugged in is loaded by its host (`actors.model_host`), or by the
command line.
"""

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from actors.errors import Conflict, Invalid
from actors.model_artefacts import checked_path, digest_of
from models.scoring.builtin import BUILTIN
from models.scoring.contract import ScoringModel, Signature
from models.scoring.hosting import ModelFailed, told_error
from models.scoring.registry import ModelVersion, Source

ENTRY_POINTS = "onefold.models"
"""The group of entry points under which packages offer models."""

ARTEFACTS: tuple[Source, ...] = ("onnx", "sklearn", "mlflow")


def load(model: ModelVersion, models_dir: Path) -> ScoringModel:
    """The model of a version. Raises Invalid, Conflict, and ModelFailed for what code that is plugged in raises."""
    if not model.is_score:
        raise Invalid(f"model: {model.reference} scores nobody: it is asked when people are read or decided about")
    if model.source in ARTEFACTS:
        return open_artefact(model.source, checked_path(model, models_dir), model.signature)
    if model.digest and code_digest(model.source, model.target) != model.digest:
        raise Conflict("its code has changed since it was registered: register it again, as the next version")
    found = load_code(model.source, model.target, model.parameters)
    if found.signature != model.signature:
        raise Conflict("its signature has changed since it was registered: register it again, as the next version")
    return found


def load_code(source: Source, target: str, parameters: dict[str, Any]) -> ScoringModel:
    """A model that is no artefact. `parameters` are given to what makes it, if there are any. Raises Invalid
    and ModelFailed."""
    if source == "builtin":
        try:
            return BUILTIN[target](parameters)
        except KeyError:
            raise Invalid(f"builtin: expected one of {', '.join(sorted(BUILTIN))}") from None
        except ValueError as error:
            raise Invalid(f"parameters: {error}") from None
    factory = _factory(source, target)
    try:
        found: ScoringModel = factory(parameters) if parameters else factory()
    except Exception as error:
        raise ModelFailed(f"it cannot be made: {told_error(error)}") from None
    if not isinstance(getattr(found, "signature", None), Signature) or not callable(getattr(found, "score", None)):
        raise Invalid(
            f"{source}: what it makes is no scoring model: it needs a `signature` and a `score` (docs/models.md)"
        )
    return found


def code_digest(source: Source, target: str) -> str:
    """SHA-256 of the module that a model comes from and of all beside it in its package; "" for what is built in.

    Imports the packages above the module. Raises Invalid.
    """
    if source == "builtin":
        return ""
    spec = find_spec(_entry_point(source, target).module)
    if spec is None or spec.origin is None:
        raise Invalid(f"{source}: there is no such module; install it where the service runs")
    path = Path(spec.origin)
    return digest_of(path.parent if spec.name.count(".") or spec.submodule_search_locations else path)


def open_artefact(source: Source, path: Path, signature: Signature, trust: bool = True) -> ScoringModel:
    """A model of a file or a folder. Without `trust`, what would run code of its own is refused. Raises Invalid."""
    try:
        return _OPEN[source](path, signature, trust)
    except Invalid:
        raise
    except ModuleNotFoundError as error:
        raise Invalid(
            f"{source}: there is no module {error.name}; pip install 'onefold[ml]' has what the formats need"
        ) from None
    except Exception as error:
        raise ModelFailed(f"it cannot be loaded: {told_error(error)}") from None


def _open_onnx(path: Path, signature: Signature, trust: bool) -> ScoringModel:
    from actors.onnx_model import OnnxModel

    return OnnxModel(path, signature)


def _open_sklearn(path: Path, signature: Signature, trust: bool) -> ScoringModel:
    from actors.sklearn_model import SklearnModel, read_estimator

    return SklearnModel(read_estimator(path, trust), signature)


def _open_mlflow(path: Path, signature: Signature, trust: bool) -> ScoringModel:
    from actors.mlflow_model import MlflowModel

    if not trust:
        raise Invalid("mlflow: a pyfunc model runs code of its own: give --trust if you know where it comes from")
    return MlflowModel(path, signature)


# Imported when they are needed: each takes a second, and is an extra.
_OPEN: Mapping[Source, Callable[[Path, Signature, bool], ScoringModel]] = {
    "onnx": _open_onnx,
    "sklearn": _open_sklearn,
    "mlflow": _open_mlflow,
}


def _factory(source: Source, target: str) -> Callable[..., Any]:
    point = _entry_point(source, target)
    try:
        found = point.load()
    except ModuleNotFoundError as error:
        raise Invalid(f"{source}: there is no module {error.name}; install it where the service runs") from None
    except (ImportError, AttributeError):
        raise Invalid(f"{source}: {point.value} cannot be imported") from None
    except Exception as error:
        raise ModelFailed(f"its module cannot be imported: {told_error(error)}") from None
    if not callable(found):
        raise Invalid(f"{source}: expected a class or a function that makes the model")
    factory: Callable[..., Any] = found
    return factory


def _entry_point(source: Source, target: str) -> EntryPoint:
    if source == "import":
        module, _, name = target.partition(":")
        if not (module and name):
            raise Invalid("import: expected package.module:factory")
        return EntryPoint(target, target, ENTRY_POINTS)
    importlib.invalidate_caches()
    found = entry_points(group=ENTRY_POINTS, name=target)
    if not found:
        known = sorted(point.name for point in entry_points(group=ENTRY_POINTS))
        raise Invalid(f"entry_point: no installed package offers it; there are: {', '.join(known) or 'none'}")
    if len({point.value for point in found}) > 1:
        raise Invalid("entry_point: several installed packages offer it; give --import package.module:factory")
    return next(iter(found))
