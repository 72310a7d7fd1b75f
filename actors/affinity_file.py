"""The file of a version of `affinity`: what it has learned of products, beside the versions' other artefacts."""

from pathlib import Path

import msgspec

from actors.errors import Conflict
from actors.model_artefacts import checked_path
from models.scoring.product_affinity import ProductAffinity
from models.scoring.registry import ModelVersion

FILE = "affinity.msgpack"


def read_affinity(model: ModelVersion, models_dir: Path) -> ProductAffinity:
    """What a version has learned. Raises Conflict if its file is not what was registered, or of another release."""
    path = checked_path(msgspec.structs.replace(model, target=f"{model.name}/{model.version}/{FILE}"), models_dir)
    try:
        return ProductAffinity.decode(model.reference, path.read_bytes())
    except ValueError:
        raise Conflict("its file is not one that this release reads: train it again") from None
