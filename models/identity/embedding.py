"""Text embeddings for matching: the interface, and the model that ships with Onefold, in NumPy alone.

The shipped model is a static character-n-gram embedding: every hashed n-gram has a learned vector, a text is the mean
of its n-grams' vectors, scaled to unit length. It was trained with sentence-transformers (`pipelines.train_embedding`)
and is the same function as the module trained there; applying it needs neither that library nor torch, so shard
actors and ingress replicas can use it.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from io import BytesIO
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.identity.ngrams import FOLDING, NgramHasher

SHIPPED_MODEL = "onefold-names"
MODEL_FILE = "onefold_names.npz"
_CHUNK_CHARS = 1 << 16  # texts are embedded in chunks: what a chunk needs stays in the processor's cache


class Embedder(Protocol):
    """What turns texts into vectors."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def version(self) -> str:
        """Names the model and its weights: vectors of two versions cannot be compared."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, shape (n, dimensions), of unit length; their dot product is the cosine similarity.

        A text that says nothing (no letters, no digits) is all zeros, and so near to none.
        """
        ...


class NgramEmbedder:
    """A static character-n-gram embedding. `weights` has a row for each bucket, shape (buckets, dimensions)."""

    def __init__(self, weights: NDArray[np.float32], version: str) -> None:
        self._weights = np.ascontiguousarray(weights, np.float32)
        self._hasher = NgramHasher(len(weights))
        self._version = version

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._weights.shape[1])

    @property
    def version(self) -> str:
        """Names the model and its weights: vectors of two versions cannot be compared."""
        return self._version

    @property
    def weights(self) -> NDArray[np.float32]:
        """The vector of each bucket, shape (buckets, dimensions)."""
        return self._weights

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, shape (n, dimensions), of unit length; all zeros for a text without letters and digits."""
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        start = size = 0
        for end, text in enumerate(texts, 1):
            size += len(text)
            if size >= _CHUNK_CHARS or end == len(texts):
                vectors[start:end] = self._embed_chunk(texts[start:end])
                start, size = end, 0
        return vectors

    def _embed_chunk(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids, offsets = self._hasher.bags(texts)
        counts = csr_array((np.ones(len(ids), np.float32), ids, offsets), shape=(len(texts), len(self._weights)))
        sums: NDArray[np.float32] = counts @ self._weights
        lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))
        np.divide(sums, lengths[:, None], out=sums, where=lengths[:, None] > 0)
        return sums

    def to_bytes(self) -> bytes:
        """The model as a file: int8 weights with a scale for each bucket. What is read back is rounded to that."""
        steps, scales = quantise(self._weights)
        about = json.dumps({"version": self._version, "folding": FOLDING})
        file = BytesIO()
        np.savez_compressed(file, steps=steps, scales=scales, about=np.array(about))
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "NgramEmbedder":
        """Reads a model. Raises ValueError if it is not one, or is of another folding of text."""
        try:
            with np.load(BytesIO(content), allow_pickle=False) as file:
                steps, scales, about = file["steps"], file["scales"], json.loads(str(file["about"]))
        except (KeyError, OSError, EOFError, ValueError) as error:
            raise ValueError(
                "the embedding model cannot be read: expected a file that train_embedding wrote"
            ) from error
        if about["folding"] != FOLDING:
            raise ValueError(
                f"the embedding model is of folding {about['folding']}, expected {FOLDING}: train it again with this "
                "version of Onefold"
            )
        return cls(dequantise(steps, scales), str(about["version"]))

    @classmethod
    def shipped(cls) -> "NgramEmbedder":
        """The model that comes with Onefold. Reads it from the package: load it once."""
        return cls.from_bytes(files("models.identity").joinpath(MODEL_FILE).read_bytes())


def quantise(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Weights in steps of a 127th of each row's largest: `(steps, scales)`, shapes (rows, columns) and (rows,)."""
    scales = (np.abs(weights).max(axis=1) / 127).astype(np.float16)
    divisors: Any = np.where(scales > 0, scales, 1).astype(np.float32)
    return np.clip(np.rint(weights / divisors[:, None]), -127, 127).astype(np.int8), scales


def dequantise(steps: NDArray[np.int8], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """The inverse of `quantise`, as far as it kept them."""
    return steps.astype(np.float32) * scales.astype(np.float32)[:, None]
