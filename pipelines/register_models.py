"""Registration of models, on the machine of the data directory alone: they are code, or may be.

A model is loaded and tried on made-up people before it gets a number. What it says of itself then is what it is held
to.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors import affinity_file
from actors.control import ControlStore
from actors.errors import Invalid
from actors.model_artefacts import staged
from actors.model_loading import code_digest, load_code, open_artefact
from models.scoring.contract import Refused, ScoringModel, Signature
from models.scoring.drift import Distribution
from models.scoring.features import FeatureReader
from models.scoring.registry import ModelVersion, Source
from models.scoring.trial import try_model


class Learned(NamedTuple):
    """From whom a model learned: what is said of it, and how its features and scores were distributed among them."""

    told: dict[str, Any]
    distributions: Callable[[ScoringModel], dict[str, Distribution]]


NOTHING = Learned({}, lambda model: {})
"""That nothing is known of it."""


def register_code(
    control: ControlStore, source: Source, target: str, parameters: dict[str, Any], by: str, learned: Learned = NOTHING
) -> ModelVersion:
    """Registers a built-in model, an entry point or an import path. Raises Invalid, ModelFailed."""
    model = load_code(source, target, parameters)
    _try(model)
    return control.register_model(
        ModelVersion(
            name=model.signature.name,
            version=0,
            source=source,
            target=target,
            signature=model.signature,
            parameters=parameters,
            digest=code_digest(source, target),
            created_by=by,
            learned=learned.told,
            distributions=learned.distributions(model),
        )
    )


def register_artefact(
    control: ControlStore,
    models_dir: Path,
    source: Source,
    artefact: Path,
    signature: Signature,
    trust: bool,
    by: str,
    learned: Learned = NOTHING,
) -> ModelVersion:
    """Registers a file or a folder, of which a copy is kept. `trust`: it may run code. Raises Invalid,
    ModelFailed."""
    with staged(artefact, models_dir) as (copy, place):
        model = open_artefact(source, copy, signature, trust)
        _try(model)
        return control.register_model(
            ModelVersion(
                name=signature.name,
                version=0,
                source=source,
                target="",
                signature=signature,
                created_by=by,
                learned=learned.told,
                distributions=learned.distributions(model),
            ),
            place,
        )


def register_affinity(
    control: ControlStore, models_dir: Path, version: ModelVersion, learned: bytes, by: str
) -> ModelVersion:
    """Registers what was learned of products, with its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / affinity_file.FILE
        path.write_bytes(learned)
        with staged(path, models_dir) as (_, place):
            # The target stays the name of what comes with Onefold: `actors.affinity_file` knows where the file is.
            return control.register_model(
                msgspec.structs.replace(version, created_by=by),
                lambda numbered: msgspec.structs.replace(place(numbered), target=version.target),
            )


def read_signature(path: Path) -> Signature:
    """The signature in a file, TOML or JSON. Raises Invalid."""
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        return decode(path.read_bytes(), type=Signature)
    except OSError as error:
        raise Invalid(f"signature: {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise Invalid(f"signature: {path}: {error}") from None


def _try(model: ScoringModel) -> None:
    try:
        FeatureReader(model.signature.features)
    except ValueError as error:
        raise Invalid(f"features: {error}") from None
    try:
        try_model(model)
    except Refused as error:
        raise Invalid(f"the model does not keep to the contract (docs/models.md): {error}") from None
