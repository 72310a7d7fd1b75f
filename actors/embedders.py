"""Embedders by name: the one that ships with Onefold, one trained with `pipelines.train_embedding`, or any model of
the sentence-transformers library.

That library and torch are imported only when such a model is asked for. They take half a gigabyte of memory, so only
a process that is there for embedding (an embedder actor, an offline job) may ask; shards and ingress replicas use
`onefold-names`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.identity.embedding import MODEL_FILE, SHIPPED_MODEL, Embedder, NgramEmbedder
from models.identity.fold import fold

_BATCH = 256


class LibraryEmbedder:
    """A model of the sentence-transformers library, by its name on the hub or its directory. Code that comes with a
    model is never run. Raises ValueError if it cannot be loaded."""

    def __init__(self, name: str, local_files_only: bool = False) -> None:
        from sentence_transformers import SentenceTransformer  # imports torch: see above

        try:
            self._model: Any = SentenceTransformer(
                name, device="cpu", local_files_only=local_files_only, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"embedding model {name!r} cannot be loaded: expected {SHIPPED_MODEL!r}, a file that train_embedding "
                "wrote, or the name or directory of a sentence-transformers model"
            ) from error
        self._dimensions = int(self._model.get_embedding_dimension() or 0)
        digest = hashlib.sha256()
        for key, weights in sorted(self._model.state_dict().items()):
            digest.update(key.encode())
            digest.update(weights.float().numpy().tobytes())
        self._version = f"{Path(name).name}-{digest.hexdigest()[:8]}"

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def version(self) -> str:
        """The model's name and a digest of its weights."""
        return self._version

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, shape (n, dimensions), of unit length; all zeros for a text without letters and digits."""
        vectors = np.zeros((len(texts), self._dimensions), np.float32)
        said = [i for i, text in enumerate(texts) if fold(text)]
        if said:
            vectors[said] = self._model.encode(
                [texts[i] for i in said],
                batch_size=_BATCH,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return vectors


def load_embedder(name: str = SHIPPED_MODEL, local_files_only: bool = False) -> Embedder:
    """The embedder of this name: `onefold-names`, a file or directory that `pipelines.train_embedding` wrote, or a
    sentence-transformers model by its name or directory.

    With `local_files_only` nothing is downloaded. Raises ValueError if there is no such model.
    """
    if name == SHIPPED_MODEL:
        return NgramEmbedder.shipped()
    path = Path(name)
    for file in (path, path / MODEL_FILE):
        if file.name.endswith(".npz") and file.is_file():
            return NgramEmbedder.from_bytes(file.read_bytes())
    return LibraryEmbedder(name, local_files_only)
